//! Search among some rows of an index: admitted answers only, as good as without the filter.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, options};
use crinoid_pipeline::{Filter, Index, SearchError, SearchOptions};
use crinoid_quant::{Metric, Vectors};

const N: usize = 3_000;

/// Every vector twice.
fn pairs() -> Vectors {
    let distinct = clustered(N / 2, 12, 1);
    let rows: Vec<&[f32]> = (0..N).map(|row| distinct.row(row / 2)).collect();
    Vectors::from_rows(&rows).unwrap()
}

#[test]
fn answers_are_the_nearest_admitted_rows() {
    let queries = clustered(40, 12, 9);
    for (vectors, recipe) in [
        (clustered(N, 12, 1), "sq8@1/crinoid@1/pipelined@2/float@1"),
        (pairs(), "sq8@1+int4@1/hnsw@1/pipelined@2/float@1"),
    ] {
        let index = Index::build(&vectors, &options(recipe, Metric::Cosine), &()).unwrap();
        let (mut session, mut answers) = (index.session(), Vec::new());
        for every in [1, 2, 3, 50, 2 * N as u32] {
            let filter = index.filter(|row| row % every == 0);
            let (mut hits, mut all) = (0, 0);
            for query in queries.rows() {
                session
                    .search_filtered(query, &SearchOptions::new(10, 100), &filter, &mut answers)
                    .unwrap();
                let mut truth = exact(&vectors, query, Metric::Cosine, N);
                truth.retain(|near| near.id % every == 0);
                truth.truncate(10);
                assert!(answers.is_sorted() && answers.iter().all(|near| near.id % every == 0));
                assert_eq!(answers.len(), truth.len(), "{recipe}, every {every}");
                all += truth.len();
                hits += truth.iter().filter(|t| answers.iter().any(|a| a.id == t.id)).count();
            }
            assert!(hits as f64 >= 0.97 * all as f64, "{recipe}, every {every}: {hits} of {all}");
        }
    }
}

#[test]
fn what_cannot_be_answered_is_refused_and_an_empty_filter_is_no_error() {
    let vectors = clustered(60, 8, 1);
    let options = options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2);
    let index = Index::build(&vectors, &options, &()).unwrap();
    let other = Index::build(&clustered(59, 8, 1), &options, &()).unwrap();
    let (mut session, mut answers) = (index.session(), Vec::new());
    let mut ask = |k, filter: &Filter| {
        let options = SearchOptions::new(k, 20);
        session
            .search_filtered(vectors.row(0), &options, filter, &mut answers)
            .map(|_| answers.len())
    };
    assert_eq!(ask(5, &index.filter(|_| false)), Ok(0));
    assert_eq!(ask(5, &index.filter(|row| row < 3)), Ok(3));
    assert_eq!(ask(0, &index.filter(|_| true)), Err(SearchError::ZeroK));
    let error = ask(5, &other.filter(|_| true)).unwrap_err();
    assert_eq!(error, SearchError::Filter { got: 59, want: 60 });
    assert!(error.to_string().starts_with("the filter was made for another index, of 59 rows"));
    // As many rows are not enough: another index may have them in another order.
    let again = Index::build(&vectors, &options, &()).unwrap();
    let error = ask(5, &again.filter(|_| true)).unwrap_err();
    assert_eq!(error, SearchError::Filter { got: 60, want: 60 });
}
