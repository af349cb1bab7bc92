//! A recipe that leaves its codes to a trial.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, options, recall, suitable};
use crinoid_pipeline::{Index, IndexError, Recipe, SearchError};
use crinoid_quant::{Metric, VectorError, Vectors};

const AUTO: &str = "auto";

/// More rows than the fewest with which there is a trial.
const ROWS: usize = 4_500;

#[test]
fn what_the_trial_chose_is_named_by_the_index_and_gives_it_again() {
    for (metric, space, plain) in
        [(Metric::Cosine, "sq8@2", "float@1"), (Metric::L2, "u8-exact@1", "none@1")]
    {
        let recipe = format!("{space}/crinoid@1/pipelined@2/{plain}").parse().unwrap();
        let data = |rows, seed| suitable(&recipe, metric, clustered(rows, 16, seed)).unwrap();
        let (vectors, queries) = (data(ROWS, 1), data(40, 9));
        for index in [
            Index::build(&vectors, &options(AUTO, metric), &()).unwrap(),
            Index::build_for(&vectors, &queries, &options(AUTO, metric), &()).unwrap(),
        ] {
            let trials = index.layout_trials();
            let chosen = index.options().recipe.clone();
            assert_eq!(trials[0].recipe, chosen);
            let mut tried: Vec<_> = trials.iter().map(|trial| trial.recipe.to_string()).collect();
            tried.sort();
            let mut layouts = vec![
                format!("{space}/crinoid@1/pipelined@2/{plain}"),
                format!("{space}/crinoid@1/pipelined@3/{plain}"),
                format!("{space}+int4@1/crinoid@1/pipelined@2/float@1"),
                format!("{space}+int4@1/crinoid@1/pipelined@3/float@1"),
            ];
            layouts.sort();
            assert_eq!(tried, layouts);
            let bytes = trials.iter().filter(|trial| trial.recipe.quant() == space);
            assert!(bytes.map(|trial| trial.queries_per_second[0]).all(|qps| qps > Some(0.0)));

            let pinned = options(&chosen.to_string(), metric);
            let again = Index::build(&vectors, &pinned, &()).unwrap();
            assert_eq!(again.digest(), index.digest());
            assert_eq!((again.layout_trials(), again.options()), (&[][..], index.options()));

            assert!(recall(&index, &vectors, &queries, 10, 100) > 0.95);
        }
    }
}

#[test]
fn one_part_may_be_left_to_the_trial() {
    let vectors = clustered(ROWS, 8, 1);
    let tried = |recipe| {
        let index = Index::build(&vectors, &options(recipe, Metric::L2), &()).unwrap();
        let recipes = index.layout_trials().iter().map(|trial| trial.recipe.clone());
        recipes.collect::<Vec<Recipe>>()
    };
    let codes = tried("auto/crinoid@1/pool@1/float@1");
    assert!(codes.len() == 2 && codes.iter().all(|recipe| recipe.search() == "pool@1"));
    let searches = tried("sq8@1+int4@1/crinoid@1/auto/half@1");
    assert!(searches.len() == 2 && searches.iter().all(|r| r.codecs() == "sq8@1+int4@1"));
}

#[test]
fn few_rows_get_bytes_without_a_trial() {
    for rows in [0, 1, 300] {
        let vectors = match rows {
            0 => Vectors::empty(8),
            rows => clustered(rows, 8, 3),
        };
        let index = Index::build(&vectors, &options(AUTO, Metric::L2), &()).unwrap();
        assert_eq!(index.layout_trials(), []);
        let chosen = if rows == 0 { "u8-exact@1" } else { "sq8@2" };
        assert_eq!(index.options().recipe.quant(), chosen);
    }
}

#[test]
fn exact_bytes_are_still_rescored_where_dimensions_were_cut_off() {
    let recipe: Recipe = "u8-exact@1/crinoid@1/pipelined@2/none@1".parse().unwrap();
    let vectors = suitable(&recipe, Metric::L2, clustered(200, 16, 1)).unwrap();
    let mut cut = options(AUTO, Metric::L2);
    cut.truncate = Some(8);
    let index = Index::build(&vectors, &cut, &()).unwrap();
    assert_eq!(index.options().recipe.to_string(), "u8-exact@1/crinoid@1/pipelined@2/float@1");
}

#[test]
fn a_sample_that_cannot_be_asked_is_refused_by_row() {
    let vectors = clustered(50, 8, 1);
    let build = |sample| Index::build_for(&vectors, &sample, &options(AUTO, Metric::Cosine), &());
    let query = |error| {
        matches!(error, IndexError::Sample(SearchError::Query(inner)) if matches!(inner,
        VectorError::Dimension { row: 0, got: 7, want: 8 } | VectorError::ZeroNorm { row: 1, .. }))
    };
    assert!(query(build(clustered(3, 7, 1)).unwrap_err()));
    let zero = Vectors::from_rows(&[[1.0f32; 8], [0.0; 8]]).unwrap();
    assert!(query(build(zero).unwrap_err()));
    build(Vectors::empty(8)).unwrap();
}

#[cfg(feature = "collection")]
#[test]
fn a_collection_must_name_its_recipe() {
    use crinoid_pipeline::collection::{Collection, CollectionError, CollectionOptions};
    let folder = tempfile::tempdir().unwrap();
    let options =
        CollectionOptions { build: options(AUTO, Metric::L2), ..CollectionOptions::default() };
    let error = Collection::create(folder.path(), 8, &options).unwrap_err();
    assert!(matches!(error, CollectionError::Option { name: "recipe", .. }), "{error}");
}
