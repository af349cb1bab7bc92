//! `cargo xtask sweep`: the grid of the record's phase 0.

use crate::{
    bar::Bar,
    bench::{Bench, EMBEDDED, cores, target},
};
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use crinoid_eval::{
    measure::{Exam, Grader, Preparations, Station},
    report::{Point, ResultFile, SubjectResult, alone, page, subject},
    subject::Parameters,
};
use crinoid_pipeline::Recipe;
use std::{path::PathBuf, process::ExitCode};

const EXAMPLES: &str = "\
Examples:
  cargo xtask sweep
  cargo xtask sweep --data sift-128.hdf5 --m 16,32,64 --ef-construction 200,400 --ef 100,200,400
  cargo xtask sweep --dim 256,512 --pool 200,1000 --k 100,200

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
    /// Dimensions to truncate to [default: all of them].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    dim: Vec<usize>,
    /// Links per node.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "16,32")]
    m: Vec<usize>,
    /// Efforts of the construction.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "200,400")]
    ef_construction: Vec<usize>,
    /// Efforts of the search.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "50,100,200,400")]
    ef: Vec<usize>,
    /// Candidates that the refiner sees [default: the refiner's own choice].
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pool: Vec<usize>,
    /// Answers per query.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "10,100,200")]
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
        let exam = Exam::all(&bench.data);
        let grader = Grader::new(&bench.data, &bench.truth)?;
        let stem = bench.data.name.replace(['/', ' '], "-");
        let out = self.out.clone().unwrap_or_else(|| target().join("crinoid-sweep").join(stem));
        std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
        let file = out.join("result.json");
        let title = format!("sweep of {}", self.recipe);
        let fresh = alone("sweep", title, &bench.data, exam.len());
        let mut result = match ResultFile::read(&file) {
            // Only results of the same data and recipe go on.
            Ok(old) if (&old.data, &old.title) == (&fresh.data, &fresh.title) => old,
            _ => fresh,
        };
        result.settings.k = self.k.first().copied().unwrap_or(10);
        result.settings.seed = self.seed;
        let grid = self.grid(bench.data.dim());
        let bar = Bar::new("sweeping");
        bar.at(0, grid.len());
        for (build, search) in grid {
            let params: Parameters = build.clone().into_iter().chain(search.clone()).collect();
            let label = describe(&params);
            bar.label(label.clone());
            if result.subject(&label).is_none() {
                let launch = bench.ours("subject", &self.recipe.to_string(), &[])?;
                let preparations = Preparations {
                    vectors: bench.vectors().to_owned(),
                    build,
                    search,
                    threads: cores(),
                    seed: self.seed,
                };
                let mut station = Station::start(&label, &launch, &preparations, grader)?;
                let entry = self.measure(&mut station, &exam)?;
                station.stop()?;
                result.subjects.push(SubjectResult { label, params, ..entry });
                result.write(&file)?;
            }
            bar.step();
        }
        drop(bar);
        mark_pareto(&mut result);
        if self.ef.iter().any(|ef| self.k.iter().any(|k| k > ef)) {
            let note = "where k > ef, ef is raised to k: such rows (k > ef) say nothing about ef";
            if !result.notes.iter().any(|known| known == note) {
                result.notes.push(note.to_owned());
            }
        }
        result.write(&file)?;
        std::fs::write(out.join("index.html"), page(&result.title, std::slice::from_ref(&result)))?;
        println!("{}", table(&result));
        result.notes.iter().for_each(|note| println!("note: {note}"));
        println!("written: {} and index.html", file.display());
        Ok(ExitCode::SUCCESS)
    }

    /// Every combination of build and search parameters.
    fn grid(&self, dim: usize) -> Vec<(Parameters, Parameters)> {
        let optional = |list: &[usize]| match list.is_empty() {
            true => vec![None],
            false => list.iter().copied().map(Some).collect::<Vec<_>>(),
        };
        let mut grid = Vec::new();
        for truncate in optional(&self.dim) {
            for &m in &self.m {
                for &efc in &self.ef_construction {
                    for pool in optional(&self.pool) {
                        let mut build = Parameters::from([
                            ("m".to_owned(), m.into()),
                            ("ef_construction".to_owned(), efc.into()),
                        ]);
                        if let Some(cut) = truncate.filter(|&cut| cut < dim) {
                            build.insert("truncate".to_owned(), cut.into());
                        }
                        let pool = pool.map(|pool| ("pool".to_owned(), pool.into()));
                        grid.push((build, pool.into_iter().collect()));
                    }
                }
            }
        }
        grid
    }

    fn measure(&self, station: &mut Station<'_>, exam: &Exam) -> Result<SubjectResult> {
        let first = self.k.first().copied().unwrap_or(10);
        let mut speeds = crinoid_eval::gate::Speeds::default();
        let mut qps = Vec::new();
        for &k in &self.k {
            for &ef in &self.ef {
                let mut best = f64::INFINITY;
                for _ in 0..self.passes.max(1) {
                    best = best.min(station.pass(exam, k, ef, false)?.seconds);
                }
                let speed = exam.len() as f64 / best;
                qps.push((k, ef, speed));
                if k == first {
                    speeds.efforts.push(ef);
                    speeds.recalls.push(station.observed(exam, k, ef)?.recall());
                }
            }
        }
        speeds.rounds = vec![qps.iter().filter(|q| q.0 == first).map(|q| q.2).collect()];
        let mut entry = subject(station, exam, first, &speeds);
        for point in &mut entry.points {
            let found = qps.iter().find(|&&(k, ef, _)| (k, ef) == (point.k, point.ef));
            point.qps = found.map(|&(_, _, speed)| speed);
        }
        if station.hello().latencies {
            let ef = self.ef.last().copied().unwrap_or(first);
            let latency = station.pass(exam, first, ef, true)?.latency;
            entry.latency = latency.map(|l| [l.p50, l.p95, l.p99].map(|nanos| nanos as f64 * 1e-9));
            entry.latency_recall = Some(station.observed(exam, first, ef)?.recall());
        }
        Ok(entry)
    }
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

fn table(result: &ResultFile) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "build",
        "k",
        "ef",
        "recall",
        "QPS",
        "visited",
        "recall/visited",
        "distances",
        "build s",
        "MB",
        "RSS MB",
        "",
    ]);
    for subject in &result.subjects {
        for point in &subject.points {
            let number = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.0}"));
            let share = point.hops.map_or("-".to_owned(), |h| format!("{:.5}", point.recall / h));
            let masked = if point.k > point.ef { "k > ef" } else { "" };
            table.add_row([
                subject.label.clone(),
                point.k.to_string(),
                point.ef.to_string(),
                format!("{:.4}", point.recall),
                number(point.qps),
                number(point.hops),
                share,
                number(point.distances),
                format!("{:.1}", subject.build_seconds),
                format!("{:.1}", subject.bytes as f64 / 1e6),
                format!("{:.0}", subject.resident as f64 / 1e6),
                if point.pareto { "Pareto".to_owned() } else { masked.to_owned() },
            ]);
        }
    }
    for column in 1..11 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
