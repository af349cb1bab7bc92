//! Rows that are the same vector: every one of them is found, whatever the recipe.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, options, suitable};
use crinoid_graph::VERSIONS;
use crinoid_pipeline::{
    Index, IndexBytes, Recipe, SearchOptions,
    container::{Container, Sections, publish},
};
use crinoid_quant::{Metric, Vectors};
use std::path::Path;

/// Which of `distinct` vectors each of `n` rows is.
type Plan = (&'static str, fn(usize) -> usize);

const PLANS: [Plan; 4] = [
    ("all the same", |_| 0),
    ("half the same", |row| if row % 2 == 0 { 0 } else { row }),
    ("pairs", |row| row / 2),
    ("power law", |row| (1000.0 / (row + 1) as f64).log2() as usize),
];

fn planned(plan: Plan, n: usize, distinct: &Vectors) -> Vectors {
    let rows: Vec<&[f32]> = (0..n).map(|row| distinct.row(plan.1(row))).collect();
    Vectors::from_rows(&rows).unwrap()
}

fn ids(index: &Index, query: &[f32], k: usize) -> Vec<u32> {
    index.search(query, k).unwrap().iter().map(|near| near.id).collect()
}

#[test]
fn every_row_is_found_by_every_graph() {
    const N: usize = 1_000;
    let distinct = clustered(N, 8, 3);
    // Closest lists lose whole clusters, copies or not.
    for version in VERSIONS.iter().filter(|version| !version.name.starts_with("hnsw-closest")) {
        let recipe = format!("sq8@1/{version}/pool@1/float@1");
        for plan in PLANS {
            let vectors = planned(plan, N, &distinct);
            let mut options = options(&recipe, Metric::Cosine);
            (options.graph.m, options.graph.ef_construction) = (8, 40);
            let index = Index::build(&vectors, &options, &()).unwrap();
            assert_eq!(index.len(), N);
            for row in (0..N).step_by(37) {
                let same: Vec<u32> =
                    (0..N as u32).filter(|&other| plan.1(other as usize) == plan.1(row)).collect();
                let found = ids(&index, vectors.row(row), same.len());
                assert_eq!(found, same, "{version}, {}, row {row}", plan.0);
            }
            let mut all = ids(&index, vectors.row(0), 2 * N);
            all.sort_unstable();
            assert_eq!(all, (0..N as u32).collect::<Vec<_>>(), "{version}, {}", plan.0);
        }
    }
}

#[test]
fn copies_cost_four_bytes_and_survive_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copies.cri");
    let distinct = clustered(400, 24, 1);
    let vectors = planned(PLANS[2], 400, &distinct);
    for recipe in ["sq8@1/crinoid@1/pipelined@2/int8@1+float@1", "u8-exact@1/hnsw@1/pool@1/none@1"]
    {
        let parsed: Recipe = recipe.parse().unwrap();
        let mut options = options(recipe, Metric::L2);
        options.truncate = Some(16);
        let suited = |vectors: &Vectors| suitable(&parsed, Metric::L2, vectors.clone()).unwrap();
        let built = Index::build(&suited(&vectors), &options, &()).unwrap();
        let half: Vec<&[f32]> = distinct.rows().take(200).collect();
        let half = suited(&Vectors::from_rows(&half).unwrap());
        let lean = Index::build(&half, &options, &()).unwrap();
        let IndexBytes { graph, codes, refine, copies } = built.bytes();
        assert_eq!(IndexBytes { graph, codes, refine, copies: 0 }, lean.bytes());
        assert_eq!(copies, 4 * (400 + 200 + 1));
        built.save(&path).unwrap();
        let loaded = Index::load(&path).unwrap();
        assert_eq!((loaded.len(), loaded.digest()), (400, built.digest()));
        let (mut session, mut answers) = (loaded.session(), Vec::new());
        for node in (0..200).step_by(9) {
            let query = suited(&vectors);
            let query = query.row(2 * node);
            let pair = [2 * node as u32, 2 * node as u32 + 1];
            assert_eq!(ids(&built, query, 2), pair);
            assert_eq!(ids(&loaded, query, 2), pair);
            assert_eq!(ids(&loaded, query, 1), pair[..1]);
            session.scan_codes(query, 2, &mut answers).unwrap();
            assert_eq!([answers[0].id, answers[1].id], pair);
            session.search(query, &SearchOptions::new(2, 40), &mut answers).unwrap();
            assert_eq!([answers[0].id, answers[1].id], pair);
        }
    }
}

#[test]
fn postings_that_contradict_the_rest_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copies.cri");
    let vectors = planned(PLANS[2], 40, &clustered(40, 8, 1));
    let options = options("sq8@1/hnsw@1/pool@1/none@1", Metric::L2);
    Index::build(&vectors, &options, &()).unwrap().save(&path).unwrap();
    let forge = |name: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let container = Container::open(&path).unwrap();
        let mut sections = Sections::new();
        for section in container.sections() {
            let mut bytes = container.get(section.name()).unwrap().to_vec();
            if section.name() == name {
                edit(&mut bytes);
            }
            sections.push(section.name(), bytes);
        }
        let forged = folder.path().join("forged.cri");
        publish(Path::new(&forged), &sections).unwrap();
        Index::load(&forged).unwrap_err().to_string()
    };
    for (name, edit) in [
        ("copies.rows", (|bytes| bytes[0] = 5) as fn(&mut Vec<u8>)),
        ("copies.rows", |bytes| bytes.truncate(8)),
        ("copies.starts", |bytes| bytes[4] = 0),
        ("copies.starts", |bytes| bytes.truncate(8)),
    ] {
        let error = forge(name, &edit);
        assert!(error.contains("forged.cri") && error.contains("copies"), "{error}");
    }
}
