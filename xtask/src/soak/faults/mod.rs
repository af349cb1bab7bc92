//! `cargo xtask soak faults`: mixed work with faults in it, and a model beside it.
//!
//! | file | what is in it |
//! |---|---|
//! | `model.rs` | what a collection should be |
//! | `living.rs` | a collection: churn, kills, full disks, damaged and missing files |
//! | `indexes.rs` | indexes: build, save, load, search, filter, damage, interrupted saves |
//! | `victim.rs` | the process that is killed or starved |

mod indexes;
mod living;
mod model;
pub(super) mod victim;

pub(crate) use victim::VictimArgs;

use super::{
    copy_all,
    record::{memory, record},
};
use crate::{bench, tables};
use anyhow::{Context, Result};
use crinoid_eval::report::{DataFacts, ResultFile};
use crinoid_quant::random::hash;
use living::Living;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask soak faults
      ten minutes
  cargo xtask soak faults --minutes 120 --out target/crinoid-soak
  cargo xtask results --add target/crinoid-soak/result.json
      two hours, and the record of them

Exit code 1 when something was not as it should be; the files of that round are kept.";

/// Build, save, load, search, filter and write, while processes are killed, disks are full, and bytes are flipped;
/// hold everything against a model.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Seed of everything random but the moment at which a process is killed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder for result.json, written anew every minute.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Rounds after which a collection makes way for one of another kind.
const AGE: u64 = 60;

/// What was done and what happened.
#[derive(Default)]
struct Tally {
    done: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
}

impl Tally {
    fn done(&mut self, what: &'static str, times: u64) {
        *self.done.entry(what).or_default() += times;
    }

    fn fault(&mut self, what: &'static str, times: u64) {
        *self.faults.entry(what).or_default() += times;
    }

    fn line(&self) -> String {
        let sum = |of: &BTreeMap<_, u64>| of.values().sum::<u64>();
        format!(
            "{} operations, {} faults, {} failures",
            sum(&self.done),
            sum(&self.faults),
            self.failures.len()
        )
    }
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let work = tempfile::TempDir::new().context("making a work folder")?;
        let out = self.out.clone().unwrap_or_else(|| bench::target().join("crinoid-soak"));
        std::fs::create_dir_all(&out).with_context(|| format!("creating {}", out.display()))?;
        // What the libraries beneath panic about is caught, and nobody needs to read it.
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !panic.location().is_some_and(|place| place.file().contains("/registry/src/")) {
                print(panic);
            }
        }));
        let (started, limit) = (Instant::now(), Duration::from_secs_f64(self.minutes * 60.0));
        let (mut tally, mut minute) = (Tally::default(), 0);
        let mut first_resident = 0;
        let home = work.path().join("collection");
        let mut living = Living::new(home.clone(), hash(self.seed, 0))?;
        let mut round = 0;
        while started.elapsed() < limit {
            round += 1;
            let seed = hash(self.seed, round);
            if round % AGE == 0 {
                living = Living::new(home.clone(), seed)?;
            }
            let worked = catch_unwind(AssertUnwindSafe(|| match round % 3 {
                0 => indexes::round(work.path(), seed, &mut tally),
                _ => living.round(seed, &mut tally),
            }));
            let worked = worked.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
            if let Err(error) = worked {
                let kept = out.join(format!("failure-{}-{round}", self.seed));
                copy_all(work.path(), &kept)?;
                let words = format!("round {round}: {error:#} (files: {})", kept.display());
                println!("{words}");
                tally.failures.push(words);
                living = Living::new(home.clone(), seed)?;
            }
            let (resident, peak) = memory();
            if round == 60 {
                first_resident = resident;
            }
            let now = started.elapsed().as_secs() / 60;
            if now > minute {
                minute = now;
                println!("{minute:>4} min: {}, {} MB resident", tally.line(), resident >> 20);
                let memory = (first_resident, resident, peak);
                self.result(&tally, started, memory, living.digest())
                    .write(&out.join("result.json"))?;
            }
        }
        let (resident, peak) = memory();
        let memory = (first_resident, resident, peak);
        let result = self.result(&tally, started, memory, living.digest());
        bench::deliver(&result, &out)?;
        let mut table = tables::numbers(["what", "times"]);
        for (what, times) in tally.done.iter().chain(&tally.faults) {
            table.add_row([(*what).to_owned(), times.to_string()]);
        }
        println!("{table}\n{round} rounds: {}", tally.line());
        Ok(ExitCode::from(u8::from(!tally.failures.is_empty())))
    }

    fn result(
        &self,
        tally: &Tally,
        started: Instant,
        (first, resident, peak): (u64, u64, u64),
        digest: u64,
    ) -> ResultFile {
        let list = |of: &BTreeMap<&str, u64>| {
            of.iter().map(|(what, times)| format!("{times} {what}")).collect::<Vec<_>>().join(", ")
        };
        let minutes = started.elapsed().as_secs_f64() / 60.0;
        let mut notes = vec![
            format!("{minutes:.1} minutes; {}", tally.line()),
            format!("operations: {}", list(&tally.done)),
            format!("faults injected: {}", list(&tally.faults)),
            format!(
                "resident memory: {} MB after 60 rounds, {} MB at the end, {} MB at most",
                first >> 20,
                resident >> 20,
                peak >> 20
            ),
        ];
        notes.extend(tally.failures.iter().map(|words| format!("failure: {words}")));
        let count = |what: &str| tally.done.get(what).copied().unwrap_or(0) as usize;
        let data = DataFacts {
            name: "faults".to_owned(),
            rows: count("batches"),
            dim: 0,
            queries: count("searches") + count("filtered searches") + count("exact searches"),
            metric: "all".to_owned(),
            digest: format!("{digest:016x}"),
        };
        let title = format!("{} failures in {minutes:.0} minutes of faults", tally.failures.len());
        record(title, data, self.seed, notes)
    }
}
