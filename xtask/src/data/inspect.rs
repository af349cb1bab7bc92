//! `cargo xtask data inspect`.

use crate::tables;
use anyhow::Context;
use comfy_table::Table;
use crinoid_eval::{
    Dataset, Truth,
    data::{Integrity, Shape},
    metrics::{Answers, MetricError, hit, mean, mrr, ndcg},
};
use crinoid_pipeline::{BuildOptions, BuildReport, Index, ZeroRows};
use serde::Serialize;
use std::process::ExitCode;

/// Says what is in a data set, how hard it is, and what may be wrong with it.
///
/// Ends with status 1 where known truth is not the exact truth.
#[derive(clap::Args)]
pub(super) struct Inspect {
    #[command(flatten)]
    source: super::Source,
    /// Neighbours per query for the estimates of difficulty.
    #[arg(short, default_value_t = 100)]
    k: usize,
    /// Computes exact truth and compares it with the set's own.
    #[arg(long)]
    verify: bool,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Serialize)]
struct Findings {
    name: String,
    metric: crinoid_quant::Metric,
    rows: usize,
    dim: usize,
    queries: usize,
    truth: Option<usize>,
    local_dimension: Option<f64>,
    hubs: f64,
    /// nDCG@10, MRR@10 and hit@100 of the exact neighbours, where relevance is known: what the vectors are
    /// worth, whatever searches them.
    exact_search: Option<[f64; 3]>,
    shape: Shape,
    integrity: Integrity,
    /// What default options would build of it, and why; or why they would not.
    default_build: Result<BuildReport, String>,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let data = self.source.open()?;
        let exact = match (&data.truth, self.verify) {
            (Some(known), false) => known.clone(),
            (Some(known), true) => super::exact(&data, known.k().max(self.k))?,
            (None, _) => super::exact(&data, self.k)?,
        };
        let findings = Findings::of(&data, &exact, self.verify)
            .with_context(|| format!("inspecting {}", data.name))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&findings)?);
        } else {
            println!("{}", findings.table(self.verify));
            for warning in findings.shape.warnings() {
                println!("note: {warning}");
            }
            match &findings.default_build {
                Ok(plan) => println!("What default options would build, and why:\n{plan}"),
                Err(why) => println!("Default options would not build it: {why}"),
            }
        }
        Ok(ExitCode::from(u8::from(findings.integrity.false_truth.is_some())))
    }
}

impl Findings {
    fn of(data: &Dataset, exact: &Truth, verify: bool) -> anyhow::Result<Self> {
        let options = BuildOptions::default().metric(data.metric).zero_rows(ZeroRows::Keep);
        let local_dimension = exact.local_dimension(data.metric);
        Ok(Self {
            name: data.name.clone(),
            metric: data.metric,
            rows: data.base.len(),
            dim: data.dim(),
            queries: data.queries.len(),
            truth: data.truth.as_ref().map(Truth::k),
            local_dimension: local_dimension.is_finite().then_some(local_dimension),
            hubs: exact.hubs(data.base.len()),
            exact_search: retrieved(data, exact)?,
            shape: data.shape(exact)?,
            integrity: data.integrity(verify.then_some(exact)),
            default_build: Index::plan(&data.base, None, &options).map_err(|why| why.to_string()),
        })
    }

    fn table(&self, verified: bool) -> Table {
        let mut table = tables::facts();
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        let found = &self.integrity;
        row("data set", self.name.clone());
        row("base", format!("{} x {}, {}", self.rows, self.dim, self.metric));
        row("queries", self.queries.to_string());
        let known = self.truth.map_or("none".to_owned(), |k| format!("{k} nearest of each query"));
        let verdict = match (verified, self.truth, found.false_truth) {
            (true, Some(_), None) => ", exact".to_owned(),
            (true, Some(_), Some((q, rank))) => format!(", WRONG for query {q} at rank {rank}"),
            _ => String::new(),
        };
        row("truth", known + &verdict);
        row(
            "relevance",
            found.judged.map_or("none".to_owned(), |(judged, barren)| {
                format!("{judged} queries judged, {barren} of them without a relevant row")
            }),
        );
        let integers = if found.bytes { ", all integers 0..=255" } else { "" };
        if let Some([ndcg, mrr, hit]) = self.exact_search {
            let found = format!("nDCG@10 {ndcg:.4}, MRR@10 {mrr:.4}, hit@100 {hit:.4}");
            row("exact search finds", found);
        }
        row("lengths", format!("{:.4} to {:.4}{integers}", found.norms.0, found.norms.1));
        row(
            "duplicates",
            format!(
                "{} rows repeat another, {} at most are all the same; {} queries are base rows",
                found.duplicate_rows, found.largest_group, found.queries_in_base
            ),
        );
        row("of length 0", format!("{} rows, {} queries", found.zero_rows, found.zero_queries));
        let lid = self.local_dimension.map_or("unknown".to_owned(), |lid| format!("{lid:.1}"));
        row("local intrinsic dimension", lid);
        row("hubs", format!("{:.1} % of answers are 1 % of the rows", 100.0 * self.hubs));
        table
    }
}

fn retrieved(data: &Dataset, exact: &Truth) -> Result<Option<[f64; 3]>, MetricError> {
    let Some(qrels) = &data.relevance else { return Ok(None) };
    if exact.k() < data.base.len().min(100) {
        return Ok(None);
    }
    let mut answers = Answers::with_capacity(exact.len(), exact.k());
    (0..exact.len()).for_each(|query| answers.push(exact.ids_of(query).iter().copied()));
    let rows = data.base.len();
    let all = [
        ndcg(qrels, &answers, rows, 10)?,
        mrr(qrels, &answers, rows, 10)?,
        hit(qrels, &answers, rows, 100)?,
    ];
    Ok(Some(all.map(|values| mean(&values.into_iter().map(|pair| pair.1).collect::<Vec<_>>()))))
}
