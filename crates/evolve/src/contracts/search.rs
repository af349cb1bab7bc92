//! A candidate for the search module: `Candidate` is a type that implements `Search`.
//! This is the starting point: best-first search over one sorted array.

use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer, key};
use crinoid_search::{Beam, Counters, Search, SearchParams, entry};

/// The search version. It may have fields; it must be `Copy`, `Default`, `Send` and `Sync`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate;

impl Search for Candidate {
    const VERSION: &'static str = "candidate@0";

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
        // `found` holds `key << 32 | id << 1 | expanded` while the search walks, and packed
        // `(key, id)` when it returns. `visited` and `lists` (ids to measure, their keys) are
        // working memory; all three keep their capacity from query to query.
        let Beam { found: pool, visited, lists, .. } = beam;
        pool.clear();
        let width = params.beam_width(graph.len());
        let start = entry::descend(graph, scorer, lists, &mut counters);
        let Some(start) = start.filter(|_| width > 0) else { return counters };
        visited.begin(graph.len());
        let (key, node) = key::unpack(start);
        visited.insert(node);
        pool.push(u64::from(key) << 32 | u64::from(node) << 1);
        let (base, lines) = (graph.base(), scorer.lines().min(8));
        let mut cursor = 0;
        while cursor < pool.len() {
            let node = pool[cursor] as u32 >> 1;
            pool[cursor] |= 1;
            lists.ids.clear();
            for &neighbor in base.neighbors(node) {
                if visited.insert(neighbor) {
                    scorer.prefetch(neighbor, lines);
                    lists.ids.push(neighbor);
                }
            }
            lists.measure(scorer);
            counters.expanded(lists.ids.len());
            for (key, id) in lists.pairs() {
                let entry = u64::from(key) << 32 | u64::from(id) << 1;
                let place = pool.partition_point(|&other| other < entry);
                if place < width {
                    pool.truncate(width - 1);
                    pool.insert(place, entry);
                    cursor = cursor.min(place);
                }
            }
            while pool.get(cursor).is_some_and(|entry| entry & 1 != 0) {
                cursor += 1;
            }
        }
        for entry in pool.iter_mut() {
            *entry = *entry >> 32 << 32 | u64::from(*entry as u32 >> 1);
        }
        counters
    }
}
