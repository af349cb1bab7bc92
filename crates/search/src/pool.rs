//! `pool@1`: best-first search over one sorted array, as GLASS does it.
//!
//! Candidates and results share a [`LinearPool`](crate::linear_pool): the search expands the
//! closest unexpanded entry until there is none. It visits the same nodes in the same order as
//! [`heap@1`](crate::Heap), since a candidate that the pool has dropped is one at which the heaps stop.
//! The rows of all unseen neighbours are prefetched before the first distance is computed.

use crate::{Beam, Counters, Search, SearchParams, entry};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer, key};

/// Cache lines prefetched of each row; the hardware follows on its own after that.
const LINES: usize = 8;

/// The search `pool@1`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pool;

impl Search for Pool {
    const VERSION: &'static str = "pool@1";

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        _isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        beam: &mut Beam,
    ) -> Counters {
        let mut counters = Counters::default();
        let Beam { found, visited, lists, pool, .. } = beam;
        visited.begin(graph.len());
        lists.reserve(entry::widest_row(graph));
        pool.reset(params.beam_width(graph.len()));
        if let Some(start) = entry::descend(graph, scorer, lists, &mut counters) {
            let (key, node) = key::unpack(start);
            visited.insert(node);
            pool.insert(key, node);
        }
        let (base, lines) = (graph.base(), scorer.lines().min(LINES));
        while let Some(node) = pool.pop() {
            lists.ids.clear();
            for &neighbor in base.neighbors(node) {
                if visited.insert(neighbor) {
                    scorer.prefetch(neighbor, lines);
                    lists.ids.push(neighbor);
                }
            }
            lists.measure(scorer);
            counters.expanded(lists.ids.len());
            for (key, id) in lists.pairs() {
                pool.insert(key, id);
            }
        }
        found.clear();
        found.extend(pool.packed());
        counters
    }
}
