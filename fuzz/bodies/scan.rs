//! Source that a candidate hands in, and answers of a proposer.

use super::script::Script;
use crinoid_evolve::{
    answer,
    candidate::scan::{MAX_BYTES, Rules, scan},
};

/// Words that must be found, whatever stands around them.
const REFUSED: [&str; 20] = [
    "unsafe",
    "extern",
    "static",
    "asm",
    "thread_local",
    "RefCell",
    "Mutex",
    "OnceLock",
    "Instant",
    "sleep",
    "spawn",
    "include_str",
    "env",
    "AtomicU32",
    "std::fs",
    "std::process::exit",
    "std::{net, mem}",
    "crinoid_pipeline",
    "use std as s",
    "println!()",
];

/// Words that may stand.
const ALLOWED: [&str; 30] = [
    "fn f",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ";",
    ",",
    "::",
    ":",
    "!",
    "#",
    "<",
    ">",
    "use",
    "std::mem",
    "core::f32",
    "self",
    "crate",
    "r#",
    "$",
    "mod m",
    "&",
    "=",
    "x",
    "1",
    "vec![0]",
    "\"s\"",
    "/* c */",
];

/// A text of words and characters, whether a refused word is among them, and whether a quote or a comment
/// may hide it.
fn text(script: &mut Script<'_>) -> (String, bool, bool) {
    let (mut text, mut refused, mut hidden) = (String::new(), false, false);
    while !script.is_over() {
        let byte = script.byte();
        let word = usize::from(byte);
        if let Some(word) = REFUSED.get(word) {
            refused = true;
            text.push_str(word);
        } else if let Some(word) = ALLOWED.get(word.wrapping_sub(REFUSED.len())) {
            text.push_str(word);
        } else {
            // Quotes, comments, lifetimes and characters that may belong to a longer word.
            hidden = true;
            text.push(char::from(byte));
            continue;
        }
        text.push(' ');
    }
    (text, refused, hidden)
}

/// A scan ends, says something about what it refuses, and finds what is refused.
pub fn run(data: &[u8]) -> bool {
    let raw = String::from_utf8_lossy(data);
    let (words, refused, hidden) = text(&mut Script(data));
    for source in [&*raw, &words] {
        let findings = scan(source, Rules::default());
        let lines = source.lines().count();
        assert!(
            findings.iter().all(|finding| !finding.what.is_empty() && finding.line <= lines + 1)
        );
        // More is allowed with `unsafe`, never less.
        let with_unsafe = scan(source, Rules { allow_unsafe: true });
        assert!(with_unsafe.len() <= findings.len());
        if let Ok(answer) = answer::parse(source) {
            let code = scan(&answer.code, Rules::default());
            assert!(code.iter().all(|finding| !finding.what.is_empty()));
        }
    }
    let passes = scan(&words, Rules::default()).is_empty();
    assert!(!passes || hidden || !refused || words.len() > MAX_BYTES, "let through: {words}");
    let asked = format!(
        "## Performance Analysis\na\n## Algorithm Design\n1. b\n## Code\n```rust\n{words}\n```\n"
    );
    if let Ok(answer) = answer::parse(&asked) {
        assert_eq!(answer.code.trim(), words.replace("\r\n", "\n").trim());
    }
    passes
}
