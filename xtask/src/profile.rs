//! `cargo xtask profile`: what a data set is like, dimension by dimension.

use crate::tables;
use comfy_table::Table;
use crinoid_eval::Dataset;
use crinoid_pipeline::{BuildOptions, Index, ZeroRows};
use crinoid_quant::{
    Preparation,
    profile::{Advice, Options, Profile},
};
use std::process::ExitCode;

/// Profiles the base vectors of a data set, as a codec sees them: is centring, rotation or truncation
/// called for?
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask profile
  cargo xtask profile glove-100-angular.hdf5 --dimensions 20
  cargo xtask profile mine.hdf5 --json > profile.json")]
pub(crate) struct Args {
    /// A generated set, an HDF5 file or a folder (`cargo xtask data list`).
    #[arg(default_value = "embedded")]
    data: String,
    /// Rows in the sample.
    #[arg(long, default_value_t = Options::default().sample)]
    sample: usize,
    /// Seed of the sample.
    #[arg(long, default_value_t = Options::default().seed)]
    seed: u64,
    /// How many dimensions to list: the ones that vary most.
    #[arg(long, default_value_t = 8)]
    dimensions: usize,
    /// Prints everything as JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let bar = crate::bar::Bar::spin("profiling");
        let data = Dataset::load(&self.data)?;
        let prepared = Preparation::new(data.metric, data.dim()).apply_all(&data.base)?;
        let options = Options { sample: self.sample, seed: self.seed, ..Options::default() };
        let profile = Profile::of(&prepared, &options);
        let build = BuildOptions::default().metric(data.metric).zero_rows(ZeroRows::Keep);
        let plan = Index::plan(&data.base, None, &build)?;
        drop(bar);
        if self.json {
            let both = serde_json::json!({ "profile": profile, "default_build": plan });
            println!("{}", serde_json::to_string_pretty(&both)?);
        } else {
            println!("{}", summary(&data, &profile));
            println!("{}", self.widest(&profile));
            println!("What the default options would build, and why (all rows looked at):\n{plan}");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn widest(&self, profile: &Profile) -> Table {
        let mut order: Vec<usize> = (0..profile.dimensions.len()).collect();
        let deviation = |dim: usize| profile.dimensions[dim].deviation;
        order.sort_by(|&a, &b| deviation(b).total_cmp(&deviation(a)).then(a.cmp(&b)));
        let mut table =
            tables::numbers(["dimension", "mean", "sd", "near 0", "above 0", "range", "histogram"]);
        for dim in order.into_iter().take(self.dimensions) {
            let of = &profile.dimensions[dim];
            table.add_row([
                dim.to_string(),
                format!("{:.4}", of.mean),
                format!("{:.4}", of.deviation),
                format!("{:.1} %", 100.0 * of.near_zero),
                format!("{:.1} %", 100.0 * of.positive),
                format!("{:.3}..{:.3}", of.min, of.max),
                sparkline(&of.histogram),
            ]);
        }
        table
    }
}

fn summary(data: &Dataset, profile: &Profile) -> Table {
    let mut table = tables::facts();
    let advice = |advice: Advice, step: &str| {
        let called = if advice.advised { "called for" } else { "not called for" };
        format!("{:.3}: {step} {called}", advice.measure)
    };
    let lid = profile.lid.map_or("unknown".to_owned(), |lid| format!("{lid:.1}"));
    for (name, value) in [
        ("data set", format!("{}, {} x {}, {}", data.name, profile.rows, data.dim(), data.metric)),
        ("sampled rows", profile.sampled.to_string()),
        ("duplicate rows", profile.duplicates.to_string()),
        ("values within 0.05 of 0", format!("{:.1} %", 100.0 * profile.near_zero)),
        ("share of the mean vector", advice(profile.centring, "centring")),
        ("evenness of the variances", advice(profile.rotation, "rotation")),
        ("variance in the leading half", advice(profile.truncation, "truncation")),
        ("dimensions for 90 % variance", profile.dimensions_for(0.9).to_string()),
        ("local intrinsic dimension", lid),
    ] {
        table.add_row([name.to_owned(), value]);
    }
    table
}

/// Counts as a row of blocks, each of two neighbouring bins.
fn sparkline(counts: &[u32]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let pairs: Vec<u32> = counts.chunks(2).map(|pair| pair.iter().sum()).collect();
    let most = pairs.iter().copied().max().unwrap_or(0).max(1);
    pairs.iter().map(|&count| BLOCKS[(7 * count).div_ceil(most) as usize]).collect()
}
