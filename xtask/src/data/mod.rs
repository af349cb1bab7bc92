//! `cargo xtask data`: data sets in, out and inspected.

mod code;
mod convert;
mod fetch;
mod inspect;
mod make;
mod published;
mod recall;
mod score;

use crate::{
    bar::Bar,
    bench::{target, truths},
    tables,
};
use anyhow::{Context, ensure};
use clap::Subcommand;
use crinoid_eval::{
    Dataset,
    data::{PRESETS, Parts},
    metrics::Answers,
};
use crinoid_files::{FORMATS, read_ids};
use crinoid_quant::Metric;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Lists, generates, inspects, converts and fetches data sets.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask data list
  cargo xtask data inspect embedded-hubs
  cargo xtask data inspect glove-100-angular.hdf5 --verify
  cargo xtask data make embedded --rows 100000 --dim 128 --out /tmp/mine
  cargo xtask data convert mine.hdf5 --format npy --out /tmp/mine
  cargo xtask data truth --base base.fbin --queries query.fbin --metric ip -k 100 --out gt.ibin
  cargo xtask data split mine.hdf5 --held-out 0.5 --out /tmp/halves
  cargo xtask data recall sift.hdf5 --answers mine.ibin --tolerance ann-benchmarks
  cargo xtask data score --beir scifact --run run.trec
  cargo xtask data make code --from . --model all-MiniLM-L6-v2
  cargo xtask data fetch sift-128-euclidean")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What can be generated, read and fetched.
    List,
    /// Generates a data set into a folder, or makes one out of a source tree.
    Make(make::Make),
    /// Says what is in a data set, and what may be wrong with it.
    Inspect(inspect::Inspect),
    /// Writes a data set as a folder of plain files.
    Convert(convert::Convert),
    /// Computes exact nearest neighbours.
    Truth(convert::Truth),
    /// Divides the queries into development and held-out ones.
    Split(convert::Split),
    /// Scores a file of answers against the exact neighbours: recall by distance and by id.
    Recall(recall::Recall),
    /// Scores a TREC run, or answers, against a BEIR folder: nDCG@10, MRR@10, hit@100.
    Score(score::Score),
    /// Downloads a published data set; interrupted downloads are resumed.
    Fetch(fetch::Fetch),
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List => list(),
            Command::Make(make) => make.run()?,
            Command::Inspect(inspect) => return inspect.run(),
            Command::Convert(convert) => convert.run()?,
            Command::Truth(truth) => truth.run()?,
            Command::Split(split) => split.run()?,
            Command::Recall(recall) => recall.run()?,
            Command::Score(score) => score.run()?,
            Command::Fetch(fetch) => fetch.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list() {
    let mut generated = tables::words(["generated", "what it is"]);
    PRESETS.iter().for_each(|preset| {
        generated.add_row([preset.name, preset.summary]);
    });
    let mut formats = tables::words(["format", "what it holds"]);
    FORMATS.iter().for_each(|(format, _, summary)| {
        formats.add_row([format.name(), summary]);
    });
    formats.add_row(["folder", "base, queries, truth and qrels with a dataset.json"]);
    let mut fetched = tables::words(["to be fetched", "what it is"]);
    published::PUBLISHED.iter().for_each(|published| {
        fetched.add_row([published.name.to_owned(), published.summary()]);
    });
    println!("{generated}\n{formats}\n{fetched}");
}

/// Which data set.
#[derive(clap::Args)]
struct Source {
    /// A generated set (`data list`), an ann-benchmarks HDF5 file, or a folder with a dataset.json
    /// [default: embedded].
    #[arg(conflicts_with = "base")]
    data: Option<String>,
    /// Base vectors in a file of their own.
    #[arg(long, requires = "queries", requires = "metric")]
    base: Option<PathBuf>,
    /// Queries in a file of their own.
    #[arg(long, requires = "base")]
    queries: Option<PathBuf>,
    /// Ground truth in a file of its own.
    #[arg(long, requires = "base")]
    truth: Option<PathBuf>,
    /// The metric of separate files: l2, ip or cosine.
    #[arg(long)]
    metric: Option<Metric>,
}

impl Source {
    fn open(&self) -> anyhow::Result<Dataset> {
        let _bar = Bar::spin("reading");
        match (&self.base, &self.queries, self.metric) {
            (Some(base), Some(queries), Some(metric)) => {
                let (base, queries, truth) = (base.clone(), queries.clone(), self.truth.clone());
                Ok(Dataset::open_parts(&Parts { base, queries, truth, metric })?)
            }
            _ => Ok(Dataset::load(self.data.as_deref().unwrap_or(PRESETS[0].name))?),
        }
    }
}

/// Where what `command` makes of the set `name` goes, if nobody says.
fn output(out: Option<PathBuf>, command: &str, name: &str) -> PathBuf {
    out.unwrap_or_else(|| target().join("crinoid-data").join(format!("{name}-{command}")))
}

/// Computes exact truth, or takes it from the cache.
fn exact(data: &Dataset, k: usize) -> anyhow::Result<crinoid_eval::Truth> {
    let (k, bar) = (k.min(data.base.len()), Bar::new("exact neighbours"));
    truths()
        .exact(data.metric, &data.base, &data.queries, k, &bar)
        .with_context(|| format!("truth of {}", data.name))
}

/// Reads a file of answers (ibin, ivecs, npy): rows of at least `least` ids, nearest first.
fn answers(path: &Path, least: usize) -> anyhow::Result<Answers> {
    let rows = read_ids(path, None)?;
    let (file, got) = (path.display(), rows.dim);
    ensure!(got >= least, "{file}: {got} answers per query where {least} are needed");
    Answers::from_padded(&rows.values, rows.dim).with_context(|| path.display().to_string())
}
