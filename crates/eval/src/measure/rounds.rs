//! Rounds: any number of subjects timed in turns.
//!
//! A machine drifts: its clock, its neighbours, its temperature. Subjects are therefore asked in turns,
//! A B B A and next time B A A B, so that drift hits all alike, and they are compared within a round,
//! never across rounds.
//!
//! A process keeps the place in memory that it was born with, and that alone makes equal programs
//! differ by a per cent or more. A round of two therefore begins with two new processes.
//!
//! In one turn all are asked the same queries, which none of them has seen.

use super::{Fresh, MeasureError, Pass, RunningSubject};
use crate::reward::{Curve, Point};

/// One of two subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The baseline.
    A,
    /// The candidate.
    B,
}

/// One value for each of two subjects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair<T> {
    /// The baseline's.
    pub a: T,
    /// The candidate's.
    pub b: T,
}

impl<T> Pair<T> {
    /// The same through a function.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Pair<U> {
        Pair { a: f(self.a), b: f(self.b) }
    }

    /// The same through a function that can fail.
    ///
    /// # Errors
    /// The function's, for the baseline first.
    pub(crate) fn try_map<U, E>(self, mut f: impl FnMut(T) -> Result<U, E>) -> Result<Pair<U>, E> {
        Ok(Pair { a: f(self.a)?, b: f(self.b)? })
    }

    /// References to both.
    pub fn as_ref(&self) -> Pair<&T> {
        Pair { a: &self.a, b: &self.b }
    }

    /// One of them.
    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// One of them, to change.
    pub fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}

impl<T> Pair<Option<T>> {
    /// Both, if there are both.
    pub fn both(self) -> Option<Pair<T>> {
        Some(Pair { a: self.a?, b: self.b? })
    }
}

impl Pair<f64> {
    /// `ln(b / a)`; `None` where that is no number.
    pub(crate) fn log_ratio(self) -> Option<f64> {
        let ratio = (self.b / self.a).ln();
        ratio.is_finite().then_some(ratio)
    }
}

/// One step of a round: an effort for each subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Answers per query.
    pub k: usize,
    /// The efforts, one for each subject; who has none sits this rung out.
    pub ef: Vec<Option<usize>>,
    /// Whether every query is timed; then there is one turn there, otherwise one there and one back.
    pub latencies: bool,
}

/// How a round goes over its rungs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// Says who begins.
    pub number: usize,
    /// How often it goes over all rungs.
    pub repeats: usize,
    /// Whether all subjects begin in new processes.
    pub restart: bool,
}

/// What was measured of one subject at each rung: of several passes the fastest.
pub type Timings = Vec<Option<Pass>>;

/// Measures one round. Of all passes of a subject on the same rung the fastest counts: whatever else
/// the machine does only ever makes a pass slower. Who does something wrong is left out from then on,
/// and its fault takes the place of its timings.
///
/// # Errors
/// When no new queries can be made.
pub fn round(
    subjects: &mut [&mut RunningSubject<'_>],
    fresh: &mut Fresh<'_>,
    rungs: &[Rung],
    turns: Turns,
) -> Result<Vec<Result<Timings, MeasureError>>, MeasureError> {
    let order = |number: usize| -> Vec<usize> {
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        order.rotate_left(number % subjects.len().max(1));
        order
    };
    let mut timings: Vec<Result<Timings, MeasureError>> =
        (0..subjects.len()).map(|_| Ok(vec![None; rungs.len()])).collect();
    let orders: Vec<Vec<usize>> = (0..turns.repeats).map(|at| order(turns.number + at)).collect();
    for at in order(turns.number).into_iter().filter(|_| turns.restart) {
        if let Err(fault) = subjects[at].restart() {
            timings[at] = Err(fault);
        }
    }
    for there in orders {
        let back: Vec<usize> = there.iter().rev().copied().collect();
        for (at, rung) in rungs.iter().enumerate() {
            for turn in [&there, &back].into_iter().take(if rung.latencies { 1 } else { 2 }) {
                let queries = fresh.batch()?;
                for &who in turn {
                    let Some(ef) = rung.ef.get(who).copied().flatten() else { continue };
                    let Ok(passes) = &mut timings[who] else { continue };
                    match subjects[who].pass(&queries, rung.k, ef, rung.latencies) {
                        Ok(pass) => {
                            let best = &mut passes[at];
                            if best.as_ref().is_none_or(|best| pass.speed() > best.speed()) {
                                *best = Some(pass);
                            }
                        }
                        Err(fault) => timings[who] = Err(fault),
                    }
                }
            }
        }
    }
    Ok(timings)
}

/// What two subjects did on the same rung.
pub type Step = Pair<Option<Pass>>;

/// A [`round`] of two.
///
/// # Errors
/// Whatever one of them does wrong.
pub fn paired_round(
    subjects: &mut Pair<&mut RunningSubject<'_>>,
    fresh: &mut Fresh<'_>,
    rungs: &[Rung],
    turns: Turns,
) -> Result<Vec<Step>, MeasureError> {
    let mut both = [&mut *subjects.a, &mut *subjects.b];
    let [a, b] = <[_; 2]>::try_from(round(&mut both, fresh, rungs, turns)?)
        .map_err(|_| MeasureError::Cancelled)?;
    Ok(a?.into_iter().zip(b?).map(|(a, b)| Pair { a, b }).collect())
}

/// Speeds of one subject over the rounds.
#[derive(Clone, Debug, Default)]
pub struct Speeds {
    /// Efforts, ascending.
    pub efforts: Vec<usize>,
    /// Recall on the held-out queries at each.
    pub recalls: Vec<f64>,
    /// Queries per second: one list over the efforts for each round.
    pub rounds: Vec<Vec<f64>>,
}

/// Recalls against speeds.
pub fn curve(recalls: &[f64], speeds: &[f64]) -> Curve {
    let point = |(&recall, &speed)| Point { recall, speed };
    Curve::new(recalls.iter().zip(speeds).map(point))
}
