//! Two stations timed in turns.
//!
//! A machine drifts: its clock, its neighbours, its temperature. Two subjects are therefore asked
//! in turns, A B B A and next time B A A B, so that drift hits both alike, and they are compared
//! within a round, never across rounds.

use super::{Exam, MeasureError, Station};
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

impl Pair<f64> {
    /// `ln(b / a)`.
    pub fn log_ratio(self) -> f64 {
        (self.b / self.a).ln()
    }
}

/// What one round measured on one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Half {
    /// Queries per second at each effort timed, in their order.
    pub speeds: Vec<f64>,
    /// Seconds per query at the median, at the efforts whose latencies are taken; empty where
    /// the subject does not offer them.
    pub p50: Vec<f64>,
    /// The same at the 95th percentile.
    pub p95: Vec<f64>,
    /// The same at the 99th percentile.
    pub p99: Vec<f64>,
}

/// One round: every effort of both sides, in turns.
pub type Round = Pair<Half>;

/// Two stations, an exam, and the efforts at which each is timed.
pub struct Duel<'d, 's> {
    /// The stations.
    pub stations: Pair<&'d mut Station<'s>>,
    /// What is asked.
    pub exam: &'d Exam,
    /// Answers per query.
    pub k: usize,
    /// Efforts timed.
    pub efforts: Pair<Vec<usize>>,
    /// Efforts at which every query is timed as well.
    pub latency_efforts: Pair<Vec<usize>>,
}

impl Duel<'_, '_> {
    /// Measures one round; `number` says who begins. Of two passes at the same effort the faster
    /// counts: whatever else the machine does only ever makes a pass slower.
    ///
    /// # Errors
    /// Whatever a subject does wrong.
    pub fn round(&mut self, number: usize) -> Result<Round, MeasureError> {
        let turns = match number.is_multiple_of(2) {
            true => [Side::A, Side::B, Side::B, Side::A],
            false => [Side::B, Side::A, Side::A, Side::B],
        };
        let mut round = Round::default();
        for rung in 0..self.efforts.a.len().max(self.efforts.b.len()) {
            let mut best = Pair { a: f64::INFINITY, b: f64::INFINITY };
            for side in turns {
                if let Some(&ef) = self.efforts.get(side).get(rung) {
                    let (exam, k) = (self.exam, self.k);
                    let pass = self.stations.get_mut(side).pass(exam, k, ef, false)?;
                    let best = best.get_mut(side);
                    *best = best.min(pass.seconds);
                }
            }
            for side in [Side::A, Side::B] {
                if rung < self.efforts.get(side).len() {
                    let speed = self.exam.len() as f64 / best.get(side);
                    round.get_mut(side).speeds.push(speed);
                }
            }
        }
        let rungs = self.latency_efforts.a.len().max(self.latency_efforts.b.len());
        for rung in 0..rungs {
            for &side in &turns[..2] {
                if let Some(&ef) = self.latency_efforts.get(side).get(rung) {
                    let (exam, k) = (self.exam, self.k);
                    let pass = self.stations.get_mut(side).pass(exam, k, ef, true)?;
                    if let Some(latency) = pass.latency {
                        let half = round.get_mut(side);
                        half.p50.push(latency.p50 as f64 * 1e-9);
                        half.p95.push(latency.p95 as f64 * 1e-9);
                        half.p99.push(latency.p99 as f64 * 1e-9);
                    }
                }
            }
        }
        Ok(round)
    }
}

/// The curve of one side in one round: recalls (of all rounds) against that round's speeds.
pub fn curve(recalls: &[f64], speeds: &[f64]) -> Curve {
    let point = |(&recall, &speed)| Point { recall, speed };
    Curve::new(recalls.iter().zip(speeds).map(point))
}
