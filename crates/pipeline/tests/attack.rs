//! Files whose checksums are right and whose content is a lie: refused by name, whatever they say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_pipeline::{
    Index, Placement, SearchError, SearchOptions,
    container::{Container, Sections},
};
use crinoid_quant::{Metric, Neighbor, Vectors};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn sections(path: &Path) -> Vec<(String, Vec<u8>)> {
    let container = Container::open(path).unwrap();
    let bytes = |name: &str| container.get(name).unwrap().to_vec();
    container.sections().iter().map(|s| (s.name().to_owned(), bytes(s.name()))).collect()
}

/// Writes the sections with all checksums right.
fn forge(path: &Path, sections: &[(String, Vec<u8>)]) {
    let mut forgery = Sections::new();
    for (name, bytes) in sections {
        forgery.push(name.clone(), bytes.clone());
    }
    fs::write(path, forgery.to_bytes().unwrap()).unwrap();
}

/// Loads and, where that works, asks a few questions, of the right length and of others.
fn load_and_ask(path: &Path) -> Result<(), String> {
    for placement in [Placement::Memory, Placement::RowsOnDisk] {
        let index = Index::load_to(path, placement).map_err(|error| error.to_string())?;
        let mut answers = Vec::new();
        for len in [0, 1, 10, 16, index.dim().min(1 << 16)] {
            for (k, ef) in [(1, 1), (10, 100), (usize::MAX, usize::MAX)] {
                let options = SearchOptions::new(k, ef);
                let asked = index.session().search(&vec![0.5; len], &options, &mut answers);
                if asked.is_ok() {
                    let mut ids: Vec<u32> = answers.iter().map(|near| near.id).collect();
                    ids.sort_unstable();
                    ids.dedup();
                    assert_eq!(ids.len(), answers.len(), "an id twice in {path:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn hostile_files_are_refused_and_say_why() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/attack");
    for (name, why) in [
        ("empty-dimension-2-34", "17179869184 dimensions"),
        ("dimension-2-64", "18446744073709551552 dimensions"),
        ("dimension-wraps", "18446744073709551601 dimensions"),
        ("link-twice", "layer 0, node 0: the link to 65 is there twice"),
    ] {
        let refused = load_and_ask(&folder.join(name).with_extension("cri")).unwrap_err();
        assert!(refused.contains(why), "{name}: {refused}");
    }
}

/// Every 8 bytes of the metadata in turn say 0, 1, one more or less, or something absurd: a typed error, or
/// an index that answers. Together with the same number in the codec's state, which must agree.
#[test]
fn no_number_of_the_metadata_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let (mut refused, mut loaded) = (0, 0);
    for (n, recipe) in
        [(0, "float@1/crinoid@1/flat@2/none@1"), (40, "sq8@2/crinoid@1/flat@2/int8@1+float@1")]
    {
        let vectors = match n {
            0 => Vectors::empty(10),
            n => clustered(n, 10, 1),
        };
        let mut options = options(recipe, Metric::L2);
        options.graph.m = 2;
        Index::build(&vectors, &options, &()).unwrap().save(&path).unwrap();
        let original = sections(&path);
        let meta = original.iter().position(|(name, _)| name == "meta").unwrap();
        let whole = original[meta].1.clone();
        let number = |at: usize| u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
        for at in 0..whole.len() - 7 {
            let here = number(at);
            let lies = [0, here.wrapping_add(1), 1 << 34, u64::MAX - 14];
            for lie in lies {
                // Alone, and everywhere the same number stands.
                for everywhere in [false, true] {
                    let mut bytes = whole.clone();
                    bytes[at..at + 8].copy_from_slice(&lie.to_le_bytes());
                    let rest = if everywhere { at + 8..whole.len() - 7 } else { 0..0 };
                    for other in rest.filter(|&other| number(other) == here && here > 1) {
                        bytes[other..other + 8].copy_from_slice(&lie.to_le_bytes());
                    }
                    let mut forged = original.clone();
                    forged[meta].1 = bytes;
                    forge(&path, &forged);
                    match load_and_ask(&path) {
                        Ok(()) => loaded += 1,
                        Err(why) => {
                            assert!(!why.is_empty());
                            refused += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 500 && loaded > 500, "{refused} refused, {loaded} loaded");
}

/// An index whose file is there to be spoiled.
fn open(folder: &Path, placement: Placement) -> (Index, PathBuf, Vectors) {
    let path = folder.join(format!("{placement:?}"));
    let vectors = clustered(300, 24, 1);
    let options = options("sq8@1/crinoid@1/flat@2/int8@1+float@1", Metric::L2);
    Index::build(&vectors, &options, &()).unwrap().save(&path).unwrap();
    (Index::load_to(&path, placement).unwrap(), path, vectors)
}

fn answers(index: &Index, query: &[f32]) -> Result<Vec<Neighbor>, SearchError> {
    let (mut session, mut answers) = (index.session(), Vec::new());
    let result = session.search(query, &SearchOptions::new(5, 50), &mut answers);
    assert!(result.is_ok() || answers.is_empty(), "no half answer");
    result.map(|_| answers)
}

#[test]
fn a_file_that_is_cut_or_overwritten_while_it_is_open_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    for placement in [Placement::Memory, Placement::RowsOnDisk] {
        let (index, path, vectors) = open(folder.path(), placement);
        let query = vectors.row(7);
        let before = answers(&index, query).unwrap();
        let len = fs::metadata(&path).unwrap().len();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        // All but the float rows, which come last, may turn into anything.
        fs::write(&path, vec![0xff; len as usize]).unwrap();
        for cut in [None, Some(len - 1), Some(len / 2), Some(64), Some(0)] {
            if let Some(cut) = cut {
                file.set_len(cut).unwrap();
            }
            match (placement, answers(&index, query)) {
                (Placement::Memory, answer) => assert_eq!(answer.as_ref(), Ok(&before)),
                // Overwritten by NaN, or gone.
                (_, Err(SearchError::Rows { path: named, why })) => {
                    assert!(named == path && why.contains("row"), "{why}");
                }
                (_, other) => panic!("{cut:?}: {other:?}"),
            }
        }
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_is_deleted_or_replaced_goes_on_answering() {
    let folder = tempfile::tempdir().unwrap();
    for placement in [Placement::Memory, Placement::RowsOnDisk] {
        let (index, path, vectors) = open(folder.path(), placement);
        let before = answers(&index, vectors.row(7)).unwrap();
        Index::build(
            &clustered(20, 3, 2),
            &options("float@1/hnsw@1/pool@1/none@1", Metric::L2),
            &(),
        )
        .unwrap()
        .save(&path)
        .unwrap();
        assert_eq!(answers(&index, vectors.row(7)), Ok(before.clone()));
        fs::remove_file(&path).unwrap();
        assert_eq!(answers(&index, vectors.row(7)), Ok(before));
    }
}
