//! Copies of a collection, and what is left of a damaged one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_pipeline::collection::{
    Attributes, Batch, Collection, CollectionError, CollectionOptions, ExternalId, FilterExpr, Row,
};
use crinoid_quant::Metric;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

const DIM: usize = 16;

fn small() -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2))
        .seal_rows(1_000_000)
}

type Model = BTreeMap<ExternalId, Row>;

/// A closed collection: 300 rows in a segment, some of them replaced, 100 beside it, with attributes.
fn filled(folder: &Path) -> Model {
    let collection = Collection::create(folder, DIM, &small()).unwrap();
    let mut model = Model::new();
    let vectors = clustered(400, DIM, 5);
    for (first, last) in [(0, 300), (290, 400)] {
        let mut batch = Batch::new();
        for at in first..last {
            let id = match at % 3 {
                0 => ExternalId::from(format!("row {at}")),
                _ => ExternalId::from(at as u64),
            };
            let attributes = Attributes::from([("n".to_owned(), (at as i64).into())]);
            let vector = vectors.row(at).to_vec();
            let row = Row::new(vector).attributes(attributes).text(format!("row {at}"));
            batch.upsert_row(id.clone(), row.clone());
            model.insert(id, row);
        }
        collection.write(&batch).unwrap();
        if first == 0 {
            collection.seal().unwrap();
        }
    }
    model
}

fn contents(collection: &Collection) -> Model {
    let ids = collection.snapshot().list(None, 1_000);
    let rows = collection.get_many(&ids).unwrap();
    ids.into_iter().zip(rows.into_iter().map(Option::unwrap)).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_backup_is_a_collection_as_it_was_at_one_time() {
    let folder = tempfile::tempdir().unwrap();
    let (live, to) = (folder.path().join("live"), folder.path().join("copy"));
    let model = filled(&live);
    let collection = Collection::open(&live).unwrap();
    collection.backup(&to).unwrap();
    assert!(matches!(collection.backup(&to), Err(CollectionError::Exists { .. })));
    collection.delete_where(&FilterExpr::is_null("nothing")).unwrap();
    collection.compact().unwrap();
    let restored = Collection::open(&to).unwrap();
    assert_eq!(restored.recovery(), Default::default());
    assert_eq!((restored.snapshot().segments(), restored.snapshot().dead()), (1, 10));
    assert_eq!(contents(&restored), model);
    assert!(restored.verify().unwrap().is_sound());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
}

/// Every batch gives all rows one number: a copy with two of them is half of one.
#[test]
fn backups_are_made_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small();
    options.seal_rows = 30;
    let collection = Collection::create(folder.path().join("live"), 2, &options).unwrap();
    let write = |n: i64| {
        let mut batch = Batch::new();
        for id in 0..12u64 {
            let attributes = Attributes::from([("n".to_owned(), n.into())]);
            batch.upsert_with(id, &[n as f32, 1.0], attributes);
        }
        collection.write(&batch).unwrap();
    };
    write(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 1;
            while !done.load(Ordering::Relaxed) {
                write(n);
                n += 1;
            }
        });
        for at in 0..4 {
            let to = folder.path().join(format!("copy {at}"));
            collection.backup(&to).unwrap();
            let copy = Collection::open(&to).unwrap();
            let rows: Vec<Row> = contents(&copy).into_values().collect();
            assert_eq!(rows.len(), 12);
            assert!(rows.iter().all(|row| *row == rows[0]), "{rows:?}");
            assert!(copy.verify().unwrap().is_sound());
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn only_one_at_a_time_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), 2, &small()).unwrap();
    for refused in
        [Collection::open(folder.path()).map(drop), Collection::repair(folder.path()).map(drop)]
    {
        let error = refused.unwrap_err();
        assert!(
            matches!(&error, CollectionError::InUse { path, .. } if path.starts_with(folder.path())),
            "{error}"
        );
    }
    drop(collection);
    assert_eq!(Collection::repair(folder.path()).unwrap(), Default::default());
}

/// The places of a vector as it lies in the store.
fn places(file: &[u8], vector: &[f32]) -> Vec<usize> {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    let windows = file.windows(bytes.len()).enumerate();
    windows.filter(|(_, window)| *window == bytes).map(|(at, _)| at).collect()
}

#[test]
fn what_is_damaged_is_repaired_from_segments_or_said_to_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, spoiled) = (folder.path().join("sound"), folder.path().join("spoiled"));
    let mut model = filled(&sound);
    assert_eq!(Collection::repair(&sound).unwrap().kept, None);
    copy(&sound, &spoiled);
    let store = spoiled.join("rows.redb");
    let mut file = fs::read(&store).unwrap();
    // One of the segment, one beside it.
    let (sealed, fresh) = (ExternalId::from(100u64), ExternalId::from(350u64));
    for id in [&sealed, &fresh] {
        let places = places(&file, &model[id].vector);
        assert!(!places.is_empty());
        places.into_iter().for_each(|at| file[at + 5] ^= 0x10);
    }
    fs::write(&store, &file).unwrap();
    let error = Collection::open(&spoiled).unwrap_err();
    assert!(error.to_string().contains("350"), "{error}");
    let repaired = Collection::repair(&spoiled).unwrap();
    assert_eq!((repaired.rows, repaired.lost.len()), (model.len() - 1, 1), "{repaired:?}");
    assert!(repaired.lost[0].contains("350") && repaired.restored.len() == 1, "{repaired:?}");
    assert!(repaired.restored[0].contains("`100`"), "{repaired:?}");
    assert_eq!(repaired.kept, Some(spoiled.join("rows.redb.damaged")));
    assert!(spoiled.join("rows.redb.damaged").exists());
    model.remove(&fresh);
    let collection = Collection::open(&spoiled).unwrap();
    assert_eq!(contents(&collection), model);
    assert!(collection.verify().unwrap().is_sound());
    assert_eq!(collection.filtered(&"n >= 300".parse().unwrap()).unwrap().len(), 99);
}

#[test]
fn whatever_byte_is_damaged_a_repair_invents_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, spoiled) = (folder.path().join("sound"), folder.path().join("spoiled"));
    let model = filled(&sound);
    let whole = fs::read(sound.join("rows.redb")).unwrap();
    let hook = std::panic::take_hook();
    // The store's own panics are caught; what they print is of no interest here.
    std::panic::set_hook(Box::new(|_| ()));
    let outcome = std::panic::catch_unwind(|| {
        let (mut repaired, mut all) = (0, 0);
        for round in 0..40u64 {
            let mut file = whole.clone();
            let hash = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let at = (hash >> 20) as usize % file.len();
            match round % 3 {
                // Where something is written.
                0 => {
                    let at = (at..).chain(0..at).find(|&at| file.get(at).is_some_and(|&b| b != 0));
                    file[at.unwrap()] ^= 1 << (hash % 8);
                }
                1 => file[at..].iter_mut().take(5_000).for_each(|byte| *byte = hash as u8),
                _ => file[at..].iter_mut().take(300).for_each(|byte| *byte = 0),
            }
            let _ = fs::remove_dir_all(&spoiled);
            copy(&sound, &spoiled);
            fs::write(spoiled.join("rows.redb"), &file).unwrap();
            let Ok(report) = Collection::repair(&spoiled) else { continue };
            let collection = Collection::open(&spoiled).unwrap();
            assert!(collection.verify().unwrap().is_sound(), "round {round}");
            let left = contents(&collection);
            assert_eq!(left.len(), report.rows, "round {round}");
            for (id, row) in &left {
                let was = &model[id];
                assert_eq!(row.vector, was.vector, "round {round}: {id}");
                assert!(row.attributes == was.attributes || row.attributes.is_empty());
            }
            repaired += 1;
            all += usize::from(left == model);
        }
        (repaired, all)
    });
    std::panic::set_hook(hook);
    let (repaired, all) = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    println!("of 40 damaged stores {repaired} were repaired, {all} without loss");
    assert!(repaired >= 20, "{repaired}");
}
