//! `discovery@1`: the sorted pool, ended by a falling discovery rate.
//!
//! The record's fix 4. A *discovery* is a measured node that enters the best `max(k, ef)`; its rate is
//! taken over the last 16 hops. Early in a search a low rate is tolerated, late it ends the search. In
//! the record the rule was masked at `k = 1,000`, because progress was measured against an `ef`
//! smaller than `k`; here the beam is `max(k, ef)` throughout.

use crate::{Beam, Counters, Search, SearchParams, entry};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer, key};

/// Hops over which the rate is taken.
const WINDOW: usize = 16;

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
        _isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        beam: &mut Beam,
    ) -> Counters {
        let mut counters = Counters::default();
        let Beam { found, visited, lists, pool, .. } = beam;
        let width = params.beam_width(graph.len());
        visited.begin(graph.len());
        lists.reserve(entry::widest_row(graph));
        pool.reset(width);
        if let Some(start) = entry::descend(graph, scorer, lists, &mut counters) {
            let (key, node) = key::unpack(start);
            visited.insert(node);
            pool.insert(key, node);
        }
        let (base, lines) = (graph.base(), scorer.lines().min(LINES));
        // Measured and discovered in each of the last hops.
        let (mut measured, mut discovered) = ([0u32; WINDOW], [0u32; WINDOW]);
        let mut hops = 0;
        while let Some(node) = pool.pop() {
            lists.ids.clear();
            for &near in base.neighbors(node) {
                if visited.insert(near) {
                    scorer.prefetch(near, lines);
                    lists.ids.push(near);
                }
            }
            lists.measure(scorer);
            counters.expanded(lists.ids.len());
            let place = hops % WINDOW;
            measured[place] = lists.ids.len() as u32;
            discovered[place] = 0;
            for (key, id) in lists.pairs() {
                discovered[place] += u32::from(pool.insert(key, id).is_some());
            }
            hops += 1;
            if hops >= WINDOW {
                let (mut all, mut new) = (0, 0);
                for hop in 0..WINDOW {
                    all += measured[hop];
                    new += discovered[hop];
                }
                let (rate, progress) = (new as f32 / all.max(1) as f32, hops as f32 / width as f32);
                let [early, late] = self.rules;
                if (progress > early.0 && rate < early.1) || (progress > late.0 && rate < late.1) {
                    break;
                }
            }
        }
        found.clear();
        found.extend(pool.packed());
        counters
    }
}
