#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! | room | what is in it |
//! |---|---|
//! | [`Engine`], [`Composed`] | what a query is put to; graph + codes + a search version |
//! | [`Search`] | the trait of a search version, generic over SIMD level and scorer |
//! | [`Heap`], [`Pool`], [`Crinn`], [`Discovery`], [`Adaptive`], [`Flat`], [`Flat2`], [`Flat3`] | the published versions, one file each |
//! | [`Scratch`], [`Beam`] | the working memory, reused from query to query |
//! | [`exact`] | exact scan over codes ([`Exact`]) and over raw vectors |
//! | [`filter`], [`Bitmap`], [`Living`] | search among some rows, tombstones |
//! | [`Cursor`] | a search that can go on past `k`; range search |
//! | [`search_all`], [`answer_all`], [`Answers`] | many queries on the current rayon pool |
//! | [`entry`], [`visited`], [`linear_pool`] | the pieces that versions share |
//! | [`walk`] | the best-first walk that versions share, and its stop rules |
//! | [`SearchParams`], [`Counters`] | what is asked for, what it cost |
//! | [`versions`] | the table of published versions |
//!
//! One virtual call and one SIMD dispatch per query, none per distance; nothing is allocated in
//! steady state; the answer depends on index and query alone.

pub mod adaptive;
pub mod batch;
pub mod beam;
pub mod bitmap;
pub mod counters;
pub mod crinn;
pub mod cursor;
pub mod discovery;
pub mod engine;
pub mod entry;
pub mod exact;
pub mod filter;
pub mod flat;
pub mod flat2;
pub mod flat3;
pub mod heap;
pub mod linear_pool;
pub mod living;
pub mod params;
pub mod pool;
pub mod versions;
pub mod visited;
pub mod walk;

pub use adaptive::Adaptive;
pub use batch::{Answers, answer_all, search_all};
pub use beam::Beam;
pub use bitmap::Bitmap;
pub use counters::Counters;
pub use crinn::Crinn;
pub use cursor::Cursor;
pub use discovery::Discovery;
pub use engine::{Composed, Engine, EngineError, Scratch, Search};
pub use exact::Exact;
pub use flat::Flat;
pub use flat2::Flat2;
pub use flat3::Flat3;
pub use heap::Heap;
pub use living::Living;
pub use params::SearchParams;
pub use pool::Pool;
