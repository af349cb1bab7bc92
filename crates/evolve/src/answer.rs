//! Reading a proposer's answer: three sections, the last with one block of Rust (Table 1).

use std::fmt;

/// The sections of an answer, in their order.
pub(crate) const SECTIONS: [&str; 3] = ["Performance Analysis", "Algorithm Design", "Code"];

/// A well-formed answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was learnt from the earlier implementations.
    pub analysis: String,
    /// The strategy, in numbered points.
    pub design: String,
    /// The Rust source file.
    pub code: String,
}

/// One thing that is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A section is not there.
    Missing(&'static str),
    /// A section is there more than once.
    Repeated(&'static str),
    /// A section has no text.
    Empty(&'static str),
    /// The sections are there, in another order.
    Order,
    /// The design has no numbered point.
    Unnumbered,
    /// The code section holds this many fenced blocks instead of one.
    Blocks(usize),
    /// A fenced block does not end: the answer was probably cut off.
    Unclosed,
    /// The block is marked as another language.
    Language(String),
    /// The answer is longer than this many bytes.
    Long(usize),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the section `## {name}` is missing"),
            Self::Repeated(name) => write!(f, "the section `## {name}` appears more than once"),
            Self::Empty(name) => write!(f, "the section `## {name}` is empty"),
            Self::Order => write!(
                f,
                "the sections must come in the order `## {}`, `## {}`, `## {}`",
                SECTIONS[0], SECTIONS[1], SECTIONS[2]
            ),
            Self::Unnumbered => f.write_str("`## Algorithm Design` has no numbered point (`1. `)"),
            Self::Blocks(count) => {
                write!(f, "`## Code` must hold exactly one ```rust block, not {count}")
            }
            Self::Unclosed => f.write_str("a code block is not closed (was the answer cut off?)"),
            Self::Language(name) => write!(f, "the code block is marked `{name}`, not `rust`"),
            Self::Long(limit) => write!(f, "the answer is longer than {limit} bytes"),
        }
    }
}

/// An answer that cannot be used, with everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|problem| format!("- {problem}\n")).collect::<String>())]
pub struct Malformed(pub Vec<Problem>);

/// Answers of more bytes than this are refused unread.
pub const LIMIT: usize = 1 << 20;

/// Reads an answer.
///
/// Strict: each section exactly once, in order, none empty, headers of exactly two hashes (a
/// colon behind the name is allowed, and text before the first header is ignored), one closed
/// fence marked `rust` in the code section. Hashes inside a fence are no headers.
///
/// # Errors
/// [`Malformed`] lists every problem, to be told back to the proposer.
pub fn parse(text: &str) -> Result<Answer, Malformed> {
    if text.len() > LIMIT {
        return Err(Malformed(vec![Problem::Long(LIMIT)]));
    }
    let mut problems = Vec::new();
    let mut found: Vec<(&'static str, Vec<&str>)> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let bare = line.trim();
        match fence {
            // A block is closed by at least as many ticks as opened it, and nothing else.
            Some(open) if bare.starts_with(open) && bare.trim_start_matches('`').is_empty() => {
                fence = None;
            }
            Some(_) => {}
            None if bare.starts_with("```") => {
                fence = Some(&bare[..bare.len() - bare.trim_start_matches('`').len()]);
            }
            None => {
                if let Some(name) = header(line) {
                    found.push((name, Vec::new()));
                    continue;
                }
            }
        }
        if let Some((_, lines)) = found.last_mut() {
            lines.push(line);
        }
    }
    if fence.is_some() {
        problems.push(Problem::Unclosed);
    }
    for name in SECTIONS {
        let bodies: Vec<_> = found.iter().filter(|section| section.0 == name).collect();
        match bodies.as_slice() {
            [] => problems.push(Problem::Missing(name)),
            [(_, lines)] if lines.iter().all(|line| line.trim().is_empty()) => {
                problems.push(Problem::Empty(name));
            }
            [_] => {}
            _ => problems.push(Problem::Repeated(name)),
        }
    }
    if problems.is_empty() && found.iter().map(|section| section.0).ne(SECTIONS) {
        problems.push(Problem::Order);
    }
    if !problems.is_empty() {
        return Err(Malformed(problems));
    }
    let body = |at: usize| found[at].1.join("\n").trim().to_owned();
    let design = body(1);
    if !design.lines().any(numbered) {
        problems.push(Problem::Unnumbered);
    }
    let code = block(&found[2].1, &mut problems);
    if problems.is_empty() {
        Ok(Answer { analysis: body(0), design, code })
    } else {
        Err(Malformed(problems))
    }
}

fn header(line: &str) -> Option<&'static str> {
    let name = line.strip_prefix("## ")?.trim();
    let name = name.strip_suffix(':').unwrap_or(name);
    SECTIONS.into_iter().find(|known| *known == name)
}

fn numbered(line: &str) -> bool {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.len() && (rest.starts_with(". ") || rest.starts_with(") "))
}

/// The one fenced block among `lines`, which are known to close every fence.
fn block(lines: &[&str], problems: &mut Vec<Problem>) -> String {
    let mut blocks: Vec<(String, Vec<&str>)> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in lines {
        let bare = line.trim();
        match fence {
            Some(open) if bare.starts_with(open) && bare.trim_start_matches('`').is_empty() => {
                fence = None;
            }
            Some(_) => {
                if let Some((_, code)) = blocks.last_mut() {
                    code.push(line);
                }
            }
            None if bare.starts_with("```") => {
                let name = bare.trim_start_matches('`');
                fence = Some(&bare[..bare.len() - name.len()]);
                blocks.push((name.trim().to_owned(), Vec::new()));
            }
            None => {}
        }
    }
    match blocks.as_slice() {
        [(name, code)] => {
            if name != "rust" {
                problems.push(Problem::Language(name.clone()));
            } else if code.iter().all(|line| line.trim().is_empty()) {
                problems.push(Problem::Empty(SECTIONS[2]));
            }
            code.iter().map(|line| format!("{line}\n")).collect()
        }
        _ => {
            problems.push(Problem::Blocks(blocks.len()));
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "Sure.\n## Performance Analysis\nThe first is faster.\n\n\
        ## Algorithm Design:\n1. Prefetch two rows ahead.\n2. Less of everything.\n\n\
        ## Code\n```rust\n//! ## Code\nfn f() {}\n```\n";

    fn problems(text: &str) -> Vec<Problem> {
        parse(text).unwrap_err().0
    }

    #[test]
    fn a_good_answer() {
        let answer = parse(GOOD).unwrap();
        assert_eq!(answer.analysis, "The first is faster.");
        assert!(answer.design.starts_with("1. Prefetch"));
        assert_eq!(answer.code, "//! ## Code\nfn f() {}\n");
        assert_eq!(parse(&GOOD.replace('\n', "\r\n")).unwrap().code, answer.code);
    }

    #[test]
    fn what_is_missing_is_named() {
        let [analysis, design, code] = SECTIONS;
        assert_eq!(
            problems("fn f() {}"),
            [Problem::Missing(analysis), Problem::Missing(design), Problem::Missing(code)]
        );
        assert_eq!(problems(&GOOD.replace("## Perf", "# Perf")), [Problem::Missing(analysis)]);
        assert_eq!(problems(&GOOD.replace("## Perf", "### Perf")), [Problem::Missing(analysis)]);
        assert_eq!(problems(&format!("{GOOD}\n## Code\nx")), [Problem::Repeated(code)]);
        assert_eq!(problems(&GOOD.replace("The first is faster.", "")), [Problem::Empty(analysis)]);
        assert_eq!(
            problems(&GOOD.replace("1. P", "P").replace("2. L", "L")),
            [Problem::Unnumbered]
        );
        assert_eq!(problems(GOOD.trim_end().trim_end_matches('`')), [Problem::Unclosed]);
        assert_eq!(problems(&GOOD.replace("```rust", "```cpp")), [Problem::Language("cpp".into())]);
        assert_eq!(problems(&GOOD.replace("```", "")), [Problem::Blocks(0)]);
        assert_eq!(problems(&format!("{GOOD}```rust\n```\n")), [Problem::Blocks(2)]);
        assert_eq!(
            problems(&GOOD.replace("fn f() {}", "").replace("//! ## Code", "")),
            [Problem::Empty(code)]
        );
        assert_eq!(problems(&"x".repeat(LIMIT + 1)), [Problem::Long(LIMIT)]);
        let swapped = GOOD
            .replace("## Performance Analysis", "## X")
            .replace("## Algorithm Design:", "## Performance Analysis")
            .replace("## X", "## Algorithm Design\n1. x");
        assert_eq!(problems(&swapped), [Problem::Order]);
        assert!(parse("").unwrap_err().to_string().contains("`## Code` is missing"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "([ `#\n1.a]|## Code\n|```rust\n|## Algorithm Design\n){0,60}") {
            let _ = parse(&text);
        }
    }
}
