//! Data sets: what is searched, what is asked, and what the right answers are.
//!
//! | file | what is in it |
//! |---|---|
//! | `dataset.rs` | [`Dataset`]: base, queries, truth, relevance |
//! | `qrels.rs` | [`Qrels`]: which documents answer a query, and how well |
//! | `rows.rs` | [`Rows`]: the values of a matrix file, whatever their type |
//! | `bin.rs` | fbin, u8bin, i8bin, ibin |
//! | `vecs.rs` | fvecs, bvecs, ivecs |
//! | `hdf5.rs` | ann-benchmarks HDF5 (feature `hdf5`) |
//! | `synthetic.rs` | the embedded generator |
//! | `random.rs` | counter-based random numbers that never change |
//!
//! Every reader checks each length against the size of the file before it allocates, and every
//! error names the file and what is wrong in it.

pub mod bin;
mod dataset;
mod error;
#[cfg(feature = "hdf5")]
pub mod hdf5;
mod open;
mod qrels;
pub mod random;
mod rows;
mod source;
mod synthetic;
pub mod vecs;

pub use dataset::Dataset;
pub use error::DataError;
pub use open::{FORMATS, Parts, read_truth, read_vectors, write_vectors};
pub use qrels::{Judgment, Qrels};
pub use rows::{Element, Rows};
pub(crate) use source::write_file;
pub use synthetic::{PRESETS, Preset, Synthetic};
