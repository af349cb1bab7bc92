//! What a candidate's source must not contain.
//!
//! The scan works on tokens, so comments and strings are free to say anything. It is an allow
//! list where that is possible: which crates and which parts of `std` a path may begin with, which
//! macros may be called, which attributes may stand. Everything that could open a file or a
//! socket, start a thread or a process, read a clock or the environment, keep state between two
//! queries, or bring in other source is refused. The price is that some harmless code is refused
//! too (a method called `sleep`, a macro of one's own); the finding says what to do instead.
//!
//! This is the first of several fences, not the only one: see [`Sandbox`](super::Sandbox).

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::fmt;

/// What is allowed beyond the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether `unsafe` may be used.
    pub allow_unsafe: bool,
}

/// Something that is refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line, counted from 1; 0 when unknown.
    pub line: usize,
    /// What was found and why it is refused.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Sources of more bytes than this are refused.
pub const MAX_BYTES: usize = 256 << 10;

/// Brackets may be nested this deep.
const MAX_DEPTH: usize = 64;

/// Crates that a path may begin with.
const CRATES: &[&str] = &["crinoid_quant", "crinoid_graph", "crinoid_search", "crinoid_refine"];

/// Parts of the standard library that a path may go through.
const STD: &[&str] = &[
    "alloc",
    "any",
    "array",
    "borrow",
    "boxed",
    "cmp",
    "collections",
    "convert",
    "default",
    "error",
    "f32",
    "f64",
    "fmt",
    "hash",
    "hint",
    "iter",
    "marker",
    "mem",
    "num",
    "ops",
    "option",
    "prelude",
    "primitive",
    "rc",
    "result",
    "slice",
    "str",
    "string",
    "vec",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
];

/// Of `std::sync`, only what holds no changing state by itself.
const SYNC: &[&str] = &["Arc"];

/// Macros that may be called.
const MACROS: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "format",
    "matches",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// Keywords that an expression may follow, and so a negation.
const BEFORE_A_NOT: &[&str] = &["break", "if", "in", "match", "return", "while"];

/// Attributes that may stand.
const ATTRIBUTES: &[&str] = &[
    "allow",
    "cfg",
    "cold",
    "default",
    "deny",
    "derive",
    "doc",
    "expect",
    "inline",
    "must_use",
    "non_exhaustive",
    "repr",
    "target_feature",
    "test",
    "warn",
];

/// Words that are refused wherever they stand.
const WORDS: &[(&str, &str)] = &[
    ("extern", "a candidate links nothing"),
    ("static", "a candidate keeps no state between queries; use `const`"),
    ("macro_rules", "macros of your own hide what they expand to"),
    ("asm", "no inline assembly"),
    ("global_asm", "no inline assembly"),
    ("thread_local", "a candidate keeps no state between queries"),
    ("Cell", "no interior mutability: a candidate keeps no state between queries"),
    ("RefCell", "no interior mutability: a candidate keeps no state between queries"),
    ("UnsafeCell", "no interior mutability: a candidate keeps no state between queries"),
    ("OnceCell", "no interior mutability: a candidate keeps no state between queries"),
    ("OnceLock", "no interior mutability: a candidate keeps no state between queries"),
    ("LazyCell", "no interior mutability: a candidate keeps no state between queries"),
    ("LazyLock", "no interior mutability: a candidate keeps no state between queries"),
    ("Mutex", "no interior mutability: a candidate keeps no state between queries"),
    ("RwLock", "no interior mutability: a candidate keeps no state between queries"),
    ("Instant", "a candidate reads no clock"),
    ("SystemTime", "a candidate reads no clock"),
    ("CommandReranker", "a candidate starts no threads or processes"),
    ("sleep", "a candidate does not wait"),
    ("spawn", "a candidate starts no threads or processes"),
    ("include", "a candidate is one file"),
    ("include_str", "a candidate is one file"),
    ("include_bytes", "a candidate is one file"),
    ("env", "a candidate reads no environment"),
    ("option_env", "a candidate reads no environment"),
];

/// Names that may not be part of a path or of a `use`.
const PATHS: &[&str] = &[
    "fs",
    "io",
    "net",
    "os",
    "process",
    "thread",
    "time",
    "env",
    "path",
    "ffi",
    "arch",
    "backtrace",
    "panic",
    "rayon",
    "libc",
    "future",
    "task",
    "pin",
    "ptr",
];

/// Everything in `source` that is refused; empty for a source that passes.
pub fn scan(source: &str, rules: Rules) -> Vec<Finding> {
    if source.len() > MAX_BYTES {
        return vec![finding(0, format!("the source is longer than {MAX_BYTES} bytes"))];
    }
    if let Some(line) = too_deep(source) {
        return vec![finding(line, format!("brackets are nested deeper than {MAX_DEPTH}"))];
    }
    let tokens: TokenStream = match source.parse() {
        Ok(tokens) => tokens,
        Err(error) => return vec![finding(0, format!("the source is not Rust: {error}"))],
    };
    let mut scanner = Scanner { rules, findings: Vec::new() };
    scanner.stream(tokens, false);
    scanner.findings
}

fn finding(line: usize, what: impl Into<String>) -> Finding {
    Finding { line, what: what.into() }
}

/// The first line where brackets are nested too deep, counted without regard for strings and
/// comments: a bound on recursion, not a parse.
fn too_deep(source: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (number, line) in (1..).zip(source.lines()) {
        for byte in line.bytes() {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_DEPTH {
                return Some(number);
            }
        }
    }
    None
}

struct Scanner {
    rules: Rules,
    findings: Vec<Finding>,
}

impl Scanner {
    fn refuse(&mut self, token: &TokenTree, what: String) {
        self.findings.push(finding(token.span().start().line, what));
    }

    /// `using`: whether these tokens are the inside of a `use` item's braces.
    fn stream(&mut self, tokens: TokenStream, using: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut in_use = using;
        for at in 0..tokens.len() {
            let token = &tokens[at];
            match token {
                TokenTree::Ident(_) => {
                    let name = name(token);
                    if name == "use" {
                        in_use = true;
                    }
                    self.word(&tokens, at, &name, in_use);
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => in_use = using,
                TokenTree::Punct(punct) if punct.as_char() == '#' => self.attribute(&tokens, at),
                TokenTree::Group(group) => {
                    let braced = group.delimiter() == Delimiter::Brace;
                    self.stream(group.stream(), in_use && braced);
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, tokens: &[TokenTree], at: usize, word: &str, in_use: bool) {
        let token = &tokens[at];
        if at > 0 && is_punct(tokens.get(at - 1), '\'') {
            // A lifetime, such as `'static`.
            return;
        }
        if let Some((_, why)) = WORDS.iter().find(|(refused, _)| *refused == word) {
            self.refuse(token, format!("`{word}` is refused: {why}"));
        }
        if word.starts_with("Atomic") {
            self.refuse(token, format!("`{word}` is refused: no state between queries"));
        }
        if word == "unsafe" && !self.rules.allow_unsafe {
            self.refuse(token, "`unsafe` is refused".to_owned());
        }
        // `name ! (...)` is a call of `name!`; `a != b` and `if !(a)` are none.
        let called = is_punct(tokens.get(at + 1), '!')
            && matches!(tokens.get(at + 2), Some(TokenTree::Group(_)))
            && !BEFORE_A_NOT.contains(&word);
        if called && !MACROS.contains(&word) {
            self.refuse(token, format!("the macro `{word}!` is refused"));
        }
        if word == "mod" && !has_body(tokens, at) {
            self.refuse(
                token,
                "`mod` without a body is refused: a candidate is one file".to_owned(),
            );
        }
        let follows = path_joint_before(tokens, at);
        let leads = path_joint_after(tokens, at);
        let in_path = follows || leads || in_use;
        // `panic` and the like are refused as modules (`std::panic`), not as macros.
        if in_path && PATHS.contains(&word) && !is_punct(tokens.get(at + 1), '!') {
            self.refuse(token, format!("`{word}` in a path is refused"));
        }
        if matches!(word, "std" | "core" | "alloc") && !(follows && word == "alloc") {
            self.standard(tokens, at, word, in_use);
        } else if word.starts_with("crinoid_") && !CRATES.contains(&word) {
            self.refuse(token, format!("the crate `{word}` is out of reach for candidates"));
        }
        if word == "crate" && is_punct(tokens.get(at + 1), '$') {
            self.refuse(token, "`$crate` is refused".to_owned());
        }
    }

    /// `std` (or `core`, `alloc`) must be followed by `::` and an allowed module, or by a group
    /// of them; it may not be renamed or taken as a whole.
    fn standard(&mut self, tokens: &[TokenTree], at: usize, root: &str, in_use: bool) {
        let token = &tokens[at];
        if !path_joint_after(tokens, at) {
            if in_use || is_punct(tokens.get(at + 1), ':') {
                self.refuse(token, format!("`{root}` as a whole is refused: name the module"));
            }
            return;
        }
        match tokens.get(at + 3) {
            Some(next @ TokenTree::Ident(_)) => self.standard_module(tokens, at + 3, next),
            Some(TokenTree::Group(group)) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut start = true;
                for (position, part) in inner.iter().enumerate() {
                    if start {
                        self.standard_module(&inner, position, part);
                    }
                    start = is_punct(Some(part), ',');
                }
            }
            _ => self.refuse(token, format!("`{root}::*` is refused: name the module")),
        }
    }

    fn standard_module(&mut self, tokens: &[TokenTree], at: usize, part: &TokenTree) {
        let module = match part {
            TokenTree::Ident(_) => name(part),
            _ => String::new(),
        };
        if module == "sync" {
            let next = path_joint_after(tokens, at).then(|| tokens.get(at + 3)).flatten();
            let named = match next {
                Some(TokenTree::Ident(_)) => next.map(name).into_iter().collect(),
                Some(TokenTree::Group(group)) => {
                    let inner = group.stream().into_iter();
                    let words = inner.filter(|t| !is_punct(Some(t), ','));
                    words.map(|t| t.to_string()).collect::<Vec<_>>()
                }
                _ => vec!["sync".to_owned()],
            };
            if let Some(other) = named.iter().find(|word| !SYNC.contains(&word.as_str())) {
                self.refuse(part, format!("`{other}` of `std::sync` is refused (allowed: Arc)"));
            }
        } else if !STD.contains(&module.as_str()) {
            let known = STD[..STD.len() - 12].join(", ");
            self.refuse(
                part,
                format!(
                    "`{part}` of the standard library is refused (allowed: {known}, sync::Arc)"
                ),
            );
        }
    }

    fn attribute(&mut self, tokens: &[TokenTree], at: usize) {
        let inner = is_punct(tokens.get(at + 1), '!');
        let group = match tokens.get(at + 1 + usize::from(inner)) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => group,
            _ => return,
        };
        let first = group.stream().into_iter().next();
        let word = first.as_ref().map(|token| match token {
            TokenTree::Ident(_) => name(token),
            other => other.to_string(),
        });
        if !word.as_ref().is_some_and(|word| ATTRIBUTES.contains(&word.as_str())) {
            let word = word.unwrap_or_default();
            self.refuse(&tokens[at], format!("the attribute `{word}` is refused"));
        }
    }
}

/// An identifier without `r#`, which must not hide it.
fn name(token: &TokenTree) -> String {
    let text = token.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_joint(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':' && p.spacing() == Spacing::Joint)
}

fn path_joint_after(tokens: &[TokenTree], at: usize) -> bool {
    is_joint(tokens.get(at + 1)) && is_punct(tokens.get(at + 2), ':')
}

fn path_joint_before(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_joint(tokens.get(at - 2)) && is_punct(tokens.get(at - 1), ':')
}

/// Whether the `mod` at `at` is followed by a name and braces.
fn has_body(tokens: &[TokenTree], at: usize) -> bool {
    matches!(tokens.get(at + 2), Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
