//! Which efforts are worth measuring.

use super::{MeasureError, QuerySplit, RunningSubject};
use crate::reward::{HIGH, REWARD};

/// How a sweep over the effort goes on: a pure function of what it has seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sweep {
    /// The smallest effort.
    pub least: usize,
    /// The largest effort.
    pub most: usize,
    /// How many points are wanted within the reward's recalls.
    pub inside: usize,
    /// The recall up to which the curve is wanted.
    pub up_to: f64,
}

impl Sweep {
    /// From `k` to 16,384 until recall 0.999 is passed, with 6 points in `[0.85, 0.95]`.
    pub fn new(k: usize, rows: usize) -> Self {
        Self { least: k, most: (16 << 10).min(rows.max(k)), inside: 6, up_to: HIGH.1 }
    }

    /// The effort to measure next, given efforts and recalls by ascending effort; `None` when
    /// nothing is missing.
    ///
    /// First upwards by doubling until the wanted recall is passed or more effort gains nothing,
    /// then into the widest gaps: within the reward's recalls until there are enough points, and
    /// around 0.95, 0.99 and 0.999 so that speeds read off there lie between near neighbours.
    pub fn next(&self, seen: &[(usize, f64)]) -> Option<usize> {
        let Some(&(ef, recall)) = seen.last() else { return Some(self.least.max(1)) };
        let stuck = seen.len() >= 3 && recall - seen[seen.len() - 3].1 < 1e-4 && recall > 0.5;
        if recall < self.up_to && ef < self.most && !stuck {
            return Some(ef.saturating_mul(2).min(self.most));
        }
        let (low, high) = REWARD;
        let inside = seen.iter().filter(|(_, recall)| (low..=high).contains(recall)).count();
        if inside < self.inside {
            // Gaps that reach into the range, the widest (as far as it lies inside) first.
            let width = |pair: &[(usize, f64)]| pair[1].1.min(high) - pair[0].1.max(low);
            let gap = seen
                .windows(2)
                .filter(|pair| width(pair) > 1e-3 && middle(pair).is_some())
                .max_by(|a, b| width(a).total_cmp(&width(b)));
            if let Some(ef) = gap.and_then(middle) {
                return Some(ef);
            }
        }
        // A gap in which the share of misses falls by more than 40 % hides a curve.
        [high, 0.99, 0.999].into_iter().find_map(|level| {
            let right = seen.partition_point(|&(_, recall)| recall < level);
            let pair = seen.get(right.checked_sub(1)?..=right)?;
            let misses = |recall: f64| (1.0 - recall).max(1e-4);
            (misses(pair[1].1) < 0.6 * misses(pair[0].1)).then(|| middle(pair)).flatten()
        })
    }

    /// Of the efforts measured, those worth timing: all within the reward's recalls and the
    /// nearest on either side, and the two around 0.99 and 0.999.
    pub fn worth_timing(&self, seen: &[(usize, f64)]) -> Vec<usize> {
        let (low, high) = REWARD;
        let mut keep = vec![false; seen.len()];
        for level in [low, high, 0.99, 0.999] {
            let right = seen.partition_point(|&(_, recall)| recall < level);
            for index in [right.wrapping_sub(1), right] {
                if let Some(keep) = keep.get_mut(index) {
                    *keep = true;
                }
            }
        }
        for (keep, (_, recall)) in keep.iter_mut().zip(seen) {
            *keep |= (low..=high).contains(recall);
        }
        seen.iter().zip(keep).filter(|(_, keep)| *keep).map(|(&(ef, _), _)| ef).collect()
    }
}

/// The effort half-way between two, geometrically; `None` where there is none between.
fn middle(pair: &[(usize, f64)]) -> Option<usize> {
    let (a, b) = (pair[0].0, pair[1].0);
    let middle = ((a as f64 * b as f64).sqrt().round() as usize).max(a + 1);
    (middle < b).then_some(middle)
}

/// Sweeps `running` over `split` and returns the efforts measured with their mean recalls, by
/// ascending effort. `watch` is told after each of them.
///
/// # Errors
/// Whatever the subject does wrong.
pub fn sweep(
    running: &mut RunningSubject<'_>,
    split: &QuerySplit,
    k: usize,
    plan: &Sweep,
    mut watch: impl FnMut(usize, f64),
) -> Result<Vec<(usize, f64)>, MeasureError> {
    let mut seen: Vec<(usize, f64)> = Vec::new();
    while let Some(ef) = plan.next(&seen) {
        let recall = running.observe(split, k, ef)?.recall();
        watch(ef, recall);
        let at = seen.partition_point(|&(other, _)| other < ef);
        seen.insert(at, (ef, recall));
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(plan: &Sweep, recall: impl Fn(usize) -> f64) -> Vec<(usize, f64)> {
        let mut seen: Vec<(usize, f64)> = Vec::new();
        while let Some(ef) = plan.next(&seen) {
            assert!(seen.iter().all(|&(other, _)| other != ef), "{ef} twice in {seen:?}");
            assert!(seen.len() < 64, "no end: {seen:?}");
            seen.push((ef, recall(ef)));
            seen.sort_unstable_by_key(|&(ef, _)| ef);
        }
        seen
    }

    #[test]
    fn the_range_is_filled_and_bracketed() {
        let plan = Sweep::new(10, 100_000);
        let seen = run(&plan, |ef| 1.0 - 1.5 / ef as f64);
        let inside = seen.iter().filter(|(_, r)| (0.85..=0.95).contains(r)).count();
        assert!(inside >= 6, "{seen:?}");
        assert!(seen.first().unwrap().1 <= 0.85 && seen.last().unwrap().1 >= 0.999);
        let timed = plan.worth_timing(&seen);
        assert!(timed.len() >= 8 && timed.len() < seen.len(), "{timed:?}");
    }

    #[test]
    fn easy_hopeless_and_flat_curves_end_soon() {
        let plan = Sweep::new(10, 100_000);
        assert_eq!(run(&plan, |_| 1.0), [(10, 1.0)]);
        assert!(run(&plan, |_| 0.7).len() <= 3);
        assert!(run(&plan, |ef| if ef < 40 { 0.0 } else { 1.0 }).len() < 12);
        assert!(run(&plan, |_| 0.0).len() <= 12);
    }

    proptest! {
        #[test]
        fn every_monotone_curve_ends(
            steps in proptest::collection::vec((1usize..2000, 0.0f64..1.0), 1..20),
            k in 1usize..200,
        ) {
            let recall = |ef: usize| {
                steps.iter().filter(|step| step.0 <= ef).map(|step| step.1).fold(0.0, f64::max)
            };
            run(&Sweep::new(k, 5000), recall);
        }
    }
}
