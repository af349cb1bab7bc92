//! What can be wrong with a data set.

use crinoid_quant::{VectorError, metric::UnknownMetric};
use std::{io, path::PathBuf};

/// A data set that cannot be read, written or used. Every variant names the file (or, for a set
/// that never was a file, its name).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
    /// A field of the header, or an attribute, has a value that cannot be.
    #[error("{}: {field} is {value}, {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Name of the field.
        field: String,
        /// What it holds.
        value: String,
        /// Why that cannot be.
        reason: String,
    },
    /// The file is shorter (truncated) or longer (trailing bytes) than its header says.
    #[error("{}: the header asks for {needs} bytes, the file has {has}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that the header asks for.
        needs: u128,
        /// Bytes that there are.
        has: u64,
    },
    /// One row is wrong.
    #[error("{}: row {row}: {field} is {value}, {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row (or line), counted from 0.
        row: usize,
        /// The field or column.
        field: String,
        /// What it holds.
        value: String,
        /// Why that cannot be.
        reason: String,
    },
    /// The values are no usable vectors.
    #[error("{}: {set}: {source}", path.display())]
    Vectors {
        /// The file.
        path: PathBuf,
        /// Which part of it: `base`, `queries`.
        set: String,
        /// What is wrong, with the row and the dimension.
        source: VectorError,
    },
    /// The metric is none of ours.
    #[error("{}: {source}", path.display())]
    Metric {
        /// The file.
        path: PathBuf,
        /// The unknown name, with the known ones.
        source: UnknownMetric,
    },
    /// The parts of a data set do not belong together.
    #[error("{name}: {reason}")]
    Inconsistent {
        /// Name of the data set.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// Nothing here reads such a file.
    #[error("{}: {reason} (known formats: {known})", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is strange about it.
        reason: String,
        /// The formats that can be read.
        known: String,
    },
    /// The file was written by a library that says it is damaged or foreign.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The library's words.
        reason: String,
    },
}
