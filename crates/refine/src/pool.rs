//! How many candidates a stage sees.

use crate::report::Reason;
use crinoid_quant::Neighbor;
use serde::{Deserialize, Serialize};

/// The rule for the size of a candidate pool.
///
/// ```
/// use crinoid_refine::Pool;
///
/// // For ten answers, of a hundred candidates.
/// assert_eq!(Pool::Default.bound(10, 100, false), 26);
/// assert_eq!(Pool::from(50).bound(10, 100, false), 50);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pool {
    /// As many as the stage before is noisy: `max(2 keep, keep + 16)` after a codec that is nearly
    /// lossless, everything after a coarse one (sign bits), whose order means little.
    #[default]
    Default,
    /// This many (never fewer than the answers that are wanted).
    Fixed(usize),
    /// Every candidate there is.
    All,
    /// As many as could still be among the answers, judged by the distances of the stage before:
    /// those within `slack` times the spread of the answers beyond the last of them.
    Adaptive {
        /// At least this many.
        min: usize,
        /// At most this many.
        max: usize,
        /// How far beyond the last answer to look, in units of the distance between the first
        /// and the last answer. 0.5 is a start.
        slack: f32,
    },
}

impl From<usize> for Pool {
    fn from(size: usize) -> Self {
        Pool::Fixed(size)
    }
}

impl Pool {
    /// The candidates that [`Pool::Default`] asks for after codes that are not coarse, for `keep` answers.
    pub fn default_size(keep: usize) -> usize {
        keep.saturating_mul(2).max(keep.saturating_add(16))
    }

    /// The most candidates that this rule can ask for, of `available`, for a stage that leaves
    /// `keep`; the stage before must leave as many.
    pub fn bound(self, keep: usize, available: usize, coarse: bool) -> usize {
        let wanted = match self {
            Pool::Default if coarse => available,
            Pool::Default => Self::default_size(keep),
            Pool::Fixed(size) => size,
            Pool::All => available,
            Pool::Adaptive { min, max, .. } => max.max(min),
        };
        wanted.max(keep).min(available)
    }

    /// How many of the `candidates`, which are in order of distance, a stage that leaves `keep`
    /// should see, and why.
    pub fn choose(self, keep: usize, candidates: &[Neighbor], coarse: bool) -> (usize, Reason) {
        let available = candidates.len();
        let bound = self.bound(keep, available, coarse);
        let unless_short = |reason| match self.bound(keep, usize::MAX, false) > available {
            true => (bound, Reason::Exhausted),
            false => (bound, reason),
        };
        match self {
            Pool::Default if coarse => (bound, Reason::Default),
            Pool::Default => unless_short(Reason::Default),
            Pool::Fixed(_) => unless_short(Reason::Fixed),
            Pool::All => (bound, Reason::Fixed),
            Pool::Adaptive { min, slack, .. } => {
                let Some(last) = keep.checked_sub(1).and_then(|last| candidates.get(last)) else {
                    return (bound, Reason::Exhausted);
                };
                let spread = last.distance - candidates[0].distance;
                let reach = last.distance + slack * spread;
                let near = candidates[..bound].partition_point(|c| c.distance <= reach);
                let floor = min.max(keep).min(bound);
                if near <= floor { (floor, Reason::TopGap) } else { (near, Reason::Spread) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(distances: impl IntoIterator<Item = f32>) -> Vec<Neighbor> {
        (0..).zip(distances).map(|(id, distance)| Neighbor::new(id, distance)).collect()
    }

    #[test]
    fn a_pool_is_never_larger_than_what_there_is_nor_smaller_than_what_is_kept() {
        let many = line((0..100).map(|i| i as f32));
        let few = line((0..12).map(|i| i as f32));
        assert_eq!(Pool::Default.choose(10, &many, false), (26, Reason::Default));
        assert_eq!(Pool::Default.choose(10, &many, true), (100, Reason::Default));
        assert_eq!(Pool::Default.choose(10, &few, false), (12, Reason::Exhausted));
        assert_eq!(Pool::Fixed(3).choose(10, &many, false), (10, Reason::Fixed));
        assert_eq!(Pool::from(50).choose(10, &many, true), (50, Reason::Fixed));
        assert_eq!(Pool::from(50).choose(10, &few, true), (12, Reason::Exhausted));
        assert_eq!(Pool::All.choose(10, &many, false), (100, Reason::Fixed));
    }

    #[test]
    fn an_adaptive_pool_ends_at_the_gap_or_where_the_spread_ends() {
        let pool = Pool::Adaptive { min: 12, max: 40, slack: 0.5 };
        assert_eq!(pool.bound(10, 100, false), 40);
        // Evenly spaced: answers span 0..9, so what lies within 13.5 could still matter.
        let even = line((0..100).map(|i| i as f32));
        assert_eq!(pool.choose(10, &even, false), (14, Reason::Spread));
        // Ten close, the rest far away: the minimum will do.
        let gap = line((0..100).map(|i| if i < 10 { i as f32 } else { 100.0 + i as f32 }));
        assert_eq!(pool.choose(10, &gap, false), (12, Reason::TopGap));
        // All alike: nothing is ruled out.
        assert_eq!(pool.choose(10, &line([1.0; 100]), false), (40, Reason::Spread));
        // Inner products are negative; only differences matter.
        let negative = line((0..100).map(|i| i as f32 - 1e3));
        assert_eq!(pool.choose(10, &negative, false), (14, Reason::Spread));
        assert_eq!(pool.choose(10, &even[..6], false), (6, Reason::Exhausted));
    }
}
