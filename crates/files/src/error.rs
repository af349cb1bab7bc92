//! What can be wrong with a file.

use crinoid_quant::metric::UnknownMetric;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A file that cannot be read or written. Every variant names the file, and its text says what to
/// do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
    /// A field of the header, an attribute or an option has a value that cannot be.
    #[error("{}: {field} is {value}, {reason}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Name of the field.
        field: String,
        /// What it holds.
        value: String,
        /// Why that cannot be, and what would do.
        reason: String,
    },
    /// The file is shorter (truncated) or longer (trailing bytes) than its header says.
    #[error("{}: the header asks for {needs} bytes, the file has {has}: {reason}", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that the header asks for.
        needs: u128,
        /// Bytes that there are.
        has: u64,
        /// What may have happened.
        reason: String,
    },
    /// One row is wrong.
    #[error("{}: row {row}: {field} is {value}, {reason}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, counted from 0 over the whole file.
        row: u64,
        /// The column or dimension, after the row group where the format has some.
        field: String,
        /// What it holds.
        value: String,
        /// Why that cannot be, and what would do.
        reason: String,
    },
    /// One line of a text file is wrong.
    #[error("{}: line {line}: {field} is {value}, {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1 as editors do.
        line: u64,
        /// The field.
        field: String,
        /// What it holds.
        value: String,
        /// Why that cannot be, and what would do.
        reason: String,
    },
    /// The metric is none of ours.
    #[error("{}: {source}", path.display())]
    Metric {
        /// The file.
        path: PathBuf,
        /// The unknown name, with the known ones.
        source: UnknownMetric,
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

impl FileError {
    /// The operating system's words about `path`.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// A [`Field`](Self::Field) of `path`.
    pub fn field(
        path: &Path,
        field: impl Into<String>,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Self::Field {
            path: path.to_owned(),
            field: field.into(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// A [`Row`](Self::Row) of `path`.
    pub fn row(
        path: &Path,
        row: u64,
        field: impl Into<String>,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Self::Row {
            path: path.to_owned(),
            row,
            field: field.into(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// A [`Line`](Self::Line) of `path`.
    pub fn line(
        path: &Path,
        line: u64,
        field: impl Into<String>,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            field: field.into(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// A library's words about `path`.
    pub fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}
