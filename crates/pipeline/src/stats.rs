//! Stages over many queries: counts, p50 and p95, and whether they keep to a budget.

use crate::index::Report;
use std::{fmt, time::Duration};

/// One stage over many queries.
#[derive(Clone, Debug, Default)]
struct Samples {
    name: &'static str,
    entered: u64,
    left: u64,
    missing: u64,
    nanos: Vec<u64>,
}

/// Collects the reports of many queries.
///
/// ```
/// use crinoid_pipeline::StageStats;
/// # use crinoid_pipeline::Report;
/// # use crinoid_refine::StageReport;
/// let mut stats = StageStats::default();
/// # for nanos in [1_000, 2_000, 9_000] {
/// #     let mut report = Report::default();
/// #     report.stages.push(StageReport { name: "pool@1", nanos, ..StageReport::default() });
/// stats.record(&report);
/// # }
/// assert_eq!(stats.stage("pool@1").unwrap().p50.as_nanos(), 2_000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct StageStats {
    stages: Vec<Samples>,
    total: Vec<u64>,
    hops: u64,
    distances: u64,
}

/// What a stage did, over all queries recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageSummary {
    /// The version that ran; `total` for all stages together.
    pub name: &'static str,
    /// Queries that passed it.
    pub queries: usize,
    /// Mean number of candidates that went in (for the search: nodes expanded).
    pub entered: f64,
    /// Mean number of candidates that came out.
    pub left: f64,
    /// Candidates without a vector or text, over all queries.
    pub missing: u64,
    /// The median time.
    pub p50: Duration,
    /// The time that 95 % of the queries keep to.
    pub p95: Duration,
    /// The time that 99 % of the queries keep to.
    pub p99: Duration,
}

/// A stage and the time that 95 % of its queries may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The version, or `total`.
    pub stage: &'static str,
    /// The limit on p95.
    pub p95: Duration,
}

/// A stage took longer than its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{stage}: p95 is {took:.2?}, the budget {allowed:.2?}")]
pub struct OverBudget {
    /// The version, or `total`.
    pub stage: &'static str,
    /// p95 as measured.
    pub took: Duration,
    /// The budget.
    pub allowed: Duration,
}

/// The name of all stages together.
pub const TOTAL: &str = "total";

impl StageStats {
    /// Adds one query.
    pub fn record(&mut self, report: &Report) {
        for stage in report.stages.iter() {
            let known = self.stages.iter().position(|samples| samples.name == stage.name);
            let place = known.unwrap_or_else(|| {
                self.stages.push(Samples { name: stage.name, ..Samples::default() });
                self.stages.len() - 1
            });
            let samples = &mut self.stages[place];
            samples.entered += stage.entered as u64;
            samples.left += stage.left as u64;
            samples.missing += stage.missing as u64;
            samples.nanos.push(stage.nanos);
        }
        self.total.push(report.stages.nanos());
        self.hops += report.counters.hops;
        self.distances += report.counters.distances;
    }

    /// Queries recorded.
    pub fn queries(&self) -> usize {
        self.total.len()
    }

    /// Mean number of nodes expanded, and of distances evaluated, per query.
    pub fn work(&self) -> (f64, f64) {
        let queries = self.queries().max(1) as f64;
        (self.hops as f64 / queries, self.distances as f64 / queries)
    }

    /// Every stage in the order in which it was first seen, then `total`.
    pub fn summaries(&self) -> Vec<StageSummary> {
        let total = Samples { name: TOTAL, nanos: self.total.clone(), ..Samples::default() };
        self.stages.iter().chain([&total]).filter_map(summary).collect()
    }

    /// One stage, by version, or `total`; `None` where it never ran.
    pub fn stage(&self, name: &str) -> Option<StageSummary> {
        self.summaries().into_iter().find(|summary| summary.name == name)
    }

    /// The stages whose p95 exceeds its budget. A stage that never ran keeps to any budget.
    pub fn over(&self, budgets: &[Budget]) -> Vec<OverBudget> {
        let over = |budget: &Budget| {
            let took = self.stage(budget.stage)?.p95;
            (took > budget.p95).then_some(OverBudget {
                stage: budget.stage,
                took,
                allowed: budget.p95,
            })
        };
        budgets.iter().filter_map(over).collect()
    }
}

fn summary(samples: &Samples) -> Option<StageSummary> {
    let mut nanos = samples.nanos.clone();
    nanos.sort_unstable();
    let queries = nanos.len();
    // Nearest rank: the smallest time that at least this share of the queries keeps to.
    let percentile = |share: usize| {
        let rank = (queries * share).div_ceil(100).max(1);
        nanos.get(rank - 1).copied().map(Duration::from_nanos)
    };
    Some(StageSummary {
        name: samples.name,
        queries,
        entered: samples.entered as f64 / queries as f64,
        left: samples.left as f64 / queries as f64,
        missing: samples.missing,
        p50: percentile(50)?,
        p95: percentile(95)?,
        p99: percentile(99)?,
    })
}

impl fmt::Display for StageStats {
    /// A table: one line per stage.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:18} {:>9} {:>9} {:>12} {:>12}", "stage", "in", "out", "p50", "p95")?;
        for StageSummary { name, entered, left, p50, p95, .. } in self.summaries() {
            let times = (format!("{p50:.1?}"), format!("{p95:.1?}"));
            writeln!(f, "{name:18} {entered:9.1} {left:9.1} {:>12} {:>12}", times.0, times.1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crinoid_refine::StageReport;

    #[test]
    fn percentiles_counts_and_budgets() {
        let mut stats = StageStats::default();
        for nanos in 1..=100 {
            let mut report = Report::default();
            for (name, factor) in [("pool@1", 1), ("float@1", 10)] {
                let (entered, left) = (nanos as usize, 5);
                let nanos = nanos * factor;
                report.stages.push(StageReport {
                    name,
                    entered,
                    left,
                    nanos,
                    ..StageReport::default()
                });
            }
            stats.record(&report);
        }
        let names: Vec<_> = stats.summaries().iter().map(|s| s.name).collect();
        assert_eq!(names, ["pool@1", "float@1", TOTAL]);
        let float = stats.stage("float@1").unwrap();
        assert_eq!((float.p50.as_nanos(), float.p95.as_nanos()), (500, 950));
        assert_eq!((float.entered, float.left, float.queries), (50.5, 5.0, 100));
        assert_eq!(stats.stage(TOTAL).unwrap().p95.as_nanos(), 1045);
        let budget = |stage, nanos| Budget { stage, p95: Duration::from_nanos(nanos) };
        assert_eq!(stats.over(&[budget("pool@1", 95), budget("none@1", 0)]), []);
        let over = stats.over(&[budget("float@1", 900)]);
        assert_eq!(over[0].took.as_nanos(), 950);
        assert!(stats.to_string().contains("pool@1"));
        assert!(StageStats::default().summaries().is_empty());
    }
}
