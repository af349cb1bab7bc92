//! Latency percentiles.

use serde::{Deserialize, Serialize};

/// Percentiles of a sample of durations, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many durations.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Latency {
    /// Sorts `nanos` and reads the percentiles off: the smallest value such that at least that
    /// share of the sample does not exceed it (nearest rank, no interpolation). All 0 where there
    /// is no sample.
    pub fn of(nanos: &mut [u64]) -> Self {
        nanos.sort_unstable();
        let Some(&max) = nanos.last() else { return Self::default() };
        let at = |percent: usize| nanos[(nanos.len() * percent).div_ceil(100).max(1) - 1];
        let sum: u128 = nanos.iter().map(|&n| u128::from(n)).sum();
        let mean = sum as f64 / nanos.len() as f64;
        Self { count: nanos.len(), mean, p50: at(50), p95: at(95), p99: at(99), max }
    }
}
