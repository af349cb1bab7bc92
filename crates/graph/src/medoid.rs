//! A point in the middle of all others.

use crate::random;
use crinoid_quant::Space;
use rayon::prelude::*;

/// How many points vote, and how many stand for election.
const SAMPLE: usize = 1024;

/// Separates the stream of samples from other uses of the same seed.
const STREAM: u64 = 0x6d65_646f_6964;

/// The point of a seeded sample with the least sum of distances to the sample; `None` where there
/// is no point. Ties go to the lower id.
pub(crate) fn medoid(space: &dyn Space, seed: u64) -> Option<u32> {
    let len = space.len() as u64;
    let mut sample: Vec<u32> = if space.len() <= SAMPLE {
        (0..len as u32).collect()
    } else {
        let draw = |turn| random::below(random::hash(seed ^ STREAM, turn), len) as u32;
        (0..SAMPLE as u64).map(draw).collect()
    };
    sample.sort_unstable();
    sample.dedup();
    let sums: Vec<f64> = sample
        .par_iter()
        .map_init(
            || vec![0; sample.len()],
            |keys, &candidate| {
                space.keys(candidate, &sample, keys);
                keys.iter().map(|&key| space.value(key)).sum()
            },
        )
        .collect();
    let best = (0..sample.len()).min_by(|&a, &b| sums[a].total_cmp(&sums[b]))?;
    Some(sample[best])
}
