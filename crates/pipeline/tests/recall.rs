//! A wanted recall instead of an `ef`: kept on queries that the index has never seen.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, on_threads};
use crinoid_pipeline::{BuildOptions, Index, ProbeKind, SearchError, SearchOptions};
use crinoid_quant::{Metric, Vectors, random::Random};

fn build(rows: &Vectors, metric: Metric) -> Index {
    Index::build(rows, &BuildOptions::default().metric(metric), &()).unwrap()
}

/// Recall@`k` over `queries` when `wanted` is asked for.
fn reached(index: &Index, rows: &Vectors, queries: &Vectors, k: usize, wanted: f32) -> f64 {
    let options = SearchOptions::for_k(k).recall(wanted);
    let mut hits = 0;
    for query in queries.rows() {
        let truth = exact(rows, query, index.metric(), k);
        let limit = truth[k - 1].distance;
        let limit = limit + limit.abs() * 1e-5;
        let found = index.search_with(query, &options).unwrap();
        hits += found.iter().filter(|near| near.distance <= limit).count().min(k);
    }
    hits as f64 / (k * queries.len()) as f64
}

/// `n` points of `dim` dimensions that fill space, so that a search has to work for its recall.
fn normal(seed: u64, n: usize, dim: usize) -> Vectors {
    let mut draw = Random::new(seed);
    let values: Vec<f32> = (0..n * dim).map(|_| draw.normal()).collect();
    Vectors::new(values.as_slice(), dim).unwrap()
}

#[test]
fn a_wanted_recall_is_reached_and_not_by_far_overshot() {
    let (rows, queries) = (normal(1, 8_000, 24), normal(2, 200, 24));
    for metric in [Metric::L2, Metric::Cosine, Metric::InnerProduct] {
        let index = build(&rows, metric);
        let efforts = &index.report().efforts;
        assert_eq!((efforts.queries_from, efforts.queries), (Some(ProbeKind::Rows), 128));
        for (k, wanted) in [(10, 0.9f32), (10, 0.95), (10, 0.99), (100, 0.99)] {
            let reached = reached(&index, &rows, &queries, k, wanted);
            let off = 100.0 * (reached - f64::from(wanted));
            // Two samples of a few hundred queries differ by a point; a beam of `k` may overshoot.
            let least = efforts.curves.iter().find(|curve| curve.k == k).unwrap().points[0].1;
            // Links between rows that answer alike are lost with what is forgotten.
            let slack = if metric == Metric::InnerProduct { 6.0 } else { 2.5 };
            let over = (least - f64::from(wanted)).max(0.0) * 100.0 + slack;
            assert!((-2.5..=over).contains(&off), "{metric} k {k} {wanted}: {reached}");
        }
    }
}

#[test]
fn more_recall_costs_a_wider_search_and_the_limit_is_said() {
    let rows = normal(1, 8_000, 24);
    let index = build(&rows, Metric::L2);
    let mut session = index.session();
    let mut answers = Vec::new();
    let mut distances = |options: SearchOptions| {
        session.search(rows.row(7), &options, &mut answers).map(|report| report.counters.distances)
    };
    let few = distances(SearchOptions::for_k(10).recall(0.8)).unwrap();
    let many = distances(SearchOptions::for_k(10).recall(0.999)).unwrap();
    assert!(few < many, "{few} {many}");
    // Named without an `ef`, and what is no recall.
    for wanted in [0.0, -1.0, 1.01, f32::NAN] {
        let error = distances(SearchOptions::for_k(10).recall(wanted)).unwrap_err();
        assert!(matches!(error, SearchError::Recall { .. }), "{error}");
    }
    let curve = &index.report().efforts.curves[0];
    match distances(SearchOptions::for_k(curve.k).recall(1.0)) {
        Ok(_) => assert_eq!(curve.points.last().unwrap().1, 1.0),
        Err(error) => {
            assert!(matches!(error, SearchError::BeyondReach { k: 1, .. }), "{error}");
            assert!(error.to_string().contains("search exactly"), "{error}");
        }
    }
}

#[test]
fn queries_from_elsewhere_are_served_by_a_sample_of_them() {
    let rows = clustered(6_000, 16, 3);
    // All queries lie far out in one corner.
    let far = |seed: u64, n: usize| {
        let mut values = normal(seed, n, 16).as_slice().to_vec();
        values.iter_mut().for_each(|x| *x = 2.0 + 0.7 * *x);
        Vectors::new(values.as_slice(), 16).unwrap()
    };
    let (sample, queries) = (far(5, 600), far(6, 150));
    let index = Index::build_for(&rows, &sample, &BuildOptions::default(), &()).unwrap();
    let efforts = &index.report().efforts;
    assert_eq!((efforts.queries_from, efforts.queries), (Some(ProbeKind::Asked), 150));
    let reached = reached(&index, &rows, &queries, 10, 0.95);
    assert!(reached >= 0.925, "{reached}");
}

#[test]
fn the_curves_are_the_same_at_any_thread_count_and_live_in_the_file() {
    let rows = normal(4, 3_000, 12);
    let one = on_threads(1, || build(&rows, Metric::L2));
    let three = on_threads(3, || build(&rows, Metric::L2));
    assert_eq!(one.report().efforts, three.report().efforts);
    assert_eq!(one.digest(), three.digest());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index.crinoid");
    one.save(&file).unwrap();
    let loaded = Index::load(&file).unwrap();
    assert_eq!(one.report().efforts, loaded.report().efforts);
    let options = SearchOptions::for_k(5).recall(0.97);
    let answers = |index: &Index| index.search_with(rows.row(3), &options).unwrap();
    assert_eq!(answers(&one), answers(&loaded));
    assert!(!one.report().efforts.curves.is_empty());
    assert!(one.report().to_string().contains("recall@10 of "));
}

#[test]
fn few_rows_are_all_walked_and_an_unchecked_index_knows_nothing() {
    let rows = normal(4, 100, 8);
    let index = build(&rows, Metric::L2);
    assert!(index.report().efforts.curves.is_empty());
    assert_eq!(reached(&index, &rows, &normal(5, 50, 8), 10, 0.99), 1.0);
    let options = BuildOptions::default()
        .recipe("float@1/crinoid@1/pipelined@4/none@1".parse().unwrap())
        .unchecked(true);
    let index = Index::build(&rows, &options, &()).unwrap();
    let error = index.search_with(rows.row(0), &SearchOptions::for_k(1).recall(0.9)).unwrap_err();
    assert_eq!(error, SearchError::NoEfforts);
}

#[test]
fn batches_pages_and_collections_take_a_wanted_recall_too() {
    let rows = normal(4, 3_000, 12);
    let index = build(&rows, Metric::L2);
    let options = SearchOptions::for_k(10).recall(0.95);
    let batch = index.search_batch_with(&rows, &options, None).unwrap();
    let single = index.search_with(rows.row(2_999), &options).unwrap();
    assert_eq!(batch.row(2_999), &single[..]);
}
