//! Vector codes and distances: the lowest floor of Crinoid.
//!
//! | room | what is in it |
//! |---|---|
//! | [`Metric`], [`Vectors`], [`Neighbor`], [`Buffer`] | the words every crate above speaks |
//! | [`input`] | what can become vectors: rows, flat values, matrices |
//! | [`prepare`] | truncation, normalisation and validation, the same for documents and queries |
//! | [`isa`] | architecture tokens: which SIMD level runs, chosen once per query |
//! | [`codes`] | the traits a codec implements: codes at rest, a query's scorer, the build space |
//! | [`codec`] | the published codecs |
//! | [`blocks`] | codes side by side, 32 measured at a time (FastScan) |
//! | [`tile`] | rows side by side, many measured against many |
//! | [`profile`] | what a set of vectors is like: distributions, intrinsic dimension, duplicates |
//! | [`rotation`], [`kmeans`] | a fast orthogonal rotation, deterministic clustering |
//! | [`survey`] | what every codec costs and finds on a set of vectors |
//! | [`random`] | counter-based randomness |
//! | [`versions`] | the table of published versions |
//!
//! Distances are squared L2 or negated inner products; **lower is closer** everywhere.
//!
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod blocks;
pub mod buffer;
pub mod codec;
pub mod codes;
mod hints;
pub mod input;
pub mod isa;
pub mod key;
pub mod kmeans;
pub mod metric;
pub mod neighbor;
mod pages;
pub mod prepare;
pub mod profile;
pub mod random;
pub mod rotation;
pub mod survey;
pub mod tile;
pub mod vectors;
pub mod versions;

pub use buffer::Buffer;
pub use codes::{Codes, Scorer, Space};
pub use input::IntoVectors;
pub use isa::{Isa, Level};
pub use metric::Metric;
pub use neighbor::Neighbor;
pub use prepare::Preparation;
pub use vectors::{VectorError, Vectors};
pub use versions::Version;
