//! `cargo xtask ab --self-test`: how often the gate errs, measured.

use crate::{bar::Bar, bench::Bench, tables};
use anyhow::Result;
use comfy_table::Table;
use crinoid_eval::{
    gate::{
        Phase, Trial,
        characteristics::{Injury, Noise, Tally, generate},
    },
    measure::{Grader, Pair, Preparations, RunningSubject},
    stats::Interval,
};
use std::time::Instant;

/// What a self-test is made of.
pub(crate) struct SelfTest<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) recipe: &'a str,
    pub(crate) preparations: Preparations,
    pub(crate) trial: Trial,
    /// Generated trials per row.
    pub(crate) generated: u64,
    /// Real trials of a version against each candidate.
    pub(crate) real: u64,
    /// The candidates of the real trials.
    pub(crate) candidates: Vec<Candidate>,
    /// By how much the slower one is slower: 0.03 is 3 %.
    pub(crate) slowdown: f64,
}

/// Who stands against the recipe in a real trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Candidate {
    /// The recipe itself, in a process of its own.
    Itself,
    /// The recipe, burning time after each pass.
    Slower,
    /// The recipe, with one answer in a hundred replaced by a wrong one.
    Worse,
}

impl SelfTest<'_> {
    /// Runs and prints it; returns whether the false-ship rates are bounded by 5 % as far as can
    /// be told.
    pub(crate) fn run(&self) -> Result<bool> {
        let mut honest = true;
        if self.generated > 0 {
            let mut table = empty();
            self.generated(&mut table, &mut honest)?;
            println!("{table}");
        }
        if self.real > 0 {
            let mut table = empty();
            self.real(&mut table, &mut honest)?;
            println!("{table}");
        }
        let verdict = if honest { "at most 5 %, as far as can be told" } else { "ABOVE 5 %" };
        println!("false ships of equals: {verdict}");
        Ok(honest)
    }

    fn generated(&self, table: &mut Table, honest: &mut bool) -> Result<()> {
        let none = Injury { slowdown: 0.0, recall_loss: 0.0 };
        let slower = |slowdown| Injury { slowdown, ..none };
        let loses = |recall_loss| Injury { recall_loss, ..none };
        let mut rows = vec![
            ("equals".to_owned(), none, Phase::Latency, 20),
            ("equals".to_owned(), none, Phase::Quality, 20),
        ];
        for rounds in [6, 12, 20] {
            for slowdown in [0.01, 0.02, 0.03, 0.05] {
                let name = format!("{:.0} % slower", slowdown * 100.0);
                rows.push((name, slower(slowdown), Phase::Latency, rounds));
            }
        }
        rows.push(("3 % faster".to_owned(), slower(-0.03), Phase::Latency, 20));
        for loss in [0.005, 0.01] {
            for phase in [Phase::Quality, Phase::Latency] {
                let name = format!("{:.1} points less recall", loss * 100.0);
                rows.push((name, loses(loss), phase, 20));
            }
        }
        let bar = Bar::new("generated trials");
        bar.at(0, rows.len());
        for (name, injury, phase, rounds) in rows {
            let seed = self.trial.seed;
            let tally = generate(injury, Noise::default(), phase, rounds, self.generated, seed)?;
            let equals = injury == none;
            add(table, &format!("generated: {name}"), phase, &rounds.to_string(), &tally, equals);
            *honest &= !equals || bounded(&tally);
            bar.step();
        }
        drop(bar);
        Ok(())
    }

    fn real(&self, table: &mut Table, honest: &mut bool) -> Result<()> {
        let grader = Grader::new(&self.bench.data, &self.bench.truth)?;
        let start = |name: &str, more: &[&str]| -> Result<RunningSubject<'_>> {
            let bar = Bar::spin(&format!("building {name}"));
            let launch = self.bench.ours(name, self.recipe, more)?;
            let running = RunningSubject::start(name, &launch, &self.preparations, grader);
            drop(bar);
            Ok(running?)
        };
        let mut sound = start("sound", &[])?;
        for &candidate in &self.candidates {
            let burn = self.slowdown.to_string();
            let (name, folder, more, phase): (_, _, &[&str], _) = match candidate {
                Candidate::Itself => ("itself".to_owned(), "itself", &[], Phase::Latency),
                Candidate::Slower => {
                    let name = format!("{:.0} % slower", 100.0 * self.slowdown);
                    (name, "slower", &["--burn", &burn], Phase::Latency)
                }
                Candidate::Worse => {
                    let name = "1 point less recall".to_owned();
                    (name, "worse", &["--drop", "0.01"], Phase::Quality)
                }
            };
            let mut other = start(folder, more)?;
            let (mut tally, mut rounds, mut seconds) = (Tally::default(), Vec::new(), 0.0);
            let bar = Bar::new(&format!("real trials: {name}"));
            bar.at(0, self.real as usize);
            for number in 0..self.real {
                let trial = Trial { phase, seed: self.trial.seed + number, ..self.trial.clone() };
                let running = Pair { a: &mut sound, b: &mut other };
                let started = Instant::now();
                let conclusion = trial.run(running, &mut |_| {})?;
                seconds += started.elapsed().as_secs_f64();
                rounds.push(conclusion.evidence.rounds);
                tally.count(conclusion.verdict.outcome);
                bar.step();
            }
            drop(bar);
            other.stop()?;
            let equals = candidate == Candidate::Itself;
            let (least, most) = (rounds.iter().min(), rounds.iter().max());
            let each = seconds / rounds.len().max(1) as f64;
            let rounds = match (least, most) {
                (Some(least), Some(most)) => format!("{least}-{most} in {each:.0} s"),
                _ => String::new(),
            };
            add(table, &format!("real: {name}"), phase, &rounds, &tally, equals);
            *honest &= !equals || bounded(&tally);
        }
        sound.stop()?;
        Ok(())
    }
}

/// A table of tallies.
fn empty() -> Table {
    tables::numbers([
        "what is compared",
        "phase",
        "rounds",
        "trials",
        "ship",
        "don't ship",
        "open",
        "rate, 95 % interval",
    ])
}

/// Whether a false-ship rate of 5 % or less is compatible with what was seen.
fn bounded(tally: &Tally) -> bool {
    tally.ship_rate().is_none_or(|rate| rate.low <= 0.05)
}

fn add(table: &mut Table, name: &str, phase: Phase, rounds: &str, tally: &Tally, equals: bool) {
    // Of equals the errors are of interest, of injured ones the finds.
    let (what, rate) = match (equals, name.contains("faster")) {
        (true, _) => ("false ship", tally.ship_rate()),
        (false, true) => ("shipped", tally.ship_rate()),
        (false, false) => ("found", tally.dont_ship_rate()),
    };
    let percent = |share: f64| 100.0 * share;
    let rate = rate.map_or_else(String::new, |Interval { estimate, low, high }| {
        let (estimate, low, high) = (percent(estimate), percent(low), percent(high));
        format!("{what} {estimate:.1} % [{low:.1}, {high:.1}]")
    });
    table.add_row([
        name.to_owned(),
        phase.to_string(),
        rounds.to_owned(),
        tally.trials().to_string(),
        tally.ship.to_string(),
        tally.dont_ship.to_string(),
        tally.inconclusive.to_string(),
        rate,
    ]);
}
