//! The candidates of the seed database compile against today's traits, find what they should, and are
//! those of the files in `exemplars/`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]
#![allow(
    unreachable_pub,
    missing_docs,
    reason = "the sources are as they stand in the database, each a crate of its own there"
)]

#[path = "../exemplars/graph_second_look.rs"]
mod graph_second_look;
#[path = "../exemplars/graph_twice.rs"]
mod graph_twice;
#[path = "../exemplars/graph_union.rs"]
mod graph_union;
#[path = "../exemplars/refine_half.rs"]
mod refine_half;
#[path = "../exemplars/refine_pool.rs"]
mod refine_pool;
#[path = "../exemplars/refine_prefetch.rs"]
mod refine_prefetch;
#[path = "../exemplars/search_entries.rs"]
mod search_entries;
#[path = "../exemplars/search_reach.rs"]
mod search_reach;

use crinoid_eval::subject::{Asked, Found, Parameters, System};
use crinoid_evolve::{
    exemplar::{Database, Form},
    rig::Rig,
};
use crinoid_quant::{Metric, Vectors};
use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn the_database_holds_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("exemplars");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let files: BTreeSet<String> = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut database = Database::read(Path::new("/nonexistent/database")).unwrap();
    database.sow().unwrap();
    let held = database.exemplars().iter().map(|exemplar| match &exemplar.form {
        Form::Code(code) => code.clone(),
        Form::Knobs(_) => panic!("knobs in {}", exemplar.digest),
    });
    assert_eq!(held.collect::<BTreeSet<_>>(), files);
}

#[test]
fn every_candidate_finds_what_it_should() {
    let rows = (0..1_500).map(|i| [0.37, 0.11, 0.53, 0.29].map(|step| (i as f32 * step).sin()));
    let base = Vectors::from_rows(rows).unwrap();
    let queries = Vectors::new(&base.as_slice()[..4 * 100], 4).unwrap();
    let rigs = [
        Rig::new(),
        Rig::new().with_builder(graph_second_look::Candidate),
        Rig::new().with_builder(graph_twice::Candidate),
        Rig::new().with_builder(graph_union::Candidate),
        Rig::new().with_search(search_entries::Candidate),
        Rig::new().with_search(search_reach::Candidate),
        Rig::new().with_refiner(refine_half::Candidate::new),
        Rig::new().with_refiner(refine_pool::Candidate::new),
        Rig::new().with_refiner(refine_prefetch::Candidate::new),
    ];
    for (which, mut rig) in rigs.into_iter().enumerate() {
        rig.load(base.clone(), Metric::L2).unwrap();
        rig.build(&Parameters::new(), 2, 42).unwrap();
        let params = Parameters::from([("ef".to_owned(), 100.into())]);
        let asked = Asked { queries: &queries, k: 10, params: &params, latencies: false };
        let mut found = Found::default();
        rig.search(&asked, &mut found).unwrap();
        // Every query is a row.
        let first = found.ids.chunks_exact(10).map(|ids| ids[0]);
        let itself = first.zip(0..).filter(|(id, row)| id == row).count();
        assert!(itself >= 99, "candidate {which}: {itself} of 100");
    }
}
