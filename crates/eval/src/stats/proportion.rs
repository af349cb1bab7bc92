//! How often something happened.

use super::{Interval, StatError, check_level, distribution::normal_quantile};

/// Wilson's score interval of a probability, from `successes` in `trials`.
///
/// # Errors
/// When there is no trial, there are more successes than trials, or `level` is out of `(0, 1)`.
pub fn wilson(successes: u64, trials: u64, level: f64) -> Result<Interval, StatError> {
    check_level(level)?;
    if trials == 0 {
        return Err(StatError::TooFew { got: 0, need: 1 });
    }
    if successes > trials {
        let (parameter, value) = ("successes", successes as f64);
        return Err(StatError::Parameter { parameter, value, range: "0..=trials" });
    }
    let (n, z) = (trials as f64, normal_quantile(0.5 + 0.5 * level));
    let share = successes as f64 / n;
    let (centre, squeeze) = (share + z * z / (2.0 * n), 1.0 + z * z / n);
    let reach = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // The ends are exact where the formula only rounds to them.
    let low = if successes == 0 { 0.0 } else { (centre - reach) / squeeze };
    let high = if successes == trials { 1.0 } else { (centre + reach) / squeeze };
    Ok(Interval { estimate: share, low, high })
}
