//! Line differences between two candidates, for `evolve db diff`.

use std::fmt::Write as _;

/// The lines of `old` and `new` in one text: common lines behind two spaces, removed ones behind
/// `- `, added ones behind `+ `. Longest common subsequence; quadratic in the number of lines
/// between the common beginning and the common end.
pub fn lines(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b);
    let tail = tail.count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);

    // common[i][j]: length of the longest common subsequence of a[i..] and b[j..].
    let width = b.len() + 1;
    let mut common = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }

    let mut text = String::new();
    let mut put = |mark: &str, line: &str| {
        let _ = writeln!(text, "{mark} {line}");
    };
    old[..head].iter().for_each(|line| put(" ", line));
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            put(" ", a[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            put("-", a[i]);
            i += 1;
        } else {
            put("+", b[j]);
            j += 1;
        }
    }
    old[old.len() - tail..].iter().for_each(|line| put(" ", line));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn side(diff: &str, marks: [char; 2]) -> String {
        let kept = diff.lines().filter(|line| marks.contains(&line.chars().next().unwrap()));
        kept.map(|line| format!("{}\n", &line[2..])).collect()
    }

    #[test]
    fn shows_what_changed() {
        assert_eq!(lines("a\nb\nc\n", "a\nx\nc\nd\n"), "  a\n- b\n+ x\n  c\n+ d\n");
        assert_eq!(lines("", ""), "");
    }

    proptest! {
        #[test]
        fn both_sides_can_be_read_back(old in "([abc]\n){0,9}", new in "([abc]\n){0,9}") {
            let diff = lines(&old, &new);
            prop_assert_eq!(side(&diff, [' ', '-']), old);
            prop_assert_eq!(side(&diff, [' ', '+']), new);
        }
    }
}
