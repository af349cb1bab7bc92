//! `cargo xtask soak`: long random work, in search of what no test thought of.
//!
//! | file | what is in it |
//! |---|---|
//! | `data_sets.rs` | odd data, and the default options beside a float graph |
//! | `faults/` | indexes and collections with faults injected into files and processes |
//! | `kills.rs` | a process that writes a collection, killed again and again |
//! | `collection.rs` | mixed load on a collection for hours: does anything grow or drift? |
//! | `rows.rs` | rows with attributes and texts for both, and a model of them |
//! | `record.rs` | what is left behind |

mod collection;
mod data_sets;
mod faults;
mod kills;
mod record;
mod rows;

use crate::bench;
use anyhow::{Context, Result};
use std::{path::Path, process::ExitCode, sync::LazyLock};

/// Work at random for minutes to hours: odd data sets, mixed load, or faults injected into files and processes.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    DataSets(Box<data_sets::Args>),
    Collection(collection::Args),
    Kills(kills::Args),
    Faults(faults::Args),
    #[command(hide = true)]
    Victim(faults::VictimArgs),
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        if !matches!(self.what, What::Victim(_)) {
            LazyLock::force(&bench::ORIGIN);
        }
        match self.what {
            What::DataSets(args) => args.run(),
            What::Collection(args) => args.run(),
            What::Kills(args) => args.run(),
            What::Faults(args) => args.run(),
            What::Victim(args) => args.run(),
        }
    }
}

/// Copies a folder with all that is in it.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let to = to.join(path.file_name().context("a nameless file")?);
        match path.is_dir() {
            true => copy_all(&path, &to)?,
            false => drop(std::fs::copy(&path, &to)?),
        }
    }
    Ok(())
}
