#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

#[cfg(feature = "collection")]
pub mod collection;
mod compose;
pub mod container;
mod error;
mod fingerprint;
mod floats_on_disk;
mod index;
mod preset;
mod recipe;
mod retriever;
mod stats;
mod stored;
mod truncation;

pub use container::{ContainerError, Placement};
pub use error::{IndexError, PartProblem, RowError, SearchError};
pub use fingerprint::{EmbeddingSpace, Field, Fingerprint, Mismatch};
pub use index::{
    BuildOptions, BuildReport, Candidate, Ceiling, EffortCurve, Efforts, Filter, Index,
    IndexBuilder, IndexBytes, ProbeKind, Report, SearchIter, SearchOptions, Session, Verdict,
    ZeroRows,
};
pub use preset::{PRESETS, Preset, UnknownPreset};
pub use recipe::{MAX_REFINERS, Recipe, RecipeError};
pub use retriever::{Answer, Blend, Hit, QueryVector, Request, Retriever, RetrieverError, Texts};
pub use stats::{Budget, OverBudget, StageStats, StageSummary, TOTAL};
pub use truncation::{TRUNCATIONS, Truncation, UnsupportedTruncation, check_truncation};
