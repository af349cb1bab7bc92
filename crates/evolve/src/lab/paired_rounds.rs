//! Champion and candidate in turns on one set of queries.

use super::Trouble;
use crate::reward::{Failure, median};
use crinoid_eval::measure::{
    MeasureError, Observation, Pair, Pass, QuerySplit, Rung, RunningSubject, Side, Step, Sweep,
    Turns, curve, paired_round, sweep,
};
use crinoid_eval::metrics::mean;
use crinoid_eval::reward::REWARD;

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PairedRounds {
    /// Per pair: logarithm of candidate reward / champion reward.
    pub(super) log_ratios: Vec<f64>,
    /// The candidate's reward, median over the pairs.
    pub(super) reward: f64,
}

/// How champion and candidate are compared.
pub(super) struct Rules {
    /// Answers per query.
    pub(super) k: usize,
    /// Interleaved pairs.
    pub(super) pairs: usize,
    /// How far the candidate's mean recall at the champion's efforts may fall below the champion's;
    /// `None` where only the speed at matched recall is asked for.
    pub(super) tolerance: Option<f64>,
    /// Whether the candidate might keep answers or know them.
    pub(super) suspect: bool,
    /// How often each pair goes over the efforts; of all passes the fastest counts.
    pub(super) repeats: usize,
}

/// Measures interleaved pairs: rounds of `crinoid-eval`, of which each begins with new processes,
/// unless both are at one process.
pub(super) fn run(
    mut running: Pair<&mut RunningSubject<'_>>,
    split: &QuerySplit,
    rules: &Rules,
) -> Result<PairedRounds, Trouble> {
    let k = rules.k;
    let champions = efforts(running.a, split, k)?;
    if let Some(tolerance) = rules.tolerance {
        // Nothing is gained by timing what will be refused.
        check_recall(&mut running, split, k, &champions, tolerance)?;
    }
    let efforts = Pair { b: efforts(running.b, split, k)?, a: champions };
    let recalls = Pair {
        a: recalls(running.a, split, k, &efforts.a)?,
        b: recalls(running.b, split, k, &efforts.b)?,
    };
    let rung = |at: usize| {
        let ef = [&efforts.a, &efforts.b].map(|efforts| efforts.get(at).copied()).to_vec();
        Rung { k, ef, latencies: false }
    };
    let rungs: Vec<Rung> = (0..efforts.a.len().max(efforts.b.len())).map(rung).collect();
    let area = |steps: &[Step], side: Side| {
        let passes = steps.iter().filter_map(|step| step.get(side).as_ref());
        let speeds: Vec<f64> = passes.map(Pass::speed).collect();
        curve(recalls.get(side), &speeds).area(REWARD).value
    };
    let mut fresh = running.a.fresh(split);
    let (mut log_ratios, mut rewards) = (Vec::new(), Vec::new());
    for number in 0..rules.pairs {
        let turns = Turns { number, repeats: rules.repeats, restart: true };
        let steps = paired_round(&mut running, &mut fresh, &rungs, turns)?;
        let areas = Pair { a: area(&steps, Side::A), b: area(&steps, Side::B) };
        log_ratios.push((areas.b / areas.a).ln());
        rewards.push(areas.b);
    }
    if rules.suspect {
        running.b.check(split, k, &efforts.b)?;
    }
    Ok(PairedRounds { log_ratios, reward: median(&rewards).unwrap_or(0.0) })
}

/// The efforts worth measuring: those at which recall lies in the reward's range, and the nearest
/// on either side.
fn efforts(
    running: &mut RunningSubject<'_>,
    split: &QuerySplit,
    k: usize,
) -> Result<Vec<usize>, MeasureError> {
    let plan = Sweep { inside: 5, up_to: 0.96, ..Sweep::new(k, running.rows()) };
    let found = sweep(running, split, k, &plan, |_, _| {})?;
    let (low, high) = REWARD;
    let left = found.partition_point(|&(_, recall)| recall < low).saturating_sub(1);
    let right = found.partition_point(|&(_, recall)| recall < high);
    Ok(found.iter().take(right + 1).skip(left).map(|&(ef, _)| ef).collect())
}

fn recalls(
    running: &RunningSubject<'_>,
    split: &QuerySplit,
    k: usize,
    efforts: &[usize],
) -> Result<Vec<f64>, MeasureError> {
    efforts.iter().map(|&ef| running.observed(split, k, ef).map(Observation::recall)).collect()
}

/// Fails when mean recall at equal ef, averaged over the efforts, is more than `tolerance` below the
/// champion's, with both figures.
fn check_recall(
    running: &mut Pair<&mut RunningSubject<'_>>,
    split: &QuerySplit,
    k: usize,
    efforts: &[usize],
    tolerance: f64,
) -> Result<(), Trouble> {
    for &ef in efforts {
        running.b.observe(split, k, ef)?;
    }
    let recalls = Pair {
        a: recalls(running.a, split, k, efforts)?,
        b: recalls(running.b, split, k, efforts)?,
    };
    let gains: Vec<f64> = recalls.b.iter().zip(&recalls.a).map(|(b, a)| b - a).collect();
    let gain = mean(&gains);
    if gain >= -tolerance {
        return Ok(());
    }
    let worst = (0..gains.len()).min_by(|&a, &b| gains[a].total_cmp(&gains[b])).unwrap_or(0);
    Err(Trouble::Candidate(Failure::Recall(format!(
        "{gain:+.4} on average over ef {efforts:?}; worst at ef {}: {:.4} instead of {:.4}",
        efforts[worst], recalls.b[worst], recalls.a[worst]
    ))))
}
