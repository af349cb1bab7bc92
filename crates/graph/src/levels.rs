//! Which layers a node lives on.

use crate::random::hash;

/// The highest level there is (the record's cap).
pub const MAX_LEVEL: usize = 10;

/// Separates the stream of levels from other uses of the same seed.
const STREAM: u64 = 0x6c65_7665_6c73;

/// The level of node `id`: `P(level >= l) = m^-l`, at most [`MAX_LEVEL`].
///
/// This is the exponential law of Malkov & Yashunin (section 4, `floor(-ln(u) / ln(m))`), decided
/// by comparing 64 random bits with `2^64 / m^l`, so that no rounding of a logarithm can make two
/// machines differ. It depends on nothing but the seed and the id.
pub fn exponential(seed: u64, id: u32, m: usize) -> usize {
    let bits = hash(seed ^ STREAM, u64::from(id));
    let mut threshold = u64::MAX / m.max(2) as u64;
    let mut level = 0;
    while level < MAX_LEVEL && bits < threshold {
        level += 1;
        threshold /= m.max(2) as u64;
    }
    level
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_exponential_law() {
        let mut counts = [0usize; MAX_LEVEL + 1];
        for id in 0..160_000 {
            counts[exponential(7, id, 16)] += 1;
        }
        let upper: usize = counts[1..].iter().sum();
        assert!((9_700..10_300).contains(&upper), "{counts:?}");
        assert!((540..710).contains(&counts[2..].iter().sum::<usize>()), "{counts:?}");
        assert!((0..1000).all(|id| exponential(1, id, 2) <= MAX_LEVEL));
    }
}
