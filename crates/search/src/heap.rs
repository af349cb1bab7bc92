//! `heap@1`: best-first search with two binary heaps, as hnswlib does it.
//!
//! One heap holds the candidates yet to be expanded, the other the `ef` best found so far. The
//! search ends when the closest candidate lies beyond the farthest of a full second heap.
//! (Malkov & Yashunin 2016, Algorithm 2.) One entry, no prefetch: the baseline.

use crate::{Batch, Counters, Search, SearchParams, Visited, entry};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer, key};
use std::{cmp::Reverse, collections::BinaryHeap};

/// The search `heap@1`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

/// What it writes to.
#[derive(Debug, Default)]
pub struct HeapMemory {
    visited: Visited,
    batch: Batch,
    /// Candidates yet to be expanded, closest first.
    candidates: BinaryHeap<Reverse<u64>>,
    /// The best found so far, farthest first.
    nearest: BinaryHeap<u64>,
}

impl Search for Heap {
    type Memory = HeapMemory;

    fn version(&self) -> &'static str {
        "heap@1"
    }

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        memory: &mut HeapMemory,
        found: &mut Vec<u64>,
    ) -> Counters {
        let mut counters = Counters::default();
        let width = params.beam_width(graph.len());
        let HeapMemory { visited, batch, candidates, nearest } = memory;
        visited.begin(graph);
        batch.reserve(entry::widest_row(graph));
        candidates.clear();
        // Candidates that the second heap has dropped stay here: at worst, every node.
        candidates.reserve(graph.len());
        nearest.clear();
        nearest.reserve(width + 1);
        if width > 0
            && let Some(start) = entry::descend(graph, scorer, batch, &mut counters)
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
            batch.gather(isa, base, node, visited);
            batch.measure(scorer);
            counters.expanded(batch.ids.len());
            for (key, id) in batch.pairs() {
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
        found.extend(nearest.iter());
        found.sort_unstable();
        counters
    }
}
