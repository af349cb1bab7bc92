//! How often the gate errs, on generated measurements.
//!
//! The generator imitates what interleaved passes on a shared machine look like: a place in memory
//! that makes a process faster or slower for a whole round, a drift that all passes share, noise
//! that only ever makes a pass slower, and now and then a pass that something else disturbed badly. What the real gate does with real rounds is done with these, to the same
//! looks, the same intervals and the same rules.

use super::{Evidence, Look, Looks, Outcome, Phase, Terms, decide, ratio};
use crate::{
    measure::MeasureError,
    stats::{Interval, Resampling, bca_mean, wilson},
};
use crinoid_quant::random::Random;
use rayon::prelude::*;

/// What is wrong with a generated candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Injury {
    /// How much slower it is: 0.03 is 3 %. Negative: faster.
    pub slowdown: f64,
    /// How much recall it loses: 0.01 is a point.
    pub recall_loss: f64,
}

/// The noise of generated passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Mean share by which ordinary disturbance slows a pass.
    pub pass: f64,
    /// Share of passes that are badly disturbed: up to twice as slow.
    pub spikes: f64,
    /// Standard deviation of the drift from repeat to repeat.
    pub drift: f64,
    /// Standard deviation of what a process gains or loses by its place in memory.
    pub place: f64,
}

impl Default for Noise {
    /// Assumed for a busy virtual machine: 4 %, one pass in twenty, 5 %; and 1 %, about what equal
    /// processes differ by.
    fn default() -> Self {
        Self { pass: 0.04, spikes: 0.05, drift: 0.05, place: 0.01 }
    }
}

/// How often each verdict was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ship.
    pub ship: u64,
    /// Don't ship.
    pub dont_ship: u64,
    /// Inconclusive.
    pub inconclusive: u64,
}

impl Tally {
    /// Adds a verdict.
    pub fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ship => self.ship += 1,
            Outcome::DontShip => self.dont_ship += 1,
            Outcome::Inconclusive | Outcome::Broken => self.inconclusive += 1,
        }
    }

    /// How many verdicts.
    pub fn trials(&self) -> u64 {
        self.ship + self.dont_ship + self.inconclusive
    }

    /// The rate of "ship" with Wilson's 95 % interval; `None` without trials.
    pub fn ship_rate(&self) -> Option<Interval> {
        wilson(self.ship, self.trials(), 0.95).ok()
    }

    /// The rate of "don't ship" with Wilson's 95 % interval; `None` without trials.
    pub fn dont_ship_rate(&self) -> Option<Interval> {
        wilson(self.dont_ship, self.trials(), 0.95).ok()
    }
}

/// Runs `trials` generated trials of up to `rounds` rounds under the rules of `phase`.
///
/// # Errors
/// When the looks ask for a level of confidence that is none.
pub fn generate(
    injury: Injury,
    noise: Noise,
    phase: Phase,
    rounds: usize,
    trials: u64,
    seed: u64,
) -> Result<Tally, MeasureError> {
    let outcomes: Vec<Outcome> = (0..trials)
        .into_par_iter()
        .map(|trial| one(injury, noise, phase, rounds, &mut Random::stream(seed, 0x7e57, trial)))
        .collect::<Result<_, _>>()?;
    let mut tally = Tally::default();
    outcomes.into_iter().for_each(|outcome| tally.count(outcome));
    Ok(tally)
}

/// Efforts per round.
const RUNGS: usize = 10;
/// How often a round goes over them.
const REPEATS: usize = 3;
/// Held-out queries.
const QUERIES: usize = 700;

fn one(
    injury: Injury,
    noise: Noise,
    phase: Phase,
    rounds: usize,
    random: &mut Random,
) -> Result<Outcome, MeasureError> {
    let (mut reward, mut p50) = (Vec::new(), Vec::new());
    let mut drift = 0.0;
    for _ in 0..rounds {
        let places = [(); 2].map(|()| noise.place * f64::from(random.normal()));
        let times = [1.0, 1.0 + injury.slowdown];
        // Of each side the fastest pass so far on every rung, and of those that time each query.
        let mut best = [[f64::INFINITY; 2]; RUNGS + 1];
        for _ in 0..REPEATS {
            // Half of the drift stays from repeat to repeat.
            drift = 0.5 * drift + noise.drift * f64::from(random.normal());
            for (rung, best) in best.iter_mut().enumerate() {
                let passes = if rung < RUNGS { 2 } else { 1 };
                for side in [0, 1].repeat(passes) {
                    let mut time = drift - noise.pass * (1.0 - random.uniform()).ln();
                    if random.uniform() < noise.spikes {
                        time += random.uniform().ln_1p();
                    }
                    let time = times[side] * (places[side] + time).exp();
                    best[side] = best[side].min(time);
                }
            }
        }
        let log_ratio = |rung: usize| (best[rung][0] / best[rung][1]).ln();
        reward.push((0..RUNGS).map(log_ratio).sum::<f64>() / RUNGS as f64);
        p50.push(log_ratio(RUNGS));
    }
    // A few per cent of the queries are answered a little differently; a loss falls on all alike.
    let change: Vec<f64> = (0..QUERIES)
        .map(|_| {
            let noise = 0.02 * f64::from(random.normal());
            if random.uniform() < 0.3 { noise - injury.recall_loss } else { -injury.recall_loss }
        })
        .collect();
    let resampling = Resampling { resamples: 2000, level: 0.95, seed: random.bits() };
    let recall = bca_mean(&change, &resampling)?;
    for Look { after: upto, level } in Looks::default().of(rounds) {
        let reward = ratio(&reward[..upto], level)?;
        let evidence = Evidence {
            gate_k: 100,
            queries: QUERIES,
            rounds: upto,
            recall,
            ndcg: None,
            mrr: None,
            reward,
            p50: ratio(&p50[..upto], level)?,
            slowdown: reward.map(|Interval { estimate, low, high }| Interval {
                estimate: -estimate,
                low: -high,
                high: -low,
            }),
            equal_effort: vec![(10, -injury.recall_loss)],
        };
        let outcome = decide(phase, &evidence, &Terms::default()).outcome;
        if outcome != Outcome::Inconclusive {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Inconclusive)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: Injury = Injury { slowdown: 0.0, recall_loss: 0.0 };

    #[test]
    fn equals_seldom_ship_and_injuries_are_found() {
        let run = |injury, phase| generate(injury, Noise::default(), phase, 20, 60, 5).unwrap();
        let equals = run(SAME, Phase::Latency);
        assert!(equals.ship <= 4, "{equals:?}");
        let slow = run(Injury { slowdown: 0.05, ..SAME }, Phase::Latency);
        assert!(slow.dont_ship >= 54, "{slow:?}");
        let fast = run(Injury { slowdown: -0.08, ..SAME }, Phase::Latency);
        assert!(fast.ship >= 48, "{fast:?}");
        let lossy = run(Injury { recall_loss: 0.01, ..SAME }, Phase::Quality);
        assert_eq!(lossy.dont_ship, 60, "{lossy:?}");
        assert_eq!(equals, run(SAME, Phase::Latency));
    }
}
