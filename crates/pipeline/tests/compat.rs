//! Index files that earlier versions wrote are read, and answer as they did.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_pipeline::{Index, Placement, SearchOptions};
use std::{fs, path::Path};

#[derive(serde::Deserialize)]
struct Expected {
    recipe: String,
    digest: String,
    k: usize,
    ef: usize,
    queries: Vec<Query>,
}

#[derive(serde::Deserialize)]
struct Query {
    query: Vec<f32>,
    answers: Vec<(u32, f32)>,
}

#[test]
fn files_of_every_format_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "cri") {
            continue;
        }
        files += 1;
        assert!(path.metadata().unwrap().len() < 100_000, "{path:?} is small");
        let expected = fs::read_to_string(path.with_extension("json")).unwrap();
        let expected: Expected = serde_json::from_str(&expected).unwrap();
        for placement in [Placement::Memory, Placement::RowsOnDisk] {
            let index = Index::load_to(&path, placement).unwrap();
            assert_eq!(index.options().recipe.to_string(), expected.recipe);
            assert_eq!(format!("{:016x}", index.digest()), expected.digest);
            let (mut session, mut answers) = (index.session(), Vec::new());
            for Query { query, answers: wanted } in &expected.queries {
                let options = SearchOptions::new(expected.k, expected.ef);
                session.search(query, &options, &mut answers).unwrap();
                assert_eq!(answers.len(), wanted.len());
                for (answer, &(id, distance)) in answers.iter().zip(wanted) {
                    assert_eq!(answer.id, id, "{path:?}");
                    let tolerance = 1e-5 * distance.abs().max(1.0);
                    assert!((answer.distance - distance).abs() <= tolerance, "{path:?}");
                }
            }
        }
    }
    assert!(files >= 4, "the committed files are there");
}
