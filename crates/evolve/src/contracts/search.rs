//! A candidate for the search module: `Candidate` is a type that implements `Search`.
//! This is the starting point: best-first search over one sorted array.

use crinoid_graph::{Candidate as Entry, Graph};
use crinoid_quant::{Isa, Scorer, key};
use crinoid_search::{Batch, Counters, Search, SearchParams, Visited, entry};

/// The search version. It may have fields; it must be `Copy`, `Default`, `Send` and `Sync`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate;

/// Working memory of one thread: it keeps its capacity from query to query.
#[derive(Default)]
pub struct Memory {
    visited: Visited,
    /// Ids to measure, their keys.
    batch: Batch,
    /// The best so far, ascending; flagged once they are expanded.
    pool: Vec<Entry>,
}

impl Search for Candidate {
    type Memory = Memory;

    fn version(&self) -> &'static str {
        "candidate@0"
    }

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        memory: &mut Memory,
        found: &mut Vec<u64>,
    ) -> Counters {
        let mut counters = Counters::default();
        let Memory { visited, batch, pool } = memory;
        pool.clear();
        let width = params.beam_width(graph.len());
        let start = entry::descend(graph, scorer, batch, &mut counters);
        let Some(start) = start.filter(|_| width > 0) else { return counters };
        visited.begin(graph);
        let (key, node) = key::unpack(start);
        visited.insert(node);
        pool.push(Entry::new(key, node));
        let (base, lines) = (graph.base(), scorer.lines().min(8));
        let mut cursor = 0;
        while let Some(entry) = pool.get_mut(cursor) {
            let node = entry.id();
            *entry = entry.flagged();
            batch.gather(isa, base, node, visited);
            scorer.prefetch_all(&batch.ids, lines);
            batch.measure(scorer);
            counters.expanded(batch.ids.len());
            for (key, id) in batch.pairs() {
                let entry = Entry::new(key, id);
                let place = pool.partition_point(|&other| other < entry);
                if place < width {
                    pool.truncate(width - 1);
                    pool.insert(place, entry);
                    cursor = cursor.min(place);
                }
            }
            while pool.get(cursor).is_some_and(|entry| entry.is_flagged()) {
                cursor += 1;
            }
        }
        found.extend(pool.iter().map(|entry| entry.packed()));
        counters
    }
}
