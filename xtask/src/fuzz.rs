//! `cargo xtask fuzz`: the fuzz targets under libFuzzer and AddressSanitizer, in turn.

use crate::{bench::root, tables};
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

/// The targets, with the most bytes that an input has.
const TARGETS: [(&str, usize); 8] = [
    ("collection", 400),
    ("container", 400),
    ("files", 12_000),
    ("judgments", 1_000),
    ("names", 400),
    ("protocol", 1_000),
    ("scan", 2_000),
    ("texts", 100),
];

/// A target that breaks so often is left alone.
const CRASHES: usize = 10;

const EXAMPLES: &str = "\
Examples:
  cargo xtask fuzz
      a minute for each target
  cargo xtask fuzz --minutes 480
      a night, over all targets in turn
  cargo xtask fuzz --minutes 30 --target files --target protocol

What was found stays in fuzz/found and is where the next run begins; inputs that break something stay in
fuzz/artifacts. Put such an input into fuzz/corpus/TARGET, and the ordinary tests run it for ever:
  cargo test -p crinoid-pipeline -p crinoid-files -p crinoid-eval -p crinoid-evolve --test fuzz

Exit code 1 when something broke.";

/// Build the fuzz targets with AddressSanitizer, and run them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How long, over all targets.
    #[arg(long, default_value_t = TARGETS.len() as f64)]
    minutes: f64,
    /// Only this target; repeat for more.
    #[arg(long, value_parser = known)]
    target: Vec<String>,
}

fn known(name: &str) -> Result<String, String> {
    if TARGETS.iter().any(|(target, _)| *target == name) {
        return Ok(name.to_owned());
    }
    let known: Vec<&str> = TARGETS.iter().map(|target| target.0).collect();
    Err(format!("no such target (known: {})", known.join(", ")))
}

/// What became of a target.
#[derive(Default)]
struct Outcome {
    executions: u64,
    new: u64,
    crashes: usize,
    seconds: f64,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let asked = |name: &str| self.target.is_empty() || self.target.iter().any(|t| t == name);
        let targets: Vec<_> = TARGETS.into_iter().filter(|(name, _)| asked(name)).collect();
        let programs = build(&targets)?;
        let share = Duration::from_secs_f64(self.minutes * 60.0 / targets.len() as f64);
        let mut table =
            tables::numbers(["target", "executions", "new inputs", "crashes", "minutes"]);
        let mut broken = 0;
        for (name, longest) in targets {
            println!("{name}: {:.0} s", share.as_secs_f64());
            let outcome = fuzz(&programs.join(name), name, longest, share)?;
            broken += outcome.crashes;
            table.add_row([
                name.to_owned(),
                outcome.executions.to_string(),
                outcome.new.to_string(),
                outcome.crashes.to_string(),
                format!("{:.1}", outcome.seconds / 60.0),
            ]);
        }
        println!("{table}");
        if broken > 0 {
            println!("what broke something is in {}", folder("artifacts").display());
        }
        Ok(ExitCode::from(u8::from(broken > 0)))
    }
}

fn folder(name: &str) -> PathBuf {
    root().join("fuzz").join(name)
}

/// Builds the targets; the folder that they are in.
fn build(targets: &[(&str, usize)]) -> Result<PathBuf> {
    let mut command = Command::new("bash");
    command.arg(folder("build.sh"));
    for (name, _) in targets {
        command.args(["--bin", name]);
    }
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("running fuzz/build.sh, which needs bash")?;
    if !output.status.success() {
        bail!(
            "the fuzz targets cannot be built (why is said above): they need a C++ compiler for libFuzzer \
             (apt-get install g++) and a host with AddressSanitizer; the same bodies run without either as \
             cargo test -p crinoid-pipeline -p crinoid-files -p crinoid-eval -p crinoid-evolve --test fuzz"
        );
    }
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().last().map(PathBuf::from).context("fuzz/build.sh did not say where they are")
}

/// Runs a target for so long, beyond what breaks it.
fn fuzz(program: &Path, name: &str, longest: usize, share: Duration) -> Result<Outcome> {
    let [found, corpus, artifacts] =
        ["found", "corpus", "artifacts"].map(|kind| folder(kind).join(name));
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    // In memory where that is possible: a collection syncs every batch.
    let memory = Path::new("/dev/shm");
    let scratch = match memory.is_dir() {
        true => tempfile::TempDir::new_in(memory),
        false => tempfile::TempDir::new(),
    };
    let scratch = scratch.context("making a scratch folder")?;
    let (started, mut outcome) = (Instant::now(), Outcome::default());
    let log = artifacts.join("log");
    while started.elapsed() < share && outcome.crashes < CRASHES {
        let left = (share - started.elapsed()).as_secs().max(1);
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let status = Command::new(program)
            .args([&found, &corpus])
            .arg(format!("-max_total_time={left}"))
            .arg(format!("-max_len={longest}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(["-timeout=60", "-rss_limit_mb=4096", "-malloc_limit_mb=2048"])
            // What a library keeps for its next call looks like a leak, and looking for one after every input
            // takes nine tenths of the time (`sanitize address` looks for leaks). Counting how rare each edge
            // is takes a third of it where an input reaches tens of thousands.
            .args(["-detect_leaks=0", "-entropic=0"])
            .arg("-print_final_stats=1")
            .env("TMPDIR", scratch.path())
            // What libraries panic about is caught; what ours do ends the target.
            .env("RUST_BACKTRACE", "0")
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .with_context(|| format!("running {}", program.display()))?;
        let said = fs::read(&log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let number = |label: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(label));
            line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        outcome.executions += number("stat::number_of_executed_units:");
        outcome.new += number("stat::new_units_added:");
        if !status.success() {
            outcome.crashes += 1;
            let end: Vec<&str> = said.lines().collect();
            println!("{}", end[end.len().saturating_sub(60)..].join("\n"));
            let kept = artifacts.join(format!("log-{}", outcome.crashes));
            fs::copy(&log, kept).context("keeping the log")?;
        }
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    Ok(outcome)
}
