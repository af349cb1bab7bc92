//! Where a walk over the base layer starts: greedy descent through the upper layers, or a sample.

use crate::{Batch, Counters};
use crinoid_graph::{Candidate, Graph, Layer};
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
    batch: &mut Batch,
    counters: &mut Counters,
) -> Option<u64> {
    let node = graph.entry_node()?;
    let mut best = key::pack(scorer.key(node), graph.entry());
    counters.measured(1);
    for layer in graph.layers().iter().rev() {
        best = greedy(layer, best, scorer, batch, counters);
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
    batch: &mut Batch,
    counters: &mut Counters,
) -> u64 {
    let nodes = layer.nodes.as_slice();
    loop {
        let (_, slot) = key::unpack(best);
        let neighbors = layer.neighbors(slot);
        batch.ids.clear();
        batch.ids.extend(neighbors.iter().map(|&slot| nodes[slot as usize]));
        let keys = batch.measure(scorer);
        counters.expanded(neighbors.len());
        let found = keys.iter().zip(neighbors).map(|(&key, &slot)| key::pack(key, slot)).min();
        match found {
            Some(closer) if closer < best => best = closer,
            _ => return best,
        }
    }
}

/// Measures as many evenly spaced nodes as `ids` and `keys` have room for.
#[inline(always)]
pub(crate) fn measure_samples<S: Scorer>(
    graph: &Graph,
    scorer: S,
    ids: &mut [u32],
    keys: &mut [u32],
    counters: &mut Counters,
) {
    let (mut at, step) = (0, ((graph.len() as u64) << 16) / ids.len() as u64);
    for id in ids.iter_mut() {
        *id = (at >> 16) as u32;
        at += step;
        scorer.prefetch(*id, scorer.lines());
    }
    scorer.keys(ids, keys);
    counters.measured(ids.len());
}

/// The closest of the measured nodes (ties: the first), which is then as far as can be.
#[inline(always)]
pub(crate) fn take_closest(ids: &[u32], keys: &mut [u32]) -> Candidate {
    let least = keys.iter().fold(u32::MAX, |least, &key| least.min(key));
    let place = keys.iter().position(|&key| key == least).unwrap_or(0);
    keys[place] = u32::MAX;
    Candidate::new(least, ids[place])
}

/// The longest list that a search of `graph` can come across.
pub fn widest_row(graph: &Graph) -> usize {
    graph.layers().iter().map(|layer| layer.degree).fold(graph.degree(), usize::max)
}
