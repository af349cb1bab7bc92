//! Random numbers that are the same on every machine and in every release.
//!
//! They use integer arithmetic, `+` and `*` only: no `ln` or `cos`, whose last bits differ between
//! platforms, and no library whose streams may change. Streams are named by counters, so row 7
//! of a set can be drawn without rows 0 to 6.

/// Steele, Lea and Flood's finaliser: a bijection on 64 bits in which every input bit reaches
/// every output bit.
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A splitmix64 stream.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Stream `index` of the family `label` under `seed`. Different labels or indexes give
    /// unrelated streams.
    pub const fn stream(seed: u64, label: u64, index: u64) -> Self {
        Self(mix(mix(mix(seed).wrapping_add(label)).wrapping_add(index)))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A uniform integer in `0..bound`, or 0 where `bound` is 0. Biased by less than
    /// `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A uniform number in `[0, 1)` with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number of mean 0 and variance 1 that is nearly normal: the sum of twelve uniform ones.
    /// It never exceeds 6 in absolute value.
    pub fn normal(&mut self) -> f32 {
        let lanes = |bits: u64| (0..4).map(|lane| (bits >> (16 * lane)) & 0xffff).sum::<u64>();
        let sum = lanes(self.bits()) + lanes(self.bits()) + lanes(self.bits());
        // Twelve lanes of 0..=65535, each of mean 32767.5.
        (sum as f32 - 393_210.0) * (1.0 / 65_536.0)
    }

    /// Shuffles `items`; every order is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_never_change() {
        let mut stream = Random::stream(1, 2, 3);
        let got = (stream.bits(), stream.below(1000), stream.uniform(), stream.normal());
        assert_eq!(got, (6_555_911_209_906_109_020, 928, 0.149_092_830_887_255_45, -0.604_827_9));
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut stream = Random::stream(0, 0, 0);
        let n = 100_000;
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for _ in 0..n {
            let x = f64::from(stream.normal());
            sum += x;
            squares += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.01);
        assert!((squares / f64::from(n) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::stream(5, 0, 0).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
