//! `cargo xtask soak data-sets`: the default options against a float graph, on sets that nobody tuned for.

use crate::{bar::Bar, bench::positive, out::chain, tables};
use anyhow::{Context, Result, anyhow};
use crinoid_eval::{
    Truth,
    data::{Dataset, Mixture},
    metrics::{Answers, RecallMetric, mean},
    truth::exact,
};
use crinoid_graph::Params;
use crinoid_pipeline::{BuildOptions, Index, Recipe, SearchOptions, ZeroRows};
use rayon::prelude::*;
use serde::Serialize;
use std::{
    fs::File,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask soak data-sets
      100 random mixtures: which of them do the default options get wrong?
  cargo xtask soak data-sets --sets 2000 --seed 1 --out soak.jsonl
      many, with one line of JSON for each
  cargo xtask soak data-sets --sets 1 --seed 1234 --verbose
      the set that another run named by its seed, once more

Exit code 1 when the default lost to the float graph somewhere, or failed.";

/// Draw random sets (scales, outliers, clusters, tails, duplicates, norms, offsets, three metrics,
/// 1 to 1,024 dimensions, 1 to 20,000 rows) and hold the default options against exact search and
/// against a float graph at equal ef.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How many sets.
    #[arg(long, default_value_t = 100)]
    sets: u64,
    /// Seed of the first set; the others have those that follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Answers per query; all rows where there are fewer.
    #[arg(short, long, default_value_t = 10, value_parser = positive)]
    k: usize,
    /// The effort of both.
    #[arg(long, default_value_t = 100)]
    ef: usize,
    /// Queries of each set. On 60 of them two graphs of the same kind differ by a point where recall is 0.9.
    #[arg(long, default_value_t = 400, value_parser = positive)]
    queries: usize,
    /// What is tested.
    #[arg(long, default_value_t = Recipe::auto())]
    recipe: Recipe,
    /// What it must not be worse than.
    #[arg(long, default_value = "float@1/hnsw@1/heap@1/none@1")]
    float: Recipe,
    /// How many points of mean recall it may be worse.
    #[arg(long, default_value_t = 1.0, value_name = "POINTS")]
    slack: f64,
    /// Threads; every set is worked on by all that are free.
    #[arg(long)]
    threads: Option<usize>,
    /// A file for one line of JSON per set, the build's own report in it, in order of completion.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Shows every set, not only those that were lost.
    #[arg(long)]
    verbose: bool,
}

/// What became of one set.
#[derive(Serialize)]
struct Outcome {
    seed: u64,
    set: String,
    /// Mean recall of the default; none where it failed.
    default: Option<f64>,
    /// Mean recall of the float graph; none where it failed.
    float: Option<f64>,
    /// The recipe that the default came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    chose: Option<String>,
    /// What the default found out about the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<serde_json::Value>,
    /// Why one of them has no recall.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(self.threads.unwrap_or(0)).build()?;
        let record = match &self.out {
            Some(path) => {
                let file = File::create(path).with_context(|| format!("{}", path.display()))?;
                Some(Mutex::new(file))
            }
            None => None,
        };
        let bar = Bar::new("soaking");
        bar.at(0, self.sets as usize);
        let last = self.seed.checked_add(self.sets).context("the seeds exceed 64 bits")?;
        let outcomes: Result<Vec<Outcome>> = pool.install(|| {
            let one = |seed: u64| {
                let outcome = self.outcome(seed);
                if self.verbose || self.lost(&outcome) {
                    bar.say(|| println!("{}", line(&outcome)));
                }
                if let Some(record) = &record {
                    let mut file = record.lock().unwrap_or_else(PoisonError::into_inner);
                    writeln!(file, "{}", serde_json::to_string(&outcome)?)?;
                }
                bar.step();
                Ok(outcome)
            };
            // One by one from a common store: sets differ a thousandfold in size.
            (self.seed..last).into_par_iter().map(one).collect()
        });
        drop(bar);
        let outcomes = outcomes?;
        let lost = self.summarise(&outcomes);
        Ok(ExitCode::from(u8::from(lost > 0)))
    }

    fn outcome(&self, seed: u64) -> Outcome {
        let mixture = Mixture { queries: self.queries, ..Mixture::draw(seed) };
        let set = mixture.to_string();
        let mut outcome = Outcome {
            seed,
            set,
            default: None,
            float: None,
            chose: None,
            report: None,
            failed: None,
        };
        // A panic is what a soak is there to find: it is an outcome with a seed, not the end.
        let worked = catch_unwind(AssertUnwindSafe(|| self.work(&mixture, &mut outcome)));
        outcome.failed = match worked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(chain(&error)),
            Err(panic) => {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
                Some(format!("panicked: {}", words.unwrap_or("without words")))
            }
        };
        outcome
    }

    fn work(&self, mixture: &Mixture, outcome: &mut Outcome) -> Result<()> {
        let data = mixture.generate()?;
        let k = self.k.min(data.base.len());
        let truth =
            exact(data.metric, &data.base, &data.queries, k, &()).context("exact search")?;
        let float = self.recall(&self.float, &data, &truth, k).context("the float graph")?;
        outcome.float = Some(float.0);
        let (recall, index) = self.recall(&self.recipe, &data, &truth, k).context("the default")?;
        outcome.default = Some(recall);
        outcome.chose = Some(index.options().recipe.to_string());
        outcome.report = Some(serde_json::to_value(index.report())?);
        Ok(())
    }

    fn recall(
        &self,
        recipe: &Recipe,
        data: &Dataset,
        truth: &Truth,
        k: usize,
    ) -> Result<(f64, Index)> {
        let recipe = recipe.clone();
        let graph = Params::default();
        let options = BuildOptions::default()
            .metric(data.metric)
            .graph(graph)
            // What is named may be as bad as it likes; what is left open is what users get.
            .unchecked(!recipe.is_auto())
            .recipe(recipe)
            .zero_rows(ZeroRows::Keep);
        let index = Index::build(&data.base, &options, &())?;
        let mut session = index.session();
        let mut answers = Answers::with_capacity(data.queries.len(), k);
        let mut found = Vec::new();
        let options = SearchOptions::new(k, self.ef.max(k));
        for query in data.queries.rows() {
            session.search(query, &options, &mut found)?;
            if found.len() < k {
                return Err(anyhow!("{} answers of {k}", found.len()));
            }
            answers.push(found.iter().map(|neighbor| neighbor.id));
        }
        drop(session);
        Ok((mean(&RecallMetric::new(data, truth)?.recall(&answers, k)?), index))
    }

    /// Whether the default failed where the float graph did not, or lost to it.
    fn lost(&self, outcome: &Outcome) -> bool {
        match (outcome.default, outcome.float) {
            (Some(default), Some(float)) => default < float - self.slack / 100.0 - 1e-9,
            _ => true,
        }
    }

    /// Prints what all sets together say; returns how many were lost.
    fn summarise(&self, outcomes: &[Outcome]) -> usize {
        let lost = outcomes.iter().filter(|outcome| self.lost(outcome)).count();
        let mut table = tables::numbers(["", "mean recall", "below 0.99", "below 0.9", "failed"]);
        let recalls = |side: fn(&Outcome) -> Option<f64>| -> Vec<f64> {
            outcomes.iter().filter_map(side).collect()
        };
        let default = (&self.recipe, recalls(|outcome| outcome.default));
        let float = (&self.float, recalls(|outcome| outcome.float));
        for (recipe, recalls) in [default, float] {
            let below = |level: f64| recalls.iter().filter(|recall| **recall < level).count();
            table.add_row([
                recipe.to_string(),
                format!("{:.4}", mean(&recalls)),
                below(0.99).to_string(),
                below(0.9).to_string(),
                (outcomes.len() - recalls.len()).to_string(),
            ]);
        }
        println!("{table}");
        println!(
            "{lost} of {} sets more than {} point(s) below the float graph, or failed (k {}, ef {})",
            outcomes.len(),
            self.slack,
            self.k,
            self.ef
        );
        lost
    }
}

fn line(outcome: &Outcome) -> String {
    let shown = |recall: Option<f64>| recall.map_or("  -  ".to_owned(), |r| format!("{r:.3}"));
    let (default, float) = (shown(outcome.default), shown(outcome.float));
    let chose = outcome.chose.as_ref().map_or(String::new(), |recipe| format!(" [{recipe}]"));
    let failed = outcome.failed.as_ref().map_or(String::new(), |words| format!("; {words}"));
    format!("seed {:>6}: {default} (float {float})  {}{chose}{failed}", outcome.seed, outcome.set)
}
