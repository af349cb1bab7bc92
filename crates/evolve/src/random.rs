//! Counter-based randomness: every number is a pure function of a seed and a position.
//!
//! Nothing here keeps state, so a campaign that was killed draws the same numbers again when it
//! is taken up: it asks for draw `i` of stream `s` and not for "the next one".

use crinoid_quant::random::{Random, hash};

/// Keeps the numbers of a stream apart from those of its forks.
const WORDS: u64 = 0x77_6f72_6473;

/// A named stream of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(u64);

impl Stream {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(hash(seed, 0))
    }

    /// A stream of its own for part `part` of this one (a round, a rollout, a knob).
    #[must_use]
    pub fn fork(self, part: u64) -> Self {
        Self(hash(self.0, part))
    }

    fn at(self, index: u64) -> Random {
        Random::stream(self.0, WORDS, index)
    }

    /// The `index`-th 64-bit number.
    pub fn word(self, index: u64) -> u64 {
        self.at(index).bits()
    }

    /// The `index`-th number of `[0, 1)`, with 53 random bits.
    pub fn unit(self, index: u64) -> f64 {
        self.at(index).uniform()
    }

    /// The `index`-th number of mean 0 and variance 1, nearly normal: see [`normal`](Random::normal).
    pub fn normal(self, index: u64) -> f64 {
        self.at(index).normal().into()
    }

    /// The `index`-th whole number below `bound` (0 for a bound of 0).
    pub fn below(self, index: u64, bound: u64) -> u64 {
        self.at(index).below(bound)
    }

    /// Draws a position of `weights` (not negative, not all zero) in proportion to its weight.
    ///
    /// Returns the last position of positive weight when rounding leaves a remainder, and 0 for
    /// an empty or all-zero list.
    pub fn choose(self, index: u64, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut left = self.unit(index) * total;
        let mut last = 0;
        for (position, &weight) in weights.iter().enumerate() {
            if weight > 0.0 {
                if left < weight {
                    return position;
                }
                left -= weight;
                last = position;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        // Exemplar choices and policies of campaigns that are taken up again are replayed from these.
        let stream = Stream::new(42).fork(3);
        assert_eq!(stream.word(0), 0x313b_3519_f087_d3a7);
        assert_eq!(stream.word(0), Stream::new(42).fork(3).word(0));
        assert_ne!(stream.word(0), stream.word(1));
        assert_ne!(stream.word(0), Stream::new(42).fork(4).word(0));
    }

    #[test]
    fn draws_follow_their_weights() {
        let stream = Stream::new(7);
        let mut counts = [0u32; 4];
        for index in 0..20_000 {
            counts[stream.choose(index, &[1.0, 0.0, 2.0, 5.0])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((f64::from(counts[0]) / 20_000.0 - 0.125).abs() < 0.01);
        assert!((f64::from(counts[3]) / 20_000.0 - 0.625).abs() < 0.01);
        let mean: f64 = (0..20_000).map(|i| stream.normal(i)).sum::<f64>() / 20_000.0;
        let square: f64 = (0..20_000).map(|i| stream.normal(i).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.05);
        assert!((0..1000).all(|i| stream.below(i, 7) < 7));
    }
}
