//! Navigable graphs: what they are, how they are built, whether they are sound.
//!
//! | room | what is in it |
//! |---|---|
//! | [`Graph`] | the frozen adjacency that every search walks |
//! | [`builder`] | the trait and the parameters of a builder |
//! | [`versions`] | the table of published builders |
//!
//! Builders see vectors only as a [`crinoid_quant::Space`]; on integer distances the same input
//! and seed give the same bytes at any thread count and on any machine.

pub mod adjacency;
pub mod builder;
pub mod versions;

pub use adjacency::{Adjacency, Graph, GraphError, Layer, NONE};
pub use builder::{BuildError, Builder, Params, Progress};
