//! Many subjects timed in turns: Table 3.
//!
//! A system enters with as many configurations as it likes; at each recall its best one counts.

use super::{
    Fresh, MeasureError, Pass, QuerySplit, Rung, RunningSubject, Speeds, Sweep, Turns, curve,
    round, sweep,
};
use crate::reward::{Curve, HIGH, LEVELS, REWARD};

/// One configuration of one system.
pub struct Participant<'s> {
    system: String,
    running: RunningSubject<'s>,
    speeds: Speeds,
    fault: Option<MeasureError>,
}

impl<'s> Participant<'s> {
    /// A subject as a configuration of `system`.
    pub fn new(system: impl Into<String>, running: RunningSubject<'s>) -> Self {
        Self { system: system.into(), running, speeds: Speeds::default(), fault: None }
    }

    /// The system's name.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The subject.
    pub fn running(&self) -> &RunningSubject<'s> {
        &self.running
    }

    /// The efforts that are timed, ascending, with their recalls and speeds.
    pub fn speeds(&self) -> &Speeds {
        &self.speeds
    }

    /// What it did wrong, if anything: from then on it was left out.
    pub fn fault(&self) -> Option<&MeasureError> {
        self.fault.as_ref()
    }

    /// Finds the efforts worth timing. What goes wrong is kept as the participant's fault.
    pub fn prepare(&mut self, split: &QuerySplit, k: usize, plan: &Sweep) {
        match sweep(&mut self.running, split, k, plan, |_, _| {}) {
            Ok(seen) => {
                self.speeds.efforts = plan.worth_timing(&seen);
                let timed = |ef: &usize| self.speeds.efforts.contains(ef);
                let recalls = seen.iter().filter(|(ef, _)| timed(ef)).map(|&(_, recall)| recall);
                self.speeds.recalls = recalls.collect();
            }
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// After the rounds: whether it kept or knew answers, or did anything else that a timed subject
    /// does not ([`RunningSubject::check`]).
    pub fn check(&mut self, split: &QuerySplit, k: usize) {
        if self.fault.is_none() {
            self.fault = self.running.check(split, k, &self.speeds.efforts).err();
        }
    }

    /// Its curve: of one round, or the median speed of all rounds at each effort.
    pub fn curve(&self, round: Option<usize>) -> Curve {
        let speeds: Vec<f64> = match round {
            Some(round) => self.speeds.rounds.get(round).cloned().unwrap_or_default(),
            None => (0..self.speeds.efforts.len()).map(|rung| self.median(rung)).collect(),
        };
        curve(&self.speeds.recalls, &speeds)
    }

    fn median(&self, rung: usize) -> f64 {
        let mut speeds: Vec<f64> = self.speeds.rounds.iter().map(|round| round[rung]).collect();
        speeds.sort_unstable_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied().unwrap_or(0.0)
    }
}

/// Times every effort of every participant once more: a round in which all go over their efforts side
/// by side.
///
/// # Errors
/// When no new queries can be made.
pub fn round_robin(
    participants: &mut [Participant<'_>],
    fresh: &mut Fresh<'_>,
    k: usize,
    number: usize,
) -> Result<(), MeasureError> {
    let longest = participants.iter().map(|one| one.speeds.efforts.len()).max().unwrap_or(0);
    let effort = |one: &Participant<'_>, at: usize| match one.fault {
        None => one.speeds.efforts.get(at).copied(),
        Some(_) => None,
    };
    let rung = |at| {
        let ef = participants.iter().map(|one| effort(one, at)).collect();
        Rung { k, ef, latencies: false }
    };
    let rungs: Vec<Rung> = (0..longest).map(rung).collect();
    let mut subjects: Vec<&mut RunningSubject<'_>> =
        participants.iter_mut().map(|one| &mut one.running).collect();
    let turns = Turns { number, repeats: 1, restart: false };
    let timings = round(&mut subjects, fresh, &rungs, turns)?;
    for (one, timings) in participants.iter_mut().zip(timings) {
        let speed = |pass: &Option<Pass>| pass.as_ref().map_or(0.0, Pass::speed);
        let timed = one.speeds.efforts.len();
        match timings {
            Ok(passes) => one.speeds.rounds.push(passes.iter().take(timed).map(speed).collect()),
            Err(fault) => {
                one.speeds.rounds.push(vec![0.0; timed]);
                one.fault = Some(fault);
            }
        }
    }
    Ok(())
}

/// A system's row of Table 3.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The system.
    pub system: String,
    /// Queries per second at each of [`LEVELS`] with the configuration that is best there.
    pub speeds: [Option<f64>; 4],
    /// The largest reward, over recall `[0.85, 0.95]`; `None` where no configuration gets to its end.
    pub reward: Option<f64>,
    /// The same over `[0.95, 0.999]`.
    pub high: Option<f64>,
}

/// The rows of all systems, in order of first appearance; of one round, or of all.
pub fn standings(participants: &[Participant<'_>], round: Option<usize>) -> Vec<Standing> {
    let mut rows: Vec<Standing> = Vec::new();
    for participant in participants.iter().filter(|one| one.fault.is_none()) {
        let curve = participant.curve(round);
        let at =
            rows.iter().position(|row| row.system == participant.system).unwrap_or_else(|| {
                rows.push(Standing { system: participant.system.clone(), ..Standing::default() });
                rows.len() - 1
            });
        let row = &mut rows[at];
        for (best, level) in row.speeds.iter_mut().zip(LEVELS) {
            *best = larger(*best, curve.at(level));
        }
        let area = |range| Some(curve.area(range)).filter(|area| area.complete).map(|a| a.value);
        row.reward = larger(row.reward, area(REWARD));
        row.high = larger(row.high, area(HIGH));
    }
    rows
}

fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_of_what_there_is() {
        assert_eq!(larger(None, Some(1.0)), Some(1.0));
        assert_eq!(larger(Some(2.0), Some(1.0)), Some(2.0));
        assert_eq!(larger(Some(2.0), None), Some(2.0));
        assert_eq!(larger(None, None), None);
    }
}
