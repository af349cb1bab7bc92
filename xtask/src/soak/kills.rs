//! `cargo xtask soak kills`: the crash campaign of the tests, as often as one likes.

use super::{
    faults::victim::{Job, Victim},
    record::record,
    rows::{Model, Shape},
};
use crate::{bar::Bar, bench};
use anyhow::{Context, Result};
use crinoid_eval::report::DataFacts;
use crinoid_pipeline::collection::{Collection, CollectionOptions};
use crinoid_quant::random::hash;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask soak kills --kills 300
      a minute or so
  cargo xtask soak kills --kills 10000 --out target/crinoid-kills
  cargo xtask results --add target/crinoid-kills/result.json
      the long campaign, and the record of it

Exit code 1 when something acknowledged was lost, something was half there, or filters and texts did not agree with the
rows; the collection's files are kept then.";

/// Kill a process again and again while it inserts, updates and deletes rows with attributes and texts, seals and compacts;
/// hold what is left against a model.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How many processes.
    #[arg(long, default_value_t = 10_000)]
    kills: u64,
    /// Seed of everything random but the moment at which a process is killed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder for result.json [default: target/crinoid-kills].
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// What batches the victims write, of a campaign with this seed.
pub(super) fn shape(seed: u64) -> Shape {
    Shape { dim: 6, ids: 120, entries: 5, clusters: 8, seed }
}

/// Seals every few batches, and compacts every few seals.
fn options() -> CollectionOptions {
    let mut options = CollectionOptions::default().seal_rows(12).max_dead(0.2).max_segments(3);
    (options.build.graph.m, options.build.graph.ef_construction) = (8, 60);
    options
}

/// What happened.
#[derive(Default)]
struct Tally {
    kills: u64,
    batches: u64,
    /// How often the batch that was being written when the process died was there.
    unacknowledged: u64,
    /// Files of seals and compactions that were under way.
    leftovers: usize,
    rebuilt: usize,
    slowest: Duration,
    failure: Option<String>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let work = tempfile::TempDir::new().context("making a work folder")?;
        let out = self.out.clone().unwrap_or_else(|| bench::target().join("crinoid-kills"));
        std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
        let folder = work.path().join("collection");
        let shape = shape(self.seed);
        drop(Collection::create(&folder, shape.dim, &options())?);
        let (started, mut tally, mut model) = (Instant::now(), Tally::default(), Model::default());
        let bar = Bar::new("killing");
        for kill in 0..self.kills {
            bar.at(kill as usize, self.kills as usize);
            if let Err(error) = self.kill(kill, &folder, &mut model, &mut tally) {
                let kept = out.join(format!("failure-{}-{kill}", self.seed));
                super::copy_all(&folder, &kept)?;
                tally.failure = Some(format!("kill {kill}: {error:#} (files: {})", kept.display()));
                break;
            }
            tally.kills += 1;
        }
        drop(bar);
        let took = started.elapsed();
        let failures = usize::from(tally.failure.is_some());
        let mut notes = vec![
            format!(
                "{} processes killed in {:.1} minutes; {} batches were written, {} of them not acknowledged and yet whole",
                tally.kills,
                took.as_secs_f64() / 60.0,
                tally.batches,
                tally.unacknowledged
            ),
            format!(
                "{} files of seals and compactions were left over and removed, {} segments built again; the slowest opening \
                 took {} ms",
                tally.leftovers,
                tally.rebuilt,
                tally.slowest.as_millis()
            ),
            format!(
                "after each kill all rows, attributes and texts were compared with a model, and filters and words with the \
                 rows: {} rows at the end",
                model.len()
            ),
        ];
        notes.extend(tally.failure.iter().map(|words| format!("failure: {words}")));
        let data = DataFacts {
            name: "kills".to_owned(),
            rows: model.len(),
            dim: shape.dim,
            metric: "l2".to_owned(),
            digest: format!("{:016x}", model.digest()),
            ..DataFacts::default()
        };
        let title = format!("{failures} failures after {} kills", tally.kills);
        bench::deliver(&record(title, data, self.seed, notes), &out)?;
        Ok(ExitCode::from(u8::from(failures > 0)))
    }

    /// One victim, and what it leaves.
    fn kill(&self, kill: u64, folder: &Path, model: &mut Model, tally: &mut Tally) -> Result<()> {
        let (roll, shape) = (hash(self.seed ^ 0xc4a5, kill), shape(self.seed));
        let next = tally.batches;
        let victim = Victim::start(Job::Rows, folder, (self.seed, next), None)?;
        // Up to a few milliseconds after an acknowledgement, or while it is still opening.
        let last = victim.kill(roll % 12, Duration::from_micros(roll / 12 % 6_000))?;
        if let Some(last) = last {
            (next..=last).for_each(|at| model.apply(&shape, at));
            tally.batches = last + 1;
        }
        let opening = Instant::now();
        let collection = Collection::open(folder)?;
        tally.slowest = tally.slowest.max(opening.elapsed());
        tally.leftovers += collection.recovery().removed;
        tally.rebuilt += collection.recovery().rebuilt;
        if let Err(without) = model.check(&collection, roll) {
            // The batch after the last acknowledged one may have made it, as a whole.
            let next = tally.batches;
            model.apply(&shape, next);
            tally.batches += 1;
            tally.unacknowledged += 1;
            let with = model.check(&collection, roll);
            with.with_context(|| format!("and without batch {next}: {without:#}"))?;
        }
        if kill % 50 == 49 {
            let problems = collection.verify()?.problems;
            anyhow::ensure!(problems.is_empty(), "{problems:?}");
        }
        Ok(())
    }
}
