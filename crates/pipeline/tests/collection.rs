//! The living collection against a map that does the same.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, distance, options};
use crinoid_pipeline::{
    SearchError, SearchOptions,
    collection::{Batch, Collection, CollectionError, CollectionOptions, ExternalId},
};
use crinoid_quant::{Metric, VectorError};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

const DIM: usize = 8;

fn small(metric: Metric) -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", metric))
        .seal_rows(40)
        .max_dead(0.25)
        .max_segments(3)
}

/// What a collection should be.
type Model = BTreeMap<ExternalId, Vec<f32>>;

/// Wide beams find everything in small sets, so answers must be the exact ones.
fn check(collection: &Collection, model: &Model, metric: Metric) {
    assert_eq!(collection.len(), model.len());
    for query in clustered(4, DIM, 99).rows() {
        let found = collection.search(query, &SearchOptions::new(7, 400)).unwrap();
        let mut truth: Vec<_> =
            model.iter().map(|(id, x)| (distance(metric, query, x), id)).collect();
        truth.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert_eq!(found.len(), truth.len().min(7));
        for (answer, &(true_distance, _)) in found.iter().zip(&truth) {
            assert!((answer.distance - true_distance).abs() < 1e-4, "{answer:?} {true_distance}");
            let stored = &model[&answer.id];
            assert!((distance(metric, query, stored) - answer.distance).abs() < 1e-4);
        }
    }
}

fn churn(collection: &Collection, model: &mut Model, rounds: std::ops::Range<u64>) {
    let vectors = clustered(600, DIM, 5);
    for round in rounds {
        let mut batch = Batch::new();
        for entry in 0..7 {
            let hash = (round * 7 + entry).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            let id = match hash % 150 {
                text if text % 3 == 0 => ExternalId::from(format!("id {text}")),
                number => ExternalId::from(number),
            };
            if hash / 150 % 4 == 0 {
                batch.delete(id.clone());
                model.remove(&id);
            } else {
                let vector = vectors.row((hash / 7 % 600) as usize);
                batch.upsert(id.clone(), vector);
                model.insert(id, vector.to_vec());
            }
        }
        collection.write(&batch).unwrap();
    }
}

#[test]
fn inserts_updates_and_deletes_are_seen_at_once_and_after_reopening() {
    for metric in Metric::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model::new();
        let mut options = small(metric);
        options.rows_on_disk = metric == Metric::InnerProduct;
        let collection = Collection::create(folder.path(), DIM, &options).unwrap();
        check(&collection, &model, metric);
        for lap in 0..12 {
            churn(&collection, &mut model, lap * 5..lap * 5 + 5);
            check(&collection, &model, metric);
        }
        collection.flush().unwrap();
        check(&collection, &model, metric);
        let status = collection.status();
        assert!(status.segments > 0 && status.unsealed < 40, "something was sealed: {status:?}");
        assert!(status.rows == model.len() && status.bytes > 0 && status.failure.is_none());
        let verified = collection.verify().unwrap();
        assert!(verified.is_sound() && verified.rows == model.len(), "{verified:?}");
        let some = model.iter().next().unwrap();
        assert_eq!(collection.get(some.0.clone()).unwrap().as_ref(), Some(some.1));
        drop(collection);
        let collection = Collection::open(folder.path()).unwrap();
        assert_eq!(collection.recovery(), Default::default());
        check(&collection, &model, metric);
        collection.seal().unwrap();
        check(&collection, &model, metric);
        collection.compact().unwrap();
        let snapshot = collection.snapshot();
        assert_eq!((snapshot.segments(), snapshot.dead()), (1, 0));
        check(&collection, &model, metric);
        for id in model.keys() {
            assert!(collection.delete(id.clone()).unwrap());
        }
        assert!(collection.is_empty());
        collection.compact().unwrap();
        assert_eq!(segments(folder.path()).len(), 0);
    }
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "cri")).collect()
}

#[test]
fn lost_and_damaged_segments_are_built_again_and_strangers_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Model::new();
    let collection = Collection::create(folder.path(), DIM, &small(Metric::L2)).unwrap();
    churn(&collection, &mut model, 0..40);
    collection.seal().unwrap();
    drop(collection);
    let files = segments(folder.path());
    assert!(!files.is_empty());
    for (round, damage) in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        |path: &Path| fs::write(path, b"").unwrap(),
    ]
    .into_iter()
    .enumerate()
    {
        let files = segments(folder.path());
        files.iter().for_each(|path| damage(path));
        fs::write(folder.path().join("segment-99999999.cri"), b"stranger").unwrap();
        fs::write(folder.path().join(".segment-00000001.cri.1-1.tmp"), b"half").unwrap();
        fs::write(folder.path().join("notes.txt"), b"not ours").unwrap();
        let collection = Collection::open(folder.path()).unwrap();
        let recovery = collection.recovery();
        assert_eq!((recovery.rebuilt, recovery.removed), (files.len(), 2), "round {round}");
        check(&collection, &model, Metric::L2);
        drop(collection);
        let again = Collection::open(folder.path()).unwrap();
        assert_eq!(again.recovery(), Default::default());
        check(&again, &model, Metric::L2);
    }
    assert!(folder.path().join("notes.txt").exists());
}

#[test]
fn a_bad_batch_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), DIM, &small(Metric::Cosine)).unwrap();
    collection.upsert("a", &[1.0; DIM]).unwrap();
    for bad in [vec![1.0; DIM - 1], vec![f32::NAN; DIM], vec![0.0; DIM]] {
        let mut batch = Batch::new();
        batch.delete("a").upsert("b", &[1.0; DIM]).upsert("c", &bad);
        let error = collection.write(&batch).unwrap_err();
        assert!(matches!(error, CollectionError::Vector(_)), "{error}");
        if bad.len() < DIM {
            assert!(matches!(
                error,
                CollectionError::Vector(VectorError::Dimension { row: 2, .. })
            ));
        }
    }
    assert_eq!(collection.len(), 1);
    assert_eq!(collection.get("b").unwrap(), None);
    assert!(matches!(
        collection.search(&[1.0; DIM], &SearchOptions::for_k(0)),
        Err(CollectionError::Search(SearchError::ZeroK))
    ));
    assert!(matches!(
        collection.search(&[1.0; 3], &SearchOptions::for_k(1)),
        Err(CollectionError::Search(SearchError::Query(_)))
    ));
}

#[test]
fn the_last_entry_of_an_id_in_a_batch_wins() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), 2, &small(Metric::L2)).unwrap();
    let mut batch = Batch::new();
    batch.upsert("a", &[1.0, 0.0]).upsert("a", &[2.0, 0.0]).upsert("b", &[3.0, 0.0]).delete("b");
    let written = collection.write(&batch).unwrap();
    assert_eq!((written.inserted, written.updated, written.deleted), (2, 1, 1));
    assert_eq!(collection.len(), 1);
    assert_eq!(collection.get("a").unwrap(), Some(vec![2.0, 0.0]));
    assert!(!collection.delete("nobody").unwrap());
}

#[test]
fn options_that_make_no_sense_are_refused_and_folders_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let mut coarse = small(Metric::L2);
    coarse.build.recipe = "sq8@1/hnsw@1/pool@1/none@1".parse().unwrap();
    let error = Collection::create(folder.path(), DIM, &coarse).unwrap_err();
    assert!(matches!(error, CollectionError::Option { name: "recipe", .. }));
    assert!(Collection::open(folder.path()).is_err());
    Collection::create(folder.path(), DIM, &small(Metric::L2)).unwrap();
    let error = Collection::create(folder.path(), DIM, &small(Metric::L2)).unwrap_err();
    assert!(matches!(error, CollectionError::Exists { .. }));
    let open = Collection::open(folder.path()).unwrap();
    assert!(Collection::open(folder.path()).is_err(), "only one at a time");
    drop(open);
    Collection::open(folder.path()).unwrap();
}

/// Every batch moves all vectors to one place: a reader that sees two places sees half a batch.
#[test]
fn readers_see_the_old_state_or_the_new_never_a_mix() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small(Metric::L2);
    options.seal_rows = 30;
    let collection = Collection::create(folder.path(), 2, &options).unwrap();
    let write = |place: f32| {
        let mut batch = Batch::new();
        for id in 0..12u64 {
            batch.upsert(id, &[place, 1.0]);
        }
        collection.write(&batch).unwrap();
    };
    write(0.0);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0;
                    while !done.load(Ordering::Relaxed) {
                        let found =
                            collection.search(&[0.0, 1.0], &SearchOptions::new(12, 100)).unwrap();
                        assert_eq!(found.len(), 12);
                        assert!(
                            found.iter().all(|answer| answer.distance == found[0].distance),
                            "{found:?}"
                        );
                        seen += 1;
                    }
                    seen
                })
            })
            .collect();
        let before = collection.snapshot();
        for place in 1..60 {
            write(place as f32);
        }
        let old = before.search(&[0.0, 1.0], &SearchOptions::new(1, 10)).unwrap();
        assert_eq!(old[0].distance, 0.0, "a snapshot stays as it was");
        done.store(true, Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>()
    });
    assert!(seen > 0);
}

#[test]
fn opening_what_is_no_collection_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let Err(error) = Collection::open(&missing) else { unreachable!("there is nothing to open") };
    assert!(error.to_string().contains("nowhere: there is no collection"), "{error}");
    assert!(!missing.exists());
}
