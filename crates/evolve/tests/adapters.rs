//! Runs the tests of the Python adapters, where there is a Python; they skip what is not installed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests report by panicking and say what they skip"
)]

use std::path::Path;
use std::process::Command;

#[test]
fn adapters_report_what_the_judge_says() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/test_adapters.py");
    let python = std::env::var("CRINOID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let Ok(output) = Command::new(&python).arg(script).output() else {
        println!("skipped: no {python}");
        return;
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    println!("{text}");
    assert!(output.status.success(), "{text}");
}
