//! A candidate for the graph module: `Candidate` is a type that implements `Builder`.
//! This is the starting point: the published `hnsw@1`, unchanged.

use crinoid_graph::{BuildError, Builder, Graph, Params, Progress};
use crinoid_quant::Space;

/// The builder. It must be `Default`, `Send` and `Sync`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate;

impl Builder for Candidate {
    fn version(&self) -> &'static str {
        "candidate@0"
    }

    /// Distances come from `space.keys(from, &to, &mut keys)`: keys are ordered as distances are,
    /// and `space.value(key)` is proportional to the squared distance. `Graph::from_lists` makes a
    /// graph out of adjacency lists. The current rayon pool may be used through the published
    /// builders only.
    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        match crinoid_graph::versions::builder("hnsw@1") {
            Ok(builder) => builder.build(space, params, progress),
            Err(_) => Err(BuildError::Cancelled),
        }
    }
}
