//! The interval of a mean from few values.

use super::{Interval, StatError, check_level, check_values, distribution::student_quantile};
use crate::metrics::mean;

/// Student's interval of the mean of independent values, about normally distributed: speeds of
/// some rounds. With a dozen values and a high level of confidence no bootstrap can do this: its
/// bounds never leave the range of the values.
///
/// # Errors
/// When there are fewer than 2 values, one is not finite, or `level` is out of `(0, 1)`.
pub fn student_mean(values: &[f64], level: f64) -> Result<Interval, StatError> {
    check_values(values, 2)?;
    check_level(level)?;
    let (n, estimate) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - estimate).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    let reach = student_quantile(0.5 + 0.5 * level, n - 1.0) * error;
    Ok(Interval { estimate, low: estimate - reach, high: estimate + reach })
}
