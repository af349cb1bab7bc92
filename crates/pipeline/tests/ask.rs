//! Exact scans, ranges, paging, batches and stored vectors: each against brute force over the vectors.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, options};
use crinoid_pipeline::{Index, SearchOptions, Session};
use crinoid_quant::{Metric, Neighbor, Vectors};
use std::sync::Arc;

const N: usize = 1_200;
const DIM: usize = 12;

/// Every third row is a copy of row 0.
fn with_copies() -> Vectors {
    let distinct = clustered(N, DIM, 1);
    let row = |at: usize| distinct.row(if at.is_multiple_of(3) { 0 } else { at });
    Vectors::from_rows((0..N).map(row)).unwrap()
}

fn cases() -> Vec<(Vectors, Metric, Index)> {
    let mut cases = Vec::new();
    for (vectors, metric) in [
        (clustered(N, DIM, 1), Metric::L2),
        (clustered(N, DIM, 1), Metric::InnerProduct),
        (with_copies(), Metric::Cosine),
    ] {
        for recipe in ["sq8@1/crinoid@1/pipelined@2/float@1", "float@1/hnsw@1/pool@1/none@1"] {
            let index = Index::build(&vectors, &options(recipe, metric), &()).unwrap();
            cases.push((vectors.clone(), metric, index));
        }
    }
    cases
}

/// The same rows at the same distances, but for rounding.
fn assert_close(got: &[Neighbor], want: &[Neighbor]) {
    assert_eq!(got.len(), want.len());
    assert!(got.is_sorted());
    for (got, want) in got.iter().zip(want) {
        let error = (got.distance - want.distance).abs();
        assert!(error <= 1e-4 * want.distance.abs().max(1.0), "{got:?} where {want:?}");
    }
}

#[test]
fn an_exact_search_is_a_brute_force_one() {
    let queries = clustered(20, DIM, 9);
    for (vectors, metric, index) in cases() {
        for query in queries.rows() {
            for k in [1, 10, N, N + 1] {
                let want = exact(&vectors, query, metric, k.min(N));
                assert_close(&index.search_exact(query, k).unwrap(), &want);
            }
        }
        assert!(index.search_exact(queries.row(0), 0).is_err());
    }
}

#[test]
fn a_range_holds_the_rows_within_it_and_no_others() {
    let queries = clustered(20, DIM, 9);
    for (vectors, metric, index) in cases() {
        let (mut found, mut wanted) = (0, 0);
        for query in queries.rows() {
            let all = exact(&vectors, query, metric, N);
            for place in [0, 7, 100] {
                let radius = all[place].distance + 1e-4;
                let inside = index.search_range(query, radius).unwrap();
                assert!(inside.is_sorted() && inside.iter().all(|near| near.distance <= radius));
                assert!(inside.windows(2).all(|pair| pair[0].id != pair[1].id));
                wanted += all.iter().filter(|near| near.distance <= radius).count();
                found += inside.len();
            }
        }
        assert!(
            found <= wanted + 20 && found as f64 >= 0.98 * wanted as f64,
            "{found} of {wanted}"
        );
    }
}

#[test]
fn pages_follow_each_other_until_every_row_has_come_once() {
    for (vectors, metric, index) in cases() {
        let query = clustered(1, DIM, 9);
        let all: Vec<Neighbor> =
            index.search_iter(query.row(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let mut ids: Vec<u32> = all.iter().map(|near| near.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..N as u32).collect::<Vec<_>>());
        let truth = exact(&vectors, query.row(0), metric, 50);
        let first: Vec<u32> = all[..100].iter().map(|near| near.id).collect();
        let hits = truth.iter().filter(|near| first.contains(&near.id)).count();
        assert!(hits >= 45, "{hits} of 50");
    }
}

#[test]
fn a_batch_gives_what_single_calls_give_at_any_number_of_threads() {
    let queries = clustered(150, DIM, 9);
    let search = SearchOptions::new(5, 40);
    for (_, _, index) in cases() {
        let odd = index.filter(|row| row % 2 == 1);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let all = pool.install(|| index.search_batch_with(&queries, &search, None)).unwrap();
            let some =
                pool.install(|| index.search_batch_with(&queries, &search, Some(&odd))).unwrap();
            let (mut session, mut answers) = (index.session(), Vec::new());
            for (row, query) in queries.rows().enumerate() {
                session.search(query, &search, &mut answers).unwrap();
                assert_eq!(all.row(row), answers);
                session.search_filtered(query, &search, &odd, &mut answers).unwrap();
                assert_eq!(some.row(row), answers);
            }
        }
    }
}

#[test]
fn a_batch_names_the_first_query_that_cannot_be_answered() {
    let vectors = clustered(100, DIM, 1);
    let index = Index::builder().metric(Metric::Cosine).build(&vectors).unwrap();
    let mut values = clustered(100, DIM, 9).as_slice().to_vec();
    values[40 * DIM..41 * DIM].fill(0.0);
    values[90 * DIM..91 * DIM].fill(0.0);
    let error = index.search_batch((values, DIM), 3).unwrap_err();
    assert!(error.to_string().contains("row 40"), "{error}");
}

#[test]
fn stored_vectors_come_back() {
    for (vectors, metric, index) in cases() {
        for row in [0, 1, 3, N - 1] {
            let stored = index.vector(row as u32).unwrap();
            let norm = vectors.row(row).iter().map(|x| x * x).sum::<f32>().sqrt();
            let scale = if metric == Metric::Cosine { norm } else { 1.0 };
            for (got, want) in stored.iter().zip(vectors.row(row)) {
                assert!((got * scale - want).abs() <= 1e-5 * norm.max(1.0), "row {row}");
            }
        }
        assert!(index.vector(N as u32).is_err());
    }
}

#[test]
fn a_session_can_live_beside_a_shared_index() {
    let vectors = clustered(200, DIM, 1);
    let index = Arc::new(Index::builder().build(&vectors).unwrap());
    let mut sessions: Vec<Session<'static>> = (0..3).map(|_| Session::of(index.clone())).collect();
    let want = index.search(vectors.row(5), 4).unwrap();
    std::thread::scope(|scope| {
        for session in &mut sessions {
            scope.spawn(|| {
                let mut answers = Vec::new();
                session.search(vectors.row(5), &SearchOptions::for_k(4), &mut answers).unwrap();
                assert_eq!(answers, want);
            });
        }
    });
}
