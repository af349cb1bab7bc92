//! A tree of sources and texts, cut into pieces that a small model can read.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longer pieces are cut: about as much as a small model reads.
const LONGEST: usize = 30;

/// The files that are read, by extension.
pub(crate) const KNOWN: [&str; 17] = [
    "rs", "py", "go", "java", "js", "ts", "c", "h", "cc", "cpp", "hpp", "md", "txt", "rst", "toml",
    "yml", "sh",
];

/// A function or another piece of a file.
#[derive(PartialEq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    /// Below the folder.
    pub(crate) file: PathBuf,
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Every piece of every known file, in the order of paths. Hidden folders and `target` are left out.
pub(crate) fn collect(folder: &Path) -> anyhow::Result<Vec<Chunk>> {
    let mut chunks = Vec::new();
    walk(folder, Path::new(""), &mut chunks)?;
    Ok(chunks)
}

fn walk(root: &Path, below: &Path, chunks: &mut Vec<Chunk>) -> anyhow::Result<()> {
    let folder = root.join(below);
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.with_context(|| folder.display().to_string())?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let path = below.join(&name);
        let hidden = name.to_string_lossy().starts_with('.');
        let known = path.extension().is_some_and(|e| KNOWN.iter().any(|known| e == *known));
        if kind.is_dir() && !hidden && name != "target" {
            walk(root, &path, chunks)?;
        } else if kind.is_file() && known {
            // What is not UTF-8 is no text that can be read.
            if let Ok(text) = fs::read_to_string(root.join(&path)) {
                split(&path, &text, chunks);
            }
        }
    }
    Ok(())
}

/// A piece begins where something begins at the left margin after a blank line: a function with its
/// comment, a section.
fn split(file: &Path, text: &str, chunks: &mut Vec<Chunk>) {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |at: &usize| {
        let margin = lines[*at].starts_with(|c: char| !c.is_whitespace() && c != '}');
        margin && at.checked_sub(1).is_none_or(|before| lines[before].trim().is_empty())
    };
    let mut starts: Vec<usize> = (0..lines.len()).filter(begins).collect();
    starts.push(lines.len());
    for piece in starts.windows(2) {
        for start in (piece[0]..piece[1]).step_by(LONGEST) {
            let text = lines[start..piece[1].min(start + LONGEST)].join("\n");
            // Shorter ones say nothing by themselves.
            if text.len() >= 40 {
                chunks.push(Chunk { file: file.to_owned(), line: start + 1, text });
            }
        }
    }
}

/// The first line that is no comment or attribute.
pub(crate) fn headline(text: &str) -> &str {
    let code = |line: &&str| !["//", "#", "/*", "*"].iter().any(|mark| line.starts_with(mark));
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.clone().find(code).or(lines.next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_begin_at_the_margin_after_a_blank_line() {
        let body = "    let a = 1;\n".repeat(40);
        let text = format!(
            "//! What this file is for, in one line.\n\n/// Adds.\nfn add() {{\n{body}}}\n\nx\n"
        );
        let mut chunks = Vec::new();
        split(Path::new("a.rs"), &text, &mut chunks);
        assert_eq!(chunks.iter().map(|chunk| chunk.line).collect::<Vec<_>>(), [1, 3, 33]);
        assert_eq!(headline(&chunks[1].text), "fn add() {");
        assert_eq!(headline(&chunks[0].text), "//! What this file is for, in one line.");
    }

    #[test]
    fn hidden_folders_builds_and_strange_files_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let long = "a line that is long enough to say something by itself\n";
        for file in ["b.rs", "a/deep.md", ".git/c.rs", "target/d.rs", "e.bin", "f.rs"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, long).unwrap();
        }
        fs::write(root.path().join("f.rs"), b"\xff\xfe").unwrap();
        let files: Vec<_> = collect(root.path()).unwrap().into_iter().map(|c| c.file).collect();
        assert_eq!(files, [PathBuf::from("a/deep.md"), PathBuf::from("b.rs")]);
    }
}
