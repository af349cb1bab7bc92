//! Counter-based randomness: a pure function of seed and counter, so that no thread ever waits
//! for another one's turn at a generator.

/// The bits of `counter` under `seed` (two rounds of splitmix64).
pub fn hash(seed: u64, counter: u64) -> u64 {
    mix(mix(seed).wrapping_add(counter))
}

/// A number in `0..bound` from 64 random bits (the upper half of the 128-bit product, biased by
/// less than `bound / 2^64`). `bound` 0 gives 0.
pub fn below(bits: u64, bound: u64) -> u64 {
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// Fisher-Yates over `values`, draw `i` from [`hash`]`(seed, i)`.
pub fn shuffle<T>(values: &mut [T], seed: u64) {
    for last in (1..values.len()).rev() {
        let other = below(hash(seed, last as u64), last as u64 + 1);
        values.swap(last, other as usize);
    }
}

/// One step of splitmix64.
fn mix(state: u64) -> u64 {
    crinoid_quant::random::hash(state, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_pinned() {
        // Graph bytes depend on these: they change only together with every published builder.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        let mut order: Vec<u32> = (0..10).collect();
        shuffle(&mut order, 42);
        assert_eq!(order, [0, 9, 3, 1, 2, 4, 6, 7, 8, 5]);
        assert_eq!((below(u64::MAX, 7), below(0, 7), below(123, 0)), (6, 0, 0));
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_is_even() {
        let mut at_front = [0usize; 16];
        for seed in 0..16_000 {
            let mut order: Vec<usize> = (0..16).collect();
            shuffle(&mut order, seed);
            at_front[order[0]] += 1;
            order.sort_unstable();
            assert!(order.iter().copied().eq(0..16));
        }
        assert!(at_front.iter().all(|&count| (850..1150).contains(&count)), "{at_front:?}");
    }
}
