use crinoid_graph::{BuildError, Builder, Graph, Params, Progress};
use crinoid_quant::Space;

/// The champion with a construction search twice as wide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate;

impl Builder for Candidate {
    fn version(&self) -> &'static str {
        "candidate@0"
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        let wider = Params { ef_construction: 2 * params.ef_construction, ..*params };
        match crinoid_graph::builder(crinoid_graph::CHAMPION) {
            Ok(builder) => builder.build(space, &wider, progress),
            Err(_) => Err(BuildError::Cancelled),
        }
    }
}
