//! Every published version, through one table: it builds, finds, round-trips through a file, and
//! makes the same bytes at 1, 2 and 3 threads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, on_threads, options, recall, suitable};
use crinoid_pipeline::{Index, Recipe, SearchOptions};
use crinoid_quant::{Metric, Version};
use std::fs;

/// The recall@10 that a version must reach in the default recipe, on 600 clustered vectors with
/// ef 120.
fn floor(module: &str, version: &str) -> f64 {
    match (module, version) {
        // 48 sign bits and a graph on them.
        ("quant", "sign@1") => 0.70,
        ("quant", "record-asym@1") => 0.50,
        ("quant", "rabitq1@1") => 0.80,
        ("quant", "int4@1" | "rabitq2@1") => 0.95,
        ("graph", "hnsw-closest@1") => 0.90,
        // The record's fixes without its Algorithm 4: closest lists leave clusters as islands.
        ("graph", graph) if graph.starts_with("hnsw-closest-") => 0.40,
        ("refine", "none@1") => 0.90,
        _ => 0.97,
    }
}

fn all() -> impl Iterator<Item = (&'static str, &'static Version)> {
    let of = |module, versions: &'static [Version]| versions.iter().map(move |v| (module, v));
    of("quant", crinoid_quant::versions::VERSIONS)
        .chain(of("graph", crinoid_graph::versions::VERSIONS))
        .chain(of("search", crinoid_search::versions::VERSIONS))
        .chain(of("refine", crinoid_refine::versions::VERSIONS))
}

#[test]
fn every_version_builds_finds_and_round_trips() {
    let folder = tempfile::tempdir().unwrap();
    for (module, version) in all() {
        let version = version.to_string();
        let recipe = Recipe::default().with(module, &version).unwrap();
        for metric in Metric::ALL {
            let sets = [(600, 1), (30, 2)]
                .map(|(n, seed)| suitable(&recipe, metric, clustered(n, 48, seed)));
            let [Some(base), Some(queries)] = sets else { continue };
            let options = options(&recipe.to_string(), metric);
            let builds = [1, 2, 3].map(|threads| {
                let index = on_threads(threads, || Index::build(&base, &options, &())).unwrap();
                let path = folder.path().join(format!("{threads}"));
                index.save(&path).unwrap();
                (index, path)
            });
            let bytes = builds.each_ref().map(|(_, path)| fs::read(path).unwrap());
            assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2], "{recipe} {metric}: bytes");

            let (index, path) = &builds[0];
            let loaded = Index::load(path).unwrap();
            assert_eq!(loaded.digest(), index.digest());
            assert_eq!(loaded.options(), index.options());
            assert_eq!(loaded.fingerprint(), index.fingerprint());
            let again = folder.path().join("again");
            loaded.save(&again).unwrap();
            assert!(fs::read(again).unwrap() == bytes[0], "{recipe} {metric}: second save");

            let (mut before, mut after) = (index.session(), loaded.session());
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for query in queries.rows() {
                let search = SearchOptions::new(10, 50);
                let first = before.search(query, &search, &mut a).unwrap();
                let second = after.search(query, &search, &mut b).unwrap();
                assert_eq!(a, b, "{recipe} {metric}: answers");
                assert_eq!(first.counters, second.counters);
            }
            let found = recall(&loaded, &base, &queries, 10, 120);
            let floor = floor(module, &version);
            // Sign bits know nothing of lengths.
            let floor = if metric == Metric::InnerProduct { floor - 0.15 } else { floor };
            assert!(found >= floor, "{recipe} {metric}: recall {found}, floor {floor}");
        }
    }
}
