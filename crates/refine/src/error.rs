//! Why texts could not be scored.

use std::{ffi::OsString, io, process::ExitStatus, time::Duration};

/// Why texts could not be scored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RerankError {
    /// The model failed.
    #[error("{reranker}: {why}")]
    Failed {
        /// The reranker's version.
        reranker: &'static str,
        /// What went wrong.
        why: String,
    },
    /// The number of scores is not the number of texts.
    #[error("{reranker} gave {got} scores for {want} texts")]
    Count {
        /// The reranker's version.
        reranker: &'static str,
        /// How many scores came.
        got: usize,
        /// How many texts there were.
        want: usize,
    },
    /// A child process did not answer.
    #[error("command@1: {0}")]
    Command(#[from] CommandError),
    /// A score is NaN or infinite.
    #[error("{reranker} gave no finite number for text {text}")]
    NotANumber {
        /// The reranker's version.
        reranker: &'static str,
        /// Which text.
        text: usize,
    },
}

/// Why a child process did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It could not be started.
    #[error("cannot start {}: {source}", program.to_string_lossy())]
    Start {
        /// The program.
        program: OsString,
        /// Why.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It ended instead of answering.
    #[error("it ended with {}", status.map_or("an unknown status".to_owned(), |s| s.to_string()))]
    Died {
        /// How it ended, where that is known.
        status: Option<ExitStatus>,
    },
    /// It wrote something that is no answer.
    #[error("malformed answer ({why}): {line}")]
    Malformed {
        /// What is wrong.
        why: String,
        /// The beginning of the line.
        line: String,
    },
    /// It answered that it cannot.
    #[error("it refused: {0}")]
    Refused(String),
}
