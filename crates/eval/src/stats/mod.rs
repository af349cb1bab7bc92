//! Intervals and tests for paired measurements.
//!
//! | file | what is in it |
//! |---|---|
//! | `bootstrap.rs` | [`bca_mean`] for quality per query |
//! | `student.rs` | [`student_mean`] for speed per round |
//! | `permutation.rs` | [`permutation_p`]: the sign-flip test beside an interval |
//! | `proportion.rs` | [`wilson`]: how often something happened |
//! | `distribution.rs` | the normal and Student's t distribution |
//!
//! Everything is seeded and runs in parallel with the same result at any number of threads. The
//! tests compare with values of SciPy 1.17.

mod bootstrap;
pub mod distribution;
mod permutation;
mod proportion;
mod student;

pub use bootstrap::bca_mean;
pub use permutation::permutation_p;
pub use proportion::wilson;
pub use student::student_mean;

use serde::{Deserialize, Serialize};

/// The most resamples: 80 MB of means.
const MOST: usize = 10_000_000;

/// An estimate and what bounds it at the chosen level of confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate itself.
    pub estimate: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Interval {
    /// The same through an ascending function, such as `exp` for log ratios.
    pub fn map(self, ascending: impl Fn(f64) -> f64) -> Self {
        let Self { estimate, low, high } = self;
        Self { estimate: ascending(estimate), low: ascending(low), high: ascending(high) }
    }

    /// Whether `value` lies inside, bounds included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// How often to resample, how sure to be, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resampling {
    /// Number of resamples, from 1 to 10,000,000.
    pub resamples: usize,
    /// Two-sided level of confidence, in (0, 1).
    pub level: f64,
    /// The same seed gives the same interval.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { resamples: 10_000, level: 0.95, seed: 0 }
    }
}

/// A sample from which nothing can be said.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatError {
    /// The sample is too small.
    #[error("{got} values where at least {need} are needed")]
    TooFew {
        /// How many there are.
        got: usize,
        /// How many are needed.
        need: usize,
    },
    /// A value is NaN or infinite.
    #[error("value {index} is {value}, not a finite number")]
    NotFinite {
        /// Its index.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Two samples that should be pairs differ in size.
    #[error("{left} values paired with {right}")]
    Unpaired {
        /// Size of the first.
        left: usize,
        /// Size of the second.
        right: usize,
    },
    /// A parameter is out of its range.
    #[error("{parameter} is {value} (known range: {range})")]
    Parameter {
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
}

/// `after - before`, pair by pair.
///
/// # Errors
/// When the samples differ in size.
pub fn differences(before: &[f64], after: &[f64]) -> Result<Vec<f64>, StatError> {
    match before.len() == after.len() {
        true => Ok(before.iter().zip(after).map(|(before, after)| after - before).collect()),
        false => Err(StatError::Unpaired { left: before.len(), right: after.len() }),
    }
}

fn check_values(values: &[f64], need: usize) -> Result<(), StatError> {
    if values.len() < need {
        return Err(StatError::TooFew { got: values.len(), need });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(StatError::NotFinite { index, value: values[index] }),
        None => Ok(()),
    }
}

fn check(values: &[f64], need: usize, resampling: &Resampling) -> Result<(), StatError> {
    check_values(values, need)?;
    if !(1..=MOST).contains(&resampling.resamples) {
        let (parameter, value) = ("resamples", resampling.resamples as f64);
        return Err(StatError::Parameter { parameter, value, range: "1..=10,000,000" });
    }
    check_level(resampling.level)
}

fn check_level(level: f64) -> Result<(), StatError> {
    match level > 0.0 && level < 1.0 {
        true => Ok(()),
        false => Err(StatError::Parameter { parameter: "level", value: level, range: "(0, 1)" }),
    }
}

#[cfg(test)]
mod tests;
