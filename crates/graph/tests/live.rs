//! Graphs that change.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, recall, rows, search};
use crinoid_graph::{Graph, LiveError, LiveGraph, Params, builder, diagnose, forget};
use crinoid_quant::{Codes, Metric, Vectors, codec::Sq8};
use std::collections::VecDeque;

const PARAMS: Params = Params { m: 8, ef_construction: 60, alpha: 1.2, backfill: false, seed: 42 };

/// Three times: 30 % of 2,000 points go, as many new ones come.
fn churn(codes: &Sq8) -> (LiveGraph, Vec<u32>) {
    let space = codes.space();
    let mut live = LiveGraph::new(&PARAMS).unwrap();
    // A stride that visits all rows, so that every cluster loses and gains.
    let mut fresh = (0..3_800u32).map(|i| i * 1_009 % 3_800);
    let mut present: VecDeque<u32> = fresh.by_ref().take(2_000).collect();
    live.insert(&*space, present.make_contiguous()).unwrap();
    for _ in 0..3 {
        let gone: Vec<u32> = present.drain(..600).collect();
        live.delete(&*space, &gone).unwrap();
        let come: Vec<u32> = fresh.by_ref().take(600).collect();
        live.insert(&*space, &come).unwrap();
        present.extend(come);
    }
    let mut present: Vec<u32> = present.into();
    present.sort_unstable();
    (live, present)
}

#[test]
fn recall_after_churn_is_that_of_a_fresh_build() {
    let vectors = clustered(3_800, 24, 30, 3);
    let codes = Sq8::train(&vectors, Metric::L2);
    let (mut live, present) = churn(&codes);
    assert_eq!(live.len(), 2_000);
    let graph = live.freeze(&*codes.space()).unwrap();
    let orphans = diagnose(&graph).levels[0].unreachable;
    assert_eq!(orphans, 1_800, "exactly those that are not in the graph");

    let queries = clustered(200, 24, 30, 1 << 40);
    let survivors = rows(&vectors, &present);
    let truth = exact(&survivors, &queries, 10);
    let named: Vec<Vec<u32>> =
        truth.iter().map(|list| list.iter().map(|&row| present[row as usize]).collect()).collect();
    let fresh = builder("crinoid@1").unwrap();
    let again = Sq8::train(&survivors, Metric::L2);
    let fresh = fresh.build(&*again.space(), &PARAMS, &()).unwrap();
    for ef in [20, 40] {
        let churned = recall(&graph, &vectors, &queries, &named, 10, ef);
        let built = recall(&fresh, &survivors, &queries, &truth, 10, ef);
        assert!(churned >= built - 0.01, "ef {ef}: {churned} after churn, {built} built fresh");
    }
}

#[test]
fn the_same_history_gives_the_same_bytes_at_any_thread_count() {
    let vectors = clustered(3_800, 8, 10, 4);
    let digest = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let codes = Sq8::train(&vectors, Metric::L2);
            churn(&codes).0.freeze(&*codes.space()).unwrap().digest()
        })
    };
    assert_eq!(digest(1), digest(2));
    assert_eq!(digest(1), digest(3));
}

fn freeze(live: &mut LiveGraph, codes: &Sq8) -> Graph {
    live.freeze(&*codes.space()).unwrap()
}

#[test]
fn a_graph_can_be_emptied_and_filled_again() {
    let vectors = Vectors::from_rows(&[[0.0f32], [1.0], [2.0], [2.0]]).unwrap();
    let codes = Sq8::train(&vectors, Metric::L2);
    let space = codes.space();
    let mut live = LiveGraph::new(&PARAMS).unwrap();
    assert!(freeze(&mut live, &codes).is_empty());
    live.insert(&*space, &[0, 1, 2, 3]).unwrap();
    live.delete(&*space, &[3, 0, 1, 2]).unwrap();
    assert!(live.is_empty() && !live.contains(0));
    live.insert(&*space, &[2, 0]).unwrap();
    let found = search(&freeze(&mut live, &codes), &vectors, &[0.4], 10);
    assert_eq!(found, [0, 2]);
}

#[test]
fn impossible_changes_change_nothing() {
    let codes = Sq8::train(&clustered(10, 4, 1, 1), Metric::L2);
    let space = codes.space();
    let mut live = LiveGraph::new(&PARAMS).unwrap();
    live.insert(&*space, &[1, 2, 3]).unwrap();
    let before = freeze(&mut live, &codes);
    assert_eq!(live.insert(&*space, &[4, 10]), Err(LiveError::OutOfRange { node: 10, len: 10 }));
    assert_eq!(live.insert(&*space, &[4, 2]), Err(LiveError::Present(2)));
    assert_eq!(live.insert(&*space, &[4, 4]), Err(LiveError::Present(4)));
    assert_eq!(live.delete(&*space, &[1, 7]), Err(LiveError::Absent(7)));
    assert_eq!(live.delete(&*space, &[1, 99]), Err(LiveError::Absent(99)));
    assert_eq!((live.len(), freeze(&mut live, &codes)), (3, before));
}

#[test]
fn a_frozen_graph_can_be_taken_up() {
    let vectors = clustered(500, 8, 5, 9);
    let codes = Sq8::train(&vectors, Metric::L2);
    let graph = builder("crinoid@1").unwrap().build(&*codes.space(), &PARAMS, &()).unwrap();
    let mut live = LiveGraph::thaw(&graph, &*codes.space(), &PARAMS).unwrap();
    assert_eq!((live.len(), freeze(&mut live, &codes).digest()), (500, graph.digest()));
    let narrow = Params { m: 2, ..PARAMS };
    assert!(LiveGraph::thaw(&graph, &*codes.space(), &narrow).is_err());
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
        assert!(forget(&graph, &*space, &[gone[0], gone[0]]).is_err(), "{name}");
    }
}
