//! Counter-based randomness: a value is a pure function of a seed and a position, so that nothing
//! depends on the order in which threads ask.

/// 64 well-mixed bits for `(seed, position)`: SplitMix64 (Steele, Lea and Flood, 2014) jumped to the
/// position.
#[inline]
pub fn hash(seed: u64, position: u64) -> u64 {
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// An integer in `0..bound` (0 when `bound` is 0) by multiplication; the bias is below
/// `bound / 2^64`.
#[inline]
pub fn below(seed: u64, position: u64, bound: usize) -> usize {
    ((u128::from(hash(seed, position)) * bound as u128) >> 64) as usize
}

/// A number in `[0, 1)` with 53 random bits.
#[inline]
pub fn unit(seed: u64, position: u64) -> f64 {
    (hash(seed, position) >> 11) as f64 / (1u64 << 53) as f64
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
    fn values_are_golden() {
        // SplitMix64 from seed 0, as published.
        assert_eq!(hash(0, 0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(hash(0, 1), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(below(0, 0, 10), 8);
        assert!((unit(0, 0) - 0.883_310_2).abs() < 1e-6);
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
