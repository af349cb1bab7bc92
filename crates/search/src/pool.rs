//! `pool@1`: best-first search over one sorted array, as GLASS does it.
//!
//! Candidates and results share a [`LinearPool`](crate::linear_pool): the search expands the
//! closest unexpanded entry until there is none. It visits the same nodes in the same order as
//! [`heap@1`](crate::Heap), since a candidate that the pool has dropped is one at which the heaps stop.
//! The rows of all unseen neighbours are prefetched before the first distance is computed.

use crate::{
    Beam, Counters, Search, SearchParams, entry,
    walk::{Exhausted, Walk},
};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};

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
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        beam: &mut Beam,
    ) -> Counters {
        let mut counters = Counters::default();
        let Beam { found, visited, lists, pool, .. } = beam;
        lists.reserve(entry::widest_row(graph));
        let lines = scorer.lines().min(LINES);
        let mut walk = Walk { isa, graph, scorer, visited, lists, pool, lines, look_ahead: false };
        walk.begin(params.beam_width(graph.len()), &mut counters);
        walk.run(&mut Exhausted, &mut counters);
        found.clear();
        found.extend(pool.packed());
        counters
    }
}
