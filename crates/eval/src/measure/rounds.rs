//! Two stations timed in turns.
//!
//! A machine drifts: its clock, its neighbours, its temperature. Two subjects are therefore asked
//! in turns, A B B A and next time B A A B, so that drift hits both alike, and they are compared
//! within a round, never across rounds.
//!
//! A process keeps the place in memory that it was born with, and that alone makes equal programs
//! differ by a per cent or more. A round therefore begins with two new processes.

use super::{Exam, MeasureError, Pass, Station};
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
    pub fn try_map<U, E>(self, mut f: impl FnMut(T) -> Result<U, E>) -> Result<Pair<U>, E> {
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
    pub fn log_ratio(self) -> Option<f64> {
        let ratio = (self.b / self.a).ln();
        ratio.is_finite().then_some(ratio)
    }
}

/// One step of a round: an effort for each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Answers per query.
    pub k: usize,
    /// The efforts; a side without one sits this rung out.
    pub ef: Pair<Option<usize>>,
    /// Whether every query is timed; then there are two turns, otherwise four.
    pub latencies: bool,
}

/// What a round measured on one rung: of several passes the fastest.
pub type Step = Pair<Option<Pass>>;

/// Measures one round: starts both anew and goes `repeats` times over `rungs`; `number` says who
/// begins. Of all passes of a side on the same rung the fastest counts: whatever else the machine
/// does only ever makes a pass slower.
///
/// # Errors
/// Whatever a subject does wrong.
pub fn round(
    stations: &mut Pair<&mut Station<'_>>,
    exam: &Exam,
    rungs: &[Rung],
    number: usize,
    repeats: usize,
) -> Result<Vec<Step>, MeasureError> {
    let order = |number: usize| match number.is_multiple_of(2) {
        true => [Side::A, Side::B, Side::B, Side::A],
        false => [Side::B, Side::A, Side::A, Side::B],
    };
    for &side in &order(number)[..2] {
        stations.get_mut(side).restart()?;
    }
    let mut steps = vec![Step::default(); rungs.len()];
    for repeat in 0..repeats {
        let turns = order(number + repeat);
        for (rung, step) in rungs.iter().zip(&mut steps) {
            let turns = if rung.latencies { &turns[..2] } else { &turns[..] };
            for &side in turns {
                let Some(ef) = *rung.ef.get(side) else { continue };
                let pass = stations.get_mut(side).pass(exam, rung.k, ef, rung.latencies)?;
                let best = step.get_mut(side);
                if best.as_ref().is_none_or(|best| pass.seconds < best.seconds) {
                    *best = Some(pass);
                }
            }
        }
    }
    Ok(steps)
}

/// Recalls against speeds.
pub fn curve(recalls: &[f64], speeds: &[f64]) -> Curve {
    let point = |(&recall, &speed)| Point { recall, speed };
    Curve::new(recalls.iter().zip(speeds).map(point))
}
