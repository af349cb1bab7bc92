//! Bootstrap intervals of a mean.

use super::{
    Interval, Resampling, StatError, check,
    distribution::{normal_cdf, normal_quantile},
};
use crate::metrics::mean;
use crinoid_quant::random::Random;
use rayon::prelude::*;

/// The bias-corrected and accelerated interval (Efron 1987) of the mean of independent values:
/// differences per query, for instance.
///
/// # Errors
/// When there are fewer than 2 values, one is not finite, or a parameter is out of range.
pub fn bca_mean(values: &[f64], resampling: &Resampling) -> Result<Interval, StatError> {
    check(values, 2, resampling)?;
    let estimate = mean(values);
    let mut means = resample(resampling, |random| {
        let draw = |_| values[random.below(values.len() as u64) as usize];
        (0..values.len()).map(draw).sum::<f64>() / values.len() as f64
    });
    Ok(bca(estimate, &mut means, acceleration(values, estimate), resampling.level))
}

/// One value per resample; resample `i` draws from stream `i`.
fn resample(resampling: &Resampling, one: impl Fn(&mut Random) -> f64 + Sync) -> Vec<f64> {
    (0..resampling.resamples)
        .into_par_iter()
        .map(|index| one(&mut Random::stream(resampling.seed, 0xb007, index as u64)))
        .collect()
}

/// A sixth of the skewness of the jackknife values of a mean.
fn acceleration(values: &[f64], mean: f64) -> f64 {
    // Leaving out x moves the mean by (mean - x) / (n - 1); the divisor cancels.
    let power = |exponent| values.iter().map(|x| (x - mean).powi(exponent)).sum::<f64>();
    let squares = power(2);
    if squares > 0.0 { power(3) / (6.0 * squares.powf(1.5)) } else { 0.0 }
}

/// The interval from an estimate, its resampled values (sorted here) and the acceleration.
pub(super) fn bca(estimate: f64, resampled: &mut [f64], acceleration: f64, level: f64) -> Interval {
    resampled.sort_unstable_by(f64::total_cmp);
    let n = resampled.len() as f64;
    let below = resampled.partition_point(|&value| value < estimate) as f64;
    let at_most = resampled.partition_point(|&value| value <= estimate) as f64;
    // Half of the ties count as below. All on one side would be infinitely biased; half a
    // resample is as far as the evidence goes.
    let share = ((below + at_most) / (2.0 * n)).clamp(0.5 / n, 1.0 - 0.5 / n);
    let bias = normal_quantile(share);
    let end = |p: f64| {
        let shifted = bias + normal_quantile(p);
        percentile(resampled, normal_cdf(bias + shifted / (1.0 - acceleration * shifted)))
    };
    Interval { estimate, low: end(0.5 - 0.5 * level), high: end(0.5 + 0.5 * level) }
}

/// The value below which the share `p` of `sorted` lies, interpolated linearly.
fn percentile(sorted: &[f64], p: f64) -> f64 {
    let place = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + share * (sorted[high] - sorted[low])
}
