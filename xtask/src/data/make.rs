//! `cargo xtask data make`.

use super::code::Code;
use anyhow::Context;
use crinoid_eval::data::{PRESETS, Preset, Synthetic};
use crinoid_quant::Metric;
use std::path::PathBuf;

/// Generates a data set into a folder, or makes one out of a source tree. Options replace the preset's
/// parameters.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Make {
    #[command(subcommand)]
    source: Option<Source>,
    /// The preset to start from (`data list`).
    #[arg(default_value = "embedded")]
    preset: String,
    /// Folder to write [default: below target/crinoid-data].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Format of the vectors: fbin, u8bin, fvecs, bvecs or npy.
    #[arg(long, default_value = "fbin")]
    format: String,
    /// Exact neighbours per query; 0 leaves truth out.
    #[arg(short, default_value_t = 100)]
    k: usize,
    /// Base rows.
    #[arg(long)]
    rows: Option<usize>,
    /// Queries.
    #[arg(long)]
    queries: Option<usize>,
    /// Dimension.
    #[arg(long)]
    dim: Option<usize>,
    /// Directions in which a cluster extends.
    #[arg(long)]
    intrinsic: Option<usize>,
    /// Clusters.
    #[arg(long)]
    clusters: Option<usize>,
    /// Standard deviation of the centres, in units of a cluster's own.
    #[arg(long)]
    spread: Option<f32>,
    /// Standard deviation of the noise per dimension, in the same units.
    #[arg(long)]
    noise: Option<f32>,
    /// How much points crowd around the centres, 0..=1.
    #[arg(long)]
    hubs: Option<f32>,
    /// Share of rows that repeat another one.
    #[arg(long)]
    duplicates: Option<f64>,
    /// Integers 0..=255 instead of floats.
    #[arg(long)]
    bytes: Option<bool>,
    /// The metric: l2, ip or cosine.
    #[arg(long)]
    metric: Option<Metric>,
    /// Seed.
    #[arg(long)]
    seed: Option<u64>,
}

/// What is no preset of the generator.
#[derive(clap::Subcommand)]
enum Source {
    Code(Code),
}

impl Make {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if let Some(Source::Code(code)) = self.source {
            return code.run();
        }
        let known = || PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
        let preset = Preset::find(&self.preset)
            .with_context(|| format!("unknown preset `{}` (known: {})", self.preset, known()))?;
        let given = preset.parameters();
        let parameters = Synthetic {
            rows: self.rows.unwrap_or(given.rows),
            queries: self.queries.unwrap_or(given.queries),
            dim: self.dim.unwrap_or(given.dim),
            intrinsic: self.intrinsic.unwrap_or(given.intrinsic),
            clusters: self.clusters.unwrap_or(given.clusters),
            spread: self.spread.unwrap_or(given.spread),
            noise: self.noise.unwrap_or(given.noise),
            hubs: self.hubs.unwrap_or(given.hubs),
            duplicates: self.duplicates.unwrap_or(given.duplicates),
            bytes: self.bytes.unwrap_or(given.bytes),
            metric: self.metric.unwrap_or(given.metric),
            seed: self.seed.unwrap_or(given.seed),
        };
        let bar = crate::bar::Bar::spin("generating");
        let mut data = parameters.generate(preset.name)?;
        drop(bar);
        if self.k > 0 {
            let truth = super::exact(&data, self.k)?;
            data = data.with_truth(truth)?;
        }
        let out = super::output(self.out, &self.format, preset.name);
        data.write(&out, &self.format)?;
        println!(
            "{}: {} x {} {}, {} queries",
            out.display(),
            data.base.len(),
            data.dim(),
            data.metric,
            data.queries.len()
        );
        Ok(())
    }
}
