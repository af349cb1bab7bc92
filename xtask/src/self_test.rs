//! `cargo xtask ab --self-test`: how often the gate errs, measured.

use crate::{bar::Bar, bench::Bench};
use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use crinoid_eval::{
    gate::{
        Phase, Trial,
        characteristics::{Injury, Noise, Tally, generate},
    },
    measure::{Exam, Grader, Pair, Preparations, Station},
    stats::Interval,
};
use std::time::Duration;

/// What a self-test is made of.
pub(crate) struct SelfTest<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) recipe: &'a str,
    pub(crate) preparations: Preparations,
    pub(crate) trial: Trial,
    /// Generated trials per row.
    pub(crate) generated: u64,
    /// Real trials of a version against itself; half as many of an injured one.
    pub(crate) real: u64,
    /// Seconds of rounds per real trial.
    pub(crate) budget: f64,
}

impl SelfTest<'_> {
    /// Runs and prints it; returns whether the false-ship rates are bounded by 5 % as far as can
    /// be told.
    pub(crate) fn run(&self) -> Result<bool> {
        let mut honest = true;
        let mut table = empty();
        self.generated(&mut table, &mut honest)?;
        println!("{table}");
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
        let start = |name: &str, more: &[&str]| -> Result<Station<'_>> {
            let bar = Bar::spin(&format!("building {name}"));
            let launch = self.bench.ours(name, self.recipe, more)?;
            let station = Station::start(name, &launch, &self.preparations, grader);
            drop(bar);
            Ok(station?)
        };
        let mut sound = start("sound", &[])?;
        let half = self.real.div_ceil(2);
        let injuries: [(&str, &[&str], Phase, u64); 3] = [
            ("itself", &[], Phase::Latency, self.real),
            ("3 % slower", &["--burn", "0.03"], Phase::Latency, half),
            ("1 point less recall", &["--drop", "0.01"], Phase::Quality, half),
        ];
        for (name, more, phase, trials) in injuries {
            let folder: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            let mut other = start(&folder, more)?;
            let mut tally = Tally::default();
            let bar = Bar::new(&format!("real trials: {name}"));
            bar.at(0, trials as usize);
            let (mut least, mut most) = (usize::MAX, 0);
            for number in 0..trials {
                let (practice, held_out) = Exam::split(&self.bench.data, 0.3, self.trial.seed)?;
                let trial = Trial {
                    practice,
                    held_out,
                    phase,
                    budget: Duration::from_secs_f64(self.budget),
                    seed: self.trial.seed + number,
                    ..self.trial.clone()
                };
                let stations = Pair { a: &mut sound, b: &mut other };
                let conclusion = trial.run(stations, &mut |_| {})?;
                least = least.min(conclusion.evidence.rounds);
                most = most.max(conclusion.evidence.rounds);
                tally.count(conclusion.verdict.outcome);
                bar.step();
            }
            drop(bar);
            other.stop()?;
            let equals = more.is_empty();
            let rounds = format!("{least}-{most}");
            add(table, &format!("real: {name}"), phase, &rounds, &tally, equals);
            *honest &= !equals || bounded(&tally);
        }
        sound.stop()?;
        Ok(())
    }
}

/// A table of tallies.
fn empty() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "what is compared",
        "phase",
        "rounds",
        "trials",
        "ship",
        "don't ship",
        "open",
        "rate, 95 % interval",
    ]);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
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
