//! `cargo xtask evolve` and `cargo xtask reward`: module versions that improve by measured reward.
//!
//! | file | what is in it |
//! |---|---|
//! | `options.rs` | what candidates are measured on and from where they start |
//! | `reward.rs` | one candidate judged |
//! | `table.rs` | progress, Table 4, the learning table |
//! | `db.rs` | the database of exemplars |

mod db;
mod options;
mod reward;
mod table;

pub(crate) use reward::RewardArgs;

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use crinoid_evolve::campaign::{Campaign, CampaignError, Report, Settings};
use crinoid_evolve::exemplar::Database;
use crinoid_evolve::judge::Judge;
use crinoid_evolve::knobs::{Grpo, Policy};
use crinoid_evolve::lab::{Lab, Setup};
use crinoid_evolve::proposer::{Folder, Learner, Program, Proposer, openai::OpenAi};
use crinoid_evolve::rig::Rig;
use crinoid_evolve::{Module, contracts};
use db::{Db, Place};
use options::LabOptions;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use table::{Progress, learning, tables};

/// Improves module versions by contrastive reinforcement learning.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  cargo xtask evolve --module search --rounds 20\n  \
    cargo xtask evolve --modules graph,search,refine --out out/evolve-all\n  \
    cargo xtask evolve --module search --proposer file --data sift.hdf5 --also words.hdf5\n  \
    CRINOID_API_KEY=... cargo xtask evolve --module search --proposer openai \\\n    \
    --base-url http://127.0.0.1:8000/v1 --model my-model\n  \
    cargo xtask evolve db list"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Action {
    /// Looks into a database of exemplars.
    Db {
        #[command(subcommand)]
        action: Db,
    },
    /// Serves the rig with published versions as a subject.
    #[command(hide = true)]
    Subject,
    /// Prints the source of a candidate that does what the starting point does.
    Starter {
        /// graph, search or refine.
        module: Module,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Knobs,
    Openai,
    Command,
    File,
}

#[derive(clap::Args)]
struct Run {
    /// The module to improve.
    #[arg(long, conflicts_with = "modules")]
    module: Option<Module>,
    /// Modules to improve one after the other, each from the last champion.
    #[arg(long, value_delimiter = ',')]
    modules: Vec<Module>,
    /// Groups of candidates per module.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Candidates per group.
    #[arg(long, default_value_t = 8)]
    group: u32,
    /// Who proposes.
    #[arg(long, value_enum, default_value_t = Kind::Knobs)]
    proposer: Kind,
    /// How often an answer may be mended after what was wrong was told back.
    #[arg(long, default_value_t = 1)]
    mend: u32,
    /// Candidates that are put to the gate, best first.
    #[arg(long, default_value_t = 3)]
    finalists: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Without the control: random search with the same number of candidates.
    #[arg(long)]
    no_control: bool,
    /// Where the campaign is kept; taken up again where it stopped.
    #[arg(long, default_value = "target/evolve/campaign")]
    out: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    options: LabOptions,
    /// openai: what comes before /chat/completions. The key is read from CRINOID_API_KEY or
    /// OPENAI_API_KEY.
    #[arg(long, default_value = "http://127.0.0.1:8000/v1")]
    base_url: String,
    /// openai: the model.
    #[arg(long, default_value = "default")]
    model: String,
    /// openai: the most tokens to spend.
    #[arg(long)]
    token_budget: Option<u64>,
    /// command: the program and its arguments, separated by spaces.
    #[arg(long, default_value = "")]
    command: String,
    /// file: where prompt.md is written and answer.md is waited for.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Seconds to wait for an answer.
    #[arg(long, default_value_t = 600)]
    patience: u64,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Some(Action::Db { action }) => action.run().map(|()| ExitCode::SUCCESS),
            Some(Action::Subject) => Ok(Rig::new().run().map(|()| ExitCode::SUCCESS)?),
            Some(Action::Starter { module }) => {
                let source = contracts::starter(module).context("this module has no candidates")?;
                print!("{source}");
                Ok(ExitCode::SUCCESS)
            }
            None => self.run.run(),
        }
    }
}

impl Run {
    fn modules(&self) -> anyhow::Result<Vec<Module>> {
        let modules: Vec<Module> = match self.module {
            Some(module) => vec![module],
            None if self.modules.is_empty() => vec![Module::Search],
            None => self.modules.clone(),
        };
        if modules.contains(&Module::Quant) {
            bail!("the rig has no place for another codec yet (graph, search, refine)");
        }
        Ok(modules)
    }

    fn run(self) -> anyhow::Result<ExitCode> {
        let modules = self.modules()?;
        let mut database = Database::open(&self.place.db)?;
        database.sow()?;
        for damaged in database.damaged() {
            eprintln!("{}: line {}: {}", self.place.db.display(), damaged.line, damaged.why);
        }
        eprintln!("getting {} ready ...", self.options.data.join(", "));
        let workloads = self.options.workloads()?;
        let mut lab = self.options.lab(&workloads)?;
        let report = self.campaign(&modules, &mut lab, &mut database, false)?;
        let mut text = tables(&report);
        if self.proposer == Kind::Knobs && !self.no_control {
            eprintln!("the control: random search with as many candidates ...");
            let mut fresh = self.options.lab(&workloads)?;
            let mut kept = Database::read(Path::new(""))?;
            for (at, module) in modules.iter().enumerate() {
                let control = self.campaign(&[*module], &mut fresh, &mut kept, true)?;
                text.push_str(&learning(*module, &report.trials, &control.trials)?);
                if let Some(form) = &report.outcomes[at].adopted {
                    fresh.adopt(*module, form)?;
                }
            }
        }
        println!("{text}");
        std::fs::write(self.out.join("report.txt"), &text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn campaign(
        &self,
        modules: &[Module],
        lab: &mut Lab<'_>,
        database: &mut Database,
        control: bool,
    ) -> anyhow::Result<Report> {
        let name = match (self.proposer, control) {
            (_, true) => "random".to_owned(),
            (Kind::Knobs, _) => "knobs".to_owned(),
            (Kind::Openai, _) => format!("openai:{}", self.model),
            (Kind::Command, _) => format!("command:{}", self.command),
            (Kind::File, _) => "file".to_owned(),
        };
        let (data, also) = lab.data();
        let settings = Settings {
            modules: modules.to_vec(),
            rounds: self.rounds,
            group: self.group,
            mend: self.mend,
            exemplars: 3,
            temperature: 0.1,
            finalists: if control { 0 } else { self.finalists },
            seed: self.seed + 1_000_000 * u64::from(control),
            proposer: name,
            measured_on: format!(
                "{} | {} | {} | {:?}",
                data.join(","),
                also.join(","),
                self.options.start.join(","),
                (
                    self.options.k,
                    self.options.pairs,
                    self.options.tolerance,
                    self.options.gate_seconds
                )
            ),
        };
        let folder = match (control, modules) {
            (true, [module, ..]) => self.out.join(format!("control-{module}")),
            _ => self.out.clone(),
        };
        std::fs::create_dir_all(&folder)?;
        let allow_unsafe = self.options.allow_unsafe;
        let start = self.options.start()?;
        for module in modules.iter().filter(|_| self.proposer == Kind::Knobs) {
            contracts::space(*module, &start)?;
        }
        let total = self.rounds * self.group * modules.len() as u32;
        let mut watch = Progress::of(total);
        let result = Campaign {
            settings,
            folder,
            database,
            judge: lab,
            tasks: &|module| contracts::task(module, allow_unsafe),
            proposer: &mut |module| self.proposer(module, &start, control),
            watch: &mut watch,
        }
        .run();
        match result {
            Err(CampaignError::Settings(folder)) => {
                bail!("{} holds another campaign; name another folder with --out", folder.display())
            }
            other => Ok(other?),
        }
    }

    fn proposer(&self, module: Module, start: &Setup, control: bool) -> Box<dyn Proposer> {
        let patience = Duration::from_secs(self.patience);
        match self.proposer {
            Kind::Knobs => {
                let Ok(space) = contracts::space(module, start) else {
                    return Box::new(Program { command: Vec::new(), patience });
                };
                if control {
                    return Box::new(Learner::random(space));
                }
                let reference = Policy::around(&space, 1.0);
                Box::new(Learner::new(space, reference, Grpo::default()))
            }
            Kind::Openai => {
                let key = ["CRINOID_API_KEY", "OPENAI_API_KEY"]
                    .into_iter()
                    .find_map(|name| std::env::var(name).ok());
                let mut openai = OpenAi::new(&self.base_url, &self.model, key);
                openai.patience = patience;
                openai.budget = self.token_budget;
                Box::new(openai)
            }
            Kind::Command => {
                let words = self.command.split_whitespace().map(Into::into).collect();
                Box::new(Program { command: words, patience })
            }
            Kind::File => Box::new(Folder {
                folder: self.folder.clone().unwrap_or_else(|| self.out.join("answers")),
                patience,
                every: Duration::from_millis(500),
            }),
        }
    }
}
