//! `cargo xtask soak`: long random work, in search of what no test thought of.

mod data_sets;
mod faults;

use anyhow::Result;
use std::process::ExitCode;

/// Work at random for minutes to hours: odd data sets, or faults injected into files and processes.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    DataSets(Box<data_sets::Args>),
    Faults(faults::Args),
    #[command(hide = true)]
    Victim(faults::VictimArgs),
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.what {
            What::DataSets(args) => args.run(),
            What::Faults(args) => args.run(),
            What::Victim(args) => args.run(),
        }
    }
}
