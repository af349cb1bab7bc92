//! The frozen graph goes out as bytes and comes back, or is refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::clustered;
use crinoid_graph::{Graph, GraphError, Params, builder};
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
