//! A rung in a process of its own, so that it has its own memory and SIMD level, and waits on its
//! pipe while others are timed.
//!
//! One line goes in per pass, the search options; one comes back, a [`Pass`]. A first line says
//! what loading did.

use super::ladder::Rung;
use anyhow::{Context, Result, ensure};
use crinoid_files::read_vectors;
use crinoid_pipeline::{Index, Recipe, SearchOptions};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    time::Instant,
};

/// Times an index: used by `progress`, which starts it.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    index: PathBuf,
    #[arg(long)]
    recipe: Recipe,
    #[arg(long)]
    queries: PathBuf,
}

/// What loading did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Loaded {
    pub(super) seconds: f64,
    /// Resident bytes before the index was opened.
    pub(super) before: u64,
    /// Resident bytes after, all of the file having been read once to verify it.
    pub(super) after: u64,
    /// How many vectors.
    pub(super) rows: usize,
    /// Bytes by part.
    pub(super) parts: BTreeMap<String, u64>,
}

/// One pass over all queries.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pass {
    /// Nanoseconds per query, of every stage, in order.
    pub(super) stages: Vec<(String, Vec<u64>)>,
    /// Nanoseconds per query around the whole search.
    pub(super) total: Vec<u64>,
    /// Resident bytes after it.
    pub(super) resident: u64,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let queries = read_vectors(&self.queries)?;
        let before = resident();
        let started = Instant::now();
        let index = Index::load(&self.index)?.with_recipe(&self.recipe)?;
        let seconds = started.elapsed().as_secs_f64();
        let bytes = index.bytes();
        let parts = [("graph", bytes.graph), ("codes", bytes.codes), ("refine", bytes.refine)];
        let parts = parts.map(|(name, bytes)| (name.to_owned(), bytes as u64)).into();
        say(&Loaded { seconds, before, after: resident(), rows: index.len(), parts })?;
        let (mut session, mut answers) = (index.session(), Vec::new());
        for line in std::io::stdin().lines() {
            let options: SearchOptions = serde_json::from_str(&line?)?;
            let mut pass = Pass::default();
            for query in queries.rows() {
                let started = Instant::now();
                let report = session.search(query, &options, &mut answers)?;
                pass.total.push(started.elapsed().as_nanos() as u64);
                for (place, stage) in report.stages.iter().enumerate() {
                    if place == pass.stages.len() {
                        pass.stages
                            .push((stage.name.to_owned(), Vec::with_capacity(queries.len())));
                    }
                    pass.stages[place].1.push(stage.nanos);
                }
            }
            pass.resident = resident();
            say(&pass)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn say(value: &impl Serialize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Resident memory of this process in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let kib = || -> Option<u64> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse().ok()
    };
    kib().unwrap_or(0) * 1024
}

/// A running timer, seen from the parent.
pub(super) struct Timer {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub(super) loaded: Loaded,
}

impl Timer {
    pub(super) fn start(rung: &Rung, index: &Path, queries: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("timer").arg("--index").arg(index).arg("--queries").arg(queries);
        command.args(["--recipe", &rung.setup.build.recipe.to_string()]);
        if let Some(level) = rung.setup.isa {
            command.env("CRINOID_ISA", level.name());
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.context("starting a timer")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (questions, output) = pipes.context("a timer without pipes")?;
        let answers = BufReader::new(output).lines();
        let mut timer = Self { child, questions, answers, loaded: Loaded::default() };
        timer.loaded = timer.read()?;
        Ok(timer)
    }

    pub(super) fn pass(&mut self, options: &SearchOptions) -> Result<Pass> {
        serde_json::to_writer(&mut self.questions, options)?;
        self.questions.write_all(b"\n")?;
        self.questions.flush()?;
        let pass: Pass = self.read()?;
        ensure!(!pass.total.is_empty(), "a pass without queries");
        Ok(pass)
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.answers.next().context("a timer ended early")??;
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
