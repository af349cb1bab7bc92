//! Random numbers, the same on every machine, in every release and at any number of threads.
//!
//! The generators are those of `rand_xoshiro`; what is made of their bits (bounded integers, shuffles, normal
//! numbers) is written here, since libraries change such things from release to release.
//!
//! * [`Random`] is the generator: xoshiro256++ (Blackman and Vigna, 2021). Each item of a parallel job has a
//!   [stream](Random::stream) of its own, so that nothing depends on the order in which threads ask.
//!   [`Recorded`] is the one that generated data sets are drawn from, whose bytes records rest on.
//! * [`hash`] is a number for a position, without a stream. Rotations, samples and centroids of the published
//!   codecs and orders and levels of the published graphs rest on it, so it stays what it is.

use rand_xoshiro::{
    SplitMix64, Xoshiro256PlusPlus,
    rand_core::{Rng, SeedableRng},
};

/// By how much the state of SplitMix64 moves on: `2^64` divided by the golden ratio.
const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// The generator: xoshiro256++, seeded by SplitMix64.
///
/// ```
/// use crinoid_quant::random::Random;
///
/// let mut dice = Random::stream(42, 0, 7);
/// assert!(dice.below(6) < 6);
/// assert_eq!(Random::stream(42, 0, 7).bits(), Random::stream(42, 0, 7).bits());
/// ```
pub type Random = Draws<Xoshiro256PlusPlus>;

/// SplitMix64 (Steele, Lea and Flood, 2014) as a generator: what the generated data sets that figures are
/// recorded on are drawn from.
pub type Recorded = Draws<SplitMix64>;

/// A generator of `rand_xoshiro` and what is drawn from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draws<G>(G);

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Stream `index` of the family `label` under `seed`. Different labels or indexes give unrelated streams.
    pub fn stream(seed: u64, label: u64, index: u64) -> Self {
        Self::new(hash(hash(seed, label), index))
    }
}

impl Recorded {
    /// Stream `index` of the family `label` under `seed`.
    pub fn stream(seed: u64, label: u64, index: u64) -> Self {
        let mix = |value: u64| hash(value.wrapping_sub(STRIDE), 0);
        let state = mix(mix(mix(seed).wrapping_add(label)).wrapping_add(index));
        Self(SplitMix64::from_seed(state.to_le_bytes()))
    }
}

impl<G: Rng> Draws<G> {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform integer in `0..bound`, or 0 where `bound` is 0. Biased by less than `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        bounded(self.bits(), bound)
    }

    /// A uniform number in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        fraction(self.bits())
    }

    /// A number of mean 0 and variance 1 that is nearly normal: the sum of twelve uniform ones. It never
    /// exceeds 6 in absolute value. No `ln` or `cos`, whose last bits differ between platforms.
    pub fn normal(&mut self) -> f32 {
        let mut lanes = || {
            let bits = self.bits();
            (0..4).map(|lane| (bits >> (16 * lane)) & 0xFFFF).sum::<u64>()
        };
        let sum = lanes() + lanes() + lanes();
        // Twelve lanes of 0..=65535, each of mean 32767.5.
        (sum as f32 - 393_210.0) * (1.0 / 65_536.0)
    }

    /// Shuffles `items`; every order is equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// 64 well-mixed bits for `(seed, position)`: SplitMix64 jumped to the position.
#[inline]
pub fn hash(seed: u64, position: u64) -> u64 {
    let state = seed.wrapping_add(position.wrapping_mul(STRIDE));
    SplitMix64::from_seed(state.to_le_bytes()).next_u64()
}

/// An integer in `0..bound` (0 when `bound` is 0) from 64 random bits: the upper half of the product, biased
/// by less than `bound / 2^64`.
#[inline]
pub fn bounded(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// A number in `[0, 1)` from the upper 53 of 64 random bits.
#[inline]
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// An integer in `0..bound` (0 when `bound` is 0) for `(seed, position)`.
#[inline]
pub fn below(seed: u64, position: u64, bound: usize) -> usize {
    bounded(hash(seed, position), bound as u64) as usize
}

/// A number in `[0, 1)` with 53 random bits for `(seed, position)`.
#[inline]
pub fn unit(seed: u64, position: u64) -> f64 {
    fraction(hash(seed, position))
}

/// `count` different rows out of `len` (all of them if there are fewer), ascending: those of the
/// smallest hash.
pub fn sample(seed: u64, len: usize, count: usize) -> Vec<u32> {
    let mut rows: Vec<(u64, u32)> =
        (0..len as u32).map(|id| (hash(seed, u64::from(id)), id)).collect();
    if count < len {
        rows.select_nth_unstable(count);
        rows.truncate(count);
    }
    let mut ids: Vec<u32> = rows.into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_golden() {
        // SplitMix64 from seed 0, as published.
        assert_eq!(hash(0, 0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(hash(0, 1), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(below(0, 0, 10), 8);
        assert!((unit(0, 0) - 0.883_310_2).abs() < 1e-6);
    }

    #[test]
    fn recorded_streams_are_golden() {
        let mut stream = Recorded::stream(1, 2, 3);
        let got = (stream.bits(), stream.below(1000), stream.uniform(), stream.normal());
        assert_eq!(got, (6_555_911_209_906_109_020, 928, 0.149_092_830_887_255_45, -0.604_827_9));
    }

    #[test]
    fn streams_are_golden() {
        // xoshiro256++ from the four numbers that SplitMix64 gives for 0, as published.
        assert_eq!(Random::new(0).bits(), 0x5317_5D61_490B_23DF);
        let mut stream = Random::stream(1, 2, 3);
        let got = (stream.bits(), stream.below(1000), stream.uniform(), stream.normal());
        assert_eq!(got, (1_356_015_034_602_969_690, 814, 0.398_825_659_245_176_9, 1.248_413_1));
        let mut order: Vec<u32> = (0..10).collect();
        Random::new(42).shuffle(&mut order);
        assert_eq!(order, [5, 3, 1, 0, 9, 6, 4, 7, 2, 8]);
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut stream = Random::new(0);
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for _ in 0..100_000 {
            let x = f64::from(stream.normal());
            sum += x;
            squares += x * x;
        }
        assert!((sum / 1e5).abs() < 0.01 && (squares / 1e5 - 1.0).abs() < 0.02, "{sum} {squares}");
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_is_even() {
        let mut at_front = [0usize; 16];
        for seed in 0..16_000 {
            let mut order: Vec<usize> = (0..16).collect();
            Random::new(seed).shuffle(&mut order);
            at_front[order[0]] += 1;
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..16));
        }
        assert!(at_front.iter().all(|&count| (850..1150).contains(&count)), "{at_front:?}");
    }

    #[test]
    fn samples_are_distinct_and_ascending() {
        let ids = sample(3, 1000, 100);
        assert_eq!(ids.len(), 100);
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(sample(3, 5, 100), [0, 1, 2, 3, 4]);
        assert!((0..1000).all(|i| below(1, i, 7) < 7));
        assert_eq!(below(1, 1, 0), 0);
    }
}
