//! One softmax per knob.

use super::space::{Choice, Space};
use crate::random::Stream;
use serde::{Deserialize, Serialize};

/// A distribution over candidates that factors into one softmax per knob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// One row per knob, one logit per value.
    pub logits: Vec<Vec<f64>>,
}

impl Policy {
    /// Every candidate equally likely: random search.
    pub fn uniform(space: &Space) -> Self {
        let rows = space.knobs().iter().map(|knob| vec![0.0; knob.values.len()]);
        Self { logits: rows.collect() }
    }

    /// Uniform but for a preference for what the champion does: its value has `bonus` nats more
    /// than every other. This is the reference policy of equation 3, what a model is before
    /// training: it knows today's code.
    pub fn around(space: &Space, bonus: f64) -> Self {
        let mut policy = Self::uniform(space);
        for (row, knob) in policy.logits.iter_mut().zip(space.knobs()) {
            row[knob.current] += bonus;
        }
        policy
    }

    /// The probabilities of knob `at`'s values.
    pub(crate) fn probabilities(&self, at: usize) -> Vec<f64> {
        let row = &self.logits[at];
        let best = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = row.iter().map(|logit| (logit - best).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / total).collect()
    }

    /// All probabilities, one row per knob.
    pub fn table(&self) -> Vec<Vec<f64>> {
        (0..self.logits.len()).map(|at| self.probabilities(at)).collect()
    }

    /// Draws a candidate; draw `i` of `stream` decides knob `i`.
    pub fn draw(&self, stream: Stream) -> Choice {
        let rows = (0..self.logits.len()).map(|at| self.probabilities(at));
        rows.enumerate().map(|(at, row)| stream.choose(at as u64, &row)).collect()
    }

    /// The most likely candidate, ties to the earlier value.
    pub fn mode(&self) -> Choice {
        let best = |row: &Vec<f64>| {
            (0..row.len()).reduce(|best, at| if row[at] > row[best] { at } else { best })
        };
        self.logits.iter().map(|row| best(row).unwrap_or(0)).collect()
    }

    /// The expectation of `reward` under this policy, exactly: sums over every candidate, so only
    /// for small spaces.
    pub fn expectation(&self, reward: impl Fn(&[usize]) -> f64) -> f64 {
        let table = self.table();
        let mut choice = vec![0; table.len()];
        let mut sum = 0.0;
        loop {
            let p: f64 = choice.iter().zip(&table).map(|(&at, row)| row[at]).product();
            sum += p * reward(&choice);
            // Counts upwards like an odometer.
            let Some(wheel) = (0..choice.len()).find(|&at| choice[at] + 1 < table[at].len()) else {
                return sum;
            };
            choice[..wheel].fill(0);
            choice[wheel] += 1;
        }
    }
}
