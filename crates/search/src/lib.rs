#![doc = include_str!("../README.md")]
//!
//! # Rooms
//!
//! | room | what is in it |
//! |---|---|
//! | [`Engine`], [`Composed`] | what a query is put to; graph + codes + a search version |
//! | [`Search`] | the trait of a search version, generic over SIMD level and scorer, with a memory of its own |
//! | [`Pipelined`], [`BestFirst`], [`Heap`] | the published versions: two families of rows of parameters, and the baseline |
//! | [`versions`] | the table of published versions |
//! | [`Scratch`] | a thread's memory, reused from query to query |
//! | [`AnyCodes`] | codes of any codec behind one virtual call per batch of distances |
//! | [`exact`] | exact scan over codes ([`Exact`]) and over raw vectors |
//! | [`filter`], [`Bitmap`] | search among some rows |
//! | [`Cursor`] | a search that can go on past `k`; range search |
//! | [`search_all`], [`answer_all`], [`Answers`] | many queries on the current rayon pool |
//! | [`entry`], [`Visited`], [`Batch`], [`linear_pool`] | the pieces that versions share |
//! | [`SearchParams`], [`Counters`] | what is asked for, what it cost |
//!
//! One virtual call and one SIMD dispatch per query, none per distance; nothing is allocated in
//! steady state; the answer depends on index and query alone.

#![deny(unsafe_code)]

pub mod all;
mod any_codes;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod batch;
pub mod best_first;
pub mod bitmap;
mod block;
pub mod counters;
pub mod cursor;
pub mod engine;
pub mod entry;
pub mod exact;
pub mod filter;
pub mod heap;
pub mod linear_pool;
pub mod params;
pub mod pipelined;
mod scratch;
mod search;
mod stop;
pub mod versions;
mod visited;

pub use all::{Answers, answer_all, search_all};
pub use any_codes::AnyCodes;
pub use batch::Batch;
pub use best_first::BestFirst;
pub use bitmap::Bitmap;
pub use counters::Counters;
pub use cursor::Cursor;
pub use engine::{Composed, Engine, EngineError};
pub use exact::Exact;
pub use heap::Heap;
pub use params::SearchParams;
pub use pipelined::{Doubt, Pipelined, SecondLook};
pub use scratch::Scratch;
pub use search::Search;
pub use visited::Visited;
