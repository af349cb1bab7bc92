//! A file that names some rows of an index: which of them may be answered.

use crate::{FileError, Format, Names, read_ids, text::Lines};
use std::path::Path;

/// Which of `rows` rows the file at `path` names: row numbers (npy, ivecs, ibin), or text with an id a line, where
/// `names` says what rows are called, else by their numbers. Empty lines are nothing.
///
/// # Errors
/// A file that cannot be read, an id that no row has, no id at all.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("crinoid-listed-{}.txt", std::process::id()));
/// std::fs::write(&path, "2\n0\n")?;
/// assert_eq!(crinoid_files::listed(&path, 4, None)?, [true, false, true, false]);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn listed(path: &Path, rows: usize, names: Option<&Names>) -> Result<Vec<bool>, FileError> {
    let mut named = vec![false; rows];
    if matches!(Format::by_extension(path), Some(Format::Npy | Format::Ivecs | Format::Ibin)) {
        let ids = read_ids(path, None)?;
        for (at, &row) in ids.values.iter().enumerate() {
            let Some(place) = named.get_mut(row as usize) else {
                let reason = format!("and the index has {rows} rows, from 0 on: leave it out");
                return Err(FileError::row(path, (at / ids.dim) as u64, "id", row, reason));
            };
            *place = true;
        }
    } else {
        let mut lines = Lines::open(path)?;
        while let Some((number, line)) = lines.next_line()? {
            if line.trim().is_empty() {
                continue;
            }
            let by = |id: &str| match names {
                Some(names) => names.row_of(id),
                None => id.parse().ok().filter(|&row: &u32| (row as usize) < rows),
            };
            // Blanks around an id are nothing, unless they belong to it.
            let row = by(line).or_else(|| by(line.trim()));
            let Some(place) = row.and_then(|row| named.get_mut(row as usize)) else {
                let id = format!("`{}`", line.trim());
                return Err(FileError::line(path, number, "id", id, stranger(rows, names)));
            };
            *place = true;
        }
    }
    match named.contains(&true) {
        true => Ok(named),
        false => {
            let reason = "so nothing would be found: write one a line";
            Err(FileError::field(path, "number of ids", 0, reason))
        }
    }
}

/// What to do about an id that no row has.
fn stranger(rows: usize, names: Option<&Names>) -> String {
    let called = |row: usize| match names.map(Names::ids) {
        Some(ids) => ids.text(row).unwrap_or_default(),
        None => row.to_string(),
    };
    match rows.checked_sub(1) {
        Some(last) => format!(
            "which no row of the index has (the first is {}, the last {}): leave the line out",
            called(0),
            called(last)
        ),
        None => "and the index is empty".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ids;

    fn read(
        name: &str,
        bytes: &[u8],
        rows: usize,
        names: Option<&Names>,
    ) -> Result<Vec<u32>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let named = listed(&path, rows, names).map_err(|error| error.to_string())?;
        assert_eq!(named.len(), rows);
        Ok((0..).zip(named).filter(|(_, named)| *named).map(|(row, _)| row).collect())
    }

    #[test]
    fn rows_are_named_by_number_or_by_name() {
        assert_eq!(read("a.txt", b"\xef\xbb\xbf3\r\n\n 0 \n3", 4, None).unwrap(), [0, 3]);
        let ivecs: Vec<u8> = [2u32, 1, 2].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(read("a.ivecs", &ivecs, 4, None).unwrap(), [1, 2]);
        let texts = Ids::Texts(vec!["a".into(), " a".into(), "b c".into()]);
        let texts = Names::new(texts).unwrap();
        assert_eq!(read("a.txt", b" a\n b c\n", 3, Some(&texts)).unwrap(), [1, 2]);
        let numbers = Names::new(Ids::Numbers(vec![7, u64::MAX])).unwrap();
        assert_eq!(read("a.txt", b"18446744073709551615", 2, Some(&numbers)).unwrap(), [1]);
    }

    #[test]
    fn strangers_are_refused_with_their_place() {
        let texts = Names::new(Ids::Texts(vec!["a".into(), "b".into()])).unwrap();
        for (bytes, rows, names, says) in [
            (&b"1\n4\n"[..], 4, None, "a.txt: line 2: id is `4`, which no row of the index has"),
            (b"-1", 4, None, "(the first is 0, the last 3): leave the line out"),
            (b"4294967296", 4, None, "line 1"),
            (b"0", 2, Some(&texts), "(the first is a, the last b)"),
            (b"0", 0, None, "the index is empty"),
            (b"\n \n", 4, None, "number of ids is 0"),
            (b"\xff", 4, None, "not UTF-8"),
        ] {
            let said = read("a.txt", bytes, rows, names).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        let ivecs: Vec<u8> = [1u32, 9].iter().flat_map(|word| word.to_le_bytes()).collect();
        let said = read("a.ivecs", &ivecs, 4, None).unwrap_err();
        assert!(said.contains("row 0: id is 9, and the index has 4 rows"), "{said}");
    }
}
