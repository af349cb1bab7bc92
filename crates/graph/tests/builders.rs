//! Every published builder through one table.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, recall, search};
use crinoid_graph::{
    BuildError, Builder, Graph, Params, Progress, VERSIONS, builder, diagnose, random::hash,
};
use crinoid_quant::{
    Codes, Metric, Vectors,
    codec::{Float, Sq8},
};
use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

fn builders() -> impl Iterator<Item = Box<dyn Builder>> {
    VERSIONS.iter().map(|version| builder(&version.to_string()).unwrap())
}

fn params(m: usize, ef_construction: usize) -> Params {
    Params { m, ef_construction, ..Params::default() }
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

fn build(builder: &dyn Builder, vectors: &Vectors, params: &Params) -> Graph {
    let codes = Sq8::train(vectors, Metric::L2);
    builder.build(&*codes.space(), params, &()).unwrap()
}

#[test]
fn names_and_table_agree() {
    for (version, builder) in VERSIONS.iter().zip(builders()) {
        assert_eq!(version.to_string(), builder.version());
    }
    assert!(builder(crinoid_graph::CHAMPION).is_ok());
    assert!(builder(crinoid_graph::PREDECESSOR).is_ok());
    assert!(builder("hnsw@99").err().unwrap().to_string().contains("hnsw@1"));
}

#[test]
fn the_same_bytes_at_any_thread_count() {
    let vectors = clustered(1_500, 24, 30, 5);
    for builder in builders() {
        for backfill in [false, true] {
            let params = Params { backfill, ..params(8, 60) };
            let digests: Vec<u64> = [1, 2, 3]
                .map(|threads| on_threads(threads, || build(&*builder, &vectors, &params).digest()))
                .to_vec();
            assert!(digests.windows(2).all(|w| w[0] == w[1]), "{}", builder.version());
        }
    }
}

#[test]
fn neighbours_are_found() {
    // Clusters one after the other: a batch of the sequential order is a single cluster.
    let vectors = clustered(4_000, 32, 40, 1);
    let queries = clustered(200, 32, 40, 1 << 32);
    let truth = exact(&vectors, &queries, 10);
    for builder in builders() {
        let graph = build(&*builder, &vectors, &params(16, 100));
        let found = recall(&graph, &vectors, &queries, &truth, 10, 100);
        let floor = if builder.version().starts_with("hnsw-closest") { 0.5 } else { 0.97 };
        assert!(found >= floor, "{}: recall {found}", builder.version());
    }
}

#[test]
fn lists_are_sorted_simple_and_short_enough() {
    let vectors = clustered(2_000, 16, 10, 3);
    let codes = Float::train(&vectors, Metric::L2);
    for builder in builders() {
        let graph = builder.build(&*codes.space(), &params(5, 40), &()).unwrap();
        for node in 0..graph.len() as u32 {
            let list = graph.neighbors(node);
            let mut distinct = list.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            assert!(list.len() <= 10 && distinct.len() == list.len() && !list.contains(&node));
            let mut keys = vec![0; list.len()];
            codes.space().keys(node, list, &mut keys);
            assert!(keys.is_sorted(), "{} node {node}", builder.version());
        }
    }
}

#[test]
fn degenerate_sets_have_graphs() {
    for builder in builders() {
        for (n, distinct) in [(0, 1), (1, 1), (2, 2), (2, 1), (7, 7), (300, 1), (300, 2)] {
            let rows: Vec<Vec<f32>> = (0..n).map(|i| vec![(i % distinct) as f32, 1.0]).collect();
            let vectors =
                if n == 0 { Vectors::empty(2) } else { Vectors::from_rows(&rows).unwrap() };
            let graph = build(&*builder, &vectors, &params(16, 50));
            assert_eq!(graph.len(), n);
            assert_eq!(graph.entry_node().is_some(), n > 0, "{}", builder.version());
            assert_eq!(diagnose(&graph).nodes, n);
        }
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    let codes = Float::train(&clustered(10, 4, 1, 1), Metric::L2);
    let cases = [
        (Params { m: 1, ..Params::default() }, "m"),
        (Params { m: 513, ef_construction: 600, ..Params::default() }, "m"),
        (Params { ef_construction: 3, ..Params::default() }, "ef_construction"),
        (Params { alpha: 0.5, ..Params::default() }, "alpha"),
        (Params { alpha: f32::NAN, ..Params::default() }, "alpha"),
    ];
    for builder in builders() {
        for (params, wanted) in &cases {
            match builder.build(&*codes.space(), params, &()) {
                Err(BuildError::Parameter { name, .. }) => assert_eq!(name, *wanted),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Stops a build at its `stop`-th report.
struct Stopper {
    reports: AtomicUsize,
    stop: usize,
}

impl Progress for Stopper {
    fn report(&self, done: usize, total: usize) -> ControlFlow<()> {
        assert!(done <= total);
        if self.reports.fetch_add(1, Ordering::Relaxed) == self.stop {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn a_build_can_be_stopped_at_every_report() {
    let codes = Sq8::train(&clustered(1_000, 8, 5, 2), Metric::L2);
    for builder in builders() {
        let listen = |stop| {
            let stopper = Stopper { reports: AtomicUsize::new(0), stop };
            let result = builder.build(&*codes.space(), &params(4, 20), &stopper);
            (result, stopper.reports.into_inner())
        };
        let (whole, reports) = listen(usize::MAX);
        assert!(whole.is_ok() && reports >= 10);
        for stop in [0, reports / 2, reports - 1] {
            assert_eq!(listen(stop).0, Err(BuildError::Cancelled));
        }
    }
}

/// Points that make naive graphs fall apart.
fn adversarial() -> Vec<(&'static str, Vectors)> {
    let n = 1_200;
    let spread = |seed, i: usize| (hash(seed, i as u64) >> 40) as f32 / 16_777_216.0;
    let set = |point: &dyn Fn(usize) -> Vec<f32>| {
        Vectors::from_rows(&(0..n).map(point).collect::<Vec<_>>()).unwrap()
    };
    vec![
        ("isolated clusters", set(&|i| vec![(i % 40) as f32 * 1e3, spread(1, i), spread(2, i)])),
        // Copy counts n / 2, n / 4, ...: half of all points are the same.
        ("power-law copies", set(&|i| vec![(n as f32 / (i + 1) as f32).log2().floor(), 1.0])),
        ("all the same", set(&|_| vec![3.0, 4.0])),
        (
            "half the same",
            set(&|i| if i % 2 == 0 { vec![0.5, 0.5] } else { vec![spread(3, i), spread(4, i)] }),
        ),
        ("two far blobs", set(&|i| vec![(i % 2) as f32 * 1e4 + spread(5, i), spread(6, i)])),
        ("on a line", set(&|i| vec![i as f32, 2.0 * i as f32])),
        ("on a line, doubling", set(&|i| vec![1.02f32.powi(i as i32), 0.0])),
    ]
}

#[test]
fn nothing_is_out_of_reach() {
    for builder in builders().filter(|b| !b.version().starts_with("hnsw")) {
        for (name, vectors) in adversarial() {
            for codes in [true, false] {
                let params = params(8, 40);
                let graph = if codes {
                    build(&*builder, &vectors, &params)
                } else {
                    let codes = Float::train(&vectors, Metric::L2);
                    builder.build(&*codes.space(), &params, &()).unwrap()
                };
                let report = diagnose(&graph);
                assert!(report.is_reachable(), "{} on {name}:\n{report}", builder.version());
            }
        }
    }
}

#[test]
fn every_copy_is_found() {
    let same = Vectors::from_rows(&vec![[1.0f32, 2.0]; 1_000]).unwrap();
    for builder in builders().filter(|b| !b.version().starts_with("hnsw")) {
        let graph = build(&*builder, &same, &params(8, 40));
        let found = search(&graph, &same, &[1.0, 2.0], 1_000);
        assert_eq!(found.len(), 1_000, "{}", builder.version());
    }
}

/// Digests of small builds on integer distances: pinned, because published versions never change.
const GOLDEN: [(&str, u64); 13] = [
    ("hnsw-closest@1", 0xdfc9_d998_666d_4438),
    ("hnsw-closest-wide@1", 0x1ece_dd3e_70b7_c4a3),
    ("hnsw-closest-shuffled@1", 0x7cbd_9f74_8ce2_2fd4),
    ("hnsw-narrow@1", 0x27de_2052_ef1d_d0fa),
    ("hnsw-ordered@1", 0x4eea_8cdb_fc3d_4e33),
    ("hnsw@1", 0xc70c_05bd_05e1_1a84),
    ("vamana@1", 0x4682_1242_15c2_04ce),
    ("crinoid@1", 0x451c_80cd_4a4a_b3f5),
    ("nn-descent@1", 0xefca_e083_a1fa_bb84),
    ("rnn-descent@1", 0xbfe1_505d_60d3_e291),
    ("hnsw-crinn@1", 0xec74_2065_03bd_c16f),
    ("crinoid@2", 0x623a_cfc3_45a1_ce8e),
    ("partition@1", 0x3497_0c8c_4f29_5892),
];

#[test]
fn published_bytes_stay() {
    let vectors = clustered(1_500, 20, 12, 11);
    let found: Vec<(String, u64)> = builders()
        .map(|builder| {
            let graph = build(&*builder, &vectors, &params(6, 50));
            (builder.version().to_owned(), graph.digest())
        })
        .collect();
    let expected: Vec<(String, u64)> =
        GOLDEN.iter().map(|&(name, digest)| (name.to_owned(), digest)).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_simd_level_builds_the_same_bytes() {
    let this = std::env::current_exe().unwrap();
    for level in ["portable", "avx2", "avx512"] {
        let run = std::process::Command::new(&this)
            .args(["--exact", "published_bytes_stay"])
            .env("CRINOID_ISA", level)
            .output()
            .unwrap();
        assert!(run.status.success(), "{level}: {}", String::from_utf8_lossy(&run.stdout));
    }
}
