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
