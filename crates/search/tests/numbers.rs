//! Every number that a caller can give this crate, at its extremes: a right answer or a typed error. Those
//! functions that say "Panics" of an index, as slices do, are not asked.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, knn_graph};
use crinoid_quant::{Codes, Metric, Neighbor, codec::Float};
use crinoid_search::{
    Bitmap, Counters, Engine, Exact, Scratch, SearchParams, answer_all, exact,
    filter::scan_is_cheaper, linear_pool::LinearPool, search_all, versions,
};
use std::sync::Arc;

const N: usize = 40;

/// 0, 1, one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

fn sensible(answers: &[Neighbor], most: usize, what: &str) {
    assert!(answers.len() <= most.min(N), "{what}: {} answers", answers.len());
    assert!(
        answers.iter().all(|near| (near.id as usize) < N && near.distance.is_finite()),
        "{what}"
    );
    let mut ids: Vec<u32> = answers.iter().map(|near| near.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len(), "{what}: an id twice");
}

#[test]
fn answers_and_beams() {
    let vectors = clustered(N, 6, 1);
    let graph = Arc::new(knn_graph(&vectors, 6, true));
    let codes = Arc::new(Float::train(&vectors, Metric::L2));
    let few = Bitmap::from_fn(N, |row| row % 7 == 0);
    for version in versions::PUBLISHED {
        let engine = version.compose(graph.clone(), codes.clone()).unwrap();
        let mut out = Vec::new();
        for k in extremes(N) {
            for ef in extremes(N) {
                let what = format!("{}, k {k}, ef {ef}", version.version());
                let params = SearchParams::new(k, ef);
                assert!(params.beam_width(N) <= N);
                out.clear();
                engine.search(vectors.row(3), &params, &mut Scratch::default(), &mut out);
                sensible(&out, k, &what);
                out.clear();
                let mut scratch = Scratch::default();
                engine.search_filtered(vectors.row(3), &params, &few, &mut scratch, &mut out);
                sensible(&out, k.min(6), &what);
                assert!(out.iter().all(|near| near.id % 7 == 0), "{what}");
            }
            let (mut cursor, mut out) = (engine.begin(vectors.row(3)), Vec::new());
            let found = engine.resume(&mut cursor, k, &mut out);
            assert_eq!(found, out.len());
            sensible(&out, k, "a page");
            for radius in [0.0, -1.0, f32::MAX, f32::INFINITY, f32::NAN] {
                engine.search_range(vectors.row(3), radius, k, &mut out);
                sensible(&out, N, "a range");
            }
        }
    }
    let scan = Exact::new(codes);
    for k in extremes(N) {
        let nearest = exact::nearest(&vectors, Metric::L2, vectors.row(3), k);
        assert_eq!(nearest.len(), k.min(N));
        sensible(&nearest, k, "a scan");
        let all = search_all(&scan, &vectors, &SearchParams::new(k, k));
        assert_eq!((all.len(), all.row(3).len()), (N, k.min(N)));
    }
}

#[test]
fn pools_and_sets() {
    for number in extremes(N) {
        // Memory follows what is offered, not what is announced.
        let mut pool = LinearPool::default();
        pool.reset(number);
        let kept = (0..N as u32).filter(|&id| pool.insert(id, id).is_some()).count();
        assert_eq!(kept, number.min(N), "a pool of {number}");
        let mut smallest = exact::Smallest::default();
        smallest.reset(number);
        (0..N as u64).for_each(|value| smallest.offer(value));
        assert_eq!(smallest.sorted().len(), number.min(N), "the {number} smallest");
        assert!(scan_is_cheaper(0, number));
        assert!(scan_is_cheaper(number, number));
        let id = number as u32;
        let mut set = Bitmap::new(N);
        assert_eq!((set.insert(id), set.contains(id)), (number < N, number < N), "{id}");
        assert_eq!((set.remove(id), set.contains(id)), (number < N, false), "{id}");
    }
    for (queries, most) in [(0, 0), (0, usize::MAX), (3, 0), (3, 1)] {
        let answers = answer_all(
            queries,
            most,
            || (),
            |(), row, answers| {
                answers.push(Neighbor::new(row as u32, 0.0));
                Ok::<_, ()>(Counters::default())
            },
        );
        assert_eq!(answers.unwrap().len(), queries);
    }
}
