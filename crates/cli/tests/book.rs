//! The programs of the book's chapter about the command, as a reader types them.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid::Vectors;
use crinoid_files::write_vectors;
use std::{env, ffi::OsString, fs, path::Path, process::Command};

/// What stands between ```sh and ```.
fn programs(chapter: &str) -> Vec<&str> {
    let blocks = chapter.split("```sh\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).collect()
}

fn rows(n: usize) -> Vectors {
    let row = |i: usize| [0.37, 0.11, 0.53].map(|step| ((i + 1) as f32 * step).sin());
    Vectors::from_rows((0..n).map(row)).unwrap()
}

#[test]
fn the_programs_of_the_book_run() {
    let folder = tempfile::tempdir().unwrap();
    write_vectors(&folder.path().join("x.npy"), &rows(300)).unwrap();
    write_vectors(&folder.path().join("q.npy"), &rows(5)).unwrap();
    let vectors = rows(20);
    let line = |(i, row)| format!("{{\"id\": \"d{i}\", \"embedding\": {row:?}}}\n");
    let lines: String = vectors.rows().enumerate().map(line).collect();
    fs::write(folder.path().join("docs.jsonl"), lines).unwrap();
    let line = |(i, row)| {
        let lang = ["rust", "c"][i % 2];
        format!("{{\"id\": \"d{i}\", \"vector\": {row:?}, \"lang\": \"{lang}\", \"stars\": {i}}}\n")
    };
    let lines: String = vectors.rows().enumerate().map(line).collect();
    fs::write(folder.path().join("parts.jsonl"), lines).unwrap();
    let line = |(i, row)| {
        format!(
            "{{\"id\": \"d{i}\", \"vector\": {row:?}, \"abstract\": \"search in graph {i}\"}}\n"
        )
    };
    let lines: String = vectors.rows().enumerate().map(line).collect();
    fs::write(folder.path().join("papers.jsonl"), lines).unwrap();

    let program = Path::new(env!("CARGO_BIN_EXE_crinoid")).parent().unwrap();
    let before = env::var_os("PATH").unwrap_or_default();
    let mut path = OsString::from(program);
    path.push(":");
    path.push(before);

    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/src/command.md");
    let chapter = fs::read_to_string(book).unwrap();
    let programs = programs(&chapter);
    assert!(programs.len() >= 5);
    for program in programs {
        let output = Command::new("sh")
            .args(["-e", "-c", program])
            .current_dir(folder.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}\n{err}");
    }
    for made in ["answers.npy", "back.jsonl", "curve.html", "shop", "parts-backup"] {
        assert!(folder.path().join(made).exists(), "{made}");
    }
}
