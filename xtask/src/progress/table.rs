//! The tables, and result.json.

use super::{Measured, ladder::Ladder, quality::DEPTHS, timer::Pass};
use crate::tables;
use anyhow::{Context, Result};
use comfy_table::Table;
use crinoid_eval::{
    Dataset,
    metrics::{Latency, mean},
    report::{
        self, Better, Comparison, Delta, Level, ResultFile, SubjectResult, Unit, alone, page,
    },
    reward::{Curve, HIGH, LEVELS, Point, REWARD},
    stats::{Interval, Resampling, bca_mean, differences, student_mean},
};
use std::path::Path;

/// Everything as a result: each rung a subject, each compared with the start.
pub(super) fn result(ladder: &Ladder, data: &Dataset, measured: &[Measured]) -> Result<ResultFile> {
    let mut result = alone("progress", ladder.title.clone(), data, data.queries.len());
    result.settings.k = ladder.start.search.k;
    result.settings.rounds = measured.first().map_or(0, |one| one.rounds.len());
    result.settings.level = 0.95;
    result.settings.seed = ladder.start.build.graph.seed;
    result.subjects = measured.iter().map(|one| subject(ladder, one)).collect();
    result.notes = ladder.notes.iter().map(|note| (*note).to_owned()).collect();
    if let Some((start, others)) = measured.split_first() {
        let compare = |other: &Measured| -> Result<Comparison> {
            Ok(Comparison {
                baseline: start.rung.label.clone(),
                candidate: other.rung.label.clone(),
                deltas: deltas(ladder, start, other)?,
            })
        };
        result.comparisons = others.iter().map(compare).collect::<Result<_>>()?;
    }
    Ok(result)
}

fn subject(ladder: &Ladder, one: &Measured) -> SubjectResult {
    let curve = ladder.sweep.then(|| one.curve(None)).filter(|curve| !curve.points().is_empty());
    let level = |recall| {
        let qps = curve.as_ref().and_then(|curve| curve.at(recall));
        Level { recall, qps, ..Level::default() }
    };
    let seconds = |nanos: u64| nanos as f64 * 1e-9;
    let setup = &one.rung.setup;
    SubjectResult {
        label: one.rung.label.clone(),
        name: setup.build.recipe.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        isa: setup.isa.unwrap_or_else(crinoid_quant::Level::current).to_string(),
        build_seconds: one.quality.build_seconds,
        bytes: one.loaded.parts.values().sum(),
        parts: one.loaded.parts.clone(),
        resident: one.rounds.last().and_then(|round| round.last()).map_or(0, |pass| pass.resident),
        reward: curve.as_ref().map(|curve| curve.area(REWARD)),
        high: curve.as_ref().map(|curve| curve.area(HIGH)),
        levels: LEVELS.map(level).to_vec(),
        points: one.points(),
        latency: one
            .latencies()
            .last()
            .filter(|_| !ladder.sweep)
            .map(|(_, latency)| [latency.p50, latency.p95, latency.p99].map(seconds)),
        ..SubjectResult::default()
    }
}

fn deltas(ladder: &Ladder, start: &Measured, other: &Measured) -> Result<Vec<Delta>> {
    let mut deltas = Vec::new();
    for (name, before) in &start.quality.shares {
        let Some(after) = other.quality.shares.get(name) else { continue };
        deltas.push(Delta {
            quantity: name.clone(),
            measure: "share".to_owned(),
            baseline: Some(mean(before)),
            candidate: Some(mean(after)),
            change: Some(bca_mean(&differences(before, after)?, &Resampling::default())?),
            ..Delta::default()
        });
    }
    let work = |quantity: &str, before: f64, after: f64| Delta {
        quantity: quantity.to_owned(),
        measure: "count".to_owned(),
        baseline: Some(before),
        candidate: Some(after),
        unit: Unit::Ratio,
        better: Better::Lower,
        ..Delta::default()
    };
    let (a, b) = (&start.quality, &other.quality);
    if !ladder.sweep {
        deltas.push(work("nodes expanded", a.hops, b.hops));
        deltas.push(work("distances", a.distances, b.distances));
    }
    type Speed = fn(&Measured, Option<usize>) -> Option<f64>;
    let quantities: &[(&str, Speed)] = match ladder.sweep {
        true => &[
            ("reward", |one, round| {
                Some(one.curve(round).area(REWARD)).filter(|area| area.complete).map(|a| a.value)
            }),
            ("qps at recall 0.90", |one, round| one.curve(round).at(0.90)),
            ("qps at recall 0.95", |one, round| one.curve(round).at(0.95)),
            ("qps at recall 0.99", |one, round| one.curve(round).at(0.99)),
            ("qps at recall 0.999", |one, round| one.curve(round).at(0.999)),
        ],
        false => &[("qps", |one, round| one.speeds(round).first().copied())],
    };
    for (quantity, speed) in quantities {
        let ratio = |round| Some((speed(other, Some(round))? / speed(start, Some(round))?).ln());
        let logs: Vec<f64> = (0..start.rounds.len()).filter_map(ratio).collect();
        let change = student_mean(&logs, 0.95).ok();
        deltas.push(Delta {
            quantity: (*quantity).to_owned(),
            measure: "qps".to_owned(),
            baseline: speed(start, None),
            candidate: speed(other, None),
            unit: Unit::Ratio,
            change: change.map(|interval| interval.map(|log| log.exp() - 1.0)),
            ..Delta::default()
        });
    }
    Ok(deltas)
}

impl Measured {
    /// Queries per second at each beam that was timed: of one round, or the median of all.
    fn speeds(&self, round: Option<usize>) -> Vec<f64> {
        let speed =
            |pass: &Pass| pass.total.len() as f64 / (pass.total.iter().sum::<u64>() as f64 * 1e-9);
        let of = |at: usize| match round {
            Some(round) => {
                self.rounds.get(round).and_then(|passes| passes.get(at)).map_or(0.0, speed)
            }
            None => {
                let mut all: Vec<f64> =
                    self.rounds.iter().map(|passes| speed(&passes[at])).collect();
                all.sort_unstable_by(f64::total_cmp);
                all.get(all.len() / 2).copied().unwrap_or(0.0)
            }
        };
        let beams = if self.rounds.is_empty() { 0 } else { self.beams().len() };
        (0..beams).map(of).collect()
    }

    /// The points of its curve, where it was swept.
    fn points(&self) -> Vec<report::Point> {
        let (beams, speeds) = (self.beams(), self.speeds(None));
        let at = |&(ef, recall): &(usize, f64)| {
            let qps = beams.iter().position(|&beam| beam == ef).and_then(|at| speeds.get(at));
            let k = self.rung.setup.search.k;
            report::Point { k, ef, recall, qps: qps.copied(), ..report::Point::default() }
        };
        self.quality.sweep.iter().map(at).collect()
    }

    fn curve(&self, round: Option<usize>) -> Curve {
        let (sweep, beams) = (&self.quality.sweep, self.beams());
        let recalls = sweep.iter().filter(|(ef, _)| beams.contains(ef)).map(|&(_, recall)| recall);
        let points = recalls.zip(self.speeds(round));
        Curve::new(points.map(|(recall, speed)| Point { recall, speed }))
    }

    /// Each stage, then all of them: percentiles over the queries of each query's median round.
    fn latencies(&self) -> Vec<(String, Latency)> {
        let Some(first) = self.rounds.first().and_then(|passes| passes.first()) else {
            return Vec::new();
        };
        let median = |of: &dyn Fn(&Pass) -> &[u64]| {
            let mut medians: Vec<u64> = (0..first.total.len())
                .map(|query| {
                    let mut times: Vec<u64> =
                        self.rounds.iter().map(|passes| of(&passes[0])[query]).collect();
                    times.sort_unstable();
                    times[times.len() / 2]
                })
                .collect();
            Latency::of(&mut medians)
        };
        let stages = first.stages.iter().enumerate();
        let mut all: Vec<_> = stages
            .map(|(at, (name, _))| (name.clone(), median(&|pass| &pass.stages[at].1)))
            .collect();
        all.push(("total".to_owned(), median(&|pass| &pass.total)));
        all
    }
}

/// Prints what a person wants to see.
pub(super) fn print(ladder: &Ladder, result: &ResultFile, measured: &[Measured]) {
    let data = &result.data;
    println!(
        "{}\n{}: {} x {}, {}, {} queries; {}, {} rounds",
        result.title,
        data.name,
        data.rows,
        data.dim,
        data.metric,
        data.queries,
        result.machine.cpu,
        result.settings.rounds
    );
    if ladder.sweep {
        println!("{}", speeds(result));
    } else {
        println!("{}", found(measured));
        println!("{}", changes(result));
        println!("{}", stages(measured));
    }
    for note in &result.notes {
        println!("note: {note}");
    }
}

/// Table 4: reward and speeds, and the change of each against the start.
fn speeds(result: &ResultFile) -> Table {
    let columns = [
        "reward",
        "qps at recall 0.90",
        "qps at recall 0.95",
        "qps at recall 0.99",
        "qps at recall 0.999",
    ];
    let mut table = tables::numbers(["rung"].into_iter().chain(columns));
    for subject in &result.subjects {
        let comparison = result.comparisons.iter().find(|c| c.candidate == subject.label);
        let own = |at: usize| match at {
            0 => subject.reward.filter(|area| area.complete).map(|area| area.value),
            at => subject.levels[at - 1].qps,
        };
        let cell = |(at, name): (usize, &&str)| {
            let value = own(at).map_or("-".to_owned(), |value| format!("{value:.0}"));
            let delta = comparison.and_then(|c| c.deltas.iter().find(|d| d.quantity == **name));
            match delta.and_then(|delta| delta.change) {
                Some(change) => format!("{value} ({})", percent(change)),
                None => value,
            }
        };
        table.add_row(
            std::iter::once(subject.label.clone()).chain(columns.iter().enumerate().map(cell)),
        );
    }
    table
}

/// What every rung finds.
fn found(measured: &[Measured]) -> Table {
    let names: Vec<String> = DEPTHS
        .iter()
        .map(|k| format!("recall@{k}"))
        .chain(["fidelity@200", "final recall@10", "MRR@10", "nDCG@10"].map(str::to_owned))
        .filter(|name| measured.iter().any(|one| one.quality.shares.contains_key(name)))
        .collect();
    let mut table = tables::numbers(
        ["rung"].into_iter().chain(names.iter().map(String::as_str)).chain(["nodes", "distances"]),
    );
    for one in measured {
        let share = |name: &String| {
            one.quality
                .shares
                .get(name)
                .map_or("-".to_owned(), |values| format!("{:.4}", mean(values)))
        };
        let work = [one.quality.hops, one.quality.distances].map(|count| format!("{count:.0}"));
        table.add_row(
            std::iter::once(one.rung.label.clone()).chain(names.iter().map(share)).chain(work),
        );
    }
    table
}

/// The change of each rung against the start, with its interval.
fn changes(result: &ResultFile) -> Table {
    let all = [
        "recall@100",
        "recall@200",
        "recall@1000",
        "fidelity@200",
        "final recall@10",
        "MRR@10",
        "nDCG@10",
        "qps",
    ];
    let there = |name: &&str| {
        result.comparisons.iter().any(|c| c.deltas.iter().any(|d| d.quantity == **name))
    };
    let names: Vec<&str> = all.into_iter().filter(there).collect();
    let mut table = tables::numbers(["against the start"].into_iter().chain(names.iter().copied()));
    for comparison in &result.comparisons {
        let cell = |name: &&str| {
            let delta = comparison.deltas.iter().find(|delta| delta.quantity == **name);
            match delta.and_then(|delta| Some((delta.unit, delta.change?))) {
                Some((_, change)) => percent(change),
                None => "-".to_owned(),
            }
        };
        table.add_row(std::iter::once(comparison.candidate.clone()).chain(names.iter().map(cell)));
    }
    table
}

/// Times of every stage, and memory.
fn stages(measured: &[Measured]) -> Table {
    let mut table = tables::numbers([
        "rung",
        "stage",
        "p50 µs",
        "p95 µs",
        "p99 µs",
        "bytes/vector",
        "MiB before, loaded, searched",
    ]);
    for one in measured {
        let micros = |nanos: u64| format!("{:.1}", nanos as f64 / 1e3);
        let stages = one.latencies();
        let last = stages.len().saturating_sub(1);
        for (at, (name, latency)) in stages.into_iter().enumerate() {
            let label = if at == 0 { one.rung.label.clone() } else { String::new() };
            let mut row =
                vec![label, name, micros(latency.p50), micros(latency.p95), micros(latency.p99)];
            if at == last {
                row.extend(one.memory());
            }
            table.add_row(row);
        }
    }
    table
}

impl Measured {
    fn memory(&self) -> [String; 2] {
        let rows = self.loaded.rows.max(1) as f64;
        let of = |name: &str| *self.loaded.parts.get(name).unwrap_or(&0) as f64 / rows;
        let parts = format!("{:.0} + {:.0} + {:.0}", of("graph"), of("codes"), of("refine"));
        let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
        let searched =
            self.rounds.last().and_then(|round| round.last()).map_or(0, |pass| pass.resident);
        let resident = [self.loaded.before, self.loaded.after, searched].map(mib).join(", ");
        [parts, resident]
    }
}

/// Writes result.json and its page.
pub(super) fn write(result: &ResultFile, folder: &Path) -> Result<()> {
    result.write(&folder.join("result.json"))?;
    let file = folder.join("index.html");
    let html = page(&result.title, std::slice::from_ref(result));
    std::fs::write(&file, html).with_context(|| file.display().to_string())?;
    println!("written: {} and index.html", folder.join("result.json").display());
    Ok(())
}

/// A change in points or per cent, with its interval.
fn percent(change: Interval) -> String {
    let Interval { estimate, low, high } = change;
    format!("{:+.1} [{:+.1}, {:+.1}]", estimate * 100.0, low * 100.0, high * 100.0)
}
