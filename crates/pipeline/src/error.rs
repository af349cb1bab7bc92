//! What can go wrong with an index.

use crate::{
    container::ContainerError, fingerprint::Mismatch, recipe::RecipeError,
    truncation::UnsupportedTruncation,
};
use crinoid_graph::{BuildError, GraphError};
use crinoid_quant::{
    VectorError,
    codes::{PartsError, Unsuitable},
};
use crinoid_search::EngineError;
use std::path::PathBuf;

/// An index cannot be built, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The recipe cannot be composed.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A vector cannot be indexed.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// The model's vectors cannot be cut to this length.
    #[error(transparent)]
    Truncation(#[from] UnsupportedTruncation),
    /// The codec cannot take these vectors.
    #[error(transparent)]
    Unsuitable(#[from] Unsuitable),
    /// Rows of zeros have no direction, and therefore no cosine.
    #[error(
        "{} rows are zero and have no direction (row {}{}): leave them out, or keep them at right angles to \
         everything with `zero_rows: ZeroRows::Keep`",
        rows.len(),
        rows.iter().take(5).map(u32::to_string).collect::<Vec<_>>().join(", "),
        if rows.len() > 5 { ", ..." } else { "" }
    )]
    ZeroRows {
        /// Their numbers, ascending.
        rows: Vec<u32>,
    },
    /// The codes that the recipe names lose too many neighbours of these vectors.
    #[error(
        "{recipe} can find at most {:.1} % of the nearest neighbours in these vectors, however hard it \
         searches: build with `{better}` (or `auto`), or set `unchecked` if that is meant",
        100.0 * ceiling
    )]
    Lossy {
        /// What was asked for.
        recipe: String,
        /// The recall@10 that it cannot exceed.
        ceiling: f64,
        /// What the data ask for.
        better: String,
    },
    /// A query of the sample, on which codes are tried, cannot be answered.
    #[error("the sample: {0}")]
    Sample(#[from] SearchError),
    /// The graph could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The file cannot be read or written, or is damaged.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The file's checksums are right but its parts do not make an index.
    #[error("{}: {part}: {why}", path.display())]
    Parts {
        /// The file.
        path: PathBuf,
        /// Which part of the index.
        part: &'static str,
        /// What is wrong with it.
        why: PartProblem,
    },
    /// Metadata that cannot be written.
    #[error("metadata cannot be encoded: {0}")]
    Encode(String),
    /// Graph and codes cannot be searched together.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An index cannot be used with a recipe for which it lacks a part.
    #[error("the index has no {wanted}: it was built with another")]
    Absent {
        /// The version that the recipe names.
        wanted: String,
    },
    /// The index belongs to another embedding space or scheme.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// What is wrong with a part of a stored index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartProblem {
    /// An array is missing or has another size.
    #[error(transparent)]
    Array(#[from] PartsError),
    /// The adjacency is no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Its metadata is something else.
    #[error("unreadable metadata: {0}")]
    Meta(String),
    /// It has another size than the rest.
    #[error("{what} is {got}, while the index has {want}")]
    Disagrees {
        /// What disagrees.
        what: &'static str,
        /// The part's value.
        got: usize,
        /// The index's value.
        want: usize,
    },
}

/// A stored vector cannot be given back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// There is no such row.
    #[error("there is no row {id}: the index has {len} rows, from 0 on")]
    OutOfRange {
        /// The row that was asked for.
        id: u32,
        /// How many there are.
        len: usize,
    },
    /// The row stayed on disk and cannot be read any more.
    #[error("row {id} cannot be read: {why}")]
    Unreadable {
        /// The row.
        id: u32,
        /// What went wrong.
        why: String,
    },
}

/// A query cannot be answered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The query has another dimension, a value that is not finite, or no direction.
    #[error("query: {0}")]
    Query(#[from] VectorError),
    /// No answers were asked for.
    #[error("k is 0: ask for at least one answer")]
    ZeroK,
    /// The wanted recall is no share.
    #[error("a recall of {wanted}: ask for a share above 0 and up to 1, for instance 0.95")]
    Recall {
        /// What was asked for.
        wanted: f32,
    },
    /// No search reached the wanted recall when the index was built.
    #[error(
        "a recall of {wanted} at k = {k} was not reached by any ef when the index was built, the best was \
         {best:.4}: ask for that, search exactly, or build the index for a sample of queries"
    )]
    BeyondReach {
        /// What was asked for.
        wanted: f32,
        /// The best that is known.
        best: f32,
        /// How many answers were asked for.
        k: usize,
    },
    /// Nobody found out what recall this index reaches.
    #[error(
        "what recall this index reaches is not known: it was built unchecked or by an older version; name an \
         ef, or build it again"
    )]
    NoEfforts,
    /// Vectors that stayed on disk cannot be read any more, or are no vectors any more.
    #[error("{}: float rows on disk: {why}", path.display())]
    Rows {
        /// The index file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// A distance that is not a number: vectors or query are beyond what `f32` can measure. (A
    /// distance that is merely too large is infinite, and such answers come last.)
    #[error("the distance to row {row} is not a number: the values are too large to be measured")]
    Undefined {
        /// The row.
        row: u32,
    },
    /// The filter was made for another index.
    #[error(
        "the filter was made for another index, of {got} rows (this one has {want}): make it with the \
         `filter` of the index that is searched"
    )]
    Filter {
        /// Rows that the filter knows.
        got: usize,
        /// Rows of the index.
        want: usize,
    },
    /// The radius of a range search is not a number.
    #[error("the radius is not a number: give a distance of the index's metric")]
    Radius,
}
