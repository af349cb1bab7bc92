//! Data sets: what is searched, what is asked, and what the right answers are.
//!
//! | file | what is in it |
//! |---|---|
//! | `dataset.rs` | [`Dataset`]: base, queries, truth, relevance |
//! | `qrels.rs` | [`Qrels`]: which documents answer a query, and how well |
//! | `rows.rs` | [`Rows`]: the values of a matrix file, whatever their type |
//! | `bin.rs` | fbin, u8bin, i8bin, ibin |
//! | `vecs.rs` | fvecs, bvecs, ivecs |
//! | `npy.rs` | NumPy arrays |
//! | `beir.rs` | BEIR folders: documents, queries, judgments |
//! | `code.rs` | functions and their comments as a collection |
//! | `trec.rs`, `names.rs` | TREC runs and qrels, and the names in them |
//! | `folder.rs` | a data set as a folder with a `dataset.json` |
//! | `split.rs` | development and held-out queries |
//! | `integrity.rs` | duplicates, zero vectors, false truth |
//! | `hdf5.rs` | ann-benchmarks HDF5 (feature `hdf5`) |
//! | `synthetic.rs` | the embedded generator |
//! | `mixture.rs` | random mixtures: sets as odd as strangers bring |
//! | `random.rs` | counter-based random numbers that never change |
//!
//! Every reader checks each length against the size of the file before it allocates, and every
//! error names the file and what is wrong in it.

pub mod beir;
pub mod bin;
pub mod code;
mod dataset;
mod error;
mod folder;
#[cfg(feature = "hdf5")]
pub mod hdf5;
mod integrity;
mod mixture;
mod names;
pub mod npy;
mod open;
mod qrels;
pub mod random;
mod rows;
mod source;
mod split;
mod synthetic;
pub mod trec;
pub mod vecs;

pub use dataset::Dataset;
pub use error::DataError;
pub use folder::FOLDER_FILE;
pub use integrity::Integrity;
pub use mixture::{Asking, Gathering, Law, Mixture, Outliers, Scales};
pub use names::Names;
pub use open::{FORMATS, Parts, read_truth, read_vectors, write_vectors};
pub use qrels::{Judgment, Qrels};
pub use rows::{Element, Rows};
pub(crate) use source::write_file;
pub use synthetic::{PRESETS, Preset, Synthetic};
