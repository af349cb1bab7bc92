//! Commands as a user runs them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    let output = xtask(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn a_reader_who_leaves_early_is_no_error() {
    let mut child =
        xtask(&["data", "list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn no_answers_are_refused_before_anything_is_measured() {
    for command in [["ab", "--module=graph", "--k=0"], ["compare", "--peer=none", "--k=0"]] {
        let output = xtask(&command).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains("at least 1 answer"), "{words}");
    }
}

#[test]
fn a_fault_of_the_laboratory_is_no_reward() {
    let output =
        xtask(&["reward", "--candidate", "/nowhere/at/all.rs", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["laboratory"].is_string() && said.get("reward").is_none(), "{said}");
}

#[test]
fn a_source_tree_becomes_a_retrieval_set_that_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let source = "/// Adds two numbers, and says so in the log.\n\
        pub fn add(a: u32, b: u32) -> u32 {\n    log(\"adding two numbers\");\n    a + b + 0 + 0 + 0 + 0\n}\n\n\
        /// Multiplies two numbers without saying anything.\n\
        pub fn multiply(a: u64, b: u64) -> u64 {\n    a * b * 1 * 1 * 1 * 1 * 1 * 1 * 1 * 1\n}\n";
    std::fs::create_dir(path("tree")).unwrap();
    std::fs::write(path("tree/a.rs"), source).unwrap();
    let (tree, out) = (path("tree"), path("out"));
    // An embedder in one line: the length of a text, and a constant.
    let embed = "while read -r line; do echo \"[${#line}, 1, 2]\"; done";
    run(&["data", "make", "code", "--from", &tree, "--embed", embed, "--out", &out]);
    let inspected = run(&["data", "inspect", &out, "--json"]).stdout;
    let inspected: serde_json::Value = serde_json::from_slice(&inspected).unwrap();
    assert_eq!((&inspected["rows"], &inspected["queries"]), (&2.into(), &2.into()));
    assert!(inspected["shape"]["largest"].as_f64().unwrap() >= 1.0, "{inspected}");
    assert!(inspected["default_build"]["Ok"]["candidates"][0]["recipe"].is_string(), "{inspected}");

    // Both queries are answered with document 0, then document 1.
    let answers: Vec<u8> = [2u32, 2, 0, 1, 0, 1].into_iter().flat_map(u32::to_le_bytes).collect();
    std::fs::write(path("answers.ibin"), answers).unwrap();
    let (given, trec) = (path("answers.ibin"), path("trec"));
    let by_row = run(&["data", "score", "--beir", &out, "--answers", &given, "--trec", &trec]);
    let shown = String::from_utf8(by_row.stdout).unwrap();
    assert!(shown.contains("MRR@10   0.7500") && shown.contains("nDCG@10  0.8155"), "{shown}");
    // The run that was written says the same.
    let given = path("trec/run.trec");
    let by_run = run(&["data", "score", "--beir", &out, "--run", &given]);
    assert!(shown.starts_with(&String::from_utf8(by_run.stdout).unwrap()));
    assert!(Path::new(&path("trec/qrels.trec")).is_file());

    let failed = xtask(&["data", "make", "code", "--from", &tree, "--model", &tree, "--out", &out]);
    let failed = { failed }.output().unwrap();
    assert!(String::from_utf8_lossy(&failed.stderr).contains("no config.json in it"));
}
