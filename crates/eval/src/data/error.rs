//! What can be wrong with a data set.

use crinoid_files::FileError;

/// A data set that cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file cannot be read or written, or something in it is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The parts of a data set do not belong together.
    #[error("{name}: {reason}")]
    Inconsistent {
        /// Name of the data set.
        name: String,
        /// What does not fit.
        reason: String,
    },
}
