#![forbid(unsafe_code)]
//! The laboratory: data sets, exact truth, metrics, subjects, measurements and verdicts.
//!
//! | room | what is in it |
//! |---|---|
//! | [`data`] | readers and writers of data-set files, the embedded generator |
//! | [`truth`] | exact nearest neighbours, computed in parallel and cached |
//! | [`exact`] | distances in f64, which decide |
//! | [`metrics`] | recall, nDCG, MRR, latency percentiles |
//! | [`stats`] | bootstrap, permutation test, intervals |
//! | [`subject`] | the protocol of whatever is measured, its driver and its serving side |
//! | [`measure`] | sweeps over the effort, two subjects timed in turns |
//! | [`gate`] | verdicts: ship, don't ship, inconclusive, broken |
//! | [`report`] | result.json, tables, pages |
//! | [`reward`] | the area under the curve of speed over recall |
//!
#![doc = include_str!("../README.md")]

mod answers;
pub mod data;
pub mod exact;
pub mod gate;
pub mod measure;
pub mod metrics;
pub mod report;
pub mod reward;
pub mod stats;
pub mod subject;
pub mod truth;

pub use data::{DataError, Dataset};
pub use truth::Truth;
