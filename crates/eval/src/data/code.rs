//! A retrieval evaluation set out of a source tree: functions are the documents, their doc
//! comments the queries, and each query has one relevant document, the function that it describes.
//!
//! Functions are found by their looks, not by parsing: a definition line, then a body by balanced
//! braces (Rust, Go, Java, JavaScript, TypeScript, C, C++) or by indentation (Python). That misses some
//! and takes a few for others, which costs a little of the set's quality and no dependency.
//! Comments are cut out of the documents, so that no query stands in its own answer.

use super::{
    DataError, Judgment, Qrels,
    beir::{Collection, Text},
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Larger files are generated or data.
const LARGEST_FILE: u64 = 1 << 20;
/// Shorter comments describe nothing.
const SHORTEST_QUERY: usize = 20;
/// Shorter functions are accessors.
const SHORTEST_BODY: usize = 60;

/// Collects functions and doc comments below `folder`, in the order of their paths; hidden folders
/// and `target`, `node_modules`, `vendor` are left out. Documents and queries are called `path:line`.
///
/// Functions without a comment are documents too: they make the search harder. A comment that
/// several functions share answers nothing and is no query.
///
/// # Errors
/// When a folder cannot be read.
pub fn collect(folder: &Path) -> Result<Collection, DataError> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    files.sort();
    let mut functions = Vec::new();
    for file in &files {
        // What is not UTF-8 is not source code that we can read.
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        let name = file.strip_prefix(folder).unwrap_or(file).display().to_string();
        let name = name.replace(char::is_whitespace, "_");
        let found = match extension(file) {
            "py" => python(&text),
            _ => braces(&text),
        };
        functions.extend(found.into_iter().map(|function| (name.clone(), function)));
    }
    let mut uses: HashMap<String, usize> = HashMap::new();
    for (_, function) in &functions {
        *uses.entry(function.comment.clone()).or_default() += 1;
    }
    let (mut documents, mut queries, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for (name, function) in functions {
        let id = format!("{name}:{}", function.line + 1);
        if function.comment.len() >= SHORTEST_QUERY && uses[&function.comment] == 1 {
            let judgment = Judgment { id: documents.len() as u32, grade: 1 };
            pairs.push((queries.len() as u32, judgment));
            let (id, title) = (id.clone(), String::new());
            queries.push(Text { id, title, text: function.comment });
        }
        documents.push(Text { id, title: String::new(), text: function.body });
    }
    let name = folder.display().to_string();
    let qrels = Qrels::new(queries.len(), pairs)
        .map_err(|(_, _, reason)| DataError::Inconsistent { name, reason: reason.to_owned() })?;
    Ok(Collection { documents, queries, qrels })
}

/// A function without its comment, and the comment's first paragraph.
struct Function {
    line: usize,
    comment: String,
    body: String,
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let io = |source| DataError::from(crinoid_files::FileError::io(folder, source));
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(io)?);
        let name = entry.file_name().to_string_lossy().into_owned();
        let skipped =
            name.starts_with('.') || matches!(name.as_str(), "target" | "node_modules" | "vendor");
        // Links are not followed: they may lead around in circles.
        if kind.is_dir() && !skipped {
            walk(&path, files)?;
        } else if kind.is_file() && is_source(&path) {
            let size = entry.metadata().map_err(io)?.len();
            if size <= LARGEST_FILE {
                files.push(path);
            }
        }
    }
    Ok(())
}

fn is_source(path: &Path) -> bool {
    const KNOWN: [&str; 11] = ["rs", "py", "go", "java", "js", "ts", "c", "h", "cc", "cpp", "hpp"];
    KNOWN.contains(&extension(path))
}

/// Functions whose bodies stand in braces.
fn braces(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    let mut comment: Vec<String> = Vec::new();
    let mut in_block = false;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        if in_block || line.starts_with("/*") {
            if !in_block {
                comment.clear();
            }
            in_block = !line.contains("*/");
            let words = line.trim_start_matches(['/', '*']).trim_end_matches(['/', '*']).trim();
            comment.push(words.to_owned());
        } else if let Some(words) = line.strip_prefix("//") {
            comment.push(words.trim_start_matches(['/', '!']).trim().to_owned());
        } else if line.starts_with("#[") || line.starts_with('@') {
            // Attributes stand between a comment and its function.
        } else if is_definition(line) {
            if let Some(end) = end_of_braces(&lines, at) {
                let body = without_comments(&lines[at..=end]);
                if body.len() >= SHORTEST_BODY {
                    functions.push(Function { line: at, comment: paragraph(&comment), body });
                }
                comment.clear();
                at = end;
            }
        } else {
            comment.clear();
        }
        at += 1;
    }
    functions
}

fn is_definition(line: &str) -> bool {
    let first = line.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let control = ["if", "for", "while", "switch", "match", "else", "catch", "return", "do", "try"];
    let keyword = ["fn ", "func ", "function "].iter().any(|word| line.contains(word));
    // C and its kin name no keyword: `type name(arguments) {`.
    let plain = line.ends_with('{') && line.contains(") ") && !line.contains([';', '=']);
    line.contains('(') && !control.contains(&first) && (keyword || plain)
}

/// The line on which the first brace that opens at or after `start` closes; none for a declaration
/// without a body or where braces do not balance.
fn end_of_braces(lines: &[&str], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, line) in lines.iter().enumerate().skip(start) {
        for character in line.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth == 1 => return Some(at),
                '}' => depth = depth.checked_sub(1)?,
                ';' if depth == 0 => return None,
                _ => {}
            }
        }
    }
    None
}

/// Functions whose bodies are indented, with docstrings.
fn python(text: &str) -> Vec<Function> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let definition = line.trim_start();
        if !definition.starts_with("def ") && !definition.starts_with("async def ") {
            continue;
        }
        let inside = |next: &&&str| next.trim().is_empty() || indent(next) > indent(line);
        // Arguments may go on over lines that are indented no deeper than the `)`.
        let head = lines[at..].iter().take(40).position(|line| line.trim_end().ends_with(':'));
        let Some(head) = head.map(|lines| at + lines + 1) else { continue };
        let end = head + lines[head..].iter().take_while(inside).count();
        let (comment, rest) = docstring(&lines[head..end]);
        let body: Vec<&str> = lines[at..head].iter().chain(rest).copied().collect();
        let body = without_comments(&body);
        if body.len() >= SHORTEST_BODY {
            functions.push(Function { line: at, comment: paragraph(&comment), body });
        }
    }
    functions
}

/// The lines of a docstring that a body begins with, and the lines after it.
fn docstring<'a, 'b>(body: &'b [&'a str]) -> (Vec<String>, &'b [&'a str]) {
    let quote = ["\"\"\"", "'''"].into_iter().find(|quote| {
        body.first()
            .is_some_and(|line| line.trim_start().trim_start_matches('r').starts_with(quote))
    });
    let Some(quote) = quote else { return (Vec::new(), body) };
    let mut words = Vec::new();
    for (at, line) in body.iter().enumerate() {
        let after = if at == 0 { line.split_once(quote).map_or("", |pair| pair.1) } else { line };
        if let Some((last, _)) = after.split_once(quote) {
            words.push(last.trim().to_owned());
            return (words, &body[at + 1..]);
        }
        words.push(after.trim().to_owned());
    }
    (Vec::new(), body)
}

/// The first paragraph, on one line, without the tags of documentation tools.
fn paragraph(comment: &[String]) -> String {
    let lines = comment.iter().skip_while(|line| line.is_empty());
    let words: Vec<&str> = lines
        .take_while(|line| !line.is_empty() && !line.starts_with(['@', '#', ':']))
        .map(String::as_str)
        .collect();
    words.join(" ")
}

/// The lines that are no comments, joined.
fn without_comments(lines: &[&str]) -> String {
    let code = |line: &&&str| {
        let line = line.trim_start();
        !line.is_empty()
            && !["//", "/*", "* ", "*/", "# "].iter().any(|mark| line.starts_with(mark))
    };
    lines.iter().filter(code).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "
/// Adds two numbers and says so in the log.
///
/// More words that nobody asks for.
#[inline]
pub fn add(a: u32, b: u32) -> u32 {
    // Not shown.
    if a > b { log(\"larger\"); }
    a + b + 0 + 0 + 0 + 0 + 0
}

fn undocumented(values: &[f32]) -> f32 {
    values.iter().map(|value| value * 2.0).sum::<f32>()
}
trait T { fn declared(&self); }
";

    const PYTHON: &str = "
def mean(values,
         start=0):
    \"\"\"The arithmetic mean of all the values.

    Raises nothing.
    \"\"\"
    # not shown
    total = sum(values) + start
    return total / max(len(values), 1)

def short(): return 1
";

    const C: &str = "
/**
 * Copies a string into freshly made memory.
 * @param text the string
 */
char *duplicate(const char *text) {
    size_t length = strlen(text) + 1;
    return memcpy(malloc(length), text, length);
}
";

    #[test]
    fn functions_and_their_comments_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("src/a.rs", RUST);
        put("b.py", PYTHON);
        put("c.c", C);
        put("target/copy.rs", RUST);
        put(".hidden/copy.rs", RUST);
        put("notes.txt", RUST);
        let set = collect(folder.path()).unwrap();
        let ids: Vec<&str> = set.documents.iter().map(|text| text.id.as_str()).collect();
        assert_eq!(ids, ["b.py:2", "c.c:6", "src/a.rs:6", "src/a.rs:12"]);
        let asked: Vec<&str> = set.queries.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(
            asked,
            [
                "The arithmetic mean of all the values.",
                "Copies a string into freshly made memory.",
                "Adds two numbers and says so in the log.",
            ]
        );
        for query in 0..3 {
            assert_eq!(set.qrels.of(query), [Judgment { id: query as u32, grade: 1 }]);
            assert!(!set.documents[query].text.contains(&set.queries[query].text));
        }
        assert!(!set.documents.iter().any(|text| text.text.contains("ot shown")));
        assert!(set.documents[2].text.ends_with('}'));
        assert!(set.names().is_ok());
    }

    #[test]
    fn a_comment_that_two_functions_share_is_no_query() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.rs"), RUST).unwrap();
        std::fs::write(folder.path().join("b.rs"), RUST).unwrap();
        let set = collect(folder.path()).unwrap();
        assert_eq!((set.documents.len(), set.queries.len()), (4, 0));
    }

    #[test]
    fn odd_sources_do_no_harm() {
        for text in
            ["fn (", "fn a() {", "fn a() }}}{", "/*", "def f(:", "def f():\n  \"\"\"open", "}"]
        {
            assert!(braces(text).is_empty());
            assert!(python(text).is_empty());
        }
        assert!(matches!(
            collect(Path::new("/nonexistent")),
            Err(DataError::File(crinoid_files::FileError::Io { .. }))
        ));
    }
}
