//! Graphs without some of their nodes.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, recall, rows, search};
use crinoid_graph::{ForgetError, Params, builder, forget};
use crinoid_quant::{Codes, Metric, codec::Sq8};

const PARAMS: Params = Params { m: 8, ef_construction: 60, alpha: 1.2, backfill: false, seed: 42 };

#[test]
fn recall_without_a_third_of_the_nodes_is_that_of_a_fresh_build_at_any_thread_count() {
    let vectors = clustered(3_000, 24, 30, 3);
    let codes = Sq8::train(&vectors, Metric::L2);
    let graph = builder("crinoid@1").unwrap().build(&*codes.space(), &PARAMS, &()).unwrap();
    let gone: Vec<u32> =
        (0..3_000).step_by(3).filter(|node| graph.entry_node() != Some(*node)).collect();
    let without = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| forget(&graph, &*codes.space(), &gone).unwrap().unwrap())
    };
    let rest = without(1);
    assert_eq!((rest.digest(), rest.digest()), (without(2).digest(), without(3).digest()));

    let kept: Vec<u32> = (0..3_000).filter(|node| !gone.contains(node)).collect();
    let queries = clustered(200, 24, 30, 1 << 40);
    let survivors = rows(&vectors, &kept);
    let truth = exact(&survivors, &queries, 10);
    let named: Vec<Vec<u32>> =
        truth.iter().map(|list| list.iter().map(|&row| kept[row as usize]).collect()).collect();
    let again = Sq8::train(&survivors, Metric::L2);
    let fresh = builder("crinoid@1").unwrap().build(&*again.space(), &PARAMS, &()).unwrap();
    for ef in [20, 40] {
        let left = recall(&rest, &vectors, &queries, &named, 10, ef);
        let built = recall(&fresh, &survivors, &queries, &truth, 10, ef);
        assert!(left >= built - 0.01, "ef {ef}: {left} without, {built} built fresh");
    }
}

#[test]
fn a_graph_forgets_nodes_as_if_they_had_never_come() {
    let vectors = clustered(2_000, 8, 5, 9);
    let codes = Sq8::train(&vectors, Metric::L2);
    for name in ["crinoid@1", "hnsw@1", "vamana@1"] {
        let space = codes.space();
        let graph = builder(name).unwrap().build(&*space, &PARAMS, &()).unwrap();
        let above: Vec<u32> = graph.layers().iter().flat_map(|l| l.nodes.iter().copied()).collect();
        let is_low = |node: &u32| !above.contains(node) && graph.entry_node() != Some(*node);
        let gone: Vec<u32> = (0..2_000).step_by(17).filter(is_low).collect();
        let rest = forget(&graph, &*space, &gone).unwrap().unwrap();
        assert_eq!((rest.len(), rest.layers()), (2_000, graph.layers()), "{name}");
        for node in 0..2_000 {
            let list = rest.neighbors(node);
            assert!(list.iter().all(|id| !gone.contains(id)), "{name}");
            if gone.contains(&node) {
                assert!(list.is_empty(), "{name}");
            } else if !graph.neighbors(node).iter().any(|id| gone.contains(id)) {
                assert_eq!(list, graph.neighbors(node), "{name}");
            }
        }
        // Those that are left are found as before, those that have gone never.
        let mut found = 0;
        for node in (0..2_000u32).filter(|node| !gone.contains(node)).step_by(13) {
            let near = search(&rest, &vectors, vectors.row(node as usize), 40);
            assert!(near.iter().all(|id| !gone.contains(id)), "{name}");
            found += usize::from(near[0] == node);
        }
        assert!(found >= 140, "{name}: {found}");
        let stands_above = above.first().copied().or(graph.entry_node()).unwrap();
        assert!(forget(&graph, &*space, &[stands_above]).unwrap().is_none(), "{name}");
        for (nodes, absent) in [([gone[0], gone[0]], gone[0]), ([gone[1], 2_000], 2_000)] {
            let refused = forget(&graph, &*space, &nodes);
            assert!(matches!(refused, Err(ForgetError::Absent(node)) if node == absent), "{name}");
        }
    }
}
