//! Nearest neighbours in SQL: [sealed collections](crinoid_shards) as tables of DataFusion, on one machine or many.
//!
//! ```sql
//! SELECT * FROM ann_build('rows', 'vector', '/data/notes', 4, 'cosine');
//! SELECT id, distance FROM ann('/data/notes', [0.1, 0.2, 0.3], 10) ORDER BY distance;
//! SELECT q.text, a.id FROM ann('/data/notes', 'questions', 5) a JOIN questions q ON q.id = a.query;
//! ```
//!
//! DataFusion plans, merges and joins; datafusion-distributed sends parts of plans to workers. What is here is one leaf of
//! a plan, with a partition for each shard, and what it needs to travel.
//!
//! | file | what is in it |
//! |---|---|
//! | `function` | `ann` and `ann_build` in SQL |
//! | `table` | a collection and queries as a table |
//! | `exec` | the leaf: shards that are searched |
//! | `nearest` | the nearest of what they found |
//! | `ids` | conditions on ids, as sets |
//! | `options` | what a session may be told |
//! | `build` | the sink: rows that become a collection |
//! | `files` | rows that lie in files |
//! | `codec` | the leaf as bytes |
//! | `shards` | shards that are open, by digest |
//! | `cluster` | workers as the coordinator sees them: where tasks go, deadlines, a second try |
//! | `channel` | connections to them |
//! | `worker` | a worker |
//! | `tls` | connections that are encrypted |
//! | `error` | what can go wrong between a coordinator and its workers |
#![forbid(unsafe_code)]

mod build;
mod channel;
mod cluster;
mod codec;
mod error;
mod exec;
mod files;
mod function;
mod ids;
mod nearest;
mod options;
mod shards;
mod table;
mod tls;
mod worker;

pub use cluster::{Cluster, ClusterOptions, Told};
pub use codec::AnnCodec;
pub use error::ClusterError;
pub use exec::{AnnExec, Question};
pub use files::FilesError;
pub use function::{AnnBuildFunction, AnnFunction};
pub use ids::IdSet;
pub use nearest::{NearestExec, missing_shards};
pub use options::CrinoidOptions;
pub use shards::Shards;
pub use table::AnnTable;
pub use tls::{Tls, TlsFiles};
pub use worker::{WorkerOptions, worker};

use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Makes `ann`, `ann_build` and [`CrinoidOptions`] known to a session.
pub fn register(context: &SessionContext) {
    let state = context.state_ref();
    let options = CrinoidOptions::default();
    state.write().config_mut().options_mut().extensions.insert(options);
    context.register_udtf("ann", Arc::new(AnnFunction));
    context.register_udtf("ann_build", Arc::new(AnnBuildFunction));
}
