#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

#[cfg(feature = "collection")]
pub mod collection;
mod compose;
pub mod container;
pub mod error;
mod filter;
pub mod fingerprint;
pub mod index;
mod pages;
pub mod preset;
pub mod recipe;
pub mod retriever;
pub mod session;
pub mod stats;
mod stored;

pub use container::{ContainerError, Placement};
pub use error::{IndexError, RowError, SearchError};
pub use filter::Filter;
pub use fingerprint::{EmbeddingSpace, Fingerprint, Mismatch};
pub use index::{BuildOptions, Index, IndexBuilder, IndexBytes, LayoutTrial};
pub use pages::SearchIter;
pub use preset::Preset;
pub use recipe::{Recipe, RecipeError};
pub use retriever::{Answer, Blend, Hit, QueryVector, Request, Retriever, RetrieverError, Texts};
pub use session::{Report, SearchOptions, Session};
pub use stats::{Budget, StageStats, StageSummary};
