#![forbid(unsafe_code)]
//! The laboratory: data sets, exact truth, metrics and statistics.
//!
//! | room | what is in it |
//! |---|---|
//! | [`data`] | readers and writers of data-set files, the embedded generator |
//! | [`truth`] | exact nearest neighbours, computed in parallel and cached |
//! | [`exact`] | distances in f64, which decide |
//! | [`metrics`] | recall, nDCG, MRR, latency percentiles |
//! | [`stats`] | bootstrap, permutation test, intervals |

pub mod data;
pub mod exact;
pub mod metrics;
pub mod stats;
pub mod truth;

pub use data::{DataError, Dataset};
pub use truth::Truth;
