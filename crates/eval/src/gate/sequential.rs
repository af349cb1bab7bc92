//! Stopping early without paying for it in false verdicts.
//!
//! Whoever looks at the numbers after every round and stops as soon as they please will sooner or
//! later see what they want. The gate looks at a few moments that are fixed beforehand, and each look spends a
//! share of the error allowed: up to a share `t` of the rounds, `t^2` of it (the power family of
//! spending functions, Kim and DeMets 1987). A look errs with at most the probability that it
//! spends, so any of them errs with at most the sum, which is the whole: 5 %, two-sided, for each speed that
//! is compared; no assumption is made about how the looks depend on each other.

use serde::{Deserialize, Serialize};

/// When to look, and how sure to be each time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Looks {
    /// How many looks at most, at equal distances.
    pub count: usize,
    /// The error allowed over all of them, two-sided.
    pub error: f64,
}

/// One look at the numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// After how many rounds.
    pub after: usize,
    /// The two-sided level of confidence of its intervals.
    pub level: f64,
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

    /// The looks at a trial of `rounds` rounds: the last after all of them, none before
    /// [`LEAST`](Self::LEAST).
    pub fn of(&self, rounds: usize) -> Vec<Look> {
        let count = self.count.max(1);
        // More looks than rounds are a look after each of them.
        let count = count.min(rounds.max(1));
        let share = |look: usize| (rounds as u128 * look as u128 / count as u128) as usize;
        let moment = |look: usize| share(look).max(Self::LEAST).min(rounds);
        let mut moments: Vec<usize> = (1..=count).map(moment).collect();
        moments.dedup();
        let mut spent = 0.0;
        let look = |after: usize| {
            let due = (after as f64 / rounds.max(1) as f64).powi(2) * self.error;
            let level = 1.0 - (due - spent);
            spent = due;
            Look { after, level }
        };
        moments.into_iter().map(look).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_looks_spend_the_error_and_no_more() {
        for count in 1..8 {
            for rounds in 1..50 {
                let looks = Looks { count, error: 0.05 }.of(rounds);
                let spent: f64 = looks.iter().map(|look| 1.0 - look.level).sum();
                assert!((spent - 0.05).abs() < 1e-12);
                assert_eq!(looks.last().unwrap().after, rounds);
                assert!(looks.windows(2).all(|pair| pair[0].after < pair[1].after));
                assert!(looks.len() <= count && looks[0].after >= rounds.min(Looks::LEAST));
            }
        }
        assert_eq!(Looks::once(0.05).of(40), [Look { after: 40, level: 0.95 }]);
        let after =
            |rounds| Looks::default().of(rounds).iter().map(|l| l.after).collect::<Vec<_>>();
        assert_eq!(
            (after(6), after(12), after(20)),
            (vec![6], vec![6, 9, 12], vec![6, 10, 15, 20])
        );
    }
}
