//! Errors of the engine as Python's own kinds: `ValueError`, `KeyError`, `OSError`.

use crinoid::{
    CollectionError, ContainerError, IndexError, RowError, SearchError, VectorError,
    shards::ShardError,
};
use pyo3::{
    create_exception,
    exceptions::{PyKeyError, PyOSError, PyRuntimeError, PyValueError},
    prelude::*,
};

create_exception!(
    crinoid,
    VectorValueError,
    PyValueError,
    "Vectors, or a query, that cannot be used."
);
create_exception!(crinoid, OptionValueError, PyValueError, "An option that is out of its range.");
create_exception!(crinoid, UnknownIdError, PyKeyError, "No vector has this id.");
create_exception!(
    crinoid,
    FileError,
    PyOSError,
    "A file that cannot be read or written, or is damaged."
);
create_exception!(
    crinoid,
    StoreError,
    PyOSError,
    "A collection's store that refuses or is damaged."
);

/// Anything that the engine returns, as an exception.
pub(crate) trait Raise<T> {
    /// The value, or the exception that says what was wrong.
    fn or_raise(self) -> PyResult<T>;
}

impl<T, E: Exception> Raise<T> for Result<T, E> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(Exception::exception)
    }
}

/// An error with a kind of exception.
pub(crate) trait Exception {
    fn exception(self) -> PyErr;
}

impl Exception for VectorError {
    fn exception(self) -> PyErr {
        VectorValueError::new_err(self.to_string())
    }
}

impl Exception for SearchError {
    fn exception(self) -> PyErr {
        let text = self.to_string();
        match self {
            SearchError::Query(_) => VectorValueError::new_err(text),
            _ => OptionValueError::new_err(text),
        }
    }
}

impl Exception for RowError {
    fn exception(self) -> PyErr {
        UnknownIdError::new_err(self.to_string())
    }
}

impl Exception for ContainerError {
    fn exception(self) -> PyErr {
        FileError::new_err(self.to_string())
    }
}

impl Exception for crinoid_files::FileError {
    fn exception(self) -> PyErr {
        FileError::new_err(self.to_string())
    }
}

impl Exception for IndexError {
    fn exception(self) -> PyErr {
        let text = self.to_string();
        match self {
            IndexError::Vector(_) | IndexError::Unsuitable(_) => VectorValueError::new_err(text),
            IndexError::ZeroRows { .. } => {
                let text = text.replace("`zero_rows: ZeroRows::Keep`", "`zero_rows='keep'`");
                VectorValueError::new_err(text)
            }
            IndexError::Lossy { .. } => {
                let text = text.replace("set `unchecked`", "set `unchecked=True`");
                OptionValueError::new_err(text)
            }
            IndexError::Sample(_) | IndexError::Recipe(_) => OptionValueError::new_err(text),
            IndexError::Truncation(_) | IndexError::Build(_) => OptionValueError::new_err(text),
            IndexError::Absent { .. } | IndexError::Mismatch(_) => OptionValueError::new_err(text),
            IndexError::Container(_) | IndexError::Parts { .. } => FileError::new_err(text),
            _ => PyRuntimeError::new_err(text),
        }
    }
}

impl Exception for ShardError {
    fn exception(self) -> PyErr {
        let text = self.to_string();
        match self {
            ShardError::Vector(_) => VectorValueError::new_err(text),
            ShardError::Search(error) => error.exception(),
            ShardError::Plan(error) => error.exception(),
            ShardError::Option { .. }
            | ShardError::Ids { .. }
            | ShardError::SameId { .. }
            | ShardError::Incomparable { .. }
            | ShardError::Location { .. }
            | ShardError::Filter { .. } => OptionValueError::new_err(text),
            ShardError::Shard { source, .. } => match &*source {
                crinoid::IndexError::Container(_) | crinoid::IndexError::Parts { .. } => {
                    FileError::new_err(text)
                }
                _ => VectorValueError::new_err(text),
            },
            _ => FileError::new_err(text),
        }
    }
}

impl Exception for CollectionError {
    fn exception(self) -> PyErr {
        let text = self.to_string();
        match self {
            CollectionError::Option { .. } => OptionValueError::new_err(text),
            CollectionError::Vector(_) => VectorValueError::new_err(text),
            CollectionError::Search(error) => error.exception(),
            CollectionError::Segment(error) => error.exception(),
            CollectionError::Limit { .. }
            | CollectionError::Attribute { .. }
            | CollectionError::FilterAttribute { .. }
            | CollectionError::Filter(_) => OptionValueError::new_err(text),
            _ => StoreError::new_err(text),
        }
    }
}
