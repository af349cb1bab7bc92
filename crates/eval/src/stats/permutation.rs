//! The paired permutation test.

use super::{Resampling, StatError, check};
use crinoid_quant::random::Random;
use rayon::prelude::*;

/// The two-sided p-value of the hypothesis that the differences of pairs are as likely to have
/// either sign: the share of sign patterns whose mean is at least as far from 0.
///
/// All patterns are tried where there are no more than `resamples` of them; otherwise that many
/// are drawn and the pattern observed counts as one of them. `level` is not used.
///
/// # Errors
/// When there is no value, one is not finite, or a parameter is out of range.
pub fn permutation_p(differences: &[f64], resampling: &Resampling) -> Result<f64, StatError> {
    check(differences, 1, resampling)?;
    let total = |signs: &mut dyn FnMut() -> u64| {
        let mut sum = 0.0;
        for chunk in differences.chunks(64) {
            let mut bits = signs();
            for value in chunk {
                sum += if bits & 1 == 1 { -value } else { *value };
                bits >>= 1;
            }
        }
        sum.abs()
    };
    let observed = differences.iter().sum::<f64>().abs();
    // Sums of the same numbers in other signs differ by rounding only where they are equal.
    let scale: f64 = differences.iter().map(|value| value.abs()).sum();
    let as_far = |sum: &f64| *sum >= observed - 1e-12 * scale;
    let n = differences.len();
    if n < 63 && 1u64 << n <= resampling.resamples as u64 {
        let patterns = 1u64 << n;
        let extreme = (0..patterns).map(|pattern| total(&mut || pattern)).filter(as_far).count();
        return Ok(extreme as f64 / patterns as f64);
    }
    let draw = |index: usize| {
        let mut random = Random::stream(resampling.seed, 0x9e21, index as u64);
        total(&mut || random.bits())
    };
    let extreme = (0..resampling.resamples).into_par_iter().map(draw).filter(as_far).count();
    Ok((extreme + 1) as f64 / (resampling.resamples + 1) as f64)
}
