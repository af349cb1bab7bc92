//! The process that is killed, or that is given no room on the disk.

use super::{super::kills, model};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use crinoid_pipeline::{Index, collection::Collection};
use crinoid_quant::{Vectors, random::hash};
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

/// What a victim does.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Job {
    /// Writes batches to a collection for ever.
    Write,
    /// Writes rows with attributes and texts to a collection for ever.
    Rows,
    /// Saves an index over the one that is there, again and again.
    Save,
}

/// Works until it is killed, or refused.
#[derive(clap::Args)]
pub(crate) struct VictimArgs {
    #[arg(long)]
    job: Job,
    #[arg(long)]
    place: PathBuf,
    #[arg(long)]
    kind: u64,
    #[arg(long)]
    start: u64,
}

impl VictimArgs {
    /// Prints `ack N` for each piece of work that is done for good, `refused WHY` at the first that is not.
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.work() {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                println!("refused {}", crate::out::chain(&error));
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    fn work(&self) -> Result<()> {
        let acknowledge = |at: u64| {
            let mut out = std::io::stdout();
            writeln!(out, "ack {at}").and_then(|()| out.flush())
        };
        let batch = |at| match self.job {
            Job::Rows => kills::shape(self.kind).batch(at),
            Job::Write | Job::Save => model::entries(self.kind, at),
        };
        match self.job {
            Job::Write | Job::Rows => {
                let collection = Collection::open(&self.place)?;
                for at in self.start..self.start + 5_000 {
                    collection.write(&batch(at))?;
                    acknowledge(at)?;
                    match hash(self.kind ^ 0x5ea1, at) % 40 {
                        0 => collection.seal()?,
                        1 => collection.compact()?,
                        _ => {}
                    }
                }
            }
            Job::Save => {
                for at in self.start..self.start + 1_000 {
                    index(self.kind, at)?.save(&self.place)?;
                    acknowledge(at)?;
                }
            }
        }
        Ok(())
    }
}

/// Index number `at` of a series of which each replaces the one before.
pub(super) fn index(kind: u64, at: u64) -> Result<Index> {
    let dim = model::dim(kind);
    let rows: Vec<Vec<f32>> =
        (0..100 + at % 50).map(|row| model::vector(dim, hash(hash(kind, at), row))).collect();
    Ok(Index::build(&Vectors::from_rows(&rows)?, &model::options(kind).build, &())?)
}

/// A running victim.
pub(crate) struct Victim {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    last: Option<u64>,
    /// Why it gave up.
    pub(super) refused: Option<String>,
}

impl Victim {
    /// Starts one; with `room`, no file of its may grow beyond so many KiB, as on a disk that is full.
    pub(crate) fn start(
        job: Job,
        place: &Path,
        (kind, start): (u64, u64),
        room: Option<u64>,
    ) -> Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = match room {
            None => Command::new(program),
            Some(kibibytes) => {
                // A write beyond the limit is an error instead of a signal. `ulimit -f` counts 512 bytes in sh,
                // or 1,024 in some shells: the exact number is of no interest.
                let mut shell = Command::new("sh");
                let limited = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
                shell.args(["-c", limited, "sh", &(kibibytes * 2).to_string()]).arg(program);
                shell
            }
        };
        let job = job.to_possible_value().context("a hidden job")?;
        command
            .args(["soak", "victim", "--job", job.get_name(), "--place"])
            .arg(place)
            .args(["--kind", &kind.to_string(), "--start", &start.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().context("starting a victim")?;
        let stdout = child.stdout.take().context("a victim without output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines(), last: None, refused: None })
    }

    /// The next line; `false` at the end.
    fn next(&mut self) -> bool {
        let Some(Ok(line)) = self.lines.next() else { return false };
        if let Some(number) = line.strip_prefix("ack ") {
            self.last = number.parse().ok().or(self.last);
        } else if let Some(why) = line.strip_prefix("refused ") {
            self.refused = Some(why.to_owned());
        }
        true
    }

    /// Waits for `acks` acknowledgements and `delay`, kills it, and says what it acknowledged last.
    pub(crate) fn kill(mut self, acks: u64, delay: Duration) -> Result<Option<u64>> {
        for _ in 0..acks {
            ensure!(self.next(), "the victim ended by itself: {:?}", self.refused);
        }
        ensure!(self.refused.is_none(), "the victim was refused: {:?}", self.refused);
        std::thread::sleep(delay);
        self.child.kill().context("killing a victim")?;
        self.end()
    }

    /// Waits until it has ended by itself or by a kill; says what it acknowledged last.
    fn end(&mut self) -> Result<Option<u64>> {
        while self.next() {}
        self.child.wait().context("waiting for a victim")?;
        Ok(self.last)
    }

    /// Waits until it is refused, for `most` acknowledgements at most.
    pub(super) fn starve(mut self, most: u64) -> Result<(Option<u64>, Option<String>)> {
        for _ in 0..most {
            if !self.next() {
                let status = self.child.wait().context("waiting for a victim")?;
                ensure!(status.success(), "the victim ended with {status}, not with an error");
                return Ok((self.last, self.refused));
            }
        }
        // There was room after all.
        self.child.kill().context("killing a victim")?;
        Ok((self.end()?, self.refused.take()))
    }
}
