//! `vamana@1`: two passes of robust prune over one layer.

use crate::{
    adjacency::{Graph, NONE},
    builder::{BuildError, Builder, Params, Progress},
    link_table::Policy,
    medoid::medoid,
    order::{Order, batch_len},
    select::Rule,
    single_layer::{Reach, SingleLayer, in_chunks},
};
use crinoid_quant::Space;

/// Two-pass Vamana (Subramanya et al. 2019, algorithms 2 and 3) by deterministic batches.
///
/// The degree is `2 m`, the pool `ef_construction`. Pass one prunes with alpha 1, pass two with
/// `alpha` (on squared distances) from the nodes that a search for the point expands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vamana;

impl Builder for Vamana {
    fn version(&self) -> &'static str {
        "vamana@1"
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        params.validate_for(space.len())?;
        let total = space.len();
        let degree = 2 * params.m;
        let policy = |alpha: f32| {
            let t = 1.0 / f64::from(alpha);
            Policy { rule: Rule::Sliding { from: t, to: t }, cap: degree, keep: degree }
        };
        let entry = medoid(space, params.seed).unwrap_or(NONE);
        let order = Order::Shuffle.starting_with(entry, total, params.seed);
        let reach = Reach { ef: params.ef_construction, expanded: true, present: true };
        let mut graph = SingleLayer::new(space, policy(1.0), entry);
        let chunk = batch_len(total);
        let half = total / 2;
        in_chunks(&order, chunk, [0, half, total], progress, |batch| {
            graph.insert(batch, reach, true);
        })?;
        graph.policy = policy(params.alpha);
        in_chunks(&order, chunk, [half, total, total], progress, |batch| {
            graph.insert(batch, reach, false);
        })?;
        graph.attach(params.m);
        graph.freeze()
    }
}
