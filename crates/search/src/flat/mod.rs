//! `flat@1`: ids and code rows in two flat arrays, walked with three steps in flight.
//!
//! A hop is a chain of dependent cache misses: pop a node, load its list, load the rows of the
//! list. Here three hops overlap: while the distances of one node's neighbours are computed, the
//! rows of the next node's neighbours are on their way, and so is the list of the node after
//! that. Nodes are therefore chosen a hop or two early, on slightly older knowledge, which costs
//! two to four hops per query and gains more from about `ef` 8 on.

mod frontier;
#[cfg(target_arch = "x86_64")]
mod lanes;

use crate::{Beam, Counters, Search, SearchParams, entry, visited::Visited};
use crinoid_graph::{Adjacency, Graph, NONE};
use crinoid_quant::{Isa, Scorer, key};
use frontier::slot;

pub(crate) use frontier::Frontier;

/// The search `flat@1`.
#[derive(Clone, Copy, Debug)]
pub struct Flat {
    /// How many evenly spaced rows are measured to find the one where the walk starts.
    pub entries: usize,
    /// Below this `ef` the walk takes one step at a time: the extra hops of choosing early then
    /// cost more than the overlap gains.
    pub pipelined_from: usize,
}

impl Default for Flat {
    fn default() -> Self {
        Self { entries: 64, pipelined_from: 8 }
    }
}

/// What the loop writes to.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    frontier: Frontier,
    /// Neighbours whose rows are on their way.
    now: Vec<u32>,
    /// Neighbours that are being gathered.
    next: Vec<u32>,
    keys: Vec<u32>,
}

impl Search for Flat {
    const VERSION: &'static str = "flat@1";

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
        let Beam { found, visited, lanes, .. } = beam;
        found.clear();
        if graph.is_empty() {
            return counters;
        }
        visited.begin(graph.len());
        let ef = params.beam_width(graph.len());
        let base = graph.base();
        let width = base.stride().max(self.entries);
        for list in [&mut lanes.now, &mut lanes.next, &mut lanes.keys] {
            if list.len() < width {
                list.resize(width, 0);
            }
        }
        let Lanes { frontier, now, next, keys } = lanes;
        frontier.reset(ef);
        let start = entry::sampled(self.entries, graph, scorer, now, keys, &mut counters);
        let (key, node) = key::unpack(start);
        visited.insert(node);
        frontier.insert(isa, slot(key, node));
        loop {
            if ef < self.pipelined_from {
                while let Some(node) = choose(isa, base, frontier) {
                    let count = gather(base, scorer, visited, node, now);
                    counters.expanded(count);
                    measure(isa, scorer, frontier, keys, &now[..count]);
                }
            } else {
                pipelined(isa, base, scorer, visited, frontier, now, next, keys, &mut counters);
            }
            // Every node is reachable from the graph's entry, but perhaps not from the start: with
            // room left in the frontier, the walk goes on from there.
            match graph.entry_node() {
                Some(entry) if !frontier.is_full() && visited.insert(entry) => {
                    counters.measured(1);
                    frontier.insert(isa, slot(scorer.key(entry), entry));
                }
                _ => break,
            }
        }
        frontier.write(found);
        counters
    }
}

/// The walk with three steps in flight.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the loop's state, kept in registers")]
fn pipelined<'a, I: Isa, S: Scorer>(
    isa: I,
    base: Adjacency<'_>,
    scorer: S,
    visited: &mut Visited,
    frontier: &mut Frontier,
    mut now: &'a mut [u32],
    mut next: &'a mut [u32],
    keys: &mut [u32],
    counters: &mut Counters,
) {
    let mut ready = 0; // the rows of now[..ready] are on their way
    let mut listed = choose(isa, base, frontier); // this node's list is on its way
    loop {
        let chosen = choose(isa, base, frontier);
        let mut count = 0;
        if let Some(node) = listed {
            count = gather(base, scorer, visited, node, next);
            counters.expanded(count);
        }
        measure(isa, scorer, frontier, keys, &now[..ready]);
        std::mem::swap(&mut now, &mut next);
        ready = count;
        listed = chosen;
        if listed.is_none() {
            listed = choose(isa, base, frontier);
            if listed.is_none() && ready == 0 {
                return;
            }
        }
    }
}

/// Takes the best unexpanded node and asks for its list.
#[inline(always)]
fn choose<I: Isa>(isa: I, graph: Adjacency<'_>, frontier: &mut Frontier) -> Option<u32> {
    let node = frontier.pop(isa);
    if let Some(node) = node {
        let first = node as usize * graph.stride();
        for line in 0..graph.stride() / 16 {
            isa.prefetch(graph.links(), first + 16 * line);
        }
    }
    node
}

/// Writes the unseen neighbours of `node` to `out`, marks them seen and asks for their rows; how
/// many there are.
#[inline(always)]
fn gather<S: Scorer>(
    base: Adjacency<'_>,
    scorer: S,
    visited: &mut Visited,
    node: u32,
    out: &mut [u32],
) -> usize {
    let mut count = 0;
    let lines = scorer.lines();
    for &id in base.row(node) {
        if id == NONE {
            break;
        }
        out[count] = id;
        count += usize::from(visited.insert(id));
    }
    for &id in &out[..count] {
        scorer.prefetch(id, lines);
    }
    count
}

/// Computes the distances of `ids` and lets the close ones into the frontier.
#[inline(always)]
fn measure<I: Isa, S: Scorer>(
    isa: I,
    scorer: S,
    frontier: &mut Frontier,
    keys: &mut [u32],
    ids: &[u32],
) {
    let keys = &mut keys[..ids.len()];
    scorer.keys(ids, keys);
    if frontier.is_wide() {
        return frontier.insert_all(keys, ids);
    }
    for (&key, &id) in keys.iter().zip(ids) {
        if key <= frontier.threshold() {
            frontier.insert(isa, slot(key, id));
        }
    }
}
