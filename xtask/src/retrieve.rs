//! `cargo xtask retrieve`: whole retrievers (presets) on one data set, stage by stage.

use anyhow::Context;
use comfy_table::{Table, presets};
use crinoid_eval::{
    Dataset,
    metrics::{Answers, Judge, mean, mrr, ndcg},
    stats::{Resampling, bca_mean, differences},
    truth::Cache,
};
use crinoid_pipeline::{Index, Preset, SearchOptions, StageStats};
use crinoid_refine::Pool;
use std::{path::PathBuf, process::ExitCode, time::Instant};

/// Compares whole retrievers: candidate recall, ranking quality, work and time of every stage.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask retrieve
  cargo xtask retrieve --data code-384-angular-100k.hdf5 --preset record-baseline --preset record-ship")]
pub(crate) struct Args {
    /// A generated set, an HDF5 file or a folder (`cargo xtask data list`).
    #[arg(long, default_value = "embedded")]
    data: String,
    /// The retrievers; the first is what the others are compared with.
    #[arg(long, default_values = ["record-baseline", "record-ship", "default"])]
    preset: Vec<String>,
    /// How many candidates stage 1 delivers for the recall table.
    #[arg(long, default_value_t = 1000)]
    candidates: usize,
    /// Where built indexes are kept, and found again.
    #[arg(long, default_value = "target/retrieve")]
    folder: PathBuf,
}

/// What one retriever did, per query where it is compared.
struct Outcome {
    name: String,
    quality: Vec<(String, Vec<f64>)>,
    stats: StageStats,
    facts: Vec<(&'static str, String)>,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let data = Dataset::load(&self.data)?;
        let candidates = self.candidates.min(data.base.len());
        let truth = Cache::new(self.folder.join("truth")).truth(
            &data,
            candidates,
            &crate::bar::Bar::new("exact neighbours"),
        )?;
        let outcomes = self
            .preset
            .iter()
            .map(|name| self.measure(&data, &truth, candidates, Preset::find(name)?))
            .collect::<anyhow::Result<Vec<_>>>()?;
        print(&data, &outcomes)?;
        Ok(ExitCode::SUCCESS)
    }

    fn measure(
        &self,
        data: &Dataset,
        truth: &crinoid_eval::Truth,
        candidates: usize,
        preset: &Preset,
    ) -> anyhow::Result<Outcome> {
        let options = preset.build_options(data.metric, data.dim())?;
        std::fs::create_dir_all(&self.folder)?;
        let key = xxhash_rust::xxh3::xxh3_64(format!("{options:?}").as_bytes());
        let path = self.folder.join(format!("{}-{}-{key:016x}.cri", data.name, preset.name));
        let mut facts = Vec::new();
        if !path.exists() {
            let started = Instant::now();
            let index = Index::build(&data.base, &options, &crate::bar::Bar::new(preset.name))?;
            facts.push(("build", format!("{:.1?}", started.elapsed())));
            index.save(&path)?;
        }
        let before = resident();
        let index = Index::load(&path).context("a kept index; delete it to build it again")?;
        let loaded = resident();
        let per_vector = |bytes: usize| bytes as f64 / index.len().max(1) as f64;
        let bytes = index.bytes();
        facts.push(("bytes per vector, graph", format!("{:.0}", per_vector(bytes.graph))));
        facts.push(("bytes per vector, codes", format!("{:.0}", per_vector(bytes.codes))));
        facts.push(("bytes per vector, refine", format!("{:.0}", per_vector(bytes.refine))));

        let (mut session, mut answers) = (index.session(), Vec::new());
        let queries = data.queries.len();
        let [mut stage1, mut exact, mut ranked] =
            [candidates, candidates, preset.k].map(|k| Answers::with_capacity(queries, k));
        let mut stats = StageStats::default();
        // Timed as it would run; the two other passes are for the tables.
        for query in data.queries.rows() {
            let report = session.search(query, &preset.search_options(), &mut answers)?;
            stats.record(&report);
            ranked.push(answers.iter().map(|answer| answer.id));
        }
        let searched = resident();
        let wide = SearchOptions::new(candidates, preset.ef).pool(Pool::All).refiners(0);
        for query in data.queries.rows() {
            session.search(query, &wide, &mut answers)?;
            stage1.push(answers.iter().map(|answer| answer.id));
            session.scan_codes(query, candidates, &mut answers)?;
            exact.push(answers.iter().map(|answer| answer.id));
        }
        facts.push(("MiB resident before load", mib(before)));
        facts.push(("MiB resident after load", mib(loaded)));
        facts.push(("MiB resident after queries", mib(searched)));

        let judge = Judge::new(data, truth)?;
        let mut quality = Vec::new();
        for k in [10, 50, 100, 200, 500, 1000].into_iter().filter(|&k| k <= candidates) {
            quality.push((format!("stage 1 recall@{k}"), judge.recall(&stage1, k)?));
        }
        for k in [100, 200].into_iter().filter(|&k| k <= candidates) {
            quality.push((format!("fidelity to codes@{k}"), overlap(&stage1, &exact, k)));
        }
        quality.push(("final recall@10".to_owned(), judge.recall(&ranked, 10)?));
        if let Some(relevance) = &data.relevance {
            let values = |pairs: Vec<(usize, f64)>| pairs.into_iter().map(|(_, v)| v).collect();
            let rows = data.base.len();
            quality.push(("MRR@10".to_owned(), values(mrr(relevance, &ranked, rows, 10)?)));
            quality.push(("nDCG@10".to_owned(), values(ndcg(relevance, &ranked, rows, 10)?)));
        }
        Ok(Outcome { name: preset.name.to_owned(), quality, stats, facts })
    }
}

/// The share of the first `k` of `exact` that are among the first `k` of `found`, per query.
fn overlap(found: &Answers, exact: &Answers, k: usize) -> Vec<f64> {
    let share = |(found, exact): (&[u32], &[u32])| {
        let found: std::collections::HashSet<_> = found.iter().take(k).collect();
        exact.iter().take(k).filter(|id| found.contains(id)).count() as f64 / k as f64
    };
    found.iter().zip(exact.iter()).map(share).collect()
}

fn print(data: &Dataset, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let (rows, dim, queries) = (data.base.len(), data.dim(), data.queries.len());
    println!("{}: {rows} x {dim}, {queries} queries, {}", data.name, data.metric);
    let Some((first, others)) = outcomes.split_first() else { return Ok(()) };
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(
        ["quality".to_owned(), first.name.clone()]
            .into_iter()
            .chain(others.iter().flat_map(|other| [other.name.clone(), "delta [95 %]".to_owned()])),
    );
    for (row, (metric, before)) in first.quality.iter().enumerate() {
        let mut cells = vec![metric.clone(), format!("{:.4}", mean(before))];
        for other in others {
            let after = &other.quality[row].1;
            let delta = bca_mean(&differences(before, after)?, &Resampling::default())?;
            cells.push(format!("{:.4}", mean(after)));
            cells.push(format!("{:+.4} [{:+.4}, {:+.4}]", delta.estimate, delta.low, delta.high));
        }
        table.add_row(cells);
    }
    println!("{table}");
    for outcome in outcomes {
        let (hops, distances) = outcome.stats.work();
        println!(
            "\n{}: {hops:.0} nodes expanded, {distances:.0} distances per query",
            outcome.name
        );
        print!("{}", outcome.stats);
        for (fact, value) in &outcome.facts {
            println!("  {fact:28} {value:>10}");
        }
    }
    Ok(())
}

/// Resident memory of this process in bytes, where the system says.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib * 1024)
}

fn mib(bytes: Option<usize>) -> String {
    bytes.map_or("-".to_owned(), |bytes| format!("{:.0}", bytes as f64 / f64::from(1 << 20)))
}
