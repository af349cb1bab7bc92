//! `crinn@1`: the search module that contrastive reinforcement learning arrived at.
//!
//! CRINN section 6.2: entry points in tiers by search budget, neighbours in batches with an adaptive
//! prefetch and a look-ahead, and an end by convergence. Unlike the original it is deterministic:
//! entries are evenly spaced nodes instead of a rotation by atomic counters, and the count of hops
//! without improvement cannot wrap.

use crate::{
    Beam, Counters, Search, SearchParams, entry,
    walk::{Convergence, Walk},
};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};

/// Beams from which the second and the third tier of entries are used.
const TIERS: [usize; 2] = [64, 200];

/// Entries per tier beyond the first.
const PER_TIER: usize = 4;

/// The search `crinn@1`.
#[derive(Clone, Copy, Debug)]
pub struct Crinn {
    /// The search has converged after this share of the beam in hops without an improvement of
    /// the answer proper (the best `k`), at least [`floor`](Self::floor) hops.
    pub patience: f32,
    /// The least number of such hops.
    pub floor: usize,
}

impl Default for Crinn {
    fn default() -> Self {
        Self { patience: 0.4, floor: 16 }
    }
}

impl Search for Crinn {
    const VERSION: &'static str = "crinn@1";

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
        lists.reserve(entry::widest_row(graph).max(2 * PER_TIER));
        // With a small budget whole rows are fetched; with a large one the first lines, as more
        // of the rows will turn out to be far.
        let lines = if width < TIERS[1] { scorer.lines() } else { scorer.lines().min(8) };
        let mut walk = Walk { isa, graph, scorer, visited, lists, pool, lines, look_ahead: true };
        walk.begin(width, &mut counters);
        if !graph.is_empty() {
            walk.lists.ids.clear();
            let more = PER_TIER * TIERS.iter().filter(|&&tier| width >= tier).count();
            for place in 0..more {
                let node = (place * graph.len() / more) as u32;
                if walk.visited.insert(node) {
                    walk.lists.ids.push(node);
                }
            }
            walk.lists.measure(scorer);
            counters.measured(walk.lists.ids.len());
            for (key, id) in walk.lists.pairs() {
                walk.pool.insert(key, id);
            }
        }
        let patience = self.floor.max((self.patience * width as f32) as usize);
        walk.run(&mut Convergence::new(params.k, patience), &mut counters);
        found.clear();
        found.extend(pool.packed());
        counters
    }
}
