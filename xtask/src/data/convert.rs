//! `cargo xtask data convert`, `truth` and `split`.

use super::output;
use crate::bar::Bar;
use anyhow::Context;
use crinoid_eval::data::write_truth;
use std::path::PathBuf;

/// Writes a data set as a folder of plain files with a dataset.json.
#[derive(clap::Args)]
pub(super) struct Convert {
    #[command(flatten)]
    source: super::Source,
    /// Folder to write [default: below target/crinoid-data].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Format of the vectors: fbin, u8bin, i8bin, fvecs, bvecs or npy.
    #[arg(long, default_value = "fbin")]
    format: String,
}

impl Convert {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let data = self.source.open()?;
        let out = output(self.out, &self.format, &data.name);
        let bar = Bar::spin("writing");
        data.write(&out, &self.format)
            .with_context(|| format!("writing {} as {}", data.name, self.format))?;
        drop(bar);
        println!("{}", out.display());
        Ok(())
    }
}

/// Computes the exact nearest neighbours of every query: ids, and distances in Crinoid's units
/// (squared L2, negated inner product, 2 - 2 cos).
#[derive(clap::Args)]
pub(super) struct Truth {
    #[command(flatten)]
    source: super::Source,
    /// Neighbours per query.
    #[arg(short, default_value_t = 100)]
    k: usize,
    /// The ibin file to write [default: below target/crinoid-data].
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Truth {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let data = self.source.open()?;
        let truth = super::exact(&data, self.k)?;
        let out = output(self.out, "truth.ibin", &data.name);
        if let Some(folder) = out.parent() {
            std::fs::create_dir_all(folder)?;
        }
        write_truth(&out, &truth)?;
        println!("{}: {} x {}", out.display(), truth.len(), truth.k());
        Ok(())
    }
}

/// Divides the queries at random, by seed, and writes `dev` and `held-out` folders.
#[derive(clap::Args)]
pub(super) struct Split {
    #[command(flatten)]
    source: super::Source,
    /// Folder in which the two folders are made [default: below target/crinoid-data].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Share of the queries that is held out.
    #[arg(long, default_value_t = 0.5)]
    held_out: f64,
    /// The same seed divides the same way.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Format of the vectors.
    #[arg(long, default_value = "fbin")]
    format: String,
}

impl Split {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let data = self.source.open()?;
        let (dev, held) = data.split(self.held_out, self.seed)?;
        let out = output(self.out, "split", &data.name);
        for (name, half) in [("dev", dev), ("held-out", held)] {
            let folder = out.join(name);
            half.write(&folder, &self.format)?;
            println!("{}: {} queries", folder.display(), half.queries.len());
        }
        Ok(())
    }
}
