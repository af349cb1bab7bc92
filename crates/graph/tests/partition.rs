//! `partition@1` where it has something to partition, beside the champion.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, recall};
use crinoid_graph::{BuildError, Graph, Params, Progress, builder, diagnose, random::hash};
use crinoid_quant::{
    Codes, Metric, Vectors,
    codec::{Float, Sq8, U8Exact},
};
use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

const PARAMS: Params = Params { m: 8, ef_construction: 64, alpha: 1.2, backfill: false, seed: 42 };

fn build(version: &str, codes: &impl Codes) -> Graph {
    builder(version).unwrap().build(&*codes.space(), &PARAMS, &()).unwrap()
}

fn uniform(n: usize, d: usize, seed: u64) -> Vectors {
    let value = |i: usize| (hash(seed, i as u64) >> 40) as f32 / (1u64 << 24) as f32;
    Vectors::new((0..n * d).map(value).collect::<Vec<f32>>().as_slice(), d).unwrap()
}

/// Digests of builds that carve: pinned, because a published version never changes.
const GOLDEN: [u64; 3] = [0x6c68_b7ed_a875_93a3, 0xfa82_6802_8be1_b97c, 0x053d_458e_6c9f_ebce];

#[test]
fn pinned_bytes_at_any_number_of_threads() {
    let vectors = clustered(6_000, 20, 12, 11);
    let bytes: Vec<f32> = vectors.as_slice().iter().map(|x| ((x + 2.0) * 60.0).floor()).collect();
    let bytes = Vectors::new(bytes.as_slice(), 20).unwrap();
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let digests = pool.install(|| {
            [
                build("partition@1", &Sq8::train(&vectors, Metric::L2)).digest(),
                build("partition@1", &U8Exact::train(&bytes, Metric::InnerProduct)).digest(),
                build("partition@1", &Float::train(&vectors, Metric::L2)).digest(),
            ]
        });
        assert_eq!(digests, GOLDEN, "{threads} threads: {digests:#x?}");
    }
}

#[test]
fn every_simd_level_builds_the_same_bytes() {
    // Where a level is forced from outside, the digests are its check.
    if std::env::var_os("CRINOID_ISA").is_some() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    for level in ["portable", "avx2", "avx512"] {
        let run = std::process::Command::new(&this)
            .args(["--exact", "pinned_bytes_at_any_number_of_threads"])
            .env("CRINOID_ISA", level)
            .output()
            .unwrap();
        assert!(run.status.success(), "{level}: {}", String::from_utf8_lossy(&run.stdout));
    }
}

#[test]
fn recall_is_the_champions() {
    let sets = [
        ("clusters", clustered(5_000, 24, 50, 1), clustered(100, 24, 50, 1 << 32)),
        ("uniform", uniform(5_000, 10, 1), uniform(100, 10, 2)),
        ("wide", clustered(2_500, 400, 20, 1), clustered(60, 400, 20, 1 << 32)),
        ("narrow", uniform(4_000, 1, 1), uniform(50, 1, 2)),
    ];
    for (name, base, queries) in sets {
        let truth = exact(&base, &queries, 10);
        let codes = Sq8::train(&base, Metric::L2);
        let [ours, champions] = ["partition@1", "crinoid@1"]
            .map(|version| recall(&build(version, &codes), &base, &queries, &truth, 10, 40));
        // Twenty clusters of a hundred and twenty-five that are far apart: partitions keep to themselves what a walk
        // finds links between.
        let behind = if name == "wide" { 0.05 } else { 0.01 };
        assert!(ours >= champions - behind, "{name}: {ours} beside {champions}");
    }
}

#[test]
fn an_outlier_and_copies_do_no_harm() {
    // Four thousand copies of four vectors among as many others, and one point far from everything.
    let mut rows: Vec<Vec<f32>> = uniform(4_000, 4, 3).rows().map(<[f32]>::to_vec).collect();
    rows.extend((0..4_000).map(|i| vec![(i % 4) as f32 / 4.0; 4]));
    rows.push(vec![1e6; 4]);
    let vectors = Vectors::from_rows(&rows).unwrap();
    for graph in [
        build("partition@1", &Sq8::train(&vectors, Metric::L2)),
        build("partition@1", &Float::train(&vectors, Metric::L2)),
        build("partition@1", &Sq8::train(&vectors, Metric::InnerProduct)),
    ] {
        let report = diagnose(&graph);
        assert!(report.is_reachable(), "{report}");
    }
}

#[test]
fn few_points_are_all_linked() {
    for n in 0..=50 {
        for d in [1, 3, 1024] {
            let vectors = if n == 0 { Vectors::empty(d) } else { uniform(n, d, 9) };
            for metric in [Metric::L2, Metric::InnerProduct] {
                let graph = build("partition@1", &Sq8::train(&vectors, metric));
                assert_eq!((graph.len(), graph.entry_node().is_some()), (n, n > 0));
                assert!(n == 0 || diagnose(&graph).is_reachable(), "{n} x {d}");
            }
        }
    }
}

#[test]
fn a_build_that_carves_can_be_stopped_at_every_report() {
    struct Stop(AtomicUsize, usize);
    impl Progress for Stop {
        fn report(&self, done: usize, total: usize) -> ControlFlow<()> {
            assert!(done <= total);
            match self.0.fetch_add(1, Ordering::Relaxed) == self.1 {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    let codes = Sq8::train(&uniform(3_000, 6, 4), Metric::L2);
    let builder = builder("partition@1").unwrap();
    let listen = |at| {
        let stop = Stop(AtomicUsize::new(0), at);
        let result = builder.build(&*codes.space(), &PARAMS, &stop);
        (result, stop.0.into_inner())
    };
    let (whole, reports) = listen(usize::MAX);
    assert!(whole.is_ok());
    (0..reports).step_by(3).for_each(|at| assert_eq!(listen(at).0, Err(BuildError::Cancelled)));
}

/// The most memory that this process has had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    1024 * line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
}

/// A process of its own, since others' memory counts.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_as_bounded_as_it_says() {
    const POINTS: usize = 20_000;
    if std::env::var_os("CRINOID_TEST_MEMORY").is_none() {
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory_is_as_bounded_as_it_says"])
            .env("CRINOID_TEST_MEMORY", "1")
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        return;
    }
    let codes = Sq8::train(&uniform(POINTS, 8, 5), Metric::L2);
    let params = Params { m: 16, ef_construction: 200, ..PARAMS };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let before = peak();
    let build = || builder("partition@1").unwrap().build(&*codes.space(), &params, &()).unwrap();
    let graph = pool.install(build);
    // While links are reversed, the larger stage, and what one thread works with.
    let stated = POINTS * (36 * params.m + 64) + (16 << 20);
    let taken = peak() - before;
    assert_eq!(graph.len(), POINTS);
    assert!(taken <= stated, "{taken} bytes where {stated} are stated");
}
