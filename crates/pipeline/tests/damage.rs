//! Files that were cut, flipped or forged: a typed error or right answers, never a panic.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_pipeline::{
    Index,
    container::{Container, Sections, publish},
};
use crinoid_quant::{Metric, Neighbor};
use std::{fs, path::Path};

/// A file with sections of every kind: codes, graph with an upper layer, two refiners.
fn small(path: &Path) -> Index {
    let mut options = options("sq8@1/hnsw@1/pool@1/int8@1+float@1", Metric::InnerProduct);
    options.truncate = Some(6);
    options.graph.m = 2;
    let index = Index::build(&clustered(12, 8, 1), &options, &()).unwrap();
    index.save(path).unwrap();
    index
}

fn answers(index: &Index) -> Vec<Vec<Neighbor>> {
    let queries = clustered(5, 8, 2);
    queries.rows().map(|query| index.search(query, 4).unwrap()).collect()
}

#[test]
fn every_flipped_byte_is_an_error_or_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let expected = answers(&small(&path));
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        match Index::load(&path) {
            Ok(index) => assert_eq!(answers(&index), expected, "byte {at}"),
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert_eq!(refused, whole.len(), "no byte of the file is without a check");
}

#[test]
fn every_cut_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    small(&path);
    let whole = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for len in (0..whole.len()).rev() {
        file.set_len(len as u64).unwrap();
        assert!(Index::load(&path).is_err(), "cut to {len} bytes");
    }
}

/// Whoever computes the checksums anew gets past them. What is behind them must still not crash.
#[test]
fn forged_sections_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    small(&path);
    let container = Container::open(&path).unwrap();
    let sections: Vec<(String, Vec<u8>)> = container
        .sections()
        .iter()
        .map(|section| (section.name().to_owned(), container.get(section.name()).unwrap().to_vec()))
        .collect();
    let forged = folder.path().join("forged");
    let mut outcomes = [0; 2];
    let mut attempt = |victim: usize, bytes: Option<Vec<u8>>| {
        let mut forgery = Sections::new();
        for (place, (name, original)) in sections.iter().enumerate() {
            match (place == victim, &bytes) {
                (true, Some(bytes)) => forgery.push(name.clone(), bytes.clone()),
                (true, None) => {}
                (false, _) => forgery.push(name.clone(), original.clone()),
            }
        }
        // Written plainly: durability is not what is tested here.
        fs::write(&forged, forgery.to_bytes().unwrap()).unwrap();
        let loaded = Index::load(&forged);
        outcomes[usize::from(loaded.is_ok())] += 1;
        if let Ok(index) = loaded {
            let mut out = Vec::new();
            for query in clustered(3, 8, 2).rows() {
                let options = crinoid_pipeline::SearchOptions::new(4, 20);
                // A forged metric may refuse the query; it must not panic.
                let _ = index.session().search(query, &options, &mut out);
            }
            let _ = (index.digest(), index.bytes());
        }
    };
    for (victim, (_, original)) in sections.iter().enumerate() {
        attempt(victim, None);
        attempt(victim, Some(Vec::new()));
        attempt(victim, Some([original.as_slice(), &[0; 64]].concat()));
        for at in 0..original.len() {
            for value in [0xff, original[at] ^ 0x40] {
                let mut bytes = original.clone();
                bytes[at] = value;
                attempt(victim, Some(bytes));
            }
        }
    }
    assert!(outcomes.iter().all(|&count| count > 100), "{outcomes:?}");
}

#[test]
fn a_republished_file_leaves_open_indexes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    small(&path);
    let old = Index::load(&path).unwrap();
    let before = answers(&old);
    publish(&path, &Sections::new()).unwrap();
    assert_eq!(answers(&old), before);
    assert!(Index::load(&path).is_err());
}
