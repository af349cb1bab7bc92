//! Every number that a caller can give a collection, at its extremes: an answer or a typed error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::clustered;
use crinoid_graph::Params;
use crinoid_pipeline::{
    BuildOptions, SearchError, SearchOptions,
    collection::{Batch, Collection, CollectionError, CollectionOptions, MAX_ID, Match},
};
use crinoid_quant::vectors::MAX_DIM;
use std::path::Path;

const N: usize = 50;
const DIM: usize = 6;

/// 0, 1, one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

fn usual() -> CollectionOptions {
    let graph = Params { m: 6, ef_construction: 30, ..Params::default() };
    CollectionOptions::default().build(BuildOptions::default().graph(graph))
}

/// Makes a collection, writes and deletes rows in two batches, searches and verifies it.
fn works(folder: &Path, options: &CollectionOptions) -> Result<(), CollectionError> {
    let collection = Collection::create(folder, DIM, options)?;
    let rows = clustered(N, DIM, 1);
    for half in [0..N / 2, N / 2..N] {
        let mut batch = Batch::new();
        for row in half {
            batch.upsert(row as u64, rows.row(row));
        }
        collection.write(&batch)?;
        collection.flush()?;
    }
    let mut batch = Batch::new();
    for row in 0..N / 3 {
        batch.delete(row as u64);
    }
    assert_eq!(collection.write(&batch)?.deleted, N / 3);
    collection.flush()?;
    let found = collection.search(rows.row(N - 1), &SearchOptions::new(1, 60))?;
    assert_eq!(found[0].id, (N as u64 - 1).into());
    assert!(collection.verify()?.is_sound() && collection.len() == N - N / 3);
    Ok(())
}

#[test]
fn options_are_taken_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = 0;
    let mut tried = |options: CollectionOptions, fits: bool, what: &str| {
        made += 1;
        match works(&folder.path().join(made.to_string()), &options) {
            Ok(()) => assert!(fits, "{what} was taken"),
            Err(error) => {
                assert!(!fits, "{what}: {error}");
                let name = what.split(' ').next().unwrap();
                assert!(error.to_string().contains(name), "{what}: {error}");
            }
        }
    };
    for number in extremes(N) {
        tried(usual().seal_rows(number), number > 0, &format!("seal_rows {number}"));
        tried(
            usual().seal_rows(9).max_segments(number),
            number > 0,
            &format!("max_segments {number}"),
        );
        tried(usual().seal_rows(9).max_unsealed(number), true, &format!("max_unsealed {number}"));
    }
    for number in extremes(DIM) {
        let build = usual().build.truncate(Some(number));
        let fits = (1..=DIM).contains(&number);
        let options = usual().build(build);
        let made =
            Collection::create(folder.path().join(format!("truncate {number}")), DIM, &options);
        assert_eq!(made.is_ok(), fits, "truncate {number}");
    }
    for share in [0.0, -0.0, 0.5, 1.0] {
        tried(usual().seal_rows(9).max_dead(share), true, &format!("max_dead {share}"));
    }
    for share in [-1e-300, 1.0 + f64::EPSILON, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]
    {
        tried(usual().max_dead(share), false, &format!("max_dead {share}"));
    }
    for dim in extremes(MAX_DIM) {
        let made = Collection::create(folder.path().join(format!("dim {dim}")), dim, &usual());
        assert_eq!(made.is_ok(), (1..=MAX_DIM).contains(&dim), "{dim} dimensions");
    }
}

fn sensible(found: &[Match], most: usize) {
    assert!(found.len() <= most.min(N), "{} answers", found.len());
    let mut ids: Vec<_> = found.iter().map(|found| &found.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), found.len(), "an id twice");
    assert!(found.is_sorted_by(|a, b| a.distance <= b.distance));
}

#[test]
fn searches_take_any_number() {
    let folder = tempfile::tempdir().unwrap();
    let collection =
        Collection::create(folder.path().join("c"), DIM, &usual().seal_rows(20)).unwrap();
    let rows = clustered(N, DIM, 2);
    for row in 0..N {
        // All but the last few go into a segment; these are too few for one.
        if row + 5 == N {
            collection.seal().unwrap();
        }
        collection.upsert(row as u64, rows.row(row)).unwrap();
    }
    let snapshot = collection.snapshot();
    assert!(snapshot.segments() > 0 && snapshot.unsealed() > 0);
    for k in extremes(N) {
        for ef in extremes(N) {
            for options in
                [SearchOptions::new(k, ef), SearchOptions::new(k, ef).pool(ef).fine_pool(k)]
            {
                match snapshot.search(rows.row(3), &options) {
                    Ok(found) => sensible(&found, k),
                    Err(error) => {
                        let zero = matches!(error, CollectionError::Search(SearchError::ZeroK));
                        assert!(k == 0 && zero, "k {k}, ef {ef}: {error}");
                    }
                }
            }
        }
    }
    for len in [0, 1, DIM - 1, DIM + 1, 1 << 16, 1 << 20] {
        let found = snapshot.search(&vec![0.5; len], &SearchOptions::for_k(3));
        assert!(matches!(found, Err(CollectionError::Search(SearchError::Query(_)))), "{len}");
    }
}

#[test]
fn ids_are_any_number_and_texts_of_bounded_length() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path().join("c"), 1, &usual()).unwrap();
    assert_eq!(collection.snapshot().next_number(), Some(0));
    for (at, id) in extremes(N).into_iter().enumerate() {
        collection.upsert(id as u64, &[at as f32]).unwrap();
        assert_eq!(collection.get(id as u64).unwrap(), Some(vec![at as f32]));
        assert_eq!(collection.snapshot().next_number(), (id as u64).checked_add(1));
    }
    for len in extremes(MAX_ID).into_iter().filter(|&len| len <= 2 * MAX_ID) {
        let id = "i".repeat(len);
        let written = collection.upsert(id.as_str(), &[0.5]);
        assert_eq!(written.is_ok(), len <= MAX_ID, "an id of {len} bytes");
        assert_eq!(collection.get(id.as_str()).unwrap().is_some(), len <= MAX_ID);
    }
    for len in [0, 2, 1 << 16, 1 << 20] {
        let refused = collection.upsert("row", &vec![0.5; len]).unwrap_err();
        assert!(matches!(refused, CollectionError::Vector(_)), "{len}: {refused}");
    }
}
