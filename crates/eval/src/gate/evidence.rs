//! From measurements to intervals.

use crate::{
    measure::{MeasureError, Observation, Pair},
    stats::{Interval, Resampling, bca_mean, block_bootstrap_mean, differences},
};
use serde::{Deserialize, Serialize};

/// What a verdict rests on. Changes are candidate minus baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The `k` of the recall below.
    pub gate_k: usize,
    /// Queries behind the intervals of quality.
    pub queries: usize,
    /// Rounds behind the intervals of speed.
    pub rounds: usize,
    /// Change of recall@k at equal effort.
    pub recall: Interval,
    /// Change of nDCG@10 at equal effort, where relevance is known.
    pub ndcg: Option<Interval>,
    /// Change of MRR@10 at equal effort, where relevance is known.
    pub mrr: Option<Interval>,
    /// `ln` of the ratio of rewards: above 0 the candidate is faster at matched recall. `None`
    /// where one of them has no reward.
    pub reward: Option<Interval>,
    /// `ln` of the ratio of median times per query at matched recall, above 0 where the candidate
    /// is faster. `None` where a subject does not offer latencies or the recalls do not meet.
    pub p50: Option<Interval>,
    /// `ln` of the ratio of mean times per query at equal effort and the gate's `k`, above 0 where
    /// the candidate is slower.
    pub slowdown: Option<Interval>,
    /// Efforts at which both were measured, with the change of mean recall.
    pub equal_effort: Vec<(usize, f64)>,
}

/// The interval of a mean log ratio over rounds; `None` where there are fewer than 4 of them.
///
/// Rounds that follow each other may share a disturbance; blocks of the cube root of their number
/// are therefore resampled together.
///
/// # Errors
/// When a parameter is out of range.
pub fn ratio(log_ratios: &[f64], level: f64, seed: u64) -> Result<Option<Interval>, MeasureError> {
    if log_ratios.len() < 4 {
        return Ok(None);
    }
    let block = (log_ratios.len() as f64).cbrt() as usize;
    let resampling = Resampling { resamples: 4000, level, seed };
    Ok(Some(block_bootstrap_mean(&tamed(log_ratios), block, &resampling)?))
}

/// The values, none of them farther from the median than 2.5 standard deviations as estimated from
/// the median deviation: a round in which the machine did something else for a while counts, but
/// not for more than the others.
fn tamed(values: &[f64]) -> Vec<f64> {
    let median = |values: &mut Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
    };
    let centre = median(&mut values.to_vec());
    let deviation = median(&mut values.iter().map(|value| (value - centre).abs()).collect());
    let reach = 2.5 * 1.4826 * deviation;
    values.iter().map(|value| value.clamp(centre - reach, centre + reach)).collect()
}

/// A change with the paired differences behind it.
pub(super) type Change = (Interval, Vec<f64>);

/// The change of each quality metric between two observations of the same exam: recall, nDCG, MRR
/// with the paired differences behind them.
///
/// # Errors
/// When there are fewer than two queries.
pub(super) fn quality(
    observations: Pair<&Observation>,
    level: f64,
    seed: u64,
) -> Result<[Option<Change>; 3], MeasureError> {
    let grades = observations.map(|observation| &observation.grades);
    let resampling = Resampling { level, seed, ..Resampling::default() };
    let interval = |pick: &dyn Fn(&crate::measure::Grades) -> Vec<f64>| {
        let change = differences(&pick(grades.a), &pick(grades.b))?;
        if change.is_empty() {
            return Ok(None);
        }
        Ok::<_, MeasureError>(Some((bca_mean(&change, &resampling)?, change)))
    };
    Ok([
        interval(&|grades| grades.recall.clone())?,
        interval(&|grades| grades.ndcg.clone())?,
        interval(&|grades| grades.mrr.clone())?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_does_not_decide() {
        let calm: Vec<f64> = (0..20).map(|i| 0.03 + 0.001 * f64::from(i % 5)).collect();
        let mut disturbed = calm.clone();
        disturbed[7] = -2.0;
        let interval = ratio(&disturbed, 0.95, 1).unwrap().unwrap();
        assert!(interval.low > 0.025 && interval.high < 0.04, "{interval:?}");
        let before = ratio(&calm, 0.95, 1).unwrap().unwrap();
        assert!((before.estimate - interval.estimate).abs() < 0.001);
    }

    #[test]
    fn a_handful_of_rounds_has_no_interval() {
        assert_eq!(ratio(&[0.1, 0.2, 0.1], 0.95, 1).unwrap(), None);
        let constant = ratio(&[0.0; 6], 0.95, 1).unwrap().unwrap();
        assert_eq!((constant.low, constant.high), (0.0, 0.0));
    }
}
