//! `cargo xtask progress`: what each optimisation brings, alone and on top of those before it.
//!
//! | file | what is in it |
//! |---|---|
//! | `ladder` | the optimisations as toggles: where one starts, the steps, the rungs |
//! | `quality` | building, and what each rung finds (counts, kept between runs) |
//! | `timer` | a rung in a process of its own, timed in turns with the others |
//! | `table` | the tables, and result.json |

mod ladder;
mod quality;
mod table;
mod timer;

use crate::{
    bar::Bar,
    bench::{target, truths},
};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use crinoid_eval::Dataset;
use crinoid_files::bin;
use crinoid_pipeline::Recipe;
use ladder::{Ladder, Rung};
use quality::{Quality, Workshop};
use std::{path::PathBuf, process::ExitCode};
use timer::{Pass, Timer};

pub(crate) use timer::Args as TimerArgs;

const EXAMPLES: &str = "\
Examples:
  cargo xtask progress
  cargo xtask progress crinn --data sift-128-euclidean.hdf5
  cargo xtask progress record --data code-384-angular-100k.hdf5
  cargo xtask progress ours --data code-384-angular-100k.hdf5 --ends --rounds 11
  cargo xtask progress --start sq8@1/hnsw@1/heap@1/float@1 --step search=pool@1 --step graph=crinoid@1

Interrupted, it goes on where it stopped. With --rounds 0 it builds and counts without timing.";

/// Measure every optimisation alone and cumulatively: graph, then search, then refine (Table 4), CRINN's
/// modules, or fix by fix from the record's baseline to what it shipped.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The optimisations.
    #[arg(value_enum, default_value = "modules")]
    ladder: Which,
    /// A preset of the generator, or a file.
    #[arg(long, default_value = crate::bench::EMBEDDED)]
    data: String,
    /// Where `modules` starts [default: the predecessor of each module].
    #[arg(long, value_name = "RECIPE")]
    start: Option<Recipe>,
    /// A step of `modules`, MODULE=VERSION [default: the champion of each module].
    #[arg(long, value_name = "STEP")]
    step: Vec<String>,
    /// Links per node of `modules` and `crinn`.
    #[arg(long, default_value_t = 16)]
    m: usize,
    /// Effort of the construction of `modules` and `crinn`.
    #[arg(long, default_value_t = 200)]
    ef_construction: usize,
    /// Only where the ladder starts and where it ends.
    #[arg(long)]
    ends: bool,
    /// Timed passes of each rung, in turns; 0 for counts only.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Where indexes and counts are kept, and found again [default: target/crinoid-progress].
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Where result.json goes [default: the folder].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    /// Graph, search, refine: from each module's predecessor to its champion, at equal recall.
    Modules,
    /// CRINN's graph and search, from GLASS's, at equal recall.
    Crinn,
    /// The record's fixes, from `record-baseline` to `record-ship`.
    Record,
    /// From `record-ship` to `retriever`, our best for the same task.
    Ours,
}

/// All that was measured of a rung.
pub(crate) struct Measured {
    rung: Rung,
    quality: Quality,
    loaded: timer::Loaded,
    /// Per round; a pass per beam that was timed.
    rounds: Vec<Vec<Pass>>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let data = Dataset::load(&self.data)?;
        let (metric, dim) = (data.metric, data.dim());
        let own = self.start.is_some() || !self.step.is_empty();
        let ladder = match self.ladder {
            Which::Modules => {
                let params = (self.m, self.ef_construction);
                Ladder::modules(metric, self.start.clone(), &self.step, params)?
            }
            _ if own => bail!("--start and --step are for the ladder `modules`"),
            Which::Crinn => Ladder::crinn(metric, (self.m, self.ef_construction))?,
            Which::Record => Ladder::record(metric, dim)?,
            Which::Ours => Ladder::ours(metric, dim)?,
        };
        let folder = self.folder.clone().unwrap_or_else(|| target().join("crinoid-progress"));
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let deepest = if ladder.sweep { ladder.start.search.k } else { 1000 }.min(data.base.len());
        let truth = data.nearest(deepest, &truths(), &Bar::new("exact neighbours"))?;
        let key =
            format!("{:032x}", crinoid_eval::truth::digest(metric, &data.base, &data.queries));
        let queries = folder.join(format!("{key}.queries.fbin"));
        bin::write_vectors(&queries, &data.queries)?;
        let workshop = Workshop { folder: folder.clone(), data: &data, truth: &truth, key };

        let mut measured: Vec<Measured> = Vec::new();
        let mut timers = Vec::new();
        let mut rungs = ladder.rungs()?;
        if self.ends {
            rungs.drain(1..rungs.len() - 1);
        }
        for rung in rungs {
            let quality = workshop.quality(&rung, ladder.sweep)?;
            if self.rounds > 0 {
                let (index, _) = workshop.index(&rung.setup)?;
                timers.push(Timer::start(&rung, &index, &queries)?);
            }
            let loaded = timers.last().map(|timer| timer.loaded.clone()).unwrap_or_default();
            measured.push(Measured { rung, quality, loaded, rounds: Vec::new() });
        }
        time(&mut measured, &mut timers, self.rounds)?;
        let result = table::result(&ladder, &data, &measured)?;
        table::print(&ladder, &result, &measured);
        let out = self.out.unwrap_or(folder);
        std::fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
        table::write(&result, &out)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Every beam of every rung once a round, in turns, there and back, after one pass to warm up.
fn time(measured: &mut [Measured], timers: &mut [Timer], rounds: usize) -> Result<()> {
    let bar = Bar::new("timing, all in turns");
    for round in 0..if timers.is_empty() { 0 } else { rounds + 1 } {
        let mut order: Vec<usize> = (0..timers.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let passes = measured[at]
                .beams()
                .into_iter()
                .map(|ef| {
                    let search = measured[at].rung.setup.search;
                    timers[at].pass(&search.ef(ef))
                })
                .collect::<Result<Vec<Pass>>>()?;
            if round > 0 {
                measured[at].rounds.push(passes);
            }
        }
        bar.at(round + 1, rounds + 1);
    }
    Ok(())
}

impl Measured {
    /// The beams that are timed: of a sweep those from the last below recall 0.85 on.
    fn beams(&self) -> Vec<usize> {
        let sweep = &self.quality.sweep;
        if sweep.is_empty() {
            return vec![self.rung.setup.search.ef];
        }
        let first = sweep.partition_point(|&(_, recall)| recall < 0.85).saturating_sub(1);
        sweep[first..].iter().map(|&(ef, _)| ef).collect()
    }
}
