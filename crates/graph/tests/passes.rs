//! What is done to a graph once it is built.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, recall, rows, search};
use crinoid_graph::{
    Graph, GraphError, Params, builder, diagnose, queries::link_queries, reorder, repair,
};
use crinoid_quant::{Codes, Metric, Vectors, codec::Sq8};

const PARAMS: Params = Params { m: 6, ef_construction: 50, alpha: 1.2, backfill: false, seed: 42 };

fn build(version: &str, vectors: &Vectors) -> Graph {
    let codes = Sq8::train(vectors, Metric::L2);
    builder(version).unwrap().build(&*codes.space(), &PARAMS, &()).unwrap()
}

#[test]
fn a_renumbered_graph_answers_the_same() {
    let vectors = clustered(1_000, 12, 8, 2);
    let queries = clustered(20, 12, 8, 77);
    for version in ["hnsw@1", "crinoid@1"] {
        let graph = build(version, &vectors);
        let order = reorder::breadth_first(&graph);
        let moved = reorder::renumber(&graph, &order).unwrap();
        let moved_rows = rows(&vectors, &order);
        assert_eq!(moved.layers().len(), graph.layers().len());
        assert_eq!(order[moved.entry_node().unwrap() as usize], graph.entry_node().unwrap());
        for query in queries.rows() {
            let expected = search(&graph, &vectors, query, 20);
            let found = search(&moved, &moved_rows, query, 20);
            let found: Vec<u32> = found.iter().map(|&id| order[id as usize]).collect();
            assert_eq!(found, expected, "{version}");
        }
        // Back again.
        let mut back = vec![0; order.len()];
        (0..).zip(&order).for_each(|(new, &old)| back[old as usize] = new);
        assert_eq!(reorder::renumber(&moved, &back).unwrap().digest(), graph.digest());
    }
}

#[test]
fn orders_that_are_no_permutation_are_refused() {
    let graph = build("hnsw@1", &clustered(100, 4, 2, 2));
    let mut order: Vec<u32> = (0..100).collect();
    order[3] = 4;
    assert!(matches!(reorder::renumber(&graph, &order), Err(GraphError::Link { row: 4, .. })));
    assert!(matches!(reorder::renumber(&graph, &[5, 6]), Err(GraphError::Size { .. })));
    assert!(reorder::renumber(&graph, &[100]).is_err());
}

#[test]
fn a_repaired_graph_reaches_everything() {
    // Fifty rings of twenty nodes, the entry in the first.
    let codes = Sq8::train(&clustered(1_000, 12, 50, 2), Metric::L2);
    let space = codes.space();
    let next = |node: u32| if node % 20 == 19 { node - 19 } else { node + 1 };
    let lists: Vec<[u32; 1]> = (0..1_000).map(|node| [next(node)]).collect();
    let lost = Graph::from_lists(&lists, 4, 0, vec![]).unwrap();
    assert_eq!(diagnose(&lost).levels[0].unreachable, 980);
    let whole = repair(&lost, &*space).unwrap();
    let report = diagnose(&whole);
    assert!(report.is_reachable());
    assert_eq!(report.levels[0].links, 1_000 + 49, "one link per ring");
    assert_eq!(repair(&whole, &*space).unwrap().digest(), whole.digest());
    let other = Sq8::train(&clustered(10, 12, 1, 2), Metric::L2);
    assert!(repair(&lost, &*other.space()).is_err());
}

#[test]
fn sample_queries_help_queries_from_elsewhere() {
    // Points in one plane, queries far off it: their neighbours are not each other's.
    let base = clustered(4_000, 16, 40, 5);
    let elsewhere = |seed| {
        let shifted: Vec<Vec<f32>> = clustered(400, 16, 1, seed)
            .rows()
            .map(|row| row.iter().enumerate().map(|(d, x)| x + (d % 3) as f32 - 1.0).collect())
            .collect();
        Vectors::from_rows(&shifted).unwrap()
    };
    let (samples, queries) = (elsewhere(1 << 33), elsewhere(1 << 34));
    let graph = build("crinoid@1", &base);
    let codes = Sq8::train(&base, Metric::L2);
    let answers = exact(&base, &samples, 20);
    let linked = link_queries(&graph, &*codes.space(), &answers, 8).unwrap();
    assert_eq!(linked.degree(), graph.degree() + 8);
    let truth = exact(&base, &queries, 10);
    let before = recall(&graph, &base, &queries, &truth, 10, 10);
    let after = recall(&linked, &base, &queries, &truth, 10, 10);
    assert!(after > before, "{before} -> {after}");
    let lost = link_queries(&graph, &*codes.space(), &[vec![4_000]], 8);
    assert!(matches!(lost, Err(GraphError::Link { link: 4_000, .. })));
}
