//! What can be typed.

use crate::{
    ask::Ask, bench::Bench, build::Build, collection, embed::Embed, global::Global, info,
    search::Search,
};
use clap::{Parser, Subcommand};

/// Indexes of vectors: build, search, inspect, measure.
#[derive(Parser)]
#[command(
    name = "crinoid",
    version,
    arg_required_else_help = true,
    after_help = "Examples:
  crinoid build x.npy --out x.crinoid --metric cosine
  crinoid search x.crinoid --queries q.npy -k 10 --out answers.npy
  crinoid bench x.crinoid --queries q.npy --base x.npy

Exit codes:
  0  done
  1  a file or an option is wrong: one line on standard error says which, and what to do (with
     --json: an object with `error`)
  2  the command line is wrong
  3  `verify` found damage"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Build(Build),
    Search(Search),
    Info(info::Info),
    Verify(info::Verify),
    Bench(Bench),
    Add(collection::Add),
    Update(collection::Update),
    Delete(collection::Delete),
    Get(collection::Get),
    Compact(collection::Compact),
    List(collection::List),
    Backup(crate::keep::Backup),
    Repair(crate::keep::Repair),
    Sweep(crate::sealed::Sweep),
    Export(crate::export::Export),
    Embed(Embed),
    Ask(Ask),
    /// Prints the completions of a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Prints a manual page: crinoid man > crinoid.1, crinoid man search > crinoid-search.1
    Man {
        /// The page of this command [default: the one that lists them all].
        command: Option<String>,
    },
}
