//! Where a walk over the base layer starts: greedy descent through the upper layers, or a sample.

use crate::{Counters, beam::Lists};
use crinoid_graph::{Graph, Layer};
use crinoid_quant::{Scorer, key};

/// The start of the walk as a packed `(key, node)`, or `None` in the empty graph.
///
/// On each layer, from the top down, the walk moves to the closest neighbour (ties by id) until
/// none is closer than where it stands; Malkov & Yashunin 2016, Algorithm 5 with `ef = 1`. Graphs
/// without layers start at their entry node.
#[inline(always)]
pub fn descend<S: Scorer>(
    graph: &Graph,
    scorer: S,
    lists: &mut Lists,
    counters: &mut Counters,
) -> Option<u64> {
    let node = graph.entry_node()?;
    let mut best = key::pack(scorer.key(node), graph.entry());
    counters.measured(1);
    for layer in graph.layers().iter().rev() {
        best = greedy(layer, best, scorer, lists, counters);
        let (key, slot) = key::unpack(best);
        best = key::pack(key, layer.below[slot as usize]);
    }
    Some(best)
}

/// Moves to the closest neighbour while there is a closer one; packed `(key, slot)` in and out.
#[inline(always)]
fn greedy<S: Scorer>(
    layer: &Layer,
    mut best: u64,
    scorer: S,
    lists: &mut Lists,
    counters: &mut Counters,
) -> u64 {
    let nodes = layer.nodes.as_slice();
    loop {
        let (_, slot) = key::unpack(best);
        let neighbors = layer.neighbors(slot);
        lists.ids.clear();
        lists.ids.extend(neighbors.iter().map(|&slot| nodes[slot as usize]));
        let keys = lists.measure(scorer);
        counters.expanded(neighbors.len());
        let found = keys.iter().zip(neighbors).map(|(&key, &slot)| key::pack(key, slot)).min();
        match found {
            Some(closer) if closer < best => best = closer,
            _ => return best,
        }
    }
}

/// The closest of `entries` evenly spaced rows, as a packed `(key, node)`.
///
/// `ids` and `keys` are room for `entries` values; the graph is not empty.
#[inline(always)]
pub(crate) fn sampled<S: Scorer>(
    entries: usize,
    graph: &Graph,
    scorer: S,
    ids: &mut [u32],
    keys: &mut [u32],
    counters: &mut Counters,
) -> u64 {
    let entries = entries.clamp(1, graph.len());
    let (ids, keys) = (&mut ids[..entries], &mut keys[..entries]);
    let (mut at, step) = (0, (graph.len() as u64) << 16);
    for id in ids.iter_mut() {
        *id = (at >> 16) as u32;
        at += step / entries as u64;
        scorer.prefetch(*id, scorer.lines());
    }
    scorer.keys(ids, keys);
    counters.measured(entries);
    let mut best = u64::MAX;
    for (&key, &id) in keys.iter().zip(&*ids) {
        best = best.min(key::pack(key, id));
    }
    best
}

/// The longest list that a search of `graph` can come across.
pub fn widest_row(graph: &Graph) -> usize {
    graph.layers().iter().map(|layer| layer.degree).fold(graph.degree(), usize::max)
}
