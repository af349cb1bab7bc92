//! `cargo xtask evolve` and `cargo xtask reward`: module versions that improve by measured reward.

use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use crinoid_eval::Dataset;
use crinoid_eval::stats::{Interval, Resampling, bca_mean};
use crinoid_evolve::campaign::{Campaign, CampaignError, Report, Settings, Trial, Watch};
use crinoid_evolve::candidate::{Network, Rules, Sandbox, Workshop};
use crinoid_evolve::exemplar::{Database, Exemplar, Form, GateResult};
use crinoid_evolve::judge::Judge;
use crinoid_evolve::knobs::{Grpo, Policy};
use crinoid_evolve::lab::{Lab, Setup, Yard};
use crinoid_evolve::proposer::{Folder, Learner, Program, Proposer, openai::OpenAi};
use crinoid_evolve::rig::Rig;
use crinoid_evolve::{Module, contracts, diff};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

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

#[derive(Subcommand)]
enum Db {
    /// Lists the exemplars, best last.
    List(Place),
    /// Shows one exemplar with its code or knobs.
    Show {
        /// Digest, or the beginning of one.
        digest: String,
        #[command(flatten)]
        place: Place,
    },
    /// Shows what differs between two exemplars, line by line.
    Diff {
        /// Digest, or the beginning of one.
        old: String,
        /// Digest, or the beginning of one.
        new: String,
        #[command(flatten)]
        place: Place,
    },
    /// Writes every exemplar of code to FOLDER/MODULE-DIGEST.rs and all records to all.json.
    Export {
        /// The folder.
        folder: PathBuf,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(clap::Args)]
struct Place {
    /// The database.
    #[arg(long, default_value = "target/evolve/exemplars.jsonl")]
    db: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Knobs,
    Openai,
    Command,
    File,
}

/// Neighbours per query that the gate judges quality by.
const GATE_K: usize = 100;

/// What is measured on, and how candidates are kept in.
#[derive(clap::Args)]
struct Ground {
    /// Data sets that are rewarded: names of generators or files.
    #[arg(long, default_value = "embedded", value_delimiter = ',')]
    data: Vec<String>,
    /// Data sets that only the gate sees.
    #[arg(long, value_delimiter = ',')]
    also: Vec<String>,
    /// Answers per query.
    #[arg(long, default_value_t = 10)]
    k: usize,
    /// Interleaved pairs per judgement.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Loss of mean recall at equal ef that still earns a reward.
    #[arg(long, default_value_t = 0.002)]
    tolerance: f64,
    /// The starting point: `champions` (the published ones) or `glass` (hnsw@1, pool@1, float@1, as
    /// the paper), then parameters of its build or, behind `search.`, of its searches:
    /// `champions,m=24,search.slack=0.06`.
    #[arg(long, value_delimiter = ',', default_value = "champions")]
    start: Vec<String>,
    /// Seconds of the gate's rounds per data set.
    #[arg(long, default_value_t = 20.0)]
    gate_seconds: f64,
    /// Lets candidates keep the network where no namespace can be made.
    #[arg(long)]
    allow_network: bool,
    /// Lets candidates use `unsafe`.
    #[arg(long)]
    allow_unsafe: bool,
    /// Gibibytes of memory per candidate.
    #[arg(long, default_value_t = 8)]
    memory: u64,
    /// Seconds per compilation.
    #[arg(long, default_value_t = 300)]
    compile_seconds: u64,
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
    ground: Ground,
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

/// Judges one candidate: the reward function of a trainer.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask reward --module search --candidate mine.rs --json\n  \
    cargo xtask reward --module graph --candidate answer.md --data sift.hdf5 --gate"
)]
pub(crate) struct RewardArgs {
    /// A Rust source file, or an answer with the three sections (.md).
    #[arg(long)]
    candidate: PathBuf,
    /// The module it is a version of.
    #[arg(long, default_value = "search")]
    module: Module,
    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Asks the full gate as well.
    #[arg(long)]
    gate: bool,
    #[command(flatten)]
    ground: Ground,
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

impl RewardArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let text = std::fs::read_to_string(&self.candidate)
            .with_context(|| self.candidate.display().to_string())?;
        let answer = self.candidate.extension().is_some_and(|name| name == "md");
        let parsed = if answer {
            crinoid_evolve::answer::parse(&text).map(|answer| answer.code)
        } else {
            Ok(text)
        };
        let mut lab = self.ground.lab()?;
        let (judgement, form) = match parsed {
            Ok(code) => {
                let form = Form::Code(code);
                (lab.judge(self.module, &form)?, Some(form))
            }
            Err(problems) => {
                let failure = crinoid_evolve::reward::Failure::Malformed(problems.to_string());
                (crinoid_evolve::judge::Judgement::failed(failure), None)
            }
        };
        let reward = judgement.reward();
        let gate = match &form {
            Some(form) if self.gate && reward > 0.0 => Some(lab.gate(self.module, form)?),
            _ => None,
        };
        if self.json {
            let value = serde_json::json!({
                "reward": reward,
                "ratio": judgement.ratio(),
                "scores": judgement.scores,
                "failure": judgement.failure,
                "message": judgement.failure.as_ref().map(ToString::to_string),
                "gate": gate,
            });
            println!("{value}");
        } else {
            match &judgement.failure {
                Some(failure) => println!("reward 0: {failure}"),
                None => println!("reward {reward:.4} (ratio {:.4})", judgement.ratio()),
            }
            for (data, score) in &judgement.scores {
                println!("  {data}: x{:.4}, at least x{:.4}", score.ratio, score.lower);
            }
            if let Some(gate) = gate {
                println!("gate: {} ({})", gate.verdict, gate.why);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Ground {
    fn start(&self) -> anyhow::Result<Setup> {
        let mut start = Setup::champions();
        for word in &self.start {
            match (word.as_str(), word.split_once('=')) {
                ("champions", _) => start = Setup::champions(),
                ("glass", _) => start = Setup::default(),
                (_, Some((name, value))) => {
                    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                    match name.strip_prefix("search.") {
                        Some(name) => start.search.insert(name.to_owned(), value),
                        None => start.build.insert(name.to_owned(), value),
                    };
                }
                _ => bail!("--start: `{word}` is neither champions, glass nor NAME=VALUE"),
            }
        }
        Ok(start)
    }

    fn lab(&self) -> anyhow::Result<Lab> {
        let folder = PathBuf::from("target/evolve");
        std::fs::create_dir_all(&folder)?;
        let folder = std::fs::canonicalize(folder)?;
        let mut yards = Vec::new();
        let all = self.data.iter().map(|name| (name, true));
        for (name, rewarded) in all.chain(self.also.iter().map(|name| (name, false))) {
            let data = Dataset::load(name)?;
            let short = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
            yards.push(Yard::new(short, data, rewarded, self.k.max(GATE_K), &folder)?);
        }
        let workspace = std::env::current_dir()?;
        let workshop = Workshop {
            folder: folder.clone(),
            workspace,
            patience: Duration::from_secs(self.compile_seconds),
            rules: Rules { allow_unsafe: self.allow_unsafe },
        };
        let rig = (std::env::current_exe()?, vec!["evolve".into(), "subject".into()]);
        let mut lab = Lab::new(yards, rig, workshop, &folder, self.start()?);
        lab.protocol.k = self.k;
        lab.protocol.gate_budget = Duration::from_secs_f64(self.gate_seconds.max(0.0));
        lab.protocol.pairs = self.pairs;
        lab.protocol.tolerance = self.tolerance;
        let network = if self.allow_network { Network::Inherited } else { Network::Refused };
        lab.sandbox = Sandbox { memory: self.memory << 30, network, ..Sandbox::default() };
        Ok(lab)
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
        for damaged in database.damaged() {
            eprintln!("{}: line {}: {}", self.place.db.display(), damaged.line, damaged.why);
        }
        eprintln!("getting {} ready ...", self.ground.data.join(", "));
        let mut lab = self.ground.lab()?;
        let report = self.campaign(&modules, &mut lab, &mut database, false)?;
        let mut text = tables(&report);
        if self.proposer == Kind::Knobs && !self.no_control {
            eprintln!("the control: random search with as many candidates ...");
            let mut fresh = self.ground.lab()?;
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
        lab: &mut Lab,
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
                self.ground.start.join(","),
                (self.ground.k, self.ground.pairs, self.ground.tolerance, self.ground.gate_seconds)
            ),
        };
        let folder = match (control, modules) {
            (true, [module, ..]) => self.out.join(format!("control-{module}")),
            _ => self.out.clone(),
        };
        std::fs::create_dir_all(&folder)?;
        let allow_unsafe = self.ground.allow_unsafe;
        let start = self.ground.start()?;
        for module in modules.iter().filter(|_| self.proposer == Kind::Knobs) {
            contracts::space(*module, &start)?;
        }
        let total = self.rounds * self.group * modules.len() as u32;
        let mut watch = Progress { done: 0, total, best: 0.0 };
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

/// One line per candidate on stderr.
struct Progress {
    done: u32,
    total: u32,
    best: f64,
}

impl Watch for Progress {
    fn tried(&mut self, trial: &Trial) {
        if trial.attempt == 0 {
            self.done += 1;
        }
        let reward = trial.judgement.reward();
        self.best = self.best.max(reward);
        let what = match &trial.judgement.failure {
            Some(failure) => {
                let text = failure.to_string().replace("\n", " ");
                text.trim().chars().take(160).collect()
            }
            None => format!("x{:.3}", trial.judgement.ratio()),
        };
        eprintln!(
            "[{}/{}] {} round {} #{}: {reward:.3} ({what}), best {:.3}",
            self.done, self.total, trial.module, trial.round, trial.index, self.best
        );
    }

    fn gated(&mut self, module: Module, digest: &str, result: &GateResult) {
        eprintln!("gate: {module} {}: {} ({})", &digest[..12], result.verdict, result.why);
    }
}

/// Table 4, and what became of each module.
fn tables(report: &Report) -> String {
    let mut text = String::from("\nProgressive gains (Table 4), held-out queries\n");
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let mut header = vec!["data set".to_owned()];
    for outcome in &report.outcomes {
        header.push(format!("{} individual", outcome.module));
        header.push("cumulative".to_owned());
    }
    table.set_header(header);
    let mut sums = vec![0.0; 2 * report.outcomes.len()];
    for (data, start) in &report.start {
        let mut row = vec![data.clone()];
        let mut before = *start;
        for (at, outcome) in report.outcomes.iter().enumerate() {
            let now = outcome.standing.get(data).copied().unwrap_or(before);
            for (column, ratio) in [(2 * at, now / before), (2 * at + 1, now / start)] {
                let percent = 100.0 * (ratio - 1.0);
                sums[column] += percent / report.start.len() as f64;
                row.push(format!("{percent:+.2} %"));
            }
            before = now;
        }
        table.add_row(row);
    }
    let mean = sums.iter().map(|percent| format!("{percent:+.2} %"));
    table.add_row(std::iter::once("mean".to_owned()).chain(mean));
    text.push_str(&format!("{table}\n"));
    for outcome in &report.outcomes {
        match &outcome.adopted {
            Some(form) => {
                let digest = form.digest(outcome.module);
                text.push_str(&format!("{}: {} ships\n", outcome.module, &digest[..12]));
                if let Form::Knobs(_) = form {
                    for line in form.text().lines() {
                        text.push_str(&format!("    {line}\n"));
                    }
                }
            }
            None => text.push_str(&format!(
                "{}: nothing passed the gate; the champion stays\n",
                outcome.module
            )),
        }
        for (digest, result) in &outcome.gated {
            text.push_str(&format!(
                "  gate {}: {} ({})\n",
                &digest[..12],
                result.verdict,
                result.why
            ));
        }
    }
    if report.usage.prompt + report.usage.completion > 0 {
        let usage = report.usage;
        text.push_str(&format!("tokens: {} in, {} out\n", usage.prompt, usage.completion));
    }
    text
}

/// Whether the policy learnt: expected reward of its first and last quarter of rounds, and of
/// random search, with 95 % intervals.
fn learning(module: Module, trials: &[Trial], control: &[Trial]) -> anyhow::Result<String> {
    let of: Vec<&Trial> = trials.iter().filter(|trial| trial.module == module).collect();
    let rounds = of.iter().map(|trial| trial.round).max().map_or(0, |last| last + 1);
    let quarter = rounds.div_ceil(4);
    let rewards = |keep: &dyn Fn(u32) -> bool| -> Vec<f64> {
        of.iter().filter(|trial| keep(trial.round)).map(|t| t.judgement.reward()).collect()
    };
    let first = rewards(&|round| round < quarter);
    let last = rewards(&|round| round + quarter >= rounds);
    let random: Vec<f64> = control.iter().map(|trial| trial.judgement.reward()).collect();
    let mut text = format!("\nExpected reward under the policy of {module} (1 = the champion)\n");
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["", "candidates", "mean", "95 %", "failed", "best"]);
    for (name, values) in [
        (format!("policy, first {quarter} rounds"), &first),
        (format!("policy, last {quarter} rounds"), &last),
        ("random search, all rounds".to_owned(), &random),
    ] {
        let mean = interval(values)?;
        let failed = values.iter().filter(|value| **value == 0.0).count();
        let best = values.iter().copied().fold(0.0, f64::max);
        table.add_row([
            name,
            values.len().to_string(),
            format!("{:.4}", mean.estimate),
            format!("[{:.4}, {:.4}]", mean.low, mean.high),
            format!("{:.0} %", 100.0 * failed as f64 / values.len() as f64),
            format!("{best:.4}"),
        ]);
    }
    text.push_str(&format!("{table}\n"));
    for (name, other) in [("its own beginning", &first), ("random search", &random)] {
        let (low, high) = difference(&last, other);
        let verdict = if low > 0.0 { "learnt" } else { "not shown to have learnt" };
        text.push_str(&format!("last rounds less {name}: [{low:+.4}, {high:+.4}] -> {verdict}\n"));
    }
    Ok(text)
}

fn interval(values: &[f64]) -> anyhow::Result<Interval> {
    let first = values.first().copied().context("no candidates were measured")?;
    if values.iter().all(|value| *value == first) {
        return Ok(Interval { estimate: first, low: first, high: first });
    }
    Ok(bca_mean(values, &Resampling::default())?)
}

/// 95 % interval (Welch) of mean(a) - mean(b).
fn difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    let moments = |values: &[f64]| {
        let n = values.len().max(2) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((mean_a, var_a), (mean_b, var_b)) = (moments(a), moments(b));
    // Both samples have dozens of members: 2 is Student's t at 60 degrees of freedom.
    let half = 2.0 * (var_a + var_b).sqrt();
    (mean_a - mean_b - half, mean_a - mean_b + half)
}

impl Db {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(place) => {
                let database = Database::read(&place.db)?;
                let mut all: Vec<&Exemplar> = database.exemplars().iter().collect();
                all.sort_by(|a, b| a.module.cmp(&b.module).then(a.fitness.total_cmp(&b.fitness)));
                let mut table = Table::new();
                table.load_style(presets::UTF8_BORDERS_ONLY);
                table.set_header(["digest", "module", "fitness", "scores", "gate", "title"]);
                for exemplar in all {
                    let scores: Vec<String> = exemplar
                        .scores
                        .iter()
                        .map(|(data, score)| format!("{data} x{:.3}", score.ratio))
                        .collect();
                    let gate = exemplar.gate.as_ref().map_or("-", |gate| gate.verdict.as_str());
                    let title = match (&exemplar.form, exemplar.title.as_str()) {
                        (Form::Knobs(_), "") => exemplar.form.text().trim().replace('\n', ", "),
                        (_, title) => title.to_owned(),
                    };
                    table.add_row([
                        exemplar.digest[..12].to_owned(),
                        exemplar.module.to_string(),
                        format!("{:.3}", exemplar.fitness),
                        scores.join("\n"),
                        gate.to_owned(),
                        title,
                    ]);
                }
                println!("{table}");
                for damaged in database.damaged() {
                    println!("line {}: {}", damaged.line, damaged.why);
                }
            }
            Self::Show { digest, place } => {
                let database = Database::read(&place.db)?;
                let exemplar = database.find(&digest)?;
                println!("digest   {}\nmodule   {}", exemplar.digest, exemplar.module);
                println!("fitness  {:.4} against {}", exemplar.fitness, exemplar.champion);
                println!("proposer {}\nparents  {}", exemplar.proposer, exemplar.parents.join(" "));
                for (data, score) in &exemplar.scores {
                    println!(
                        "{data}: x{:.4}, at least x{:.4}, {:.0} QPS",
                        score.ratio, score.lower, score.reward
                    );
                }
                if let Some(gate) = &exemplar.gate {
                    println!("gate: {} ({})", gate.verdict, gate.why);
                }
                println!("\n{}\n\n{}", exemplar.note, exemplar.form.text());
            }
            Self::Diff { old, new, place } => {
                let database = Database::read(&place.db)?;
                let (old, new) = (database.find(&old)?, database.find(&new)?);
                print!("{}", diff::lines(&old.form.text(), &new.form.text()));
            }
            Self::Export { folder, place } => {
                let database = Database::read(&place.db)?;
                std::fs::create_dir_all(&folder)?;
                for exemplar in database.exemplars() {
                    if let Form::Code(code) = &exemplar.form {
                        let name = format!("{}-{}.rs", exemplar.module, &exemplar.digest[..12]);
                        std::fs::write(folder.join(name), code)?;
                    }
                }
                let all = serde_json::to_string_pretty(database.exemplars())?;
                std::fs::write(folder.join("all.json"), all + "\n")?;
                println!("{} exemplars", database.exemplars().len());
            }
        }
        Ok(())
    }
}
