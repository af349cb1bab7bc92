//! `crinoid@1`, our champion, and `crinoid@2`: a graph of one layer in two stages.

use crate::{
    adjacency::{Graph, NONE},
    builder::{BuildError, Builder, Params, Progress},
    entries,
    link_table::Policy,
    medoid::medoid,
    order::{Order, batch_len},
    select::{RELAXED_THEN_STRICT, Rule},
    single_layer::{Reach, SingleLayer, in_chunks},
};
use crinoid_quant::Space;

/// Links per node of the first graph.
const FIRST_DEGREE: usize = 32;

/// Pool of the first graph's searches.
const FIRST_EF: usize = 100;

/// A graph of one layer with `2 m` links per node.
///
/// A first graph, built by insertion with plain pruning, only serves to find candidates. Then
/// every point searches it once more, all of them independently: its near-exact neighbours (the
/// pool of `ef_construction`) and what the search expanded on its way are its candidates, and the
/// final list is selected from them relaxed at first and strict when it fills, which leaves fuller
/// lists with some long links. Reverse links are added, overfull lists selected anew, and what the
/// entry, a medoid, does not reach is attached to the nearest node that it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crinoid {
    version: &'static str,
    /// Of `2 m` slots, how many quarters a node may fill before its reverse links come.
    own_quarters: usize,
    /// Whether a tree of sampled points leads to the region of a query.
    is_entered_by_tree: bool,
}

/// Lists as long as there is room, entered at the medoid.
pub(crate) const FIRST: Crinoid =
    Crinoid { version: "crinoid@1", own_quarters: 4, is_entered_by_tree: false };

/// Shorter lists, which leave room for reverse links, below a tree.
pub(crate) const SECOND: Crinoid =
    Crinoid { version: "crinoid@2", own_quarters: 3, is_entered_by_tree: true };

impl Builder for Crinoid {
    fn version(&self) -> &'static str {
        self.version
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        params.validate_for(space.len())?;
        let (total, chunk) = (space.len(), batch_len(space.len()));
        // The first stage is about a third of the work.
        let third = total / 3;
        let entry = medoid(space, params.seed).unwrap_or(NONE);
        let plain = Rule::Sliding { from: 1.0, to: 1.0 };
        let first = Policy { rule: plain, cap: FIRST_DEGREE, keep: FIRST_DEGREE };
        let mut graph = SingleLayer::new(space, first, entry);
        let order = Order::Shuffle.starting_with(entry, total, params.seed);
        let reach = Reach { ef: FIRST_EF, expanded: false, present: false };
        in_chunks(&order, chunk, [0, third, total], progress, |batch| {
            graph.insert(batch, reach, true);
        })?;
        let degree = 2 * params.m;
        let own = degree * self.own_quarters / 4;
        graph.policy = Policy { rule: RELAXED_THEN_STRICT, cap: degree, keep: own };
        let reach = Reach { ef: params.ef_construction, expanded: true, present: true };
        let nodes: Vec<u32> = (0..total as u32).collect();
        let mut lists = Vec::with_capacity(total);
        in_chunks(&nodes, chunk, [third, total, total], progress, |batch| {
            lists.extend(graph.find(batch, reach, false));
        })?;
        graph.policy.keep = degree;
        graph.replace(&lists);
        graph.attach(params.m);
        if self.is_entered_by_tree && entry != NONE {
            return graph.freeze_below(entries::tree(space, entry, params.seed));
        }
        graph.freeze()
    }
}
