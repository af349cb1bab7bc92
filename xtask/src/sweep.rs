//! `cargo xtask sweep`: the grid of the record's phase 0.

use crate::{
    bar::Bar,
    bench::{Bench, EMBEDDED, cores, target},
    tables,
};
use anyhow::{Context, Result};
use comfy_table::Table;
use crinoid_eval::{
    measure::{Grader, Preparations, QuerySplit, RunningSubject, Speeds},
    report::{Point, ResultFile, SubjectResult, alone, page, subject},
    subject::Parameters,
};
use crinoid_pipeline::Recipe;
use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

const EXAMPLES: &str = "\
Examples:
  cargo xtask sweep
  cargo xtask sweep --data sift-128.hdf5 --m 16,32,64 --ef-construction 200,400 --ef 100,200,400
  cargo xtask sweep --dim 256,512 --pool 200,1000 --k 100,200
  cargo xtask sweep --phase0 --recipe sign@1/hnsw@1/pool@1/int8@1+float@1 --data code-384.hdf5

Interrupted, it goes on where it stopped when it is started again with the same --out.";

/// Measure a grid of parameters: recall against exact search, work, latency, build time, memory.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The recipe.
    #[arg(long, default_value_t)]
    recipe: Recipe,
    /// A preset of the generator, or a file.
    #[arg(long, default_value = EMBEDDED)]
    data: String,
    /// The whole grid of the record's phase 0 in place of the defaults below: half, three quarters and all
    /// of the dimensions; 16 to 64 links; efforts of 200 to 800 and 100 to 600; pools of 50 to 4000.
    #[arg(long)]
    phase0: bool,
    /// Dimensions to truncate to [default: all of them].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    dim: Vec<usize>,
    /// Links per node.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "16,32")]
    #[arg(default_value_if("phase0", "true", "16,24,32,48,64"))]
    m: Vec<usize>,
    /// Efforts of the construction.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "200,400")]
    #[arg(default_value_if("phase0", "true", "200,400,600,800"))]
    ef_construction: Vec<usize>,
    /// Efforts of the search.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "50,100,200,400")]
    #[arg(default_value_if("phase0", "true", "100,200,400,600"))]
    ef: Vec<usize>,
    /// Candidates that the refiner sees [default: the refiner's own choice].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    #[arg(default_value_if("phase0", "true", "50,100,200,500,1000,2000,4000"))]
    pool: Vec<usize>,
    /// Answers per query.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "10,100,200")]
    #[arg(default_value_if("phase0", "true", "10,100,200,1000"))]
    k: Vec<usize>,
    /// Passes whose fastest counts.
    #[arg(long, default_value_t = 3)]
    passes: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Where result.json and the page go [default: target/crinoid-sweep/DATA].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let most = self.k.iter().copied().max().unwrap_or(10);
        let bench = Bench::open(&self.data, most)?;
        let split = QuerySplit::all(&bench.data);
        let grader = Grader::new(&bench.data, &bench.truth)?;
        let stem = bench.data.name.replace(['/', ' '], "-");
        let out = self.out.clone().unwrap_or_else(|| target().join("crinoid-sweep").join(stem));
        std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
        let file = out.join("result.json");
        let title = format!("sweep of {}", self.recipe);
        let mut result = alone("sweep", title, &bench.data, split.len());
        result.settings.k = self.k.first().copied().unwrap_or(10);
        result.settings.seed = self.seed;
        result.settings.threads = cores();
        if let Ok(old) = ResultFile::read(&file) {
            // Only results of the same data, recipe and seed go on.
            let what = |of: &ResultFile| (of.data.clone(), of.title.clone(), of.settings.seed);
            if what(&old) == what(&result) {
                result.subjects = old.subjects;
            }
        }
        let points = self.points(bench.data.base.len());
        let (builds, searches) = (self.builds(bench.data.dim()), self.searches());
        let bar = Bar::new("sweeping");
        bar.at(0, builds.len() * searches.len());
        for build in builds {
            let mut built: Option<RunningSubject<'_>> = None;
            for search in &searches {
                let params: Parameters = build.clone().into_iter().chain(search.clone()).collect();
                let label = describe(&params);
                bar.label(label.clone());
                if !result.subject(&label).is_some_and(|old| has(old, &points)) {
                    let running = match &mut built {
                        Some(running) => running,
                        None => built.insert(self.running(&bench, &build, grader)?),
                    };
                    running.search_with(search.clone());
                    let entry = self.measure(running, &split, &points)?;
                    result.subjects.retain(|old| old.label != label);
                    result.subjects.push(SubjectResult { label, params, ..entry });
                    result.write(&file)?;
                }
                bar.step();
            }
            if let Some(running) = built {
                running.stop()?;
            }
        }
        drop(bar);
        mark_pareto(&mut result);
        result.notes = self.masked();
        result.write(&file)?;
        std::fs::write(out.join("index.html"), page(&result.title, std::slice::from_ref(&result)))?;
        println!("{}\n{}", builds_table(&result), points_table(&result));
        result.notes.iter().for_each(|note| println!("note: {note}"));
        println!("written: {} and index.html", file.display());
        Ok(ExitCode::SUCCESS)
    }

    fn running<'a>(
        &self,
        bench: &Bench,
        build: &Parameters,
        grader: Grader<'a>,
    ) -> Result<RunningSubject<'a>> {
        let launch = bench.ours("subject", &self.recipe.to_string(), &[])?;
        let preparations = Preparations {
            vectors: bench.vectors().to_owned(),
            build: build.clone(),
            search: Parameters::new(),
            threads: cores(),
            seed: self.seed,
        };
        Ok(RunningSubject::start(describe(build), &launch, &preparations, grader)?)
    }

    /// Every combination of build parameters.
    fn builds(&self, dim: usize) -> Vec<Parameters> {
        let mut cuts: Vec<Option<usize>> = self.dim.iter().copied().map(Some).collect();
        if cuts.is_empty() {
            let halves = [dim / 2, dim / 4 * 3].map(Some);
            cuts = if self.phase0 { halves.to_vec() } else { Vec::new() };
            cuts.push(None);
        }
        let mut builds = Vec::new();
        for cut in cuts {
            for &m in &self.m {
                for &efc in &self.ef_construction {
                    let pairs = [("m", m), ("ef_construction", efc)];
                    let cut = cut.filter(|&cut| cut < dim).map(|cut| ("truncate", cut));
                    let all = pairs.into_iter().chain(cut);
                    builds.push(all.map(|(name, value)| (name.to_owned(), value.into())).collect());
                }
            }
        }
        builds
    }

    /// Every choice of search parameters beside the effort.
    fn searches(&self) -> Vec<Parameters> {
        let pools = self.pool.iter().map(|&pool| [("pool".to_owned(), pool.into())].into());
        let pools: Vec<Parameters> = pools.collect();
        if pools.is_empty() { vec![Parameters::new()] } else { pools }
    }

    /// The `k` and `ef` to measure. An `ef` below `k` means `k`, so it is measured once as such.
    fn points(&self, rows: usize) -> BTreeSet<(usize, usize)> {
        let ks = self.k.iter().map(|&k| k.min(rows));
        ks.flat_map(|k| self.ef.iter().map(move |&ef| (k, ef.max(k)))).collect()
    }

    /// Says which efforts say nothing.
    fn masked(&self) -> Vec<String> {
        let note = |&k: &usize| {
            let below: Vec<_> =
                self.ef.iter().filter(|&&ef| ef < k).map(ToString::to_string).collect();
            let list = below.join(", ");
            (!below.is_empty()).then(|| format!("k > ef: at k {k} an ef of {list} is one of {k}"))
        };
        self.k.iter().filter_map(note).collect()
    }

    fn measure(
        &self,
        running: &mut RunningSubject<'_>,
        split: &QuerySplit,
        points: &BTreeSet<(usize, usize)>,
    ) -> Result<SubjectResult> {
        let first = self.k.first().copied().unwrap_or(10);
        let (mut speeds, mut timed) = (Speeds::default(), Vec::new());
        let mut fresh = running.fresh(split);
        for &(k, ef) in points {
            running.observe(split, k, ef)?;
            let mut qps = 0.0f64;
            for _ in 0..self.passes.max(1) {
                qps = qps.max(running.pass(&fresh.batch()?, k, ef, false)?.speed());
            }
            let mut latency = None;
            if running.hello().latencies {
                latency = running.pass(&fresh.batch()?, k, ef, true)?.latency;
            }
            timed.push((k, ef, qps, latency));
            if k == first {
                speeds.efforts.push(ef);
                speeds.recalls.push(running.observed(split, k, ef)?.recall());
            }
        }
        speeds.rounds = vec![timed.iter().filter(|t| t.0 == first).map(|t| t.2).collect()];
        let mut entry = subject(running, split, first, &speeds);
        for point in &mut entry.points {
            let found = timed.iter().find(|t| (t.0, t.1) == (point.k, point.ef));
            point.qps = found.map(|t| t.2);
            let latency = found.and_then(|t| t.3);
            point.latency = latency.map(|l| [l.p50, l.p95, l.p99].map(|nanos| nanos as f64 * 1e-9));
        }
        Ok(entry)
    }
}

/// Whether all of `points` were measured already.
fn has(old: &SubjectResult, points: &BTreeSet<(usize, usize)>) -> bool {
    points.iter().all(|&wanted| old.points.iter().any(|point| (point.k, point.ef) == wanted))
}

/// `m 16, ef_construction 200`.
fn describe(params: &Parameters) -> String {
    params.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

/// Marks, for each k, the points that no other of any subject beats in recall and speed.
fn mark_pareto(result: &mut ResultFile) {
    let all: Vec<Point> =
        result.subjects.iter().flat_map(|subject| subject.points.clone()).collect();
    let beats = |a: &Point, b: &Point| {
        a.k == b.k
            && (a.recall > b.recall && a.qps >= b.qps || a.recall >= b.recall && a.qps > b.qps)
    };
    for subject in &mut result.subjects {
        for point in &mut subject.points {
            point.pareto = point.qps.is_some() && !all.iter().any(|other| beats(other, point));
        }
    }
}

fn builds_table(result: &ResultFile) -> Table {
    let mut table = tables::numbers(["", "build s", "index MB", "resident MB", "peak MB"]);
    let mut seen = BTreeSet::new();
    for subject in &result.subjects {
        let mut build = subject.params.clone();
        build.remove("pool");
        let build = describe(&build);
        if !seen.insert(build.clone()) {
            continue;
        }
        let mb = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
        let seconds = format!("{:.1}", subject.build_seconds);
        let bytes = [subject.bytes, subject.resident, subject.peak].map(mb);
        table.add_row([build, seconds].into_iter().chain(bytes));
    }
    table
}

fn points_table(result: &ResultFile) -> Table {
    let judged = result.subjects.iter().flat_map(|s| &s.points).any(|point| point.ndcg.is_some());
    let quality = if judged { &["recall", "nDCG@10", "MRR@10"][..] } else { &["recall"] };
    let costs = ["QPS", "p50 µs", "p95 µs", "p99 µs", "visited", "recall/visited", "distances", ""];
    let header = ["", "k", "ef"].iter().chain(quality).chain(&costs);
    let mut table = tables::numbers(header.copied());
    let dash = || "-".to_owned();
    for subject in &result.subjects {
        for (at, point) in subject.points.iter().enumerate() {
            let count = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.0}"));
            let share = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.4}"));
            let micros = |at: usize| {
                point.latency.map_or_else(dash, |seconds| format!("{:.1}", seconds[at] * 1e6))
            };
            let label = if at == 0 { subject.label.clone() } else { String::new() };
            let mut row = vec![label, point.k.to_string(), point.ef.to_string()];
            row.push(share(Some(point.recall)));
            if judged {
                row.extend([share(point.ndcg), share(point.mrr)]);
            }
            row.push(count(point.qps));
            row.extend([0, 1, 2].map(micros));
            row.push(count(point.hops));
            row.push(point.hops.map_or_else(dash, |hops| format!("{:.5}", point.recall / hops)));
            row.push(count(point.distances));
            row.push(if point.pareto { "Pareto" } else { "" }.to_owned());
            table.add_row(row);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_grid_is_the_default_or_the_records_or_ones_own() {
        let of = |words: &[&str]| {
            let args = Line::parse_from([&["sweep"], words].concat()).args;
            (args.builds(96).len(), args.searches().len(), args.points(20_000).len())
        };
        // At k 100 and 200 the efforts below are one.
        assert_eq!(of(&[]), (4, 1, 4 + 3 + 2));
        assert_eq!(of(&["--phase0"]), (3 * 5 * 4, 7, 4 + 4 + 3 + 1));
        assert_eq!(of(&["--phase0", "--m", "8", "--k", "10"]), (3 * 4, 7, 4));
        assert_eq!(of(&["--dim", "32,96", "--m", "8", "--pool", "50"]), (2 * 2, 1, 9));
    }
}
