//! `adaptive@1`: `discovery@1` with an effort that the first hops of each query decide.
//!
//! The record's fix 7, which rides on its fix 4: a query whose best candidates no longer change soon after the
//! start gets half the hops of its beam, one whose candidates still change often gets half as many again.

use crate::{
    Beam, Counters, Search, SearchParams, entry,
    walk::{AdaptiveEffort, DiscoveryRate, Walk},
};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};

/// Cache lines prefetched of each row.
const LINES: usize = 8;

/// The search `adaptive@1`.
#[derive(Clone, Copy, Debug)]
pub struct Adaptive {
    /// The rules of [`Discovery`](crate::Discovery), of the widened beam.
    pub rules: [(f32, f32); 2],
    /// A query is hard when at least this share of the nodes measured by hops 17 to 32 came among
    /// the best ten, and easy when none did.
    pub hard: f32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { rules: [(0.3, 0.05), (0.6, 0.10)], hard: 0.05 }
    }
}

impl Search for Adaptive {
    const VERSION: &'static str = "adaptive@1";

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
        // A hard query needs the room of its hops.
        let wide = (width + width / 2).min(graph.len());
        walk.begin(wide, &mut counters);
        let effort = AdaptiveEffort::new(width, self.hard);
        walk.run(&mut (effort, DiscoveryRate::new(self.rules, wide)), &mut counters);
        found.clear();
        found.extend(pool.packed().take(width));
        counters
    }
}
