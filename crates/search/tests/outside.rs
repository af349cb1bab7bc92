//! A search that this crate knows nothing of, with a memory of its own.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::{clustered, knn_graph};
use crinoid_graph::Graph;
use crinoid_quant::{Codes, Isa, Metric, Neighbor, Scorer, codec::Sq8, key};
use crinoid_search::{BestFirst, Composed, Counters, Engine, Exact, Scratch, Search, SearchParams};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How many memories have been made.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// Everything within a number of hops of the entry, breadth first.
#[derive(Clone, Copy)]
struct Flood {
    hops: usize,
}

/// Nothing like the memory of a published search.
struct FloodMemory {
    reached: BTreeMap<u32, usize>,
    keys: Vec<u32>,
    asked: usize,
}

impl Default for FloodMemory {
    fn default() -> Self {
        MADE.fetch_add(1, Ordering::Relaxed);
        Self { reached: BTreeMap::new(), keys: Vec::new(), asked: 0 }
    }
}

impl Search for Flood {
    type Memory = FloodMemory;

    fn version(&self) -> &'static str {
        "flood@1"
    }

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        _isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        FloodMemory { reached, keys, asked }: &mut FloodMemory,
        found: &mut Vec<u64>,
    ) -> Counters {
        *asked += 1;
        assert_eq!(*asked % 2, usize::from(params.ef == 1), "one memory sees every query");
        let mut counters = Counters::default();
        reached.clear();
        let mut edge: BTreeSet<u32> = graph.entry_node().into_iter().collect();
        for hops in 0..=self.hops {
            edge.retain(|node| !reached.contains_key(node));
            reached.extend(edge.iter().map(|&node| (node, hops)));
            edge = edge.iter().flat_map(|&node| graph.neighbors(node)).copied().collect();
            counters.hops += reached.len() as u64;
        }
        let ids: Vec<u32> = reached.keys().copied().collect();
        keys.resize(ids.len(), 0);
        scorer.keys(&ids, keys);
        counters.measured(ids.len());
        found.extend(keys.iter().zip(&ids).map(|(&key, &id)| key::pack(key, id)));
        found.sort_unstable();
        found.truncate(params.beam_width(graph.len()));
        counters
    }
}

#[test]
fn a_search_from_outside_brings_its_own_memory() {
    let vectors = clustered(500, 12, 1);
    let graph = Arc::new(knn_graph(&vectors, 8, false));
    let codes = Arc::new(Sq8::train(&vectors, Metric::L2));
    let flood = Flood { hops: 500 };
    let compiled = Composed::new(graph.clone(), codes.clone(), flood).unwrap();
    let over = Composed::over(graph.clone(), codes.clone().into(), flood).unwrap();
    let exact = Exact::new(codes.clone());
    let pool = Composed::new(graph, codes, BestFirst::POOL).unwrap();
    let mut scratch = Scratch::default();
    let mut ask = |engine: &dyn Engine, query: &[f32], ef| -> Vec<Neighbor> {
        let mut out = Vec::new();
        engine.search(query, &SearchParams::new(10, ef), &mut scratch, &mut out);
        out
    };
    for query in clustered(20, 12, 3).rows() {
        // All nodes are within reach, so this is exact search; published ones share the scratch.
        let wanted = ask(&exact, query, 0);
        assert_eq!(ask(&compiled, query, 1), wanted);
        assert_eq!(ask(&pool, query, 500), wanted);
        assert_eq!(ask(&over, query, 2), wanted);
    }
    assert_eq!(MADE.load(Ordering::Relaxed), 1);
    assert_eq!(compiled.version(), "flood@1");
}
