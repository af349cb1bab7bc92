//! Champion and candidate in turns on one set of queries.

use super::Trouble;
use crate::reward::{Failure, median};
use crinoid_eval::measure::{
    Exam, MeasureError, Observation, Pair, Rung, Side, Station, Step, Sweep, curve, round, sweep,
};
use crinoid_eval::metrics::mean;
use crinoid_eval::reward::REWARD;

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bout {
    /// Per pair: logarithm of candidate reward / champion reward.
    pub(super) log_ratios: Vec<f64>,
    /// The candidate's reward, median over the pairs.
    pub(super) reward: f64,
}

/// How a bout is fought.
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
/// unless both stations are at one.
pub(super) fn run(
    mut stations: Pair<&mut Station<'_>>,
    exam: &Exam,
    rules: &Rules,
) -> Result<Bout, Trouble> {
    let k = rules.k;
    let champions = efforts(stations.a, exam, k)?;
    if let Some(tolerance) = rules.tolerance {
        // Nothing is gained by timing what will be refused.
        check_recall(&mut stations, exam, k, &champions, tolerance)?;
    }
    let efforts = Pair { b: efforts(stations.b, exam, k)?, a: champions };
    let recalls = Pair {
        a: recalls(stations.a, exam, k, &efforts.a)?,
        b: recalls(stations.b, exam, k, &efforts.b)?,
    };
    let rung = |at: usize| {
        let ef = efforts.as_ref().map(|efforts| efforts.get(at).copied());
        Rung { k, ef, latencies: false }
    };
    let rungs: Vec<Rung> = (0..efforts.a.len().max(efforts.b.len())).map(rung).collect();
    let area = |steps: &[Step], side: Side| {
        let passes = steps.iter().filter_map(|step| step.get(side).as_ref());
        let speeds: Vec<f64> = passes.map(|pass| exam.len() as f64 / pass.seconds).collect();
        curve(recalls.get(side), &speeds).area(REWARD).value
    };
    let (mut log_ratios, mut rewards) = (Vec::new(), Vec::new());
    for number in 0..rules.pairs {
        let steps = round(&mut stations, exam, &rungs, number, rules.repeats)?;
        let areas = Pair { a: area(&steps, Side::A), b: area(&steps, Side::B) };
        log_ratios.push((areas.b / areas.a).ln());
        rewards.push(areas.b);
    }
    if let (true, Some(&least), Some(&most)) = (rules.suspect, efforts.b.first(), efforts.b.last())
    {
        let fresh = stations.a.fresh(exam, k)?;
        stations.b.check_memory(&fresh, least, most)?;
    }
    Ok(Bout { log_ratios, reward: median(&rewards).unwrap_or(0.0) })
}

/// The efforts worth measuring: those at which recall lies in the reward's range, and the nearest
/// on either side.
fn efforts(station: &mut Station<'_>, exam: &Exam, k: usize) -> Result<Vec<usize>, MeasureError> {
    let plan = Sweep { inside: 5, up_to: 0.96, ..Sweep::new(k, station.rows()) };
    let found = sweep(station, exam, k, &plan, |_, _| {})?;
    let (low, high) = REWARD;
    let left = found.partition_point(|&(_, recall)| recall < low).saturating_sub(1);
    let right = found.partition_point(|&(_, recall)| recall < high);
    Ok(found.iter().take(right + 1).skip(left).map(|&(ef, _)| ef).collect())
}

fn recalls(
    station: &Station<'_>,
    exam: &Exam,
    k: usize,
    efforts: &[usize],
) -> Result<Vec<f64>, MeasureError> {
    efforts.iter().map(|&ef| station.observed(exam, k, ef).map(Observation::recall)).collect()
}

/// Fails when mean recall at equal ef, averaged over the efforts, is more than `tolerance` below the
/// champion's, with both figures.
fn check_recall(
    stations: &mut Pair<&mut Station<'_>>,
    exam: &Exam,
    k: usize,
    efforts: &[usize],
    tolerance: f64,
) -> Result<(), Trouble> {
    for &ef in efforts {
        stations.b.observe(exam, k, ef)?;
    }
    let recalls = Pair {
        a: recalls(stations.a, exam, k, efforts)?,
        b: recalls(stations.b, exam, k, efforts)?,
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
