//! Champion and candidate in turns on one set of queries.

use super::{Protocol, Trouble, Yard, blame};
use crate::reward::Failure;
use crinoid_eval::measure::{Exam, Sweep, curve};
use crinoid_eval::metrics::mean;
use crinoid_eval::reward::REWARD;
use crinoid_eval::subject::{Driver, Parameters, Work};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrant {
    /// The one to beat.
    Champion,
    /// The one that wants to.
    Candidate,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bout {
    /// Per pair: logarithm of candidate reward / champion reward.
    pub log_ratios: Vec<f64>,
    /// The candidate's reward, median over the pairs.
    pub reward: f64,
    /// Efforts measured.
    pub efforts: Vec<usize>,
    /// Mean recall at each effort: champion's, candidate's.
    pub recall: [Vec<f64>; 2],
    /// Per query, the candidate's recall less the champion's, averaged over the efforts.
    pub recall_gain: Vec<f64>,
}

impl Bout {
    /// Fails when mean recall at equal ef, averaged over the efforts, is more than `tolerance`
    /// below the champion's.
    ///
    /// # Errors
    /// [`Failure::Recall`] with both figures.
    pub fn check_recall(&self, tolerance: f64) -> Result<(), Failure> {
        let gain = mean(&self.recall_gain);
        if gain >= -tolerance {
            return Ok(());
        }
        let worst = (0..self.efforts.len())
            .min_by(|&a, &b| self.gain_at(a).total_cmp(&self.gain_at(b)))
            .unwrap_or(0);
        Err(Failure::Recall(format!(
            "{gain:+.4} on average over ef {:?}; worst at ef {}: {:.4} instead of {:.4}",
            self.efforts, self.efforts[worst], self.recall[1][worst], self.recall[0][worst]
        )))
    }

    fn gain_at(&self, rung: usize) -> f64 {
        self.recall[1][rung] - self.recall[0][rung]
    }
}

/// What one entrant answered at one effort.
#[derive(Clone, Debug, Default)]
struct Seen {
    ids: Vec<u32>,
    work: Option<Work>,
    recall: Vec<f64>,
}

/// One entrant and what is known of its answers.
struct Side<'a> {
    search: &'a Parameters,
    seen: Vec<Seen>,
}

/// The efforts worth measuring: those at which the champion's recall lies in the reward's range,
/// and the nearest on either side.
pub(super) fn efforts(
    driver: &mut Driver,
    search: &Parameters,
    yard: &Yard,
    exam: &Exam,
    protocol: &Protocol,
) -> Result<Vec<usize>, Failure> {
    let plan = Sweep { inside: 5, up_to: 0.96, ..Sweep::new(protocol.k, yard.data.base.len()) };
    let mut side = Side { search, seen: Vec::new() };
    let mut found: Vec<(usize, f64)> = Vec::new();
    while let Some(ef) = plan.next(&found) {
        side.seen.clear();
        side.seen.push(Seen::default());
        pass(driver, &mut side, 0, ef, yard, exam, protocol, 0).map_err(candidate_only)?;
        let at = found.partition_point(|&(other, _)| other < ef);
        found.insert(at, (ef, mean(&side.seen[0].recall)));
    }
    let (low, high) = REWARD;
    let left = found.partition_point(|&(_, recall)| recall < low).saturating_sub(1);
    let right = found.partition_point(|&(_, recall)| recall < high);
    let kept: Vec<usize> = found[left..].iter().take(right + 1 - left).map(|&(ef, _)| ef).collect();
    if kept.is_empty() {
        return Err(Failure::Recall("it reaches no recall of interest".to_owned()));
    }
    Ok(kept)
}

fn candidate_only(trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Candidate(failure) => failure,
        Trouble::Lab(error) => Failure::Interface(error.to_string()),
    }
}

/// One timed pass; the answers are held against those given before.
#[expect(clippy::too_many_arguments, reason = "everything that a measurement depends on")]
fn pass(
    driver: &mut Driver,
    side: &mut Side<'_>,
    rung: usize,
    ef: usize,
    yard: &Yard,
    exam: &Exam,
    protocol: &Protocol,
    number: u64,
) -> Result<f64, Trouble> {
    let mut params = side.search.clone();
    params.insert("ef".to_owned(), ef.into());
    let order = exam.order(protocol.seed, number);
    let answers =
        driver.search(exam.queries(), &order, protocol.k, &params, false).map_err(blame)?;
    let seconds = answers.elapsed.as_secs_f64();
    let (ids, work) = (answers.value.ids, answers.value.searched.counters);
    let seen = &mut side.seen[rung];
    if seen.ids.is_empty() {
        let grades = yard.grader()?.grade(exam, &ids, protocol.k).map_err(super::lab_error)?;
        *seen = Seen { ids, work, recall: grades.recall };
    } else if seen.ids != ids || seen.work != work {
        let what = if seen.ids != ids { "answers" } else { "counters" };
        let why = format!("other {what} at ef {ef} when the same queries came in another order");
        return Err(Trouble::Candidate(Failure::Determinism(why)));
    }
    Ok(seconds)
}

/// Measures `pairs` interleaved pairs. `own` is the candidate's process; without one it shares the
/// champion's and differs by its search parameters only. Of two passes at the same effort the
/// faster counts: whatever else a machine does only ever makes a pass slower.
#[expect(clippy::too_many_arguments, reason = "everything that a measurement depends on")]
pub(super) fn run(
    champion: &mut Driver,
    mut own: Option<&mut Driver>,
    search: [&Parameters; 2],
    yard: &Yard,
    exam: &Exam,
    efforts: &[usize],
    pairs: usize,
    protocol: &Protocol,
) -> Result<Bout, (Entrant, Failure)> {
    let mut sides =
        search.map(|search| Side { search, seen: vec![Seen::default(); efforts.len()] });
    let mut number = 0;
    let mut one = |sides: &mut [Side<'_>; 2], who: usize, rung: usize| {
        number += 1;
        let driver: &mut Driver = match (&mut own, who) {
            (Some(own), 1) => own,
            _ => champion,
        };
        let side = &mut sides[who];
        pass(driver, side, rung, efforts[rung], yard, exam, protocol, number).map_err(|trouble| {
            let entrant = if who == 0 { Entrant::Champion } else { Entrant::Candidate };
            (entrant, candidate_only(trouble))
        })
    };
    let mut bout = Bout { efforts: efforts.to_vec(), ..Bout::default() };
    // Unscored: both see every effort once, so that pages are mapped and caches as warm as ever.
    for rung in 0..efforts.len() {
        for who in [0, 1] {
            one(&mut sides, who, rung)?;
        }
    }
    let recall = |side: &Side<'_>| side.seen.iter().map(|seen| mean(&seen.recall)).collect();
    bout.recall = [recall(&sides[0]), recall(&sides[1])];
    let rungs = efforts.len().max(1) as f64;
    bout.recall_gain = (0..exam.len())
        .map(|query| {
            let gains = sides[1].seen.iter().zip(&sides[0].seen);
            gains.map(|(b, a)| b.recall[query] - a.recall[query]).sum::<f64>() / rungs
        })
        .collect();
    // Nothing is gained by timing what will be refused.
    if bout.check_recall(protocol.tolerance.max(0.02)).is_err() {
        return Ok(bout);
    }
    let mut rewards = Vec::new();
    for pair in 0..pairs {
        let turns = if pair % 2 == 0 { [0, 1, 1, 0] } else { [1, 0, 0, 1] };
        let mut speeds = [Vec::new(), Vec::new()];
        for rung in 0..efforts.len() {
            let mut best = [f64::INFINITY; 2];
            for who in turns {
                best[who] = best[who].min(one(&mut sides, who, rung)?);
            }
            for who in [0, 1] {
                speeds[who].push(exam.len() as f64 / best[who]);
            }
        }
        let area = |who: usize| curve(&bout.recall[who], &speeds[who]).area(REWARD).value;
        let (a, b) = (area(0), area(1));
        bout.log_ratios.push((b / a).ln());
        rewards.push(b);
    }
    bout.reward = crate::reward::median(&rewards).unwrap_or(0.0);
    Ok(bout)
}
