//! What can go wrong with a sealed collection.

use crinoid_pipeline::{IndexError, SearchError};
use crinoid_quant::VectorError;

/// A sealed collection cannot be built, read or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// The folder or object store refused.
    #[error("{place}: cannot {action}: {source}")]
    Store {
        /// The folder, or the address of the store, and the object in it.
        place: String,
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: Box<object_store::Error>,
    },
    /// A path or an address that names no place for a collection.
    #[error("`{location}` is no folder and no address of an object store: {why}")]
    Location {
        /// What was given.
        location: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no sealed collection.
    #[error("{place}: there is no sealed collection: its `manifest.json` is missing")]
    NoManifest {
        /// The folder or address.
        place: String,
    },
    /// The manifest is something else, or contradicts itself.
    #[error("{place}: the manifest is damaged: {why}")]
    Manifest {
        /// The manifest.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The manifest was written by a later version of Crinoid.
    #[error("{place}: manifest of format {found}, while this version reads formats up to {known}")]
    Format {
        /// The manifest.
        place: String,
        /// The format it says it has.
        found: u32,
        /// The latest format this version of Crinoid reads.
        known: u32,
    },
    /// A shard's file is gone.
    #[error("shard {shard}: its file {file} is missing: restore it, or build the collection again")]
    Missing {
        /// The shard's number.
        shard: usize,
        /// Its file.
        file: String,
    },
    /// A shard's file is another than the manifest names.
    #[error("shard {shard}: {file}: {what} is {found}, while the manifest says {wanted}")]
    Disagrees {
        /// The shard's number.
        shard: usize,
        /// Its file.
        file: String,
        /// What disagrees.
        what: &'static str,
        /// What the file has.
        found: String,
        /// What the manifest has.
        wanted: String,
    },
    /// A shard cannot be built or read.
    #[error("shard {shard}: {file}: {source}")]
    Shard {
        /// The shard's number.
        shard: usize,
        /// Its file, or what is to become of it.
        file: String,
        /// What is wrong with it.
        source: Box<IndexError>,
    },
    /// There is no such shard.
    #[error("there is no shard {shard}: the collection has {shards}, from 0 on")]
    NoShard {
        /// The number that was given.
        shard: usize,
        /// How many there are.
        shards: usize,
    },
    /// The recipe cannot be chosen.
    #[error("choosing a recipe: {0}")]
    Plan(Box<IndexError>),
    /// Distances of different shards would not mean the same.
    #[error(
        "`{recipe}` ends in distances between codes that each shard learns for itself: they cannot be compared \
         across shards. End the recipe in `float@1` or `half@1`, or leave it open"
    )]
    Incomparable {
        /// The recipe.
        recipe: String,
    },
    /// Ids that do not fit the rows.
    #[error("{ids} ids for {rows} rows")]
    Ids {
        /// How many ids there are.
        ids: usize,
        /// How many rows.
        rows: usize,
    },
    /// Two rows with one id.
    #[error("rows {first} and {second} both have id {id}: ids must differ")]
    SameId {
        /// The id.
        id: u64,
        /// The first row that has it.
        first: usize,
        /// The other.
        second: usize,
    },
    /// An option out of its range.
    #[error("{name} is {value}: {why}")]
    Option {
        /// The option.
        name: &'static str,
        /// Its value.
        value: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Vectors that cannot be indexed.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// A query that cannot be answered.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The filter was made for another collection.
    #[error(
        "the filter is for {filter} shards, while the collection has {shards}: make one by this collection"
    )]
    Filter {
        /// The shards of the filter.
        filter: usize,
        /// Those of the collection.
        shards: usize,
    },
}

impl From<IndexError> for ShardError {
    fn from(error: IndexError) -> Self {
        Self::Plan(Box::new(error))
    }
}
