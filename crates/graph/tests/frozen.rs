//! The frozen graph goes out as bytes and comes back, or is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::clustered;
use crinoid_graph::{
    Graph, GraphError, NONE, Params,
    adjacency::{MAX_DEGREE, MAX_LAYERS},
    builder, reorder,
};
use crinoid_quant::{Buffer, Codes, Metric, codec::Sq8, codes::Arrays};

fn graph() -> Graph {
    let codes = Sq8::train(&clustered(400, 8, 4, 1), Metric::L2);
    let params = Params { m: 4, ef_construction: 30, ..Params::default() };
    builder("hnsw@1").unwrap().build(&*codes.space(), &params, &()).unwrap()
}

/// Rebuilds `graph` from parts whose array `name` was changed.
fn rebuild(graph: &Graph, name: &str, change: impl Fn(&mut Vec<u8>)) -> Result<Graph, GraphError> {
    let (meta, arrays) = graph.parts();
    let mut lookup = |wanted: &str| {
        let (_, bytes) = arrays.iter().find(|(name, _)| name == wanted)?;
        let mut bytes = bytes.to_vec();
        if wanted == name {
            change(&mut bytes);
        }
        Some(Buffer::from_slice(&bytes))
    };
    Graph::from_parts(&meta, &mut Arrays::new(&mut lookup))
}

#[test]
fn parts_make_the_same_graph() {
    let graph = graph();
    assert!(graph.layers().len() >= 2);
    let again = rebuild(&graph, "", |_| ()).unwrap();
    assert_eq!((again.digest(), &again), (graph.digest(), &graph));
}

#[test]
fn damaged_arrays_are_refused() {
    let graph = graph();
    for name in ["links", "layer0.nodes", "layer0.links", "layer0.below", "layer1.below"] {
        let cut = rebuild(&graph, name, |bytes| bytes.truncate(bytes.len() - 4));
        assert!(matches!(cut, Err(GraphError::Parts(_))), "{name}: {cut:?}");
        let wild = rebuild(&graph, name, |bytes| bytes[..4].copy_from_slice(&[0xfe; 4]));
        assert!(wild.is_err(), "{name}");
    }
}

#[test]
fn a_link_twice_in_a_row_is_refused_by_node() {
    let graph = graph();
    let stride = graph.base().stride();
    for node in [0, 17, 399] {
        let twice = rebuild(&graph, "links", |bytes| {
            let row = node * stride * 4;
            bytes.copy_within(row..row + 4, row + 4);
        });
        let link = graph.neighbors(node as u32)[0];
        assert_eq!(twice, Err(GraphError::Twice { layer: 0, row: node, link }));
    }
    let layer = rebuild(&graph, "layer0.links", |bytes| bytes.copy_within(0..4, 4));
    assert!(matches!(layer, Err(GraphError::Twice { layer: 1, row: 0, .. })), "{layer:?}");
    // Long rows are compared in another way.
    for len in [2, 63, 64, 65, 300] {
        let mut list: Vec<u32> = (1..=len as u32).collect();
        let lists = |list: &[u32]| {
            let mut lists = vec![list.to_vec()];
            lists.resize(len + 1, vec![0]);
            Graph::from_lists(&lists, len, 0, Vec::new()).map(|_| ())
        };
        assert_eq!(lists(&list), Ok(()));
        list[len - 1] = list[0];
        assert_eq!(lists(&list), Err(GraphError::Twice { layer: 0, row: 0, link: 1 }));
    }
}

#[test]
fn sizes_that_nothing_backs_are_refused() {
    let none: [Vec<u32>; 0] = [];
    for degree in [MAX_DEGREE + 1, usize::MAX / 2, usize::MAX - 15, usize::MAX] {
        let refused = Graph::from_lists(&none, degree, NONE, Vec::new());
        assert!(matches!(refused, Err(GraphError::TooLarge { .. })), "{degree}: {refused:?}");
    }
    for degree in [0, 1, 15, 16, 17, MAX_DEGREE] {
        let empty = Graph::from_lists(&none, degree, NONE, Vec::new()).unwrap();
        assert_eq!((empty.len(), empty.degree()), (0, degree));
    }
    let lone = Graph::from_lists(&[[0u32; 0]], 0, 0, Vec::new()).unwrap();
    assert!(lone.neighbors(0).is_empty());
    assert_eq!(reorder::renumber(&lone, &[0]).unwrap(), lone);
    // The same from a file: every number of the metadata at its extremes.
    let graph = graph();
    let (meta, arrays) = graph.parts();
    let meta = serde_json::to_value(&meta).unwrap();
    let extremes = [0, 1, 399, 401, 1 << 31, u64::from(u32::MAX), 1 << 34, 1 << 60, u64::MAX];
    for field in ["len", "degree", "entry"] {
        for value in extremes {
            let mut meta = meta.clone();
            meta[field] = value.into();
            let Ok(meta) = serde_json::from_value(meta) else { continue };
            let mut lookup = |wanted: &str| {
                let (_, bytes) = arrays.iter().find(|(name, _)| name == wanted)?;
                Some(Buffer::from_slice(bytes))
            };
            let loaded = Graph::from_parts(&meta, &mut Arrays::new(&mut lookup));
            let fits = loaded.is_ok_and(|loaded| loaded.degree() <= 16 && loaded.len() == 400);
            assert!(!fits || field != "len", "{field} = {value}");
        }
    }
    let mut meta = meta;
    meta["layers"] = vec![[0u64, 0]; MAX_LAYERS + 1].into();
    let meta = serde_json::from_value(meta).unwrap();
    let mut lookup = |_: &str| arrays.first().map(|(_, bytes)| Buffer::from_slice(bytes));
    let many = Graph::from_parts(&meta, &mut Arrays::new(&mut lookup));
    assert!(matches!(many, Err(GraphError::TooLarge { what: "layers", .. })), "{many:?}");
}

#[test]
fn no_single_damaged_byte_makes_a_graph_that_leads_out() {
    let graph = graph();
    let (_, arrays) = graph.parts();
    for (name, bytes) in &arrays {
        for at in (0..bytes.len()).step_by(37) {
            if let Ok(damaged) = rebuild(&graph, name, |bytes| bytes[at] ^= 0x80) {
                let ids = damaged.base().links().iter();
                assert!(ids.copied().all(|id| id == crinoid_graph::NONE || id < 400));
            }
        }
    }
}
