//! Every number that a caller can give this crate, at its extremes: a right answer or a typed error. Those
//! functions that say "Panics" of an index, as slices do, are not asked.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::clustered;
use crinoid_graph::{
    BuildError, Copies, Graph, Layer, NONE, Params, VERSIONS, adjacency::MAX_DEGREE, builder,
    diagnose, forget, levels, queries::link_queries,
};
use crinoid_quant::{Buffer, Codes, Metric, Neighbor, codec::Float, codes::Arrays};

const N: usize = 30;

/// 0, 1, one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

#[test]
fn parameters_of_builds() {
    let vectors = clustered(N, 4, 3, 1);
    let codes = Float::train(&vectors, Metric::L2);
    for version in VERSIONS {
        let builder = builder(&version.to_string()).unwrap();
        for number in extremes(512) {
            let usual = Params { m: 4, ef_construction: 20, ..Params::default() };
            for params in [
                Params { m: number, ..usual },
                Params { ef_construction: number, ..usual },
                Params { m: number, ef_construction: number, ..usual },
                Params { alpha: number as f32, ..usual },
                Params { alpha: f32::NAN, ..usual },
                Params { alpha: f32::NEG_INFINITY, ..usual },
                Params { seed: number as u64, ..usual },
            ] {
                match builder.build(&*codes.space(), &params, &()) {
                    Ok(graph) => assert_eq!(graph.len(), N, "{params:?}"),
                    Err(error) => {
                        assert!(params.validate().is_err(), "{params:?}: {error}");
                        assert!(
                            matches!(error, BuildError::Parameter { .. }),
                            "{params:?}: {error}"
                        );
                    }
                }
            }
        }
    }
}

/// Numbers of a graph that a file says, beside lists that do not follow them.
#[test]
fn shapes_of_graphs() {
    let lists: Vec<Vec<u32>> = (0..N as u32).map(|node| vec![(node + 1) % N as u32]).collect();
    for number in extremes(MAX_DEGREE).into_iter().chain(extremes(N)) {
        let id = number as u32;
        // A row of 65,536 slots for each of 30 nodes is 8 MB.
        let graph = Graph::from_lists(&lists, number, 0, Vec::new());
        assert_eq!(graph.is_ok(), (1..=MAX_DEGREE).contains(&number), "degree {number}");
        let graph = Graph::from_lists(&lists, 4, id, Vec::new());
        assert_eq!(graph.is_ok(), number < N, "entry {id}");
        let links = Buffer::<u32>::from_slice(&[NONE; 16 * N]);
        for degree in [1, 16, number] {
            let graph = Graph::new(links.clone(), number, degree, 0, Vec::new());
            let fits = number == N && (1..=16).contains(&degree);
            assert_eq!(graph.is_ok(), fits, "{number} nodes of degree {degree}");
        }
        let layer = Layer {
            nodes: Buffer::from_slice(&[0, 3]),
            links: Buffer::from_slice(&[1, 0]),
            below: Buffer::from_slice(&[0, 3]),
            degree: number,
        };
        let graph = Graph::from_lists(&lists, 4, 0, vec![layer]);
        assert_eq!(graph.is_ok(), number == 1, "a layer of degree {number}");
    }
}

#[test]
fn links_of_queries_and_nodes_of_live_graphs() {
    let vectors = clustered(N, 4, 3, 1);
    let codes = Float::train(&vectors, Metric::L2);
    let params = Params { m: 4, ef_construction: 20, ..Params::default() };
    let graph = builder("hnsw@1").unwrap().build(&*codes.space(), &params, &()).unwrap();
    for number in extremes(N).into_iter().chain([MAX_DEGREE - graph.degree()]) {
        let linked = link_queries(&graph, &*codes.space(), &[vec![0, 7, 9]], number);
        assert_eq!(linked.is_ok(), number <= MAX_DEGREE - graph.degree(), "{number} links more");
        let id = number as u32;
        let linked = link_queries(&graph, &*codes.space(), &[vec![id, 7]], 2);
        assert_eq!(linked.is_ok(), number < N, "an answer of {id}");
        assert_eq!(forget(&graph, &*codes.space(), &[id]).is_ok(), number < N, "{id}");
        for m in [0, 1, 2, number] {
            assert!(levels::exponential(number as u64, id, m) <= levels::MAX_LEVEL);
        }
    }
    assert!(diagnose(&graph).is_reachable());
}

#[test]
fn copies_of_rows() {
    for number in extremes(N) {
        let mut nothing = |_: &str| Some(Buffer::<u8>::zeroed(4));
        assert!(Copies::from_parts(&mut Arrays::new(&mut nothing), number, number).is_err());
        let mut nothing = |_: &str| Some(Buffer::<u8>::zeroed(4));
        let parts = Copies::from_parts(&mut Arrays::new(&mut nothing), 0, number);
        assert!(parts.is_err() || number == 0, "{number} rows");
    }
    // Two nodes: rows 0 and 2, row 1.
    let words = |words: &[u32]| {
        Some(Buffer::<u8>::from_slice(
            &words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>(),
        ))
    };
    let mut arrays = |name: &str| match name {
        "starts" => words(&[0, 2, 3]),
        _ => words(&[0, 2, 1]),
    };
    let copies = Copies::from_parts(&mut Arrays::new(&mut arrays), 2, 3).unwrap();
    for k in extremes(3) {
        let mut answers = vec![Neighbor::new(1, 0.5), Neighbor::new(0, 1.0)];
        copies.expand(k, &mut answers, &mut Vec::new());
        let ids: Vec<u32> = answers.iter().map(|near| near.id).collect();
        assert_eq!(ids, [1, 0, 2][..k.min(3)]);
    }
}
