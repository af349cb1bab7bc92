#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
//!
//! | module | what is in it |
//! |---|---|
//! | `store` | a folder or an object store, and the objects in it |
//! | `manifest` | what a sealed collection is made of, as a file |
//! | `plan` | how every shard is built: decided once |
//! | `routing` | which rows go to which shard, and which shards a query can leave out |
//! | `shard` | an index with the ids of its rows |
//! | `sealed` | all shards together: built, opened, searched, swept |

mod error;
mod manifest;
mod plan;
mod routing;
mod sealed;
mod shard;
mod store;

pub use crinoid_search::Counters;
pub use error::ShardError;
pub use manifest::{FORMAT, IdsOf, MANIFEST, Manifest, ShardEntry};
pub use plan::Plan;
pub use routing::Region;
pub use sealed::{Answer, Effort, OpenOptions, SealOptions, Sealed, SealedFilter};
pub use shard::{Found, Shard};
pub use store::Store;
