#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
//!
//! # What is where
//!
//! | you have | you want | take |
//! |---|---|---|
//! | vectors | the nearest of them | [`Index`] |
//! | rows in whatever form | what an index takes | [`Vectors`], [`IntoVectors`] |
//! | an index and a thread | many searches without allocating | [`Session`] |
//! | an index and a rule about rows | answers that keep to it | [`Filter`] |
//! | texts behind the vectors | a reranker on top | [`Retriever`], [`rerank`] |
//! | vectors that come and go | all of it, durable, under your own ids | `Collection`, feature `collection` |
//! | rows with texts | those that have some words, alone and beside vectors | `Snapshot::search_hybrid`, feature `text` |
//! | rows with attributes | those that a filter admits | `attributes::FilterExpr`, feature `collection` |
//! | more rows than one machine holds | them in shards, built and searched anywhere | `shards::Sealed`, feature `shards` |
//! | vectors in files | them in memory | `files::read_vectors`, feature `files` (with `hdf5`, `arrow`) |
//! | a file | what it is and whether it is whole | [`Container`] |
//!
//! The crates below ([`crinoid_pipeline`], [`crinoid_quant`], [`crinoid_graph`], [`crinoid_search`],
//! [`crinoid_refine`]) are for those who change a part or need only one; nothing else here mentions them.

pub use crinoid_graph::{BuildError, Diagnosis, Graph, Params, Progress, diagnose};
#[cfg(feature = "collection")]
pub use crinoid_pipeline::collection::{
    Batch, Collection, CollectionError, CollectionOptions, CollectionRetriever, Event, ExternalId,
    Failure, Follower, MAX_TEXT, Match, Matches, Readable, Recovery, Repair, Retrieved, Row,
    Snapshot, Status, Verification, Written,
};
#[cfg(feature = "text")]
pub use crinoid_pipeline::collection::{Fusion, HybridMatch, HybridOptions, TextMatch};
pub use crinoid_pipeline::{
    Answer, Blend, BuildOptions, BuildReport, Candidate, Ceiling, ContainerError, EffortCurve,
    Efforts, EmbeddingSpace, Filter, Fingerprint, Hit, Index, IndexBuilder, IndexBytes, IndexError,
    Mismatch, Placement, Preset, ProbeKind, QueryVector, Recipe, RecipeError, Report, Request,
    Retriever, RetrieverError, RowError, SearchError, SearchIter, SearchOptions, Session, Texts,
    Verdict, ZeroRows, container::Container,
};
pub use crinoid_quant::{
    IntoVectors, Metric, Neighbor, VectorError, Vectors, input::Number, metric::UnknownMetric,
};
pub use crinoid_refine::Pool;
pub use crinoid_search::Answers;

/// What is known of a collection's rows besides their vectors, and filters over it.
#[cfg(feature = "collection")]
pub mod attributes {
    pub use crinoid_pipeline::collection::{
        Attributes, Comparison, FilterError, FilterExpr, Kind, Literal, MAX_ATTRIBUTE_TEXT,
        MAX_ATTRIBUTES, Schema, Value,
    };
}

#[cfg(all(feature = "collection", feature = "files"))]
pub mod tables;

/// Vectors in the files people have; [`files::read_vectors`] reads any of them, and
/// `files::arrow::to_vectors` takes arrays of arrow without a copy (feature `arrow`).
#[cfg(feature = "files")]
pub use crinoid_files as files;

/// Sealed collections: rows in shards, each an index file, and a manifest that names them, in a folder or an object
/// store.
#[cfg(feature = "shards")]
pub use crinoid_shards as shards;

/// Rerankers: the third stage of a [`Retriever`].
pub mod rerank {
    #[cfg(feature = "candle")]
    pub use crinoid_refine::models::{CrossEncoder, Embedder, ModelError, ModelOptions};
    pub use crinoid_refine::{
        CommandError, CommandReranker, RerankError, Reranker, ScriptedReranker,
    };
}

/// What a search did, stage by stage, and over many queries.
pub mod report {
    #[cfg(feature = "collection")]
    pub use crinoid_pipeline::collection::{PartReport, Way};
    pub use crinoid_pipeline::{Budget, StageStats, StageSummary};
    pub use crinoid_refine::{Reason, StageReport, Stages};
    pub use crinoid_search::Counters;
}

/// The README of the workspace, whose programs are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct WorkspaceReadme;

/// The book, whose programs are tests.
#[cfg(doctest)]
pub mod book {
    macro_rules! chapters {
        ($($name:ident = $file:literal)*) => {$(
            #[doc = include_str!(concat!("../../../docs/book/src/", $file))]
            pub struct $name;
        )*};
    }

    chapters! {
        FirstIndex = "first-index.md"
        Options = "options.md"
        Filters = "filters.md"
        Collections = "collections.md"
        Text = "text.md"
        Sharded = "sharded.md"
        Files = "files.md"
        Versions = "versions.md"
        FileFormat = "file-format.md"
    }
}

/// First guesses that cannot compile, and whose errors name the right call.
///
/// ```compile_fail,E0277
/// // error: rows can be ragged or hold NaN, so `into` and `collect` cannot make `Vectors`
/// // note: use `Vectors::from_rows(rows)?`
/// let vectors: crinoid::Vectors = ndarray::Array2::<f32>::zeros((10, 2)).into();
/// ```
///
/// ```compile_fail,E0277
/// // as above
/// let rows: Vec<Vec<f32>> = vec![vec![1.0, 2.0]; 10];
/// let vectors: crinoid::Vectors = rows.iter().collect();
/// ```
///
/// ```compile_fail,E0277
/// // error: an `Index` is frozen: vectors cannot be added to it
/// // note: a `Collection` is updated while it is searched: `collection.upsert(id, vector)`
/// fn grow(index: &crinoid::Index) {
///     index.add(&[1.0, 2.0]);
/// }
/// ```
#[cfg(doctest)]
pub struct FirstGuesses;
