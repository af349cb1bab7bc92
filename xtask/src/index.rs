//! `cargo xtask index`: looking into index files.

use crate::tables;
use anyhow::Context;
use clap::Subcommand;
use crinoid_graph::diagnose::diagnose;
use crinoid_pipeline::{Index, container::Container};
use std::{path::PathBuf, process::ExitCode, time::Instant};

/// Inspects and verifies index files.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask index inspect tests/compat/format1-default.cri\n  \
    cargo xtask index verify my.cri"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Prints the sections and what the index was made of.
    Inspect {
        /// The index file.
        file: PathBuf,
    },
    /// Checks every byte, every length and every link; exits with 1 where something is wrong.
    Verify {
        /// The index file.
        file: PathBuf,
    },
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Inspect { file } => inspect(&file).map(|()| ExitCode::SUCCESS),
            Action::Verify { file } => verify(&file),
        }
    }
}

fn inspect(file: &PathBuf) -> anyhow::Result<()> {
    let container = Container::open_partly(file, |name| name == "meta")?;
    let mut table = tables::numbers(["section", "offset", "bytes", "xxh3"]);
    for section in container.sections() {
        table.add_row([
            section.name().to_owned(),
            section.offset.to_string(),
            section.len.to_string(),
            format!("{:016x}", section.checksum),
        ]);
    }
    println!("{table}");
    let index = Index::load(file).context("the container is sound, but not an index")?;
    let (options, fingerprint, bytes) = (index.options(), index.fingerprint(), index.bytes());
    let unknown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let per_vector = |bytes: usize| bytes as f64 / index.len().max(1) as f64;
    let rows = [
        ("recipe", options.recipe.to_string()),
        ("vectors", format!("{} x {}", index.len(), index.dim())),
        ("distinct vectors", index.graph().len().to_string()),
        ("search dimensions", fingerprint.truncation.to_string()),
        ("metric", options.metric.to_string()),
        ("provider", unknown(&options.provider)),
        ("model", unknown(&options.model)),
        ("centroid", format!("{:016x}", fingerprint.centroid)),
        ("rotation", format!("{:016x}", fingerprint.rotation)),
        ("format", fingerprint.format.to_string()),
        ("digest", format!("{:016x}", index.digest())),
        ("graph parameters", serde_json::to_string(&options.graph)?),
        ("graph degree", index.graph().degree().to_string()),
        ("upper layers", index.graph().layers().len().to_string()),
        ("bytes per vector: graph", format!("{:.1}", per_vector(bytes.graph))),
        ("bytes per vector: codes", format!("{:.1}", per_vector(bytes.codes))),
        ("bytes per vector: refine", format!("{:.1}", per_vector(bytes.refine))),
    ];
    for (name, value) in rows {
        println!("{name:26} {value}");
    }
    Ok(())
}

fn verify(file: &PathBuf) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let index = match Index::load(file) {
        Ok(index) => index,
        Err(error) => {
            println!("BAD  {}", crate::out::chain(&anyhow::Error::new(error)));
            return Ok(ExitCode::from(1));
        }
    };
    println!("ok   {index:?}, every checksum, length and link, in {:.1?}", started.elapsed());
    if !diagnose(index.graph()).is_reachable() {
        println!("note some nodes cannot be reached from the entry point");
    }
    Ok(ExitCode::SUCCESS)
}
