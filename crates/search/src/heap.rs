//! `heap@1`: best-first search with two binary heaps, as hnswlib does it.
//!
//! One heap holds the candidates yet to be expanded, the other the `ef` best found so far. The
//! search ends when the closest candidate lies beyond the farthest of a full second heap.
//! (Malkov & Yashunin 2016, Algorithm 2.) One entry, no prefetch: the baseline.

use crate::{Beam, Counters, Search, SearchParams, entry};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer, key};
use std::cmp::Reverse;

/// The search `heap@1`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

impl Search for Heap {
    const VERSION: &'static str = "heap@1";

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
        let width = params.beam_width(graph.len());
        let Beam { found, visited, lists, candidates, nearest, .. } = beam;
        visited.begin(graph.len());
        lists.reserve(entry::widest_row(graph));
        candidates.clear();
        // Candidates that the second heap has dropped stay here: at worst, every node.
        candidates.reserve(graph.len());
        nearest.clear();
        nearest.reserve(width + 1);
        if width > 0
            && let Some(start) = entry::descend(graph, scorer, lists, &mut counters)
        {
            visited.insert(key::unpack(start).1);
            candidates.push(Reverse(start));
            nearest.push(start);
        }
        let base = graph.base();
        while let Some(Reverse(closest)) = candidates.pop() {
            if nearest.peek().is_some_and(|&farthest| closest > farthest) && nearest.len() == width
            {
                break;
            }
            let (_, node) = key::unpack(closest);
            lists.ids.clear();
            for &neighbor in base.neighbors(node) {
                if visited.insert(neighbor) {
                    lists.ids.push(neighbor);
                }
            }
            lists.measure(scorer);
            counters.expanded(lists.ids.len());
            for (key, id) in lists.pairs() {
                let candidate = key::pack(key, id);
                if nearest.len() < width {
                    nearest.push(candidate);
                    candidates.push(Reverse(candidate));
                } else if let Some(mut farthest) = nearest.peek_mut()
                    && candidate < *farthest
                {
                    *farthest = candidate;
                    candidates.push(Reverse(candidate));
                }
            }
        }
        found.clear();
        found.extend(nearest.iter());
        found.sort_unstable();
        counters
    }
}
