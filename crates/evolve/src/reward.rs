//! From measurements to the scalar that trains (section 3.4), without believing noise.
//!
//! A candidate and the champion are measured in interleaved pairs on each data set; a pair gives
//! the logarithm of the ratio of their rewards. Per data set the *median* of the pairs is the
//! ratio, and an exact, distribution-free lower confidence bound of that median is what counts;
//! data sets are joined by the geometric mean. Where recall at equal ef, interface or determinism
//! fail, the reward is 0 whatever the speed. [`Smoother`] then normalises the stream of rewards
//! by its running mean and deviation and clips it.

use crate::exemplar::Score;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Error rate of the one-sided lower bound.
pub(crate) const ALPHA: f64 = 0.05;

/// Why a candidate earns nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind", content = "why")]
#[non_exhaustive]
pub enum Failure {
    /// The answer was no answer: sections missing, no code.
    #[error("the answer is malformed:\n{0}")]
    Malformed(String),
    /// The proposer gave nothing at all in time.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The source uses what candidates must not use.
    #[error("the source is refused:\n{0}")]
    Forbidden(String),
    /// It does not compile, or not in time.
    #[error("it does not compile:\n{0}")]
    Compile(String),
    /// Wrong answers, a panic, a limit exceeded, a protocol violation.
    #[error("it breaks the module's contract: {0}")]
    Interface(String),
    /// The same input gave different answers or counters.
    #[error("it is not deterministic: {0}")]
    Determinism(String),
    /// Recall at equal ef is below the champion's.
    #[error("it loses recall at equal ef: {0}")]
    Recall(String),
}

/// The middle of the values (mean of the two middle ones for an even count); `None` for none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// A one-sided lower confidence bound of the median: the largest order statistic that lies above
/// the true median with probability at most `alpha` under any continuous distribution (the sign
/// test turned round). With too few values for that, the smallest value, which is the best there
/// is: it is above the median with probability `2^-n`.
pub(crate) fn lower_bound(values: &[f64], alpha: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    // P(X_(r) > median) = P(Binomial(n, 1/2) < r), r counted from 1.
    let mut tail = 0.0;
    let mut term = 0.5f64.powi(i32::try_from(n).ok()?);
    let mut rank = 0;
    for r in 0..n {
        tail += term;
        if tail > alpha {
            break;
        }
        rank = r;
        term *= (n - r) as f64 / (r + 1) as f64;
    }
    sorted.get(rank).copied()
}

/// The score on one data set: `pairs` are logarithms of candidate reward / champion reward, one
/// per interleaved pair, `reward` the candidate's own. `None` without pairs or with a pair that
/// is not finite.
pub fn score(pairs: &[f64], reward: f64) -> Option<Score> {
    if pairs.iter().any(|pair| !pair.is_finite()) {
        return None;
    }
    let ratio = median(pairs)?.exp();
    Some(Score { ratio, lower: lower_bound(pairs, ALPHA)?.exp(), reward })
}

/// The geometric mean over data sets of the scores' lower bounds: the fitness. 0 for no scores.
pub fn fitness(scores: &BTreeMap<String, Score>) -> f64 {
    geometric_mean(scores.values().map(|score| score.lower))
}

/// Geometric mean of positive values; 0 for none, or when one is not positive.
pub(crate) fn geometric_mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0u32);
    for value in values {
        if value.is_nan() || value <= 0.0 {
            return 0.0;
        }
        sum += value.ln();
        count += 1;
    }
    if count == 0 { 0.0 } else { (sum / f64::from(count)).exp() }
}

/// Running normalisation of rewards: `clip((r - mean) / deviation, -limit, limit)`, as in the
/// smoothing that section 3.4 refers to. Mean and deviation run over all rewards seen so far, the
/// one at hand included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Smoother {
    count: u64,
    mean: f64,
    squares: f64,
    limit: f64,
}

impl Default for Smoother {
    fn default() -> Self {
        Self::new(1.5)
    }
}

impl Smoother {
    /// A smoother that clips at `limit` deviations; a limit that is negative or no number is 0.
    pub fn new(limit: f64) -> Self {
        Self { count: 0, mean: 0.0, squares: 0.0, limit: limit.max(0.0) }
    }

    /// Takes in a reward and returns it smoothed; 0 while there is no deviation to speak of.
    pub(crate) fn smooth(&mut self, reward: f64) -> f64 {
        self.count += 1;
        let off = reward - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (reward - self.mean);
        let deviation = (self.squares / self.count as f64).sqrt();
        if deviation <= 1e-12 * self.mean.abs().max(1.0) {
            return 0.0;
        }
        ((reward - self.mean) / deviation).clamp(-self.limit, self.limit)
    }

    /// Smooths a group whose members were drawn together: all are taken in before the first is
    /// normalised, so that the order within a group says nothing.
    pub(crate) fn smooth_group(&mut self, rewards: &[f64]) -> Vec<f64> {
        rewards.iter().for_each(|&reward| {
            self.smooth(reward);
        });
        let deviation = (self.squares / self.count.max(1) as f64).sqrt();
        let flat = deviation <= 1e-12 * self.mean.abs().max(1.0);
        let normal = |r: &f64| ((r - self.mean) / deviation).clamp(-self.limit, self.limit);
        rewards.iter().map(|reward| if flat { 0.0 } else { normal(reward) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn medians_and_their_bounds() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(lower_bound(&[], 0.05), None);
        // 2^-5 = 0.031: five pairs are the fewest that give a 95 % bound, their smallest.
        assert_eq!(lower_bound(&[5.0, 1.0, 4.0, 2.0, 3.0], 0.05), Some(1.0));
        // For 8: P(B < 2) = 9/256 = 0.035, P(B < 3) = 37/256.
        let eight: Vec<f64> = (1..=8).map(f64::from).collect();
        assert_eq!(lower_bound(&eight, 0.05), Some(2.0));
    }

    #[test]
    fn the_bound_covers_as_promised() {
        // Skewed noise with outliers, as a busy machine makes it; the true median is 0.
        let mut above = 0;
        for trial in 0..4000 {
            let stream = Stream::new(trial);
            let values: Vec<f64> = (0..9)
                .map(|i| stream.normal(i))
                .map(|x| if x > 0.0 { x * x * 5.0 } else { x })
                .collect();
            above += u32::from(lower_bound(&values, ALPHA).unwrap() > 0.0);
        }
        assert!(f64::from(above) / 4000.0 < 0.05, "{above}");
        assert!(above > 40, "{above}: needlessly wide");
    }

    #[test]
    fn scores_join_over_data_sets() {
        let pairs = [0.1f64, 0.12, 0.09, 0.11, 0.5];
        let a = score(&pairs, 1e4).unwrap();
        assert!((a.ratio - 0.11f64.exp()).abs() < 1e-12 && (a.lower - 0.09f64.exp()).abs() < 1e-12);
        assert!(score(&[], 1.0).is_none() && score(&[f64::NAN], 1.0).is_none());
        let b = Score { lower: 1.0 / a.lower, ..a };
        let both = BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]);
        assert!((fitness(&both) - 1.0).abs() < 1e-12);
        assert_eq!(fitness(&BTreeMap::new()), 0.0);
        assert_eq!(geometric_mean([2.0, 0.0].into_iter()), 0.0);
        assert_eq!(geometric_mean([2.0, f64::NAN].into_iter()), 0.0);
    }

    #[test]
    fn smoothing_normalises_and_clips() {
        let mut smoother = Smoother::default();
        assert_eq!(smoother.smooth(1.0), 0.0);
        for i in 0..500 {
            let smoothed = smoother.smooth(1.0 + 0.1 * Stream::new(1).normal(i));
            assert!(smoothed.abs() <= 1.5);
        }
        assert_eq!(smoother.smooth(100.0), 1.5);
        let mut smoother = Smoother::default();
        let group = smoother.smooth_group(&[0.0, 1.0, 1.0, 2.0]);
        assert_eq!(group[1], 0.0);
        assert!((group[3] - 2f64.sqrt()).abs() < 1e-12 && (group[0] + group[3]).abs() < 1e-12);
    }
}
