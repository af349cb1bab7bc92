//! Counter-based randomness: every number is a pure function of a seed and a position.
//!
//! Nothing here keeps state, so a campaign that was killed draws the same numbers again when it
//! is taken up: it asks for draw `i` of stream `s` and not for "the next one".

/// One step of splitmix64: a bijection of `u64` whose output looks random.
pub fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A named stream of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(u64);

impl Stream {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A stream of its own for part `part` of this one (a round, a rollout, a knob).
    #[must_use]
    pub fn fork(self, part: u64) -> Self {
        Self(mix(self.0 ^ mix(part ^ 0x5851_f42d_4c95_7f2d)))
    }

    /// The `index`-th 64-bit number.
    pub fn word(self, index: u64) -> u64 {
        mix(self.0.wrapping_add(mix(index)))
    }

    /// The `index`-th number of `[0, 1)`, with 53 random bits.
    pub fn unit(self, index: u64) -> f64 {
        (self.word(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The `index`-th standard normal number (Box-Muller).
    pub fn normal(self, index: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit(2 * index)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit(2 * index + 1)).cos()
    }

    /// The `index`-th whole number below `bound` (0 for a bound of 0): multiply-shift, whose bias
    /// of `bound / 2^64` is far below anything that is measured here.
    pub fn below(self, index: u64, bound: u64) -> u64 {
        ((u128::from(self.word(index)) * u128::from(bound)) >> 64) as u64
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
        // Exemplar choices and policies of old campaigns are replayed from these.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        let stream = Stream::new(42).fork(3);
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
