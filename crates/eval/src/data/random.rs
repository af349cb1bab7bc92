//! The random numbers of generated data sets.
//!
//! Recorded figures rest on the bytes of these sets, so they stay what they are: SplitMix64 streams named by
//! counters, so row 7 of a set can be drawn without rows 0 to 6. Whatever is no data draws from
//! [`crinoid_quant::random::Random`].

pub use crinoid_quant::random::Recorded as Random;
