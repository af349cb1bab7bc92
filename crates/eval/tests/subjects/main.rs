//! The driver against good and bad subjects, which are child processes of this test.
//!
//! There is no test harness, because the children are this executable, and a harness would write
//! to their stdout. The command line is the usual one as far as it matters: words select tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    reason = "tests, and subjects that misbehave on purpose"
)]

mod hostile;
mod running;
mod toy;

use std::process::ExitCode;

/// A named test.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, manner] = &arguments[..]
        && first == "subject"
    {
        return match toy::main(manner) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let tests = || hostile::TESTS.iter().chain(running::TESTS);
    if arguments.iter().any(|argument| argument == "--list") {
        // As cargo-nextest asks for it.
        if !arguments.iter().any(|argument| argument == "--ignored") {
            tests().for_each(|(name, _)| println!("{name}: test"));
        }
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(*word));
    let mut failed = 0;
    for (name, test) in tests().filter(|(name, _)| chosen(name)) {
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += i32::from(!passed);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}
