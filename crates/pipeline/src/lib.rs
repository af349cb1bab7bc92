#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod compose;
pub mod container;
pub mod error;
pub mod fingerprint;
pub mod index;
pub mod recipe;
pub mod retriever;
pub mod session;
mod stored;

pub use container::{ContainerError, Placement};
pub use error::{IndexError, SearchError};
pub use fingerprint::{EmbeddingSpace, Fingerprint, Mismatch};
pub use index::{BuildOptions, Index, IndexBytes};
pub use recipe::{Recipe, RecipeError};
pub use retriever::{Answer, Hit, QueryVector, Request, Retriever, RetrieverError, Texts};
pub use session::{Report, SearchOptions, Session};
