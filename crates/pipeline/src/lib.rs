#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

#[cfg(feature = "collection")]
pub mod collection;
mod compose;
pub mod container;
mod error;
mod filter;
mod fingerprint;
mod floats_on_disk;
mod index;
mod pages;
mod preset;
mod recipe;
mod retriever;
mod session;
mod stats;
mod stored;

pub use container::{ContainerError, Placement};
pub use error::{IndexError, PartProblem, RowError, SearchError};
pub use filter::Filter;
pub use fingerprint::{EmbeddingSpace, Field, Fingerprint, Mismatch};
pub use index::{
    BuildOptions, BuildReport, Candidate, Ceiling, EffortCurve, Efforts, Index, IndexBuilder,
    IndexBytes, ProbeKind, Verdict, ZeroRows,
};
pub use pages::SearchIter;
pub use preset::{
    PRESETS, Preset, TRUNCATIONS, Truncation, UnknownPreset, UnsupportedTruncation,
    check_truncation,
};
pub use recipe::{MAX_REFINERS, Recipe, RecipeError};
pub use retriever::{Answer, Blend, Hit, QueryVector, Request, Retriever, RetrieverError, Texts};
pub use session::{Report, SearchOptions, Session};
pub use stats::{Budget, OverBudget, StageStats, StageSummary, TOTAL};
