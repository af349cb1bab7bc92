//! What the published builders draw: a pure function of seed and counter, so that no thread ever waits for
//! another one's turn at a generator. Graphs rest on these, so they stay what they are; anything new draws
//! from [`crinoid_quant::random::Random`].

use crinoid_quant::random;
pub use crinoid_quant::random::bounded as below;

/// The bits of `counter` under `seed` (two rounds of SplitMix64).
pub fn hash(seed: u64, counter: u64) -> u64 {
    mix(mix(seed).wrapping_add(counter))
}

/// Fisher-Yates over `values`, draw `i` from [`hash`]`(seed, i)`.
pub fn shuffle<T>(values: &mut [T], seed: u64) {
    for last in (1..values.len()).rev() {
        let other = below(hash(seed, last as u64), last as u64 + 1);
        values.swap(last, other as usize);
    }
}

/// One step of SplitMix64.
fn mix(state: u64) -> u64 {
    random::hash(state, 0)
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
