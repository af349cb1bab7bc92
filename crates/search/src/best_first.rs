//! `pool@1`, `crinn@1`, `discovery@1`, `adaptive@1`: best-first search over one sorted array.
//!
//! Candidates and results share a [`LinearPool`](crate::linear_pool), as in GLASS: the search expands the
//! closest unexpanded entry until there is none. It visits the same nodes in the same order as
//! [`heap@1`](crate::Heap), since a candidate that the pool has dropped is one at which the heaps stop. The rows
//! of all unseen neighbours are asked for before the first distance is computed.
//!
//! ```text
//! pool = { the end of the descent through the upper layers } + more entries
//! while the pool has an unexpanded candidate and no rule says stop:
//!     expand the closest: the neighbours that are not visited yet
//!     ask for their rows, measure them, let them into the pool
//! ```
//!
//! The published versions are rows of parameters: how many entries, how much room, when to stop.

use crate::{
    Batch, Counters, Search, SearchParams, entry,
    linear_pool::LinearPool,
    stop::{AdaptiveEffort, Convergence, DiscoveryRate, Stop},
    visited::Visited,
};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer, key};

/// Cache lines asked for of each row; the hardware follows on its own after that.
const LINES: usize = 8;

/// Entries per tier beyond the first.
const PER_TIER: usize = 4;

/// A best-first search over one sorted pool: a row of parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestFirst {
    /// The version, `name@number`.
    pub version: &'static str,
    /// At each of these beam widths four more entries are added, evenly spaced nodes.
    pub tiers: &'static [usize],
    /// Below this beam width whole rows are asked for, else their first eight cache lines, as more of
    /// the rows will turn out to be far.
    pub whole_rows_below: usize,
    /// Whether the list of a node that becomes the next to be expanded is asked for at once.
    pub look_ahead: bool,
    /// The pool's room as a multiple of the beam.
    pub room: f64,
    /// `(share, least)`: ends after this share of the beam in hops, at least so many, that left the best
    /// `k` as they were.
    pub convergence: Option<(f32, usize)>,
    /// `(progress, rate)`: from this progress on (expanded nodes as a share of the pool's room), a rate
    /// of discoveries below this ends the search. A discovery is a measured node that enters the pool;
    /// their rate is taken over 16 hops.
    pub discovery: Option<[(f32, f32); 2]>,
    /// A query is easy when none of the nodes measured by hops 17 to 32 came among the best ten, and ends
    /// after half the hops of its beam; it is hard when at least this share did, and may take half as
    /// many again.
    pub effort: Option<f32>,
}

impl BestFirst {
    /// `pool@1`: as GLASS does it.
    pub const POOL: Self = Self {
        version: "pool@1",
        tiers: &[],
        whole_rows_below: 0,
        look_ahead: false,
        room: 1.0,
        convergence: None,
        discovery: None,
        effort: None,
    };

    /// `crinn@1`: what contrastive reinforcement learning arrived at (CRINN, section 6.2). Entries in tiers
    /// by search budget, neighbours in batches with an adaptive prefetch and a look-ahead, an end by
    /// convergence. Unlike the original it is deterministic: entries are evenly spaced nodes instead of a
    /// rotation by atomic counters, and the count of hops without improvement cannot wrap.
    pub const CRINN: Self = Self {
        version: "crinn@1",
        tiers: &[64, 200],
        whole_rows_below: 200,
        look_ahead: true,
        convergence: Some((0.4, 16)),
        ..Self::POOL
    };

    /// `discovery@1`: ended by a falling discovery rate, the record's fix 4. Early in a search a low rate is
    /// tolerated, late it ends the search. In the record the rule was masked at `k = 1,000`, because
    /// progress was measured against an `ef` smaller than `k`; here the beam is `max(k, ef)` throughout.
    pub const DISCOVERY: Self =
        Self { version: "discovery@1", discovery: Some([(0.3, 0.05), (0.6, 0.10)]), ..Self::POOL };

    /// `adaptive@1`: `discovery@1` with an effort that the first hops of each query decide, the record's
    /// fix 7, which rides on its fix 4. A hard query needs the room of its hops.
    pub const ADAPTIVE: Self =
        Self { version: "adaptive@1", room: 1.5, effort: Some(0.05), ..Self::DISCOVERY };

    /// The published rows, oldest first.
    pub const VERSIONS: [Self; 4] = [Self::POOL, Self::CRINN, Self::DISCOVERY, Self::ADAPTIVE];
}

/// What a best-first search writes to.
#[derive(Debug, Default)]
pub struct BestFirstMemory {
    visited: Visited,
    batch: Batch,
    pool: LinearPool,
}

impl Search for BestFirst {
    type Memory = BestFirstMemory;

    fn version(&self) -> &'static str {
        self.version
    }

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        memory: &mut BestFirstMemory,
        found: &mut Vec<u64>,
    ) -> Counters {
        let mut counters = Counters::default();
        let BestFirstMemory { visited, batch, pool } = memory;
        let width = params.beam_width(graph.len());
        let room = ((width as f64 * self.room) as usize).min(graph.len());
        let more = PER_TIER * self.tiers.iter().filter(|&&tier| width >= tier).count();
        batch.reserve(entry::widest_row(graph).max(more));
        visited.begin(graph);
        pool.reset(room);
        if let Some(start) = entry::descend(graph, scorer, batch, &mut counters) {
            let (key, node) = key::unpack(start);
            visited.insert(node);
            pool.insert(key, node);
            batch.ids.clear();
            let spaced = (0..more).map(|place| (place * graph.len() / more) as u32);
            batch.ids.extend(spaced.filter(|&node| visited.insert(node)));
            batch.measure(scorer);
            counters.measured(batch.ids.len());
            for (key, id) in batch.pairs() {
                pool.insert(key, id);
            }
        }
        let lines = if width < self.whole_rows_below { usize::MAX } else { LINES };
        let lines = scorer.lines().min(lines);
        let patience = |(share, least): (f32, usize)| least.max((share * width as f32) as usize);
        let mut stop = (
            self.convergence.map(|rule| Convergence::new(params.k, patience(rule))),
            self.effort.map(|hard| AdaptiveEffort::new(width, hard)),
            self.discovery.map(|rules| DiscoveryRate::new(rules, room)),
        );
        let base = graph.base();
        while let Some(node) = pool.pop() {
            batch.gather(isa, base, node, visited);
            scorer.prefetch_all(&batch.ids, lines);
            batch.measure(scorer);
            counters.expanded(batch.ids.len());
            for (key, id) in batch.pairs() {
                if let Some(place) = pool.insert(key, id) {
                    stop.entered(place);
                    if self.look_ahead && place == pool.cursor() {
                        isa.prefetch(base.links(), id as usize * base.stride());
                    }
                }
            }
            if stop.ends(batch.ids.len()) {
                break;
            }
        }
        found.extend(pool.packed().take(width));
        counters
    }
}
