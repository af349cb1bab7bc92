#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! | room | what is in it |
//! |---|---|
//! | [`Engine`], [`Composed`] | what a query is put to; graph + codes + a search version |
//! | [`Search`] | the trait of a search version, generic over SIMD level and scorer |
//! | [`Heap`], [`Pool`], [`Flat`] | the published versions, one file each |
//! | [`Scratch`], [`Beam`] | the working memory, reused from query to query |
//! | [`exact`] | exact scan over codes ([`Exact`]) and over raw vectors |
//! | [`entry`], [`visited`], [`linear_pool`] | the pieces that versions share |
//! | [`SearchParams`], [`Counters`] | what is asked for, what it cost |
//! | [`versions`] | the table of published versions |
//!
//! One virtual call and one SIMD dispatch per query, none per distance; nothing is allocated in
//! steady state; the answer depends on index and query alone.

pub mod beam;
pub mod counters;
pub mod engine;
pub mod entry;
pub mod exact;
pub mod flat;
pub mod heap;
pub mod linear_pool;
pub mod params;
pub mod pool;
pub mod versions;
pub mod visited;

pub use beam::Beam;
pub use counters::Counters;
pub use engine::{Composed, Engine, EngineError, Scratch, Search};
pub use exact::Exact;
pub use flat::Flat;
pub use heap::Heap;
pub use params::SearchParams;
pub use pool::Pool;
