//! Many stations timed in turns: Table 3.
//!
//! What two subjects need to be comparable (`rounds.rs`) a dozen need as well: each
//! effort of each is timed soon after the same rung of the others, in alternating order. A system
//! enters with as many configurations as it likes; at each recall its best one counts.

use super::{Exam, Fresh, MeasureError, Station, Sweep, curve, sweep};
use crate::{
    gate::Speeds,
    reward::{Curve, HIGH, LEVELS, REWARD},
};

/// One configuration of one system.
pub struct Contender<'s> {
    system: String,
    station: Station<'s>,
    speeds: Speeds,
    fault: Option<MeasureError>,
}

impl<'s> Contender<'s> {
    /// A station as a configuration of `system`.
    pub fn new(system: impl Into<String>, station: Station<'s>) -> Self {
        Self { system: system.into(), station, speeds: Speeds::default(), fault: None }
    }

    /// The system's name.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// The station.
    pub fn station(&self) -> &Station<'s> {
        &self.station
    }

    /// The efforts that are timed, ascending, with their recalls and speeds.
    pub fn speeds(&self) -> &Speeds {
        &self.speeds
    }

    /// What it did wrong, if anything: from then on it was left out.
    pub fn fault(&self) -> Option<&MeasureError> {
        self.fault.as_ref()
    }

    /// Finds the efforts worth timing, and whether answers were kept or known beforehand. What goes
    /// wrong is kept as the contender's fault.
    pub fn prepare(&mut self, exam: &Exam, fresh: &Fresh, k: usize, plan: &Sweep) {
        let swept = sweep(&mut self.station, exam, k, plan, |_, _| {}).and_then(|seen| {
            if let (Some(least), Some(most)) = (seen.first(), seen.last()) {
                self.station.check_memory(fresh, least.0, most.0)?;
            }
            Ok(seen)
        });
        match swept {
            Ok(seen) => {
                self.speeds.efforts = plan.worth_timing(&seen);
                let timed = |ef: &usize| self.speeds.efforts.contains(ef);
                let recalls = seen.iter().filter(|(ef, _)| timed(ef)).map(|&(_, recall)| recall);
                self.speeds.recalls = recalls.collect();
            }
            Err(fault) => self.fault = Some(fault),
        }
    }

    /// Queries per second at a rung, asked once more; 0 once something went wrong.
    fn time(&mut self, exam: &Exam, k: usize, rung: usize) -> f64 {
        let Some(&ef) = self.speeds.efforts.get(rung) else { return 0.0 };
        if self.fault.is_some() {
            return 0.0;
        }
        match self.station.pass(exam, k, ef, false) {
            Ok(pass) => exam.len() as f64 / pass.seconds,
            Err(fault) => {
                self.fault = Some(fault);
                0.0
            }
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

/// Times every effort of every contender once more. Rung by rung all of them are asked in their
/// order and then in the opposite order; of the two passes the faster counts.
pub fn league_round(contenders: &mut [Contender<'_>], exam: &Exam, k: usize) {
    let longest = contenders.iter().map(|one| one.speeds.efforts.len()).max().unwrap_or(0);
    let mut round: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    for rung in 0..longest {
        let there: Vec<_> = contenders.iter_mut().map(|one| one.time(exam, k, rung)).collect();
        for (index, one) in contenders.iter_mut().enumerate().rev() {
            let speed = one.time(exam, k, rung).max(there[index]);
            if rung < one.speeds.efforts.len() {
                round[index].push(speed);
            }
        }
    }
    for (one, speeds) in contenders.iter_mut().zip(round) {
        one.speeds.rounds.push(speeds);
    }
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
pub fn standings(contenders: &[Contender<'_>], round: Option<usize>) -> Vec<Standing> {
    let mut rows: Vec<Standing> = Vec::new();
    for contender in contenders.iter().filter(|one| one.fault.is_none()) {
        let curve = contender.curve(round);
        let at = rows.iter().position(|row| row.system == contender.system).unwrap_or_else(|| {
            rows.push(Standing { system: contender.system.clone(), ..Standing::default() });
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
