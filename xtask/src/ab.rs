//! `cargo xtask ab`: a candidate against a baseline, and a verdict.

use crate::{
    against,
    bar::Bar,
    bench::{Bench, EMBEDDED, cores, deliver, named_command, positive, root, target},
    load::Load,
    self_test::{Candidate, SelfTest},
    versions::{Module, Published as _},
};
use anyhow::{Context, Result, bail};
use crinoid_eval::{
    gate::{Looks, Outcome, Phase, Stage, Terms, Trial},
    measure::{Grader, MeasureError, Pair, Preparations, QuerySplit, RunningSubject, Side},
    report::alone,
    subject::{Launch, Parameters},
};
use crinoid_evolve::{
    Form,
    candidate::{Rules, Workshop},
    lab::Setup,
};
use crinoid_pipeline::Recipe;
use crinoid_quant::Version;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask ab --module graph
      the graph champion against its predecessor, on generated data
  cargo xtask ab --module search --candidate pool@1 --baseline heap@1 --data sift-128.hdf5
      two versions on a file (ann-benchmarks HDF5, or fbin/fvecs with parts beside it)
  cargo xtask ab --module search --against HEAD~1
      the working tree against another commit
  cargo xtask ab --module search --candidate mine/search.rs
      a candidate from outside against the published champion, both in the same rig
  cargo xtask ab --subject mine='./mine --fast'
      any program that speaks the protocol against the default recipe
  cargo xtask ab --self-test
      how often the gate errs

Exit codes: 0 ship, 1 don't ship, 2 inconclusive, 3 broken.";

/// Compare two versions of a module on the same queries in one run, and say whether to ship.
#[derive(clap::Args, Clone)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The module whose versions are compared.
    #[arg(long, required_unless_present_any = ["self_test", "subjects"])]
    module: Option<Module>,
    /// The version to beat [default: the champion's predecessor].
    #[arg(long)]
    baseline: Option<String>,
    /// The version to judge [default: the champion], or a candidate from outside: one .rs file, or a
    /// crate (its src/lib.rs), that implements the module's trait (`cargo xtask new-version`).
    #[arg(long, value_name = "VERSION|PATH")]
    candidate: Option<String>,
    /// Any subject in the candidate's place, by its name and command (crates/eval/PROTOCOL.md); the recipe
    /// is the baseline. Given twice, the first is the baseline.
    #[arg(long = "subject", value_name = "NAME=COMMAND", conflicts_with_all = ["candidate", "baseline", "against"])]
    subjects: Vec<String>,
    /// Compare with the build of another commit: the same recipe, their code as the baseline.
    #[arg(long, value_name = "REV", conflicts_with = "baseline")]
    against: Option<String>,
    /// The recipe in which the module's versions are put.
    #[arg(long, default_value_t)]
    recipe: Recipe,
    /// A preset of the generator, or a file (see `cargo xtask data list`).
    #[arg(long, default_value = EMBEDDED)]
    data: String,
    /// Answers per query where speed is measured.
    #[arg(long, default_value_t = 10, value_parser = positive)]
    k: usize,
    /// Answers per query where quality is measured.
    #[arg(long, default_value_t = 100, value_parser = positive)]
    gate_k: usize,
    /// The effort there [default: the least, from gate-k by doubling, at which the baseline
    /// reaches recall 0.9].
    #[arg(long)]
    gate_ef: Option<usize>,
    /// Whose rules decide: quality, latency or strict [default: quality for graph, latency
    /// for quant, search and refine].
    #[arg(long)]
    phase: Option<Phase>,
    /// Seconds for the interleaved rounds.
    #[arg(long, default_value_t = 45.0, value_name = "SECONDS")]
    budget: f64,
    /// How much slower a better candidate may answer in the quality phase, in per cent.
    #[arg(long, default_value_t = 10.0, value_name = "PERCENT")]
    latency_budget: f64,
    /// Links per node of the graph.
    #[arg(long, default_value_t = 16)]
    m: usize,
    /// Effort of the graph's construction.
    #[arg(long, default_value_t = 200)]
    ef_construction: usize,
    /// Loads the memory while both are measured: a process on the other cores streams and reads a gigabyte, as
    /// the other queries of a busy server do.
    #[arg(long)]
    memory_load: bool,
    /// Threads of the builds [default: all].
    #[arg(long)]
    threads: Option<usize>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Where result.json and the page go [default: target/crinoid-ab].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Measure how often the gate errs: on generated timings, and on real trials of the recipe.
    #[arg(long)]
    self_test: bool,
    /// Generated trials per row of the self-test.
    #[arg(long, default_value_t = 400, value_name = "N", requires = "self_test")]
    generated: u64,
    /// Real trials of the self-test against each candidate.
    #[arg(long, default_value_t = 20, value_name = "N", requires = "self_test")]
    real: u64,
    /// Seconds of rounds for each real trial of the self-test.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS", requires = "self_test")]
    trial_budget: f64,
    /// The candidates of the real trials.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST", requires = "self_test")]
    #[arg(default_value = "itself,slower,worse")]
    candidates: Vec<Candidate>,
    /// By how much the slower candidate is slower, in per cent.
    #[arg(long, default_value_t = 3.0, value_name = "PERCENT", requires = "self_test")]
    slowdown: f64,
}

/// What two subjects are called, how they are started, and with what.
struct Opponents {
    labels: Pair<String>,
    launches: Pair<Launch>,
    preparations: Pair<Preparations>,
    title: String,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let bench = Bench::open(&self.data, self.gate_k.max(self.k))?;
        if self.self_test {
            let honest = SelfTest {
                bench: &bench,
                recipe: &self.recipe.to_string(),
                preparations: self.preparations(&bench),
                trial: Trial {
                    budget: Duration::from_secs_f64(self.trial_budget.max(0.0)),
                    ..self.trial(Phase::Latency, &bench)?
                },
                generated: self.generated,
                real: self.real,
                candidates: self.candidates.clone(),
                slowdown: self.slowdown / 100.0,
            }
            .run()?;
            return Ok(ExitCode::from(u8::from(!honest)));
        }
        let (opponents, phase) = match self.module {
            _ if !self.subjects.is_empty() => (self.subjects(&bench)?, Phase::Latency),
            None => bail!("which module? (--module)"),
            Some(module) => match self.candidate.as_deref().filter(|name| is_path(name)) {
                Some(path) => (self.outsider(module, Path::new(path), &bench)?, module.phase()),
                None => (self.opponents(module, &bench)?, module.phase()),
            },
        };
        let trial = self.trial(phase, &bench)?;
        let grader = Grader::new(&bench.data, &bench.truth)?;
        let outcome = self.measure(&bench, grader, &opponents, &trial);
        match outcome {
            Ok(outcome) => Ok(ExitCode::from(outcome.exit_code())),
            Err(Broken::Measure(error)) if error.is_busy() => {
                println!("verdict ({}): inconclusive\n  {error}", trial.phase);
                Ok(ExitCode::from(Outcome::Inconclusive.exit_code()))
            }
            Err(Broken::Measure(error)) => {
                println!("verdict ({}): broken\n  {error}", trial.phase);
                Ok(ExitCode::from(Outcome::Broken.exit_code()))
            }
            Err(Broken::Other(error)) => Err(error),
        }
    }

    /// The programs that were named, or one of them against the recipe.
    fn subjects(&self, bench: &Bench) -> Result<Opponents> {
        let launch = |folder: &str, given: &String| {
            let (name, program, arguments) = named_command(given)?;
            Ok::<_, anyhow::Error>((name, bench.launch(folder, program, arguments)?))
        };
        let ours = self.recipe.to_string();
        let (a, b) = match &self.subjects[..] {
            [b] => ((ours.clone(), bench.ours("a", &ours, &[])?), launch("b", b)?),
            [a, b] => (launch("a", a)?, launch("b", b)?),
            _ => bail!("--subject is given once or twice, the baseline first"),
        };
        let title = format!("{} against {}", b.0, a.0);
        // Everybody knows `m` and `ef_construction`.
        let preparations = self.preparations(bench);
        Ok(Opponents {
            labels: Pair { a: a.0, b: b.0 },
            launches: Pair { a: a.1, b: b.1 },
            preparations: Pair { a: preparations.clone(), b: preparations },
            title,
        })
    }

    /// A candidate from outside against the published champions, both in evolve's rig.
    fn outsider(&self, module: Module, path: &Path, bench: &Bench) -> Result<Opponents> {
        let file = if path.is_dir() { path.join("src/lib.rs") } else { path.to_owned() };
        let source = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let champions = Setup::champions();
        let setup = champions.with(module, &Form::Code(source))?;
        let this = std::env::current_exe().context("finding this program")?;
        let folder = target().join("crinoid-candidates");
        std::fs::create_dir_all(&folder)?;
        let workshop = Workshop {
            folder: folder.canonicalize()?,
            workspace: root(),
            patience: Duration::from_secs(300),
            rules: Rules::default(),
        };
        let digest = xxhash_rust::xxh3::xxh3_64(&std::fs::read(&this)?);
        let bar = Bar::spin("compiling the candidate");
        let package = workshop.build(&setup.code, digest);
        drop(bar);
        let program = package.with_context(|| format!("{}:", file.display()))?.program;
        let preparations = |setup: &Setup| {
            let mut preparations = self.preparations(bench);
            preparations.build.extend(setup.build.clone());
            preparations.search = setup.search.clone();
            preparations
        };
        let name = path.display().to_string();
        Ok(Opponents {
            labels: Pair { a: module.champion().0.to_owned(), b: name.clone() },
            launches: Pair {
                a: bench.launch("a", this, vec!["evolve".into(), "subject".into()])?,
                b: bench.launch("b", program, Vec::new())?,
            },
            preparations: Pair { a: preparations(&champions), b: preparations(&setup) },
            title: format!("{module}: {name} against {} in the rig", module.champion().0),
        })
    }

    fn opponents(&self, module: Module, bench: &Bench) -> Result<Opponents> {
        let (champion, predecessor) = module.champion();
        let known = |name: &str| -> Result<()> {
            // A refine part may be a chain of versions.
            for part in name.split('+') {
                Version::find(module.versions(), part)?;
            }
            Ok(())
        };
        let candidate = self.candidate.as_deref().unwrap_or(champion);
        let preparations = self.preparations(bench);
        let preparations = Pair { a: preparations.clone(), b: preparations };
        known(candidate)?;
        let recipe = self.recipe.with(module.name(), candidate)?.to_string();
        if let Some(rev) = &self.against {
            let (program, short) = against::build(rev)?;
            let arguments = crate::bench::subject_arguments(&recipe, &[]);
            return Ok(Opponents {
                labels: Pair { a: short, b: "working tree".to_owned() },
                launches: Pair {
                    a: bench.launch("a", program, arguments)?,
                    b: bench.ours("b", &recipe, &[])?,
                },
                preparations,
                title: format!("{recipe}: the working tree against {rev}"),
            });
        }
        let baseline = self.baseline.as_deref().unwrap_or(predecessor);
        known(baseline)?;
        let before = self.recipe.with(module.name(), baseline)?.to_string();
        let labels = match baseline == candidate {
            true => Pair { a: format!("{baseline} (A)"), b: format!("{candidate} (B)") },
            false => Pair { a: baseline.to_owned(), b: candidate.to_owned() },
        };
        Ok(Opponents {
            labels,
            launches: Pair { a: bench.ours("a", &before, &[])?, b: bench.ours("b", &recipe, &[])? },
            preparations,
            title: format!("{}: {candidate} against {baseline} in {recipe}", module.name()),
        })
    }

    fn trial(&self, phase: Phase, bench: &Bench) -> Result<Trial> {
        let (practice, held_out) = QuerySplit::split(&bench.data, 0.3, self.seed)?;
        let rows = bench.data.base.len();
        let terms = Terms { latency_budget: self.latency_budget / 100.0, ..Terms::default() };
        Ok(Trial {
            practice,
            held_out,
            k: self.k.min(rows),
            gate_k: self.gate_k.min(rows),
            gate_ef: self.gate_ef,
            phase: self.phase.unwrap_or(phase),
            terms,
            budget: Duration::from_secs_f64(self.budget.max(0.0)),
            looks: Looks::default(),
            seed: self.seed,
        })
    }

    fn preparations(&self, bench: &Bench) -> Preparations {
        Preparations {
            vectors: bench.vectors().to_owned(),
            build: [("m", self.m), ("ef_construction", self.ef_construction)]
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into(),
            search: Parameters::new(),
            threads: self.threads.unwrap_or_else(cores),
            seed: self.seed,
        }
    }

    fn measure(
        &self,
        bench: &Bench,
        grader: Grader<'_>,
        opponents: &Opponents,
        trial: &Trial,
    ) -> Result<Outcome, Broken> {
        let start = |label: &String, launch: &Launch, preparations: &Preparations| {
            let bar = Bar::spin(&format!("building {label}"));
            let running = RunningSubject::start(label, launch, preparations, grader);
            drop(bar);
            running
        };
        let Opponents { labels, launches, preparations, .. } = opponents;
        let mut a = start(&labels.a, &launches.a, &preparations.a)?;
        let mut b = start(&labels.b, &launches.b, &preparations.b)?;
        let load = self.memory_load.then(Load::start).transpose()?;
        let bar = Bar::new("sweeping");
        let mut watch = |stage: Stage| match stage {
            Stage::Swept { side, ef, .. } => {
                let label = match side {
                    Side::A => &opponents.labels.a,
                    Side::B => &opponents.labels.b,
                };
                bar.label(format!("sweeping {label}: ef {ef}"));
            }
            Stage::Round { done, of } => {
                bar.label("rounds, A B B A");
                bar.at(done, of);
            }
            _ => {}
        };
        let conclusion = trial.run(Pair { a: &mut a, b: &mut b }, &mut watch);
        drop(bar);
        let conclusion = conclusion?;
        let loaded = load.map(Load::stop).transpose()?;
        let title = opponents.title.clone();
        let mut result = alone("ab", title, &bench.data, trial.held_out.len());
        result.settings.threads = preparations.b.threads;
        result.settings.build = preparations.b.build.clone();
        let running = Pair { a: &a, b: &b };
        let mut result = result.conclude(trial, running, &conclusion);
        result.notes.extend(loaded);
        let out = self.out.clone().unwrap_or_else(|| target().join("crinoid-ab"));
        deliver(&result, &out)?;
        a.stop()?;
        b.stop()?;
        Ok(conclusion.verdict.outcome)
    }
}

/// A measurement that is broken, which is a verdict, or anything else that went wrong.
enum Broken {
    Measure(MeasureError),
    Other(anyhow::Error),
}

impl From<MeasureError> for Broken {
    fn from(error: MeasureError) -> Self {
        Broken::Measure(error)
    }
}

impl From<anyhow::Error> for Broken {
    fn from(error: anyhow::Error) -> Self {
        Broken::Other(error)
    }
}

/// Whether a candidate is no version but a file or a folder.
fn is_path(name: &str) -> bool {
    name.ends_with(".rs") || name.contains(std::path::MAIN_SEPARATOR) || Path::new(name).is_dir()
}
