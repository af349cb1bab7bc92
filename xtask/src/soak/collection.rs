//! `cargo xtask soak collection`: mixed load on a collection, for hours. Nothing may grow, drift or disagree.

use super::{
    record::{memory, record},
    rows::{Model, Shape, WORDS, words_agree},
};
use crate::{bench, tables};
use anyhow::{Context, Result, anyhow, ensure};
use crinoid_eval::{
    metrics::mean,
    report::{DataFacts, ResultFile},
};
use crinoid_pipeline::{
    SearchOptions,
    collection::{Collection, CollectionOptions, FilterExpr, HybridOptions, Snapshot},
};
use crinoid_quant::random::hash;
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask soak collection --minutes 5
  cargo xtask soak collection --minutes 120 --out target/crinoid-collection
  cargo xtask results --add target/crinoid-collection/result.json
      two hours, and the record of them

Exit code 1 when answers disagreed with what was written, or the last third of the time had a recall that is a point lower,
or a fifth more memory, than the first third (from 12 intervals on, the first of which is left out).";

/// Insert, update and delete rows of a collection, search it by vector, under filters and by words, seal, compact and reopen
/// it, all at a steady pace; print recall against exact search, memory and times of each interval.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Seconds after which the collection is reopened, compared with a model, and a line is printed.
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    interval: f64,
    /// Ids that batches name: nine in ten are alive after a while.
    #[arg(long, default_value_t = 20_000)]
    rows: usize,
    #[arg(long, default_value_t = 64)]
    dim: usize,
    /// Batches a second, of 1 to 32 changes.
    #[arg(long, default_value_t = 20.0)]
    writes: f64,
    /// Searches a second.
    #[arg(long, default_value_t = 200.0)]
    searches: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder for result.json, written anew after each interval [default: target/crinoid-collection].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Answers per search.
const K: usize = 10;

/// Every so many searches one is compared with exact search.
const SAMPLE: u64 = 8;

/// Intervals from which on drift is judged.
const ENOUGH: usize = 12;

/// Lines of the record's table, at most.
const LINES: usize = 30;

/// What happened in one interval: numbers alone, since what a soak keeps would look like what the collection keeps.
#[derive(Clone, Debug, Default)]
struct Interval {
    minutes: f64,
    rows: usize,
    segments: usize,
    batches: u64,
    searches: u64,
    /// Of searches without a filter, and with one.
    recall: f64,
    filtered: f64,
    /// Half of the searches took at most so many milliseconds, 99 in 100 so many.
    p50: f64,
    p99: f64,
    /// Opening it again.
    opening: Duration,
    resident: u64,
    disk: u64,
}

/// The searches of one interval.
#[derive(Default)]
struct Searches {
    count: u64,
    plain: Vec<f64>,
    filtered: Vec<f64>,
    times: Vec<Duration>,
}

impl Searches {
    fn interval(mut self) -> Interval {
        self.times.sort_unstable();
        let time = |share: f64| {
            let at = (self.times.len().saturating_sub(1) as f64 * share) as usize;
            self.times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Interval {
            searches: self.count,
            recall: mean(&self.plain),
            filtered: mean(&self.filtered),
            p50: time(0.5),
            p99: time(0.99),
            ..Interval::default()
        }
    }
}

impl Interval {
    /// The columns of the table.
    const HEADER: [&str; 12] = [
        "minute", "rows", "segments", "batches", "searches", "recall", "filtered", "p50 ms",
        "p99 ms", "open ms", "RSS MB", "disk MB",
    ];

    fn cells(&self) -> [String; 12] {
        [
            format!("{:.1}", self.minutes),
            self.rows.to_string(),
            self.segments.to_string(),
            self.batches.to_string(),
            self.searches.to_string(),
            format!("{:.4}", self.recall),
            format!("{:.4}", self.filtered),
            format!("{:.2}", self.p50),
            format!("{:.2}", self.p99),
            self.opening.as_millis().to_string(),
            (self.resident >> 20).to_string(),
            (self.disk >> 20).to_string(),
        ]
    }
}

/// Keeps to a number of steps a second; what is late is not made up for.
struct Pace {
    next: Instant,
    step: Duration,
}

impl Pace {
    fn new(per_second: f64) -> Self {
        Self { next: Instant::now(), step: Duration::from_secs_f64(1.0 / per_second) }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        std::thread::sleep(self.next.saturating_duration_since(now));
        self.next = self.next.max(now) + self.step;
    }
}

/// The collection, and what should be in it.
struct Load {
    folder: PathBuf,
    shape: Shape,
    model: Model,
    /// The number of the next batch, and of the next search.
    next: u64,
    asked: u64,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        ensure!(self.writes > 0.0 && self.searches > 0.0, "--writes and --searches are above 0");
        ensure!(self.interval >= 1.0, "--interval is at least a second");
        ensure!(self.rows >= 100 && self.dim >= 1, "--rows is at least 100, --dim at least 1");
        let work = tempfile::TempDir::new().context("making a work folder")?;
        let out = self.out.clone().unwrap_or_else(|| bench::target().join("crinoid-collection"));
        std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
        let folder = work.path().join("collection");
        let clusters = (self.rows / 50).max(1);
        let shape = Shape { dim: self.dim, ids: self.rows, entries: 32, clusters, seed: self.seed };
        let options = CollectionOptions::default().seal_rows((self.rows / 10).max(50));
        drop(Collection::create(&folder, self.dim, &options)?);
        let mut load = Load { folder, shape, model: Model::default(), next: 0, asked: 0 };
        load.fill()?;
        println!("{} rows to begin with", load.model.len());
        println!("{}", Interval::HEADER.join("  "));
        let (started, limit) = (Instant::now(), Duration::from_secs_f64(self.minutes * 60.0));
        let (mut intervals, mut failure) = (Vec::new(), None);
        while started.elapsed() < limit && failure.is_none() {
            let left = limit.saturating_sub(started.elapsed());
            match load.interval(&self, Duration::from_secs_f64(self.interval).min(left)) {
                Ok(mut interval) => {
                    interval.minutes = started.elapsed().as_secs_f64() / 60.0;
                    println!("{}", interval.cells().join("  "));
                    intervals.push(interval);
                }
                Err(error) => {
                    let kept = out.join(format!("failure-{}-{}", self.seed, load.next));
                    super::copy_all(&load.folder, &kept)?;
                    failure = Some(format!("{error:#} (files: {})", kept.display()));
                }
            }
            self.result(&load, &intervals, failure.as_deref()).write(&out.join("result.json"))?;
        }
        let result = self.result(&load, &intervals, failure.as_deref());
        bench::deliver(&result, &out)?;
        let mut table = tables::numbers(Interval::HEADER);
        table.add_rows(some_of(&intervals).map(Interval::cells));
        println!("{table}\n{}", result.title);
        let drifted = drift(&intervals).is_some_and(|drift| drift.is_too_much());
        Ok(ExitCode::from(u8::from(failure.is_some() || drifted)))
    }

    fn result(&self, load: &Load, intervals: &[Interval], failure: Option<&str>) -> ResultFile {
        let sum = |of: fn(&Interval) -> u64| intervals.iter().map(of).sum::<u64>();
        let (batches, searches) = (sum(|one| one.batches), sum(|one| one.searches));
        let minutes = intervals.last().map_or(0.0, |last| last.minutes);
        let drift = drift(intervals);
        let title = match (failure, &drift) {
            (Some(_), _) => format!("a failure after {minutes:.0} minutes of mixed load"),
            (None, Some(drift)) => format!("{minutes:.0} minutes of mixed load: {drift}"),
            (None, None) => format!("{minutes:.1} minutes of mixed load, too few to judge drift"),
        };
        let mut notes = vec![format!(
            "{batches} batches and {searches} searches (a third under filters, some by words, every {SAMPLE}th compared with exact \
             search); reopened and compared with a model {} times",
            intervals.len()
        )];
        notes.extend(failure.map(|words| format!("failure: {words}")));
        notes.push(Interval::HEADER.join(" | "));
        notes.extend(some_of(intervals).map(|interval| interval.cells().join(" | ")));
        let data = DataFacts {
            name: "collection".to_owned(),
            rows: load.model.len(),
            dim: self.dim,
            queries: searches as usize,
            metric: "l2".to_owned(),
            digest: format!("{:016x}", load.model.digest()),
        };
        record(title, data, self.seed, notes)
    }
}

/// At most as many intervals as a record has room for, at equal distances, the last one among them.
fn some_of(intervals: &[Interval]) -> impl Iterator<Item = &Interval> {
    let step = intervals.len().div_ceil(LINES).max(1);
    let skipped = (intervals.len() + step - 1) % step;
    intervals.iter().skip(skipped).step_by(step)
}

/// The first third of the intervals beside the last one.
#[derive(Debug)]
struct Drift {
    recall: [f64; 2],
    filtered: [f64; 2],
    /// Megabytes.
    resident: [f64; 2],
}

fn drift(intervals: &[Interval]) -> Option<Drift> {
    let judged = intervals.get(1..).filter(|_| intervals.len() >= ENOUGH)?;
    let third = judged.len() / 3;
    let both = |of: &dyn Fn(&Interval) -> f64| {
        let of = |some: &[Interval]| mean(&some.iter().map(of).collect::<Vec<_>>());
        [of(&judged[..third]), of(&judged[judged.len() - third..])]
    };
    Some(Drift {
        recall: both(&|one| one.recall),
        filtered: both(&|one| one.filtered),
        resident: both(&|one| (one.resident >> 20) as f64),
    })
}

impl Drift {
    fn is_too_much(&self) -> bool {
        let lower = |[first, last]: [f64; 2]| last < first - 0.01;
        let [first, last] = self.resident;
        lower(self.recall) || lower(self.filtered) || last > first * 1.2
    }
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [first, last] = self.resident;
        write!(
            f,
            "recall {:.4} -> {:.4}, filtered {:.4} -> {:.4}, memory {first:.0} -> {last:.0} MB (first and last third)",
            self.recall[0], self.recall[1], self.filtered[0], self.filtered[1]
        )
    }
}

impl Load {
    /// Rows to begin with, as many as there will be.
    fn fill(&mut self) -> Result<()> {
        let collection = Collection::open(&self.folder)?;
        let batches = (self.shape.ids * 3 / self.shape.entries) as u64;
        for _ in 0..batches {
            collection.write(&self.shape.batch(self.next))?;
            self.model.apply(&self.shape, self.next);
            self.next += 1;
        }
        collection.flush()?;
        Ok(())
    }

    /// Opens the collection, compares it with the model, and works for so long.
    fn interval(&mut self, args: &Args, time: Duration) -> Result<Interval> {
        let opening = Instant::now();
        let collection = Collection::open(&self.folder)?;
        let opening = opening.elapsed();
        self.model.check(&collection, self.next).context("after it was opened again")?;
        let (started, failed) = (Instant::now(), AtomicBool::new(false));
        let working = || started.elapsed() < time && !failed.load(Ordering::Relaxed);
        let (shape, asked) = (self.shape, self.asked);
        let (wrote, searched) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let searched = searches(&collection, &shape, asked, args.searches, &working);
                failed.fetch_or(searched.is_err(), Ordering::Relaxed);
                searched
            });
            let wrote = self.write(&collection, args.writes, &working);
            failed.fetch_or(wrote.is_err(), Ordering::Relaxed);
            (wrote, reader.join())
        });
        let searched = searched.map_err(|_| anyhow!("the reader panicked"))?;
        let mut interval = searched.context("searching")?.interval();
        interval.batches = wrote.context("writing")?;
        self.asked += interval.searches;
        let status = collection.status();
        ensure!(status.failure.is_none(), "maintenance: {:?}", status.failure);
        (interval.rows, interval.segments, interval.disk) =
            (status.rows, status.segments, status.bytes);
        (interval.opening, interval.resident) = (opening, memory().0);
        Ok(interval)
    }

    /// Writes at a steady pace; seals and compacts now and then, as nobody has to.
    fn write(
        &mut self,
        collection: &Collection,
        per_second: f64,
        working: &dyn Fn() -> bool,
    ) -> Result<u64> {
        let (first, mut pace) = (self.next, Pace::new(per_second));
        while working() {
            pace.wait();
            collection.write(&self.shape.batch(self.next))?;
            self.model.apply(&self.shape, self.next);
            self.next += 1;
            match hash(self.shape.seed ^ 0x5ea1, self.next) % 2_000 {
                0 => collection.seal()?,
                1 => collection.compact()?,
                _ => {}
            }
        }
        Ok(self.next - first)
    }
}

/// Searches at a steady pace, of all kinds by turns.
fn searches(
    collection: &Collection,
    shape: &Shape,
    first: u64,
    per_second: f64,
    working: &dyn Fn() -> bool,
) -> Result<Searches> {
    let (mut done, mut pace) = (Searches::default(), Pace::new(per_second));
    while working() {
        pace.wait();
        let roll = hash(shape.seed ^ 0xa5c, first + done.count);
        let query = shape.vector(roll);
        let snapshot = collection.snapshot();
        let sampled = roll.is_multiple_of(SAMPLE);
        let started = Instant::now();
        match done.count % 6 {
            0..=2 => {
                let recall = recall(&snapshot, &query, sampled, &mut done.times, started)?;
                done.plain.extend(recall);
            }
            3 | 4 => {
                // Half of the rows, a tenth or a hundredth.
                let below = [500, 100, 10][(roll % 3) as usize];
                let share = crinoid_pipeline::collection::Comparison::Less;
                let filter = FilterExpr::compare("share", share, below);
                let snapshot = snapshot.filtered(&filter)?;
                let recall = recall(&snapshot, &query, sampled, &mut done.times, started)?;
                done.filtered.extend(recall);
            }
            _ => {
                let word = hash(roll, 7) % WORDS;
                let found = snapshot.search_hybrid(
                    &query,
                    &format!("word{word}"),
                    &HybridOptions::for_k(K),
                )?;
                done.times.push(started.elapsed());
                ensure!(
                    found.len() == snapshot.len().min(K),
                    "{} answers to a hybrid search",
                    found.len()
                );
                if sampled {
                    words_agree(&snapshot, word)?;
                }
            }
        }
        done.count += 1;
    }
    Ok(done)
}

/// Searches; the share of the nearest that was found, where this is one of the sample.
fn recall(
    snapshot: &Snapshot,
    query: &[f32],
    sampled: bool,
    times: &mut Vec<Duration>,
    started: Instant,
) -> Result<Option<f64>> {
    let found = snapshot.search(query, &SearchOptions::for_k(K))?;
    times.push(started.elapsed());
    let want = snapshot.len().min(K);
    ensure!(found.len() == want, "{} answers where {want} are due", found.len());
    ensure!(found.is_sorted_by(|a, b| a.distance <= b.distance), "not in order: {found:?}");
    if !sampled || want == 0 {
        return Ok(None);
    }
    let nearest = snapshot.search_exact(query, K)?;
    let hits = found.iter().filter(|one| nearest.iter().any(|near| near.id == one.id)).count();
    Ok(Some(hits as f64 / want as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(
        recalls: impl Iterator<Item = f64>,
        megabytes: impl Fn(usize) -> u64,
    ) -> Vec<Interval> {
        let one = |(at, recall): (usize, f64)| Interval {
            recall,
            filtered: 1.0,
            resident: megabytes(at) << 20,
            ..Interval::default()
        };
        recalls.enumerate().map(one).collect()
    }

    #[test]
    fn drift_of_recall_and_of_memory_is_noticed_and_noise_is_not() {
        let flat = |at: usize| 100 + at as u64 % 7;
        let steady = |n: usize| (0..n).map(|at| 0.99 + (at % 3) as f64 / 1e3);
        assert!(drift(&intervals(steady(ENOUGH - 1), flat)).is_none());
        let too_much = |of: &[Interval]| drift(of).unwrap().is_too_much();
        assert!(!too_much(&intervals(steady(30), flat)));
        assert!(too_much(&intervals((0..30).map(|at| 0.99 - f64::from(at) / 1e3), flat)));
        assert!(too_much(&intervals(steady(30), |at| 100 + 2 * at as u64)));
        // The first interval may be as it likes.
        assert!(!too_much(&intervals(steady(30), |at| if at == 0 { 1 } else { 100 })));
    }

    #[test]
    fn a_record_has_room_for_the_last_interval() {
        for count in 1..200 {
            let all = intervals((0..count).map(f64::from), |at| at as u64);
            let some: Vec<u64> = some_of(&all).map(|one| one.resident >> 20).collect();
            assert!(some.len() <= LINES && some.last() == Some(&(count as u64 - 1)), "{count}");
        }
    }
}
