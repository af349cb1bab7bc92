//! `cargo xtask compare`: ours and every installed peer, one run, Table 3.

mod table3;

use crate::{
    bar::Bar,
    bench::{
        Bench, EMBEDDED, absolute, cores, deliver, named_command, positive, root,
        subject_arguments, target,
    },
    load::Load,
};
use anyhow::{Context, Result, bail};
use crinoid_eval::{
    measure::{
        Fresh, Grader, Participant, Preparations, QuerySplit, RunningSubject, Sweep, round_robin,
        standings,
    },
    report::{Comparison, Delta, alone, subject},
    subject::Parameters,
};
use crinoid_pipeline::Recipe;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};
use table3::{Ratio, configurations_table, ratios, standings_table};

/// What our own rows are called.
const OURS: &str = "crinoid";

/// Measures ours and every installed peer interleaved in one run, and prints Table 3: queries per
/// second at recall 0.90, 0.95, 0.99 and 0.999, the reward, and the ratio to the best peer.
///
/// Peers are the scripts of crates/eval/peers whose package the Python interpreter finds, and
/// whatever --subject names. At each recall the best configuration of a system counts.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask compare
  cargo xtask compare --data sift.hdf5 --python ~/.peers/bin/python
  cargo xtask compare --peer hnswlib --peer faiss --first
  cargo xtask compare --data sift.hdf5 --memory-load
  cargo xtask compare --recipe sq8@2/crinoid@1/pipelined@2/float@1:m=16 --subject mine='./mine --fast'
A configuration is NAME=VALUE,NAME=VALUE: build parameters of the subject.")]
pub(crate) struct Args {
    /// A preset of the generator, or a data-set file.
    #[arg(long, default_value = EMBEDDED, value_name = "NAME|FILE")]
    data: String,
    /// Answers per query.
    #[arg(long, default_value_t = 10, value_parser = positive)]
    k: usize,
    /// A recipe of ours, with build parameters after a colon; repeat for more configurations
    /// [default: the champions, and `auto`].
    #[arg(long = "recipe", value_name = "RECIPE[:CONFIGURATION]")]
    recipes: Vec<String>,
    /// Only these peers (`none` for none); repeat for more.
    #[arg(long = "peer", value_name = "NAME")]
    peers: Vec<String>,
    /// Any other subject as a peer: its name and its command; repeat for more.
    #[arg(long = "subject", value_name = "NAME=COMMAND")]
    subjects: Vec<String>,
    /// A configuration of a peer in place of its own list; repeat for more.
    #[arg(long = "configuration", value_name = "NAME:CONFIGURATION")]
    configurations: Vec<String>,
    /// Only the first configuration of each peer.
    #[arg(long)]
    first: bool,
    /// The Python interpreter that has the peers' packages.
    #[arg(long, default_value = "python3", value_name = "PROGRAM")]
    python: PathBuf,
    /// Timed passes over every effort; the median counts.
    #[arg(long, default_value_t = 8)]
    rounds: usize,
    /// Loads the memory during the rounds: a process on the other cores streams and reads a gigabyte, as the
    /// other queries of a busy server do.
    #[arg(long)]
    memory_load: bool,
    /// Threads of the builds [default: all].
    #[arg(long)]
    threads: Option<usize>,
    /// Seed of builds and of the order of queries.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Where result.json and the page go [default: target/crinoid-compare].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A system to start: its name, its command, and the configurations to try.
struct Entry {
    system: String,
    /// What its rows are called, before the configuration.
    label: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    configurations: Vec<Parameters>,
}

/// A line of `peers --list`.
#[derive(Deserialize)]
struct Listed {
    name: String,
    installed: bool,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    configurations: Vec<Parameters>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut left_out = Vec::new();
        let entries = self.entries(&mut left_out)?;
        let bench = Bench::open(&self.data, self.k)?;
        let grader = Grader::new(&bench.data, &bench.truth)?;
        let split = QuerySplit::all(&bench.data);
        let mut fresh = Fresh::new(&grader, &split);
        let plan = Sweep::new(self.k, bench.data.base.len());
        let mut participants = Vec::new();
        for entry in &entries {
            for build in &entry.configurations {
                let label = label(&entry.label, build);
                let preparations = Preparations {
                    vectors: bench.vectors().to_owned(),
                    build: build.clone(),
                    search: Parameters::new(),
                    threads: self.threads.unwrap_or_else(cores),
                    seed: self.seed,
                };
                let folder = format!("{}", participants.len() + left_out.len());
                let launch =
                    bench.launch(&folder, entry.program.clone(), entry.arguments.clone())?;
                let bar = Bar::spin(&format!("building {label}"));
                match RunningSubject::start(label.clone(), &launch, &preparations, grader) {
                    Ok(running) => {
                        bar.label(format!("sweeping {label}"));
                        let mut participant = Participant::new(&entry.system, running);
                        participant.prepare(&split, self.k, &plan);
                        participants.push(participant);
                    }
                    Err(fault) if entry.system == OURS => bail!(fault),
                    Err(fault) => left_out.push(fault.to_string()),
                }
                drop(bar);
            }
        }
        let load = self.memory_load.then(Load::start).transpose()?;
        let bar = Bar::new("rounds, all in turns");
        bar.at(0, self.rounds);
        for number in 0..self.rounds {
            round_robin(&mut participants, &mut fresh, self.k, number)?;
            bar.step();
        }
        let loaded = load.map(Load::stop).transpose()?;
        bar.label("looking for kept answers");
        participants.iter_mut().for_each(|one| one.check(&split, self.k));
        drop(bar);
        let faults = participants.iter().filter_map(Participant::fault);
        left_out.extend(faults.map(ToString::to_string));
        self.report(&bench, &split, &participants, left_out, loaded)?;
        Ok(ExitCode::SUCCESS)
    }

    fn report(
        &self,
        bench: &Bench,
        split: &QuerySplit,
        participants: &[Participant<'_>],
        left_out: Vec<String>,
        loaded: Option<String>,
    ) -> Result<()> {
        let others = participants.iter().filter(|one| one.system() != OURS).count();
        let title = match others {
            0 => "ours, without peers".to_owned(),
            1 => "ours and a configuration of a peer".to_owned(),
            _ => format!("ours and {others} configurations of peers"),
        };
        let mut result = alone("compare", title, &bench.data, split.len());
        result.settings.k = self.k;
        result.settings.rounds = self.rounds;
        result.settings.threads = self.threads.unwrap_or_else(cores);
        result.settings.level = 0.95;
        result.settings.seed = self.seed;
        result.settings.pinned = participants.iter().all(|one| one.running().pinned());
        let of = |one: &Participant<'_>| subject(one.running(), split, self.k, one.speeds());
        result.subjects = participants.iter().map(of).collect();
        let left_out = left_out.into_iter().map(|reason| format!("left out: {reason}"));
        result.notes = loaded.into_iter().chain(left_out).collect();

        let rows = standings(participants, None);
        let rounds: Vec<_> =
            (0..self.rounds).map(|round| standings(participants, Some(round))).collect();
        let ratios = ratios(&rows, &rounds);
        println!("{}", configurations_table(&result, participants));
        println!("{}", standings_table(&rows, &ratios));
        let deltas: Vec<Delta> = ratios.iter().flatten().map(Ratio::delta).collect();
        if !deltas.is_empty() {
            let (baseline, candidate) = ("best peer".to_owned(), OURS.to_owned());
            result.comparisons = vec![Comparison { baseline, candidate, deltas }];
        }
        let out = self.out.clone().unwrap_or_else(|| target().join("crinoid-compare"));
        deliver(&result, &out)
    }

    /// Ours, the scripts that are installed, and the subjects named.
    fn entries(&self, left_out: &mut Vec<String>) -> Result<Vec<Entry>> {
        let mut own: BTreeMap<&str, Vec<Parameters>> = BTreeMap::new();
        for given in &self.configurations {
            let (name, configuration) =
                given.split_once(':').with_context(|| format!("`{given}` is not NAME:..."))?;
            own.entry(name).or_default().push(parameters(configuration)?);
        }
        let mut entries = Vec::new();
        let default = [Recipe::default().to_string(), "auto".to_owned()];
        let recipes = if self.recipes.is_empty() { &default[..] } else { &self.recipes };
        for given in recipes {
            let (recipe, configuration) = given.split_once(':').unwrap_or((given, ""));
            entries.push(Entry {
                system: OURS.to_owned(),
                label: recipe.to_owned(),
                program: std::env::current_exe()?,
                arguments: subject_arguments(recipe, &[]),
                configurations: vec![parameters(configuration)?],
            });
        }
        let scripts = root().join("crates/eval/peers");
        let wanted =
            |name: &str| self.peers.is_empty() || self.peers.iter().any(|wanted| wanted == name);
        let listed = self.list(&scripts, left_out)?;
        for unknown in &self.peers {
            if unknown != "none" && listed.iter().all(|one| one.name != *unknown) {
                let known: Vec<_> = listed.iter().map(|one| one.name.as_str()).collect();
                bail!("no peer called `{unknown}` (known: {})", known.join(", "));
            }
        }
        for one in listed.into_iter().filter(|one| wanted(&one.name)) {
            if !one.installed {
                left_out.push(format!("{}: not installed ({})", one.name, one.reason));
                continue;
            }
            let mut configurations = own.remove(one.name.as_str()).unwrap_or(one.configurations);
            configurations.truncate(if self.first { 1 } else { usize::MAX });
            entries.push(Entry {
                program: absolute(&self.python).into(),
                arguments: vec![scripts.clone().into_os_string(), one.name.clone().into()],
                label: one.name.clone(),
                system: one.name,
                configurations,
            });
        }
        for given in &self.subjects {
            let (name, program, arguments) = named_command(given)?;
            entries.push(Entry {
                label: name.clone(),
                program,
                arguments,
                configurations: own
                    .remove(name.as_str())
                    .unwrap_or_else(|| vec![Parameters::new()]),
                system: name,
            });
        }
        if let Some(name) = own.keys().next() {
            bail!("a configuration for `{name}`, which does not take part");
        }
        Ok(entries)
    }

    /// What the scripts say of themselves. Without a Python interpreter there are no scripts.
    fn list(&self, scripts: &Path, left_out: &mut Vec<String>) -> Result<Vec<Listed>> {
        if self.peers.iter().any(|name| name == "none") {
            return Ok(Vec::new());
        }
        let output = Command::new(&self.python).arg(scripts).arg("--list").output();
        let output = match output {
            Ok(output) => output,
            // Who asked for a peer by name wants to know; others may have no Python.
            Err(error) if self.peers.is_empty() => {
                left_out.push(format!("all peers: {}: {error}", self.python.display()));
                return Ok(Vec::new());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot run {}", self.python.display()));
            }
        };
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            let last = words.lines().last().unwrap_or_default().to_owned();
            left_out.push(format!("all peers: {last} (see crates/eval/peers/README.md)"));
            return Ok(Vec::new());
        }
        let text = String::from_utf8(output.stdout)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

/// `m=16,codes=sq8` as build parameters: numbers and booleans where they read as such.
fn parameters(text: &str) -> Result<Parameters> {
    let pair = |pair: &str| {
        let (name, value) =
            pair.split_once('=').with_context(|| format!("`{pair}` is not NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        Ok((name.to_owned(), value))
    };
    text.split(',').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn label(system: &str, parameters: &Parameters) -> String {
    let values: Vec<_> = parameters
        .iter()
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        })
        .collect();
    if values.is_empty() { system.to_owned() } else { format!("{system} {}", values.join(",")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_read_and_shown() {
        let read = parameters("m=16,codes=sq8,rescore=true").unwrap();
        assert_eq!(read["m"], 16);
        assert_eq!(read["codes"], "sq8");
        assert_eq!(read["rescore"], true);
        assert_eq!(label("faiss", &read), "faiss codes=sq8,m=16,rescore=true");
        assert_eq!(label("faiss", &parameters("").unwrap()), "faiss");
        assert!(parameters("m").is_err());
    }
}
