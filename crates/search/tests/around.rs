//! Filters, cursors, ranges, batches: each against the exact answer.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::{clustered, noise};
use crinoid_graph::{Graph, Params, builder};
use crinoid_quant::{Codes, Metric, Neighbor, Vectors, codec::Sq8};
use crinoid_search::{
    BestFirst, Bitmap, Composed, Engine, Exact, Pipelined, Scratch, SearchParams, filter,
    search_all,
};
use std::sync::Arc;

const DIM: usize = 16;

fn graph(codes: &Sq8) -> Arc<Graph> {
    let params = Params { m: 12, ..Params::default() };
    Arc::new(builder("hnsw@1").unwrap().build(&*codes.space(), &params, &()).unwrap())
}

struct Set {
    engine: Composed,
    exact: Exact,
    queries: Vectors,
}

fn set(n: usize) -> Set {
    let vectors = clustered(n, DIM, 1);
    let codes = Arc::new(Sq8::train(&vectors, Metric::L2));
    let graph = graph(&codes);
    let engine = Composed::new(graph, codes.clone(), BestFirst::POOL).unwrap();
    Set { engine, exact: Exact::new(codes), queries: clustered(60, DIM, 5) }
}

fn ask(engine: &dyn Engine, query: &[f32], k: usize, ef: usize) -> Vec<Neighbor> {
    let mut out = Vec::new();
    engine.search(query, &SearchParams::new(k, ef), &mut Scratch::default(), &mut out);
    out
}

/// The exact order of all rows.
fn ranking(set: &Set, query: &[f32]) -> Vec<Neighbor> {
    ask(&set.exact, query, set.exact.len(), 0)
}

/// Recall of filtered answers, each of which is checked, and how many distances a query took.
fn filtered(set: &Set, admitted: &Bitmap, ef: usize) -> (f64, u64) {
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let (mut hits, mut all, mut distances) = (0, 0, 0);
    for query in set.queries.rows() {
        let params = SearchParams::new(10, ef);
        let work = set.engine.search_filtered(query, &params, admitted, &mut scratch, &mut out);
        distances += work.distances;
        let mut truth = ranking(set, query);
        truth.retain(|n| admitted.contains(n.id));
        truth.truncate(10);
        assert!(out.iter().all(|n| admitted.contains(n.id)) && out.is_sorted());
        assert_eq!(out.len(), truth.len());
        all += truth.len();
        hits += truth.iter().filter(|t| out.iter().any(|n| n.id == t.id)).count();
        set.exact.search_filtered(query, &params, admitted, &mut scratch, &mut out);
        assert_eq!(out, truth, "a scan is exact");
    }
    let recall = if all == 0 { 1.0 } else { hits as f64 / all as f64 };
    (recall, distances / set.queries.len() as u64)
}

#[test]
fn filtered_answers_are_admitted_and_nearly_exact() {
    let set = set(4000);
    for share in [1.0, 0.9, 0.8, 0.7, 0.5, 0.1, 0.01, 0.0002] {
        let admitted = Bitmap::from_fn(4000, |id| noise(3, u64::from(id)) < share);
        let (recall, distances) = filtered(&set, &admitted, 40);
        assert!(recall >= 0.95, "share {share}: {recall}");
        if filter::scan_is_cheaper(admitted.count(), (40.0 / share) as usize) {
            assert_eq!((recall, distances), (1.0, admitted.count() as u64), "share {share}");
        } else {
            assert!(distances < 2500, "share {share}: {distances}");
        }
    }
    assert_eq!(filtered(&set, &Bitmap::new(4000), 40), (1.0, 0));
}

#[test]
fn a_filter_that_refuses_whole_neighbourhoods_is_searched_again_or_scanned() {
    let set = set(4000);
    // The 800 nearest of a query are refused, which its 10 nearest among the rest lie behind.
    let query = set.queries.row(0);
    let order = ranking(&set, query);
    let mut admitted = Bitmap::from_fn(4000, |_| true);
    for near in &order[..800] {
        admitted.remove(near.id);
    }
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let params = SearchParams::new(10, 40);
    set.engine.search_filtered(query, &params, &admitted, &mut scratch, &mut out);
    assert_eq!(out, order[800..810]);
    let (recall, _) = filtered(&set, &admitted, 40);
    assert!(recall >= 0.95, "{recall}");
}

#[test]
fn a_cursor_returns_every_row_once_the_near_ones_first() {
    let set = set(700);
    for query in set.queries.rows().take(10) {
        let (mut cursor, mut out) = (set.engine.begin(query), Vec::new());
        assert_eq!(set.engine.resume(&mut cursor, 0, &mut out), 0);
        set.engine.resume(&mut cursor, 50, &mut out);
        assert_eq!(out, ask(&set.engine, query, 50, 50), "the first batch is a search");
        let work = cursor.counters();
        while set.engine.resume(&mut cursor, 50, &mut out) > 0 {}
        assert!(cursor.counters().hops > work.hops);
        let mut ids: Vec<u32> = out.iter().map(|n| n.id).collect();
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..700));
    }
}

#[test]
fn a_range_holds_what_lies_within() {
    let set = set(1500);
    let (mut hits, mut all) = (0, 0);
    for query in set.queries.rows() {
        let order = ranking(&set, query);
        for within in [0, 1, 30, 300] {
            let radius = order[within].distance;
            let mut out = Vec::new();
            set.engine.search_range(query, radius, 40, &mut out);
            assert!(out.is_sorted() && out.iter().all(|n| n.distance <= radius));
            all += order.iter().filter(|n| n.distance <= radius).count();
            hits += out.len();
        }
        let mut out = Vec::new();
        set.engine.search_range(query, -1.0, 40, &mut out);
        assert!(out.is_empty());
    }
    assert!(hits <= all && hits as f64 > 0.97 * all as f64, "{hits} of {all}");
}

#[test]
fn batches_are_what_single_calls_return_at_any_number_of_threads() {
    let set = set(900);
    let params = SearchParams::new(10, 30);
    let single: Vec<_> = set.queries.rows().map(|query| ask(&set.engine, query, 10, 30)).collect();
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let batch = pool.install(|| search_all(&set.engine, &set.queries, &params));
        assert!(batch.rows().eq(single.iter().map(Vec::as_slice)));
        let nothing =
            pool.install(|| search_all(&set.engine, &set.queries, &SearchParams::new(0, 30)));
        assert_eq!(nothing.len(), set.queries.len());
        assert!(nothing.rows().all(<[_]>::is_empty));
    }
}

#[test]
fn early_ends_save_work_and_lose_little() {
    let vectors = clustered(4000, DIM, 1);
    let codes = Arc::new(Sq8::train(&vectors, Metric::L2));
    let graph = graph(&codes);
    let exact = Exact::new(codes.clone());
    let full = Composed::new(graph.clone(), codes.clone(), BestFirst::POOL).unwrap();
    let crinn = Composed::new(graph.clone(), codes.clone(), BestFirst::CRINN).unwrap();
    let discovery = Composed::new(graph.clone(), codes.clone(), BestFirst::DISCOVERY).unwrap();
    let adaptive = Composed::new(graph.clone(), codes.clone(), BestFirst::ADAPTIVE).unwrap();
    let pipelined = Composed::new(graph, codes, Pipelined::NEAREST).unwrap();
    let queries = clustered(60, DIM, 5);
    let measure = |engine: &dyn Engine, k, ef| {
        let (mut hits, mut hops, mut out) = (0, 0, Vec::new());
        for query in queries.rows() {
            let params = SearchParams::new(k, ef);
            hops += engine.search(query, &params, &mut Scratch::default(), &mut out).hops;
            let truth = ask(&exact, query, k, 0);
            hits += truth.iter().filter(|t| out.iter().any(|n| n.id == t.id)).count();
        }
        (hits as f64 / (60 * k) as f64, hops)
    };
    let early: [(&dyn Engine, usize, usize); 5] = [
        (&crinn, 10, 200),
        (&discovery, 10, 200),
        (&discovery, 1000, 400),
        (&adaptive, 10, 200),
        (&adaptive, 1000, 400),
    ];
    for (engine, k, ef) in early {
        let (recall, hops) = measure(&full, k, ef);
        let (early, fewer) = measure(engine, k, ef);
        let name = engine.version();
        assert!(fewer < hops, "{name} k={k}: {fewer} of {hops} hops");
        assert!(early > recall - 0.06, "{name} k={k}: {early} after {recall}");
        assert!(measure(&pipelined, k, ef).0 > recall - 0.01);
    }
}
