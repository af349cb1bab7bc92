#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod command;
pub mod error;
#[cfg(feature = "candle")]
pub mod models;
pub mod none;
pub mod pool;
pub mod refiner;
pub mod report;
pub mod rerank;
pub mod rescore;
pub mod versions;

pub use command::CommandReranker;
pub use error::{CommandError, RerankError};
pub use none::NoRefiner;
pub use pool::Pool;
pub use refiner::{Refiner, RefinerQuery, Scratch, Side};
pub use report::{Reason, StageReport, Stages};
pub use rerank::{Reranker, ScriptedReranker};
pub use rescore::Rescore;
