//! Navigable graphs: what they are, how they are built, whether they are sound.
//!
//! | room | what is in it |
//! |---|---|
//! | [`Graph`] | the frozen adjacency that every search walks |
//! | [mod@builder] | the trait and the parameters of a builder |
//! | [`versions`] | the table of published builders |
//! | [`diagnose`](mod@diagnose) | components, reachability, degrees, diameter |
//! | [`candidate`] | key, id and a flag in one integer |
//! | [`copies`] | rows that are the same vector |
//! | [`forget()`] | a graph without some of its nodes |
//! | [`queries`] | links from sample queries |
//! | [`reorder`] | renumbering |
//! | [`levels`], [`random`] | layer assignment, counter-based randomness |
//!
//! Builders see vectors only as a [`crinoid_quant::Space`]; the same input and seed give the same bytes
//! at any thread count and on any machine.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod adjacency;
mod block;
pub mod builder;
pub mod candidate;
mod carve;
pub mod copies;
mod crinoid;
mod descent;
pub mod diagnose;
mod entries;
mod forget;
mod hnsw;
mod layer_space;
pub mod levels;
mod link_table;
mod medoid;
mod order;
mod partition;
mod pick;
pub mod queries;
pub mod random;
pub mod reorder;
mod repair;
mod reservoir;
mod scratch;
mod search;
mod select;
mod single_layer;
mod vamana;
pub mod versions;

pub use adjacency::{Adjacency, Graph, GraphError, Layer, NONE};
pub use builder::{BuildError, Builder, Params, Progress};
pub use candidate::Candidate;
pub use copies::Copies;
pub use diagnose::{Diagnosis, LevelDiagnosis, diagnose};
pub use forget::{ForgetError, forget};
pub use repair::repair;
pub use versions::{CHAMPION, PREDECESSOR, VERSIONS, builder};
