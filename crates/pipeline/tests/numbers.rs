//! Every number that a caller can give an index, at its extremes: an answer or a typed error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_graph::Params;
use crinoid_pipeline::{BuildOptions, Index, IndexError, RowError, SearchError, SearchOptions};
use crinoid_quant::{Metric, Neighbor, Vectors, vectors::MAX_DIM};
use crinoid_refine::Pool;

const N: usize = 60;

/// 0, 1, and one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

fn sensible(answers: &[Neighbor], most: usize, what: &str) {
    assert!(answers.len() <= most.min(N), "{what}: {} answers", answers.len());
    let mut ids: Vec<u32> = answers.iter().map(|near| near.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len(), "{what}: an id twice");
    assert!(answers.iter().all(|near| (near.id as usize) < N && !near.distance.is_nan()), "{what}");
}

#[test]
fn searches_take_any_number() {
    // Every third row is a copy of the one before.
    let distinct = clustered(N, 8, 1);
    let rows: Vec<&[f32]> =
        (0..N).map(|row| distinct.row(row - usize::from(row % 3 == 2))).collect();
    let vectors = Vectors::from_rows(&rows).unwrap();
    for recipe in [
        "float@1/hnsw@1/heap@1/none@1",
        "sq8@2/crinoid@1/pipelined@2/float@1",
        "sign@1/hnsw@1/pool@1/int8@1+float@1",
        "rabitq1@1/hnsw@1/discovery@1/half@1",
        "u8-exact@1/vamana@1/adaptive@1/none@1",
    ] {
        let vectors =
            common::suitable(&recipe.parse().unwrap(), Metric::L2, vectors.clone()).unwrap();
        let index = Index::build(&vectors, &options(recipe, Metric::L2), &()).unwrap();
        let (mut session, mut answers) = (index.session(), Vec::new());
        let filters = [0, 1, 7, N as u32].map(|most| index.filter(|row| row < most));
        let query = vectors.row(5);
        for k in extremes(N) {
            for ef in extremes(N) {
                let what = format!("{recipe}, k {k}, ef {ef}");
                let plain = SearchOptions::new(k, ef);
                let pools = [
                    plain,
                    plain.pool(ef).fine_pool(k),
                    plain.pool(Pool::Adaptive { min: k, max: ef, slack: f32::INFINITY }),
                    plain.pool(Pool::Adaptive { min: ef, max: 0, slack: f32::NAN }).refiners(ef),
                    plain.fine_pool(Pool::All).refiners(0),
                ];
                for options in pools {
                    match session.search(query, &options, &mut answers) {
                        Ok(_) => sensible(&answers, k, &what),
                        Err(error) => {
                            assert!(k == 0 && error == SearchError::ZeroK, "{what}: {error}")
                        }
                    }
                }
                for filter in &filters {
                    match session.search_filtered(query, &plain, filter, &mut answers) {
                        Ok(_) => sensible(&answers, k.min(filter.rows().count()), &what),
                        Err(error) => {
                            assert!(k == 0 && error == SearchError::ZeroK, "{what}: {error}")
                        }
                    }
                }
            }
            for (exact, answers) in [
                (true, index.search_exact(query, k)),
                (true, session.scan_codes(query, k, &mut answers).map(|_| answers.clone())),
                (false, index.search(query, k)),
            ] {
                match answers {
                    Ok(answers) => {
                        sensible(&answers, k, recipe);
                        assert!(!exact || answers.len() == k.min(N), "{recipe}, k {k}");
                    }
                    Err(error) => assert!(k == 0 && error == SearchError::ZeroK),
                }
            }
            for radius in
                [0.0, -0.0, -1.0, 1e-40, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]
            {
                let found = session.search_range(query, radius, k, &mut answers);
                assert_eq!(found.is_err(), radius.is_nan(), "{recipe}, radius {radius}, ef {k}");
                sensible(&answers, N, recipe);
            }
            let row = index.vector(k.min(u32::MAX as usize) as u32);
            assert_eq!(row.is_ok(), k < N, "{recipe}, row {k}");
            assert!(row.is_ok() || matches!(row, Err(RowError::OutOfRange { len: N, .. })));
        }
    }
}

#[test]
fn queries_of_any_length_are_compared_before_memory_is_asked_for() {
    let index =
        Index::build(&clustered(N, 8, 1), &options("sq8@2/hnsw@1/pool@1/float@1", Metric::L2), &())
            .unwrap();
    for len in [0, 1, 7, 9, 1 << 16, 1 << 20] {
        let error = index.search(&vec![0.5; len], 3).unwrap_err();
        assert!(matches!(error, SearchError::Query(_)), "{len}: {error}");
    }
}

#[test]
fn builds_take_any_number_or_say_which_is_wrong() {
    let vectors = clustered(N, 8, 1);
    let build = |options: &BuildOptions| Index::build(&vectors, options, &());
    let usual = options("sq8@2/crinoid@1/pipelined@2/float@1", Metric::L2);
    for number in extremes(8) {
        let built = build(&usual.clone().truncate(Some(number)));
        assert_eq!(built.is_ok(), (1..=8).contains(&number), "truncate {number}");
        for graph in [
            Params { m: number, ..usual.graph },
            Params { ef_construction: number, ..usual.graph },
            Params { alpha: number as f32, ..usual.graph },
            Params { alpha: -(number as f32), ..usual.graph },
            Params { alpha: f32::NAN, ..usual.graph },
        ] {
            match build(&usual.clone().graph(graph)) {
                Ok(index) => sensible(&index.search(vectors.row(0), 5).unwrap(), 5, "built"),
                Err(error) => assert!(matches!(error, IndexError::Build(_)), "{graph:?}: {error}"),
            }
        }
    }
    for dim in extremes(MAX_DIM) {
        let none = Vectors::empty(dim);
        let built = Index::build(&none, &usual, &());
        assert_eq!(built.is_ok(), (1..=MAX_DIM).contains(&dim), "no rows of {dim} dimensions");
        assert!(built.is_err() || built.unwrap().search(&vec![1.0; dim], 3).unwrap().is_empty());
    }
}

/// What is too large to be measured is refused or comes last; no distance is NaN.
#[test]
fn huge_and_tiny_values_never_make_a_distance_that_is_no_number() {
    for scale in [f32::MAX, f32::MAX / 4.0, 1e30, 1e20, 1e-20, 1e-30, f32::MIN_POSITIVE, 1e-45] {
        for metric in Metric::ALL {
            let base = clustered(N, 8, 1);
            let largest = base.as_slice().iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let values: Vec<f32> = base.as_slice().iter().map(|x| x / largest * scale).collect();
            let vectors = Vectors::new(values, 8).unwrap();
            for recipe in [
                "sq8@2/crinoid@1/pipelined@2/float@1",
                "float@1/hnsw@1/pool@1/none@1",
                "int4@1/hnsw@1/pool@1/int8@1",
            ] {
                let what = format!("{recipe}, {metric}, {scale}");
                let Ok(index) = Index::build(&vectors, &options(recipe, metric), &()) else {
                    continue;
                };
                for query in vectors.rows().chain(base.rows()).step_by(7) {
                    match index.search(query, 10) {
                        Ok(answers) => sensible(&answers, 10, &what),
                        Err(error) => assert!(!error.to_string().is_empty()),
                    }
                }
            }
        }
    }
}
