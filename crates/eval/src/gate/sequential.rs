//! Stopping early without paying for it in false verdicts.
//!
//! Whoever looks at the numbers after every round and stops as soon as they please will sooner or
//! later see what they want. The gate looks at a few fixed moments, and each look spends a share of
//! the error allowed: after a share `t` of the budget, `t^2` of it (the power family of spending
//! functions, Kim and DeMets 1987). What a look may spend is what the looks before have left over,
//! so the chance that any look errs is at most the whole.

use serde::{Deserialize, Serialize};

/// When to look, and how sure to be each time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Looks {
    /// How many looks, at equal distances.
    pub count: usize,
    /// The error allowed over all of them, two-sided.
    pub error: f64,
}

impl Default for Looks {
    /// Four looks, 5 % in all.
    fn default() -> Self {
        Self { count: 4, error: 0.05 }
    }
}

impl Looks {
    /// Fewer rounds are no basis for an interval.
    pub const LEAST: usize = 6;

    /// One look at the end.
    pub fn once(error: f64) -> Self {
        Self { count: 1, error }
    }

    /// After how many of `rounds` rounds look number `look` (from 0) comes: at least
    /// [`LEAST`](Self::LEAST).
    pub fn after(&self, look: usize, rounds: usize) -> usize {
        let share = rounds * (look + 1) / self.count;
        share.max(Self::LEAST).min(rounds)
    }

    /// The two-sided level of confidence of look number `look` (from 0).
    pub fn level(&self, look: usize) -> f64 {
        let spent = |looks: usize| (looks as f64 / self.count as f64).powi(2) * self.error;
        1.0 - (spent(look + 1) - spent(look))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_looks_spend_the_error_and_no_more() {
        for count in 1..8 {
            let looks = Looks { count, error: 0.05 };
            let spent: f64 = (0..count).map(|look| 1.0 - looks.level(look)).sum();
            assert!((spent - 0.05).abs() < 1e-12);
            assert_eq!(looks.after(count - 1, 40), 40);
            assert!((1..count).all(|look| looks.level(look) < looks.level(look - 1)));
            assert!((1..count).all(|look| looks.after(look, 40) >= looks.after(look - 1, 40)));
        }
        assert_eq!(Looks::once(0.05).level(0), 0.95);
        assert_eq!(Looks::default().after(0, 8), 6);
    }
}
