//! The command line over the laboratory: `cargo xtask COMMAND`.
//!
//! One file per command. A command parses its arguments, calls [`crinoid_eval`] and prints; what
//! it decides is decided there. `bench.rs` holds what measuring commands share.
#![forbid(unsafe_code)]

#[macro_use]
mod out;

mod ab;
mod against;
mod bar;
mod bench;
mod check;
mod codes;
mod compare;
mod data;
mod evolve;
mod fuzz;
mod graph;
mod index;
mod load;
mod new_version;
mod profile;
mod progress;
mod report;
mod results;
mod sanitize;
mod self_test;
mod soak;
mod subject;
mod sweep;
mod tables;
mod versions;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Crinoid's laboratory: measure, compare, gate, inspect.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Ab(ab::Args),
    Codes(codes::Args),
    Compare(Box<compare::Args>),
    Data(data::Args),
    Evolve(evolve::Args),
    Fuzz(fuzz::Args),
    Graph(graph::Args),
    Index(index::Args),
    #[command(hide = true)]
    MemoryLoad(load::Args),
    NewVersion(new_version::Args),
    Profile(profile::Args),
    Progress(progress::Args),
    Report(report::Args),
    Results(results::Args),
    Subject(subject::Args),
    Reward(evolve::RewardArgs),
    Sanitize(sanitize::Args),
    Soak(soak::Args),
    Sweep(sweep::Args),
    #[command(hide = true)]
    Timer(progress::TimerArgs),
    Versions(versions::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Ab(args) => args.run(),
        Command::Codes(args) => args.run(),
        Command::Compare(args) => args.run(),
        Command::Data(args) => args.run(),
        Command::Evolve(args) => args.run(),
        Command::Index(args) => args.run(),
        Command::MemoryLoad(args) => args.run(),
        Command::NewVersion(args) => args.run(),
        Command::Profile(args) => args.run(),
        Command::Progress(args) => args.run(),
        Command::Subject(args) => args.run(),
        Command::Fuzz(args) => args.run(),
        Command::Graph(args) => args.run(),
        Command::Report(args) => args.run(),
        Command::Results(args) => args.run(),
        Command::Reward(args) => args.run(),
        Command::Sanitize(args) => args.run(),
        Command::Soak(args) => args.run(),
        Command::Sweep(args) => args.run(),
        Command::Timer(args) => args.run(),
        Command::Versions(args) => args.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", out::chain(&error));
        // The same code as the gate's verdict "broken": nothing was measured.
        ExitCode::from(3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command lines that a document shows, without what a shell would do to them.
    fn lines(document: &str) -> impl Iterator<Item = Vec<String>> {
        let shown = document.lines().filter_map(|line| line.trim().strip_prefix("cargo xtask "));
        shown.map(|line| {
            let line = line.split(" # ").next().unwrap_or(line).trim_end_matches("\\").trim();
            // Quotes keep words together.
            let parts = line.split('\'').enumerate();
            let mut words = vec![String::new()];
            for (place, part) in parts {
                match place % 2 {
                    1 => words.last_mut().unwrap().push_str(part),
                    _ => {
                        let mut pieces = part.split(' ');
                        words.last_mut().unwrap().push_str(pieces.next().unwrap());
                        words.extend(pieces.map(str::to_owned));
                    }
                }
            }
            words.retain(|word| !word.is_empty());
            words
        })
    }

    #[test]
    fn documents_name_the_champions() {
        let recipe = crinoid_pipeline::Recipe::default().to_string();
        for file in ["README.md", "ARCHITECTURE.md", "docs/book/src/introduction.md"] {
            let document = std::fs::read_to_string(crate::bench::root().join(file)).unwrap();
            assert!(document.contains(&recipe), "{file} names another recipe than {recipe}");
        }
    }

    #[test]
    fn command_lines_in_documents_are_understood() {
        let root = crate::bench::root();
        let book = std::fs::read_dir(root.join("docs/book/src")).unwrap();
        let book = book.map(|entry| entry.unwrap().path());
        let others = [
            "README.md",
            "CONTRIBUTING.md",
            "docs/tried.md",
            "crates/eval/README.md",
            "crates/evolve/README.md",
        ];
        let mut seen = 0;
        for file in book.chain(others.map(|name| root.join(name))) {
            let document = std::fs::read_to_string(&file).unwrap();
            for words in lines(&document) {
                seen += 1;
                let parsed = Cli::try_parse_from(["xtask".to_owned()].into_iter().chain(words));
                let problem = parsed.err().filter(clap::Error::use_stderr);
                assert!(problem.is_none(), "{}: {}", file.display(), problem.unwrap());
            }
        }
        assert!(seen > 25, "{seen}");
    }
}
