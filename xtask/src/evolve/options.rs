//! What candidates are measured on and from where they start.

use anyhow::bail;
use crinoid_eval::Dataset;
use crinoid_evolve::candidate::{Network, Rules, Sandbox, Workshop};
use crinoid_evolve::lab::{Lab, Setup, Workload};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Neighbours per query that the gate judges quality by.
const GATE_K: usize = 100;

/// What is measured on, and how candidates are kept in.
#[derive(clap::Args)]
pub(super) struct LabOptions {
    /// Data sets that are rewarded: names of generators or files.
    #[arg(long, default_value = "embedded", value_delimiter = ',')]
    pub(super) data: Vec<String>,
    /// Data sets that only the gate sees.
    #[arg(long, value_delimiter = ',')]
    also: Vec<String>,
    /// Answers per query.
    #[arg(long, default_value_t = 10)]
    pub(super) k: usize,
    /// Interleaved pairs per judgement.
    #[arg(long, default_value_t = 5)]
    pub(super) pairs: usize,
    /// Loss of mean recall at equal ef that still earns a reward.
    #[arg(long, default_value_t = 0.002)]
    pub(super) tolerance: f64,
    /// The starting point: `champions` (the published ones) or `glass` (hnsw@1, pool@1, float@1, as
    /// the paper), then parameters of its build or, behind `search.`, of its searches:
    /// `champions,m=24,search.slack=0.06`.
    #[arg(long, value_delimiter = ',', default_value = "champions")]
    pub(super) start: Vec<String>,
    /// Seconds of the gate's rounds per data set.
    #[arg(long, default_value_t = 20.0)]
    pub(super) gate_seconds: f64,
    /// Lets candidates keep the network where no namespace can be made.
    #[arg(long)]
    allow_network: bool,
    /// Lets candidates use `unsafe`.
    #[arg(long)]
    pub(super) allow_unsafe: bool,
    /// Gibibytes of memory per candidate.
    #[arg(long, default_value_t = 8)]
    memory: u64,
    /// Seconds per compilation.
    #[arg(long, default_value_t = 300)]
    compile_seconds: u64,
}

impl LabOptions {
    pub(super) fn start(&self) -> anyhow::Result<Setup> {
        let mut start = Setup::champions();
        for word in &self.start {
            match (word.as_str(), word.split_once('=')) {
                ("champions", _) => start = Setup::champions(),
                ("glass", _) => start = Setup::default(),
                (_, Some((name, value))) => {
                    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                    match name.strip_prefix("search.") {
                        Some(name) => start.search.insert(name.to_owned(), value),
                        None => start.build.insert(name.to_owned(), value),
                    };
                }
                _ => bail!("--start: `{word}` is neither champions, glass nor NAME=VALUE"),
            }
        }
        Ok(start)
    }

    /// What candidates are measured on, ready.
    pub(super) fn workloads(&self) -> anyhow::Result<Vec<Workload>> {
        let folder = folder()?;
        let all = self.data.iter().map(|name| (name, true));
        let all = all.chain(self.also.iter().map(|name| (name, false)));
        let workload = |(name, rewarded): (&String, bool)| {
            let data = Dataset::load(name)?;
            let short = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
            Ok(Workload::new(short, data, rewarded, self.k.max(GATE_K), &folder)?)
        };
        all.map(workload).collect()
    }

    pub(super) fn lab<'a>(&self, workloads: &'a [Workload]) -> anyhow::Result<Lab<'a>> {
        let folder = folder()?;
        let workspace = crate::bench::root();
        let workshop = Workshop {
            folder: folder.clone(),
            workspace,
            patience: Duration::from_secs(self.compile_seconds),
            rules: Rules { allow_unsafe: self.allow_unsafe },
        };
        let rig = (std::env::current_exe()?, vec!["evolve".into(), "subject".into()]);
        let mut lab = Lab::new(workloads, rig, workshop, &folder, self.start()?)?;
        lab.protocol.k = self.k;
        lab.protocol.gate_budget = Duration::from_secs_f64(self.gate_seconds.max(0.0));
        lab.protocol.pairs = self.pairs;
        lab.protocol.tolerance = self.tolerance;
        let network = if self.allow_network { Network::Inherited } else { Network::Refused };
        lab.sandbox = Sandbox { memory: self.memory << 30, network, ..Sandbox::default() };
        Ok(lab)
    }
}

/// Where everything is kept that measurements need.
fn folder() -> anyhow::Result<PathBuf> {
    let folder = PathBuf::from("target/evolve");
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::canonicalize(folder)?)
}
