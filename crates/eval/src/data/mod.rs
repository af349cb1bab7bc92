//! Data sets: what is searched, what is asked, and what the right answers are.
//!
//! | file | what is in it |
//! |---|---|
//! | `dataset.rs` | [`Dataset`]: base, queries, truth, relevance |
//! | `qrels.rs` | [`Qrels`]: which documents answer a query, and how well |
//! | `open.rs` | data sets from files ([`crinoid_files`] reads those) |
//! | `beir.rs` | BEIR folders: documents, queries, judgments |
//! | `code.rs` | functions and their comments as a collection |
//! | `trec.rs`, `names.rs` | TREC runs and qrels, and the names in them |
//! | `folder.rs` | a data set as a folder with a `dataset.json` |
//! | `split.rs` | development and held-out queries |
//! | `integrity.rs` | duplicates, zero vectors, false truth |
//! | `hdf5.rs` | ann-benchmarks and VIBE HDF5 (feature `hdf5`) |
//! | `synthetic.rs` | the embedded generator |
//! | `mixture.rs` | random mixtures: sets as odd as strangers bring |
//! | `random.rs` | the random numbers of generated sets, which never change |
//!
//! Every error names the file and what is wrong in it.

pub mod beir;
pub mod code;
mod dataset;
mod error;
mod folder;
#[cfg(feature = "hdf5")]
mod hdf5;
mod integrity;
mod mixture;
mod names;
mod open;
mod qrels;
pub mod random;
mod shape;
mod split;
mod synthetic;
pub mod trec;

pub use dataset::{Dataset, Sample};
pub use error::DataError;
pub use folder::FOLDER_FILE;
pub use integrity::Integrity;
pub use mixture::{Asking, Gathering, Law, Mixture, Outliers, Scales};
pub use names::Names;
pub use open::{Parts, read_truth, write_truth};
pub use qrels::{Judgment, Qrels};
pub use shape::Shape;
pub use synthetic::{PRESETS, Preset, Synthetic};
