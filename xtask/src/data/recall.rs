//! `cargo xtask data recall`.

use super::Source;
use anyhow::Context;
use crinoid_eval::{
    metrics::{RecallMetric, Tolerance, mean},
    stats::{Resampling, bca_mean},
};
use std::path::PathBuf;

/// What counts as found.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Counts {
    /// No farther than the true k-th and a thousandth of its distance.
    Relative,
    /// No farther than the true k-th and 0.001, as ann-benchmarks counts.
    AnnBenchmarks,
}

/// Scores a file of answers against the exact neighbours.
#[derive(clap::Args)]
pub(super) struct Recall {
    #[command(flatten)]
    source: Source,
    /// An ibin file: u32 queries, u32 columns, then u32 ids, nearest first, 4294967295 in gaps.
    #[arg(long)]
    answers: PathBuf,
    /// Neighbours per query.
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// What counts as found.
    #[arg(long, value_enum, default_value = "relative")]
    tolerance: Counts,
    /// Prints JSON with the recall of every query.
    #[arg(long)]
    json: bool,
}

impl Recall {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let data = self.source.open()?;
        let truth = match &data.truth {
            Some(known) if known.k() >= self.k => known.clone(),
            _ => super::exact(&data, self.k)?,
        };
        let answers = super::answers(&self.answers, self.k)?;
        let tolerance = match self.tolerance {
            Counts::Relative => Tolerance::Relative,
            Counts::AnnBenchmarks => Tolerance::AnnBenchmarks,
        };
        let judge = RecallMetric::new(&data, &truth)?.with_tolerance(tolerance);
        let near = judge.recall(&answers, self.k);
        let near = near.with_context(|| self.answers.display().to_string())?;
        if self.json {
            let (k, recall) = (self.k, mean(&near));
            println!("{}", serde_json::json!({ "k": k, "recall": recall, "queries": near }));
            return Ok(());
        }
        for (name, values) in
            [("by distance", near), ("by id", judge.recall_by_id(&answers, self.k)?)]
        {
            let interval = bca_mean(&values, &Resampling::default())?;
            let (low, high) = (interval.low, interval.high);
            let recall = interval.estimate;
            println!("recall@{} {name:11} {recall:.6} [{low:.4}, {high:.4}]", self.k);
        }
        Ok(())
    }
}
