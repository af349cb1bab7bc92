//! Odd vectors, odd queries, odd sizes: a typed error or a defined answer.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, options, recall};
use crinoid_graph::{BuildError, Progress};
use crinoid_pipeline::{BuildOptions, Index, IndexError, Placement, SearchError, SearchOptions};
use crinoid_quant::{Metric, Neighbor, VectorError, Vectors, codes::Unsuitable};
use crinoid_refine::{Pool, Reason};
use std::ops::ControlFlow;

const DEFAULT: &str = "sq8@1/hnsw@1/pool@1/float@1";

#[test]
fn queries_that_cannot_be_compared_are_refused() {
    let index = Index::build(&clustered(60, 8, 1), &options(DEFAULT, Metric::Cosine), &()).unwrap();
    let query = |values: &[f32]| index.search(values, 3).unwrap_err();
    assert!(matches!(
        query(&[1.0; 7]),
        SearchError::Query(VectorError::Dimension { got: 7, want: 8, .. })
    ));
    let mut values = [1.0; 8];
    values[5] = f32::NAN;
    assert!(matches!(query(&values), SearchError::Query(VectorError::NotFinite { dim: 5, .. })));
    values[5] = f32::NEG_INFINITY;
    assert!(matches!(query(&values), SearchError::Query(VectorError::NotFinite { dim: 5, .. })));
    assert!(matches!(query(&[0.0; 8]), SearchError::Query(VectorError::ZeroNorm { .. })));
    assert_eq!(index.search(&[1.0; 8], 0), Err(SearchError::ZeroK));
}

#[test]
fn a_refused_query_leaves_the_session_as_it_was() {
    let base = clustered(60, 8, 1);
    let index = Index::build(&base, &options(DEFAULT, Metric::Cosine), &()).unwrap();
    let (mut session, mut answers) = (index.session(), Vec::new());
    let search = SearchOptions::for_k(5);
    session.search(base.row(3), &search, &mut answers).unwrap();
    let before = answers.clone();
    session.search(&[0.0; 8], &search, &mut answers).unwrap_err();
    assert_eq!(answers, [], "no stale answers after an error");
    session.search(base.row(3), &search, &mut answers).unwrap();
    assert_eq!(answers, before);
}

#[test]
fn vectors_that_cannot_be_indexed_are_refused_by_row() {
    let mut rows = vec![[1.0f32, 2.0]; 5];
    rows[3] = [0.0, 0.0];
    let zero = Vectors::from_rows(&rows).unwrap();
    let error = Index::build(&zero, &options(DEFAULT, Metric::Cosine), &()).unwrap_err();
    assert!(matches!(&error, IndexError::ZeroRows { rows } if rows[..] == [3]));
    assert!(error.to_string().contains("row 3") && error.to_string().contains("ZeroRows::Keep"));
    Index::build(&zero, &options(DEFAULT, Metric::L2), &()).unwrap();
    let mut too_long = options(DEFAULT, Metric::L2);
    too_long.truncate = Some(3);
    assert!(matches!(
        Index::build(&zero, &too_long, &()),
        Err(IndexError::Vector(VectorError::Truncation { .. }))
    ));
    assert!(matches!(
        Index::build(&Vectors::empty(0), &options(DEFAULT, Metric::L2), &()),
        Err(IndexError::Vector(VectorError::NoDimensions))
    ));
    assert!(matches!(
        Index::build(
            &clustered(20, 8, 1),
            &options("u8-exact@1/hnsw@1/pool@1/none@1", Metric::L2),
            &()
        ),
        Err(IndexError::Unsuitable(_))
    ));
    // Halves end at 65,504, wherever in the recipe they are.
    rows[4][1] = 7e4;
    for recipe in ["half@1/hnsw@1/pool@1/none@1", "sq8@1/hnsw@1/pool@1/half@1"] {
        let large = Vectors::from_rows(&rows).unwrap();
        let built = Index::build(&large, &options(recipe, Metric::L2), &());
        assert!(matches!(
            built,
            Err(IndexError::Unsuitable(Unsuitable::TooLarge { row: 4, dim: 1, .. }))
        ));
    }
    let mut narrow = options(DEFAULT, Metric::L2);
    narrow.graph.m = 1;
    assert!(matches!(Index::build(&zero, &narrow, &()), Err(IndexError::Build(_))));
}

#[test]
fn empty_and_tiny_sets_answer_with_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    for metric in Metric::ALL {
        for recipe in [DEFAULT, "sign@1/hnsw-closest@1/heap@1/none@1"] {
            for n in [0, 1, 2, 5] {
                let base = match n {
                    0 => Vectors::empty(8),
                    n => clustered(n, 8, 1),
                };
                let index = Index::build(&base, &options(recipe, metric), &()).unwrap();
                let path = folder.path().join("tiny");
                index.save(&path).unwrap();
                for index in [index, Index::load(&path).unwrap()] {
                    assert_eq!((index.len(), index.dim(), index.is_empty()), (n, 8, n == 0));
                    let answers = index.search(&[0.5; 8], 50).unwrap();
                    let mut ids: Vec<u32> = answers.iter().map(|answer| answer.id).collect();
                    ids.sort_unstable();
                    assert_eq!(ids, (0..n as u32).collect::<Vec<_>>(), "k > n finds everything");
                }
            }
        }
    }
}

#[test]
fn duplicates_are_distinct_rows_in_order_of_their_ids() {
    let rows: Vec<[f32; 4]> = (0..40).map(|i| [(i / 4) as f32, 1.0, 0.0, 2.0]).collect();
    let index =
        Index::build(&Vectors::from_rows(&rows).unwrap(), &options(DEFAULT, Metric::L2), &())
            .unwrap();
    let answers = index.search(&rows[21], 4).unwrap();
    assert_eq!(answers, [20, 21, 22, 23].map(|id| Neighbor::new(id, 0.0)));
}

#[test]
fn float_refinement_gives_true_distances_of_all_dimensions() {
    let (base, queries) = (clustered(800, 24, 1), clustered(20, 24, 2));
    for metric in Metric::ALL {
        let mut options = options(DEFAULT, metric);
        options.truncate = Some(16);
        let index = Index::build(&base, &options, &()).unwrap();
        for query in queries.rows() {
            let truth = exact(&base, query, metric, base.len());
            for answer in index.search(query, 5).unwrap() {
                let true_distance = truth.iter().find(|t| t.id == answer.id).unwrap().distance;
                assert!((answer.distance - true_distance).abs() < 1e-4);
            }
        }
        // Leading dimensions of isotropic noise say little; a wide pool makes up for it.
        assert!(recall(&index, &base, &queries, 5, 800) > 0.4);
    }
}

#[test]
fn pools_are_what_was_asked_for_and_say_why() {
    let base = clustered(1_000, 16, 1);
    let chain = options("sign@1/hnsw@1/pool@1/int8@1+float@1", Metric::L2);
    let index = Index::build(&base, &chain, &()).unwrap();
    let (mut session, mut answers) = (index.session(), Vec::new());
    let mut stages = |search: SearchOptions| {
        let report = session.search(base.row(0), &search, &mut answers).unwrap();
        let stages = report.stages.iter().map(|s| (s.name, s.entered, s.left, s.reason));
        (stages.skip(1).collect::<Vec<_>>(), report.stages[0].reason)
    };
    let default = stages(SearchOptions::new(10, 200));
    assert_eq!(
        default.0,
        [("int8@1", 200, 26, Reason::Default), ("float@1", 26, 10, Reason::Default)]
    );
    assert_eq!(default.1, Reason::Fixed);
    let fixed = stages(SearchOptions::new(10, 200).pool(100).fine_pool(50));
    assert_eq!(fixed.0, [("int8@1", 100, 50, Reason::Fixed), ("float@1", 50, 10, Reason::Fixed)]);
    let none = stages(SearchOptions::new(10, 200).refiners(0));
    assert_eq!(none.0, []);
    let first = stages(SearchOptions::new(10, 200).refiners(1));
    assert_eq!(first.0, [("int8@1", 200, 10, Reason::Default)]);
    let narrow = stages(SearchOptions::new(30, 8).pool(Pool::Fixed(100)));
    assert_eq!(narrow.0[0], ("int8@1", 30, 30, Reason::Exhausted));
    assert_eq!(narrow.1, Reason::Raised);
}

#[test]
#[allow(unsafe_code, reason = "the file is not touched while it is mapped")]
fn answers_do_not_depend_on_what_was_asked_before_nor_on_placement() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let (base, queries) = (clustered(500, 16, 1), clustered(30, 16, 2));
    let index = Index::build(&base, &options(DEFAULT, Metric::Cosine), &()).unwrap();
    index.save(&path).unwrap();
    let memory = Index::load_to(&path, Placement::Memory).unwrap();
    let disk = Index::load_to(&path, Placement::RowsOnDisk).unwrap();
    // SAFETY: nobody else knows of the file.
    let mapped = unsafe { Index::load_mapped(&path) }.unwrap();
    let again = folder.path().join("again");
    disk.save(&again).unwrap();
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&path).unwrap());
    assert!(disk.bytes().refine < memory.bytes().refine, "rows on disk take no memory");
    let fresh = |index: &Index, query: &[f32]| {
        let (mut session, mut answers) = (index.session(), Vec::new());
        let report = session.search(query, &SearchOptions::new(5, 40), &mut answers).unwrap();
        (answers, report.counters)
    };
    let (mut session, mut answers) = (index.session(), Vec::new());
    for query in queries.rows() {
        let report = session.search(query, &SearchOptions::new(5, 40), &mut answers).unwrap();
        assert_eq!((answers.clone(), report.counters), fresh(&index, query));
        for loaded in [&memory, &disk, &mapped] {
            assert_eq!(fresh(loaded, query), fresh(&index, query));
        }
    }
}

struct Impatient;

impl Progress for Impatient {
    fn report(&self, _done: usize, _total: usize) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

#[test]
fn a_build_can_be_cancelled() {
    let result = Index::build(&clustered(500, 8, 1), &BuildOptions::default(), &Impatient);
    assert!(matches!(result, Err(IndexError::Build(BuildError::Cancelled))));
}

#[test]
fn a_graph_can_be_built_on_other_codes_than_are_searched() {
    let base = clustered(300, 12, 1);
    let build = |recipe: &str| Index::build(&base, &options(recipe, Metric::L2), &()).unwrap();
    let both = build("sq8@1+int4@1/hnsw@1/pipelined@2/float@1");
    assert_eq!(both.graph().digest(), build("sq8@1/hnsw@1/pool@1/none@1").graph().digest());
    assert_eq!(both.bytes().codes, build("int4@1/hnsw@1/pool@1/none@1").bytes().codes);
    let answers = both.search(base.row(7), 3).unwrap();
    assert_eq!((answers[0].id, answers[0].distance), (7, 0.0));
    // Any codes go with any search.
    let answers = build("rabitq8@1/hnsw@1/heap@1/none@1").search(base.row(7), 3).unwrap();
    assert_eq!(answers[0].id, 7);
}

#[test]
fn an_index_under_another_recipe_is_the_one_that_would_have_been_built() {
    let base = clustered(300, 12, 1);
    let build = |recipe: &str| Index::build(&base, &options(recipe, Metric::L2), &()).unwrap();
    let under = |recipe: &str| {
        let whole = build("sq8@1/hnsw@1/pool@1/int8@1+float@1");
        whole.with_recipe(&recipe.parse().unwrap())
    };
    for recipe in [
        "sq8@1/hnsw@1/heap@1/int8@1+float@1",
        "sq8@1/hnsw@1/pipelined@2/float@1",
        "sq8@1/hnsw@1/pool@1/float@1+int8@1",
        "sq8@1/hnsw@1/pool@1/none@1",
    ] {
        let (built, changed) = (build(recipe), under(recipe).unwrap());
        assert_eq!(changed.digest(), built.digest());
        assert_eq!(changed.fingerprint(), built.fingerprint());
        assert_eq!(changed.search(base.row(7), 9).unwrap(), built.search(base.row(7), 9).unwrap());
    }
    for absent in [
        "float@1/hnsw@1/pool@1/none@1",
        "float@1+sq8@1/hnsw@1/pool@1/none@1",
        "sq8@1/vamana@1/pool@1/none@1",
    ] {
        assert!(matches!(under(absent), Err(IndexError::Absent { .. })));
    }
    let plain = build("sq8@1/hnsw@1/pool@1/none@1");
    let error = plain.with_recipe(&DEFAULT.parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("float@1"), "{error}");
}
