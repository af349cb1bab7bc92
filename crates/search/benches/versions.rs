//! The loop of each published search, on a set that fits the second-level cache and at a beam
//! where the pool matters.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "criterion makes public items; a bench may panic"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{clustered, knn_graph};
use crinoid_quant::{Codes, Metric, codec::Sq8};
use crinoid_search::{Engine, Scratch, SearchParams, versions};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{hint::black_box, sync::Arc};

fn loops(criterion: &mut Criterion) {
    let dim = 128;
    let vectors = clustered(4_000, dim, 1);
    let graph = Arc::new(knn_graph(&vectors, 31, true));
    let codes = Arc::new(Sq8::train(&vectors, Metric::L2));
    let queries = clustered(64, dim, 3);
    let engines: Vec<Box<dyn Engine>> = versions::PUBLISHED
        .iter()
        .map(|version| {
            let engine = version.compose(graph.clone(), codes.clone()).unwrap();
            Box::new(engine) as _
        })
        .collect();
    for ef in [20, 100] {
        let mut group = criterion.benchmark_group(format!("ef{ef}"));
        group.throughput(Throughput::Elements(queries.len() as u64));
        for engine in &engines {
            group.bench_function(engine.version(), |bencher| {
                let (mut scratch, mut out) = (Scratch::default(), Vec::new());
                let params = SearchParams::new(10, ef);
                bencher.iter(|| {
                    for query in queries.rows() {
                        engine.search(black_box(query), &params, &mut scratch, &mut out);
                    }
                });
            });
        }
    }
}

criterion_group!(benches, loops);
criterion_main!(benches);
