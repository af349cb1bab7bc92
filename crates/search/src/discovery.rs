//! `discovery@1`: the sorted pool, ended by a falling discovery rate.
//!
//! The record's fix 4. A *discovery* is a measured node that enters the best `max(k, ef)`; its rate is
//! taken over the last 16 hops. Early in a search a low rate is tolerated, late it ends the search. In
//! the record the rule was masked at `k = 1,000`, because progress was measured against an `ef`
//! smaller than `k`; here the beam is `max(k, ef)` throughout.

use crate::{
    Beam, Counters, Search, SearchParams, entry,
    walk::{DiscoveryRate, Walk},
};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};

/// Cache lines prefetched of each row.
const LINES: usize = 8;

/// The search `discovery@1`.
#[derive(Clone, Copy, Debug)]
pub struct Discovery {
    /// `(progress, rate)`: from this progress on (expanded nodes as a share of the beam), a rate
    /// below this ends the search.
    pub rules: [(f32, f32); 2],
}

impl Default for Discovery {
    fn default() -> Self {
        Self { rules: [(0.3, 0.05), (0.6, 0.10)] }
    }
}

impl Search for Discovery {
    const VERSION: &'static str = "discovery@1";

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
        let width = params.beam_width(graph.len());
        lists.reserve(entry::widest_row(graph));
        let lines = scorer.lines().min(LINES);
        let mut walk = Walk { isa, graph, scorer, visited, lists, pool, lines, look_ahead: false };
        walk.begin(width, &mut counters);
        walk.run(&mut DiscoveryRate::new(self.rules, width), &mut counters);
        found.clear();
        found.extend(pool.packed());
        counters
    }
}
