//! From measurements to intervals.

use crate::{
    measure::{MeasureError, Observation, Pair},
    stats::{Interval, Resampling, bca_mean, differences, student_mean},
};
use serde::{Deserialize, Serialize};

/// What a verdict rests on. Changes are candidate minus baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The `k` of the recall below.
    pub gate_k: usize,
    /// Queries behind the intervals of quality.
    pub queries: usize,
    /// Rounds behind the intervals of speed, each with processes of its own.
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
/// # Errors
/// When the level is out of range.
pub fn ratio(log_ratios: &[f64], level: f64) -> Result<Option<Interval>, MeasureError> {
    if log_ratios.len() < 4 {
        return Ok(None);
    }
    Ok(Some(student_mean(log_ratios, level)?))
}

/// A change with the paired differences behind it.
pub(super) type Change = (Interval, Vec<f64>);

/// The change of each quality metric between two observations of the same split: recall, nDCG, MRR
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
