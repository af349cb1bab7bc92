//! A collection whose files were damaged, removed or cannot be written: errors that say so, and nothing that
//! was acknowledged is lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_pipeline::{
    Index, SearchOptions,
    collection::{
        Batch, Collection, CollectionError, CollectionOptions, ExternalId, MAX_BATCH,
        MAX_BATCH_VALUES, MAX_ID,
    },
};
use crinoid_quant::{Metric, VectorError, Vectors, vectors::MAX_DIM};
use redb::TableDefinition;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

const DIM: usize = 8;

fn small() -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2))
        .seal_rows(40)
        .max_segments(3)
}

type Model = BTreeMap<ExternalId, Vec<f32>>;

/// A closed collection with rows in segments and beside them.
fn filled(folder: &Path) -> Model {
    let collection = Collection::create(folder, DIM, &small()).unwrap();
    let mut model = Model::new();
    for (row, vector) in clustered(130, DIM, 3).rows().enumerate() {
        let id = match row % 2 {
            0 => ExternalId::from(row as u64),
            _ => ExternalId::from(format!("text {row}")),
        };
        collection.upsert(id.clone(), vector).unwrap();
        model.insert(id, vector.to_vec());
        if row == 120 {
            collection.seal().unwrap();
        }
    }
    model
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Everything that a damaged store answers is true, or an error.
fn answers_truly(folder: &Path, model: &Model) -> Result<(), CollectionError> {
    let collection = Collection::open(folder)?;
    for (id, vector) in model {
        if let Some(found) = collection.get(id.clone())? {
            assert_eq!(&found, vector, "{id}");
        }
    }
    let query = [0.25; DIM];
    for answer in collection.search(&query, &SearchOptions::new(10, 200).pool(200))? {
        let vector = model.get(&answer.id).unwrap_or_else(|| panic!("nobody wrote {}", answer.id));
        let distance: f32 = query.iter().zip(vector).map(|(q, x)| (q - x) * (q - x)).sum();
        assert!((distance - answer.distance).abs() < 1e-3, "{answer:?}, {distance}");
    }
    collection.compact()?;
    let verified = collection.verify()?;
    match verified.is_sound() {
        true => Ok(()),
        false => Err(CollectionError::Damaged { what: verified.problems.join("; ") }),
    }
}

#[test]
fn a_flipped_bit_of_a_stored_vector_is_an_error_that_names_it() {
    let (folder, spoiled) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = filled(folder.path());
    copy(folder.path(), spoiled.path());
    // The vector as it lies in the file; a page that was freed may have it as well.
    let id = ExternalId::from(128u64);
    let bytes: Vec<u8> = model[&id].iter().flat_map(|x| x.to_le_bytes()).collect();
    let store = spoiled.path().join("rows.redb");
    let mut file = fs::read(&store).unwrap();
    let places: Vec<usize> = file
        .windows(bytes.len())
        .enumerate()
        .filter(|(_, w)| *w == bytes)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        file[at + 5] ^= 0x10;
    }
    fs::write(&store, &file).unwrap();
    // It is not in a segment, so it is read when the collection is opened.
    let error = Collection::open(spoiled.path()).unwrap_err();
    assert!(matches!(&error, CollectionError::Damaged { what } if what.contains("128")), "{error}");
}

#[test]
fn whatever_byte_of_the_store_is_damaged_nothing_wrong_is_answered_and_nothing_panics() {
    let (folder, spoiled) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = filled(folder.path());
    let whole = fs::read(folder.path().join("rows.redb")).unwrap();
    let store = spoiled.path().join("rows.redb");
    let (mut noticed, mut tried) = (0, 0u64);
    let hook = std::panic::take_hook();
    // The store's own panics are caught; what they print is of no interest here.
    std::panic::set_hook(Box::new(|_| ()));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for round in 0..60u64 {
            let mut file = whole.clone();
            let hash = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let at = (hash >> 20) as usize % file.len();
            match round % 4 {
                // Where something is written, mostly.
                0 | 1 => {
                    let at = (at..).chain(0..at).find(|&at| file.get(at).is_some_and(|&b| b != 0));
                    file[at.unwrap()] ^= 1 << (hash % 8);
                }
                2 => file[at..].iter_mut().take(300).for_each(|byte| *byte = hash as u8),
                _ => file.truncate(at),
            }
            copy(folder.path(), spoiled.path());
            fs::write(&store, &file).unwrap();
            tried += 1;
            noticed += u64::from(answers_truly(spoiled.path(), &model).is_err());
        }
    }));
    std::panic::set_hook(hook);
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    // Most of the file is pages that nothing leads to any more.
    assert!(noticed > tried / 10, "{noticed} of {tried}");
}

#[test]
fn limits_are_errors_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for dim in [0, MAX_DIM + 1, usize::MAX / 4, usize::MAX - 1, usize::MAX] {
        let refused = Collection::create(folder.path().join("no"), dim, &small());
        let refused = refused.map(|_| ()).unwrap_err();
        let expected = match dim {
            0 => VectorError::NoDimensions,
            dim => VectorError::TooWide { dim },
        };
        assert!(
            matches!(&refused, CollectionError::Vector(error) if *error == expected),
            "{refused}"
        );
    }
    assert!(!folder.path().join("no").exists());
    let collection = Collection::create(folder.path().join("yes"), 2, &small()).unwrap();
    for (len, fits) in
        [(0, true), (1, true), (MAX_ID - 1, true), (MAX_ID, true), (MAX_ID + 1, false)]
    {
        let written = collection.upsert("x".repeat(len), &[1.0, 2.0]);
        assert_eq!(written.is_ok(), fits, "{len}");
        if let Err(error) = written {
            assert!(
                matches!(error, CollectionError::Limit { got, most: MAX_ID, .. } if got == len)
            );
        }
    }
    let mut batch = Batch::new();
    for id in 0..=MAX_BATCH as u64 {
        batch.delete(id);
    }
    assert!(matches!(
        collection.write(&batch),
        Err(CollectionError::Limit { most: MAX_BATCH, .. })
    ));
    assert_eq!((collection.len(), MAX_BATCH_VALUES), (4, 1 << 28));
    assert_eq!(collection.write(&Batch::new()).unwrap().inserted, 0);
}

#[test]
fn a_removed_or_replaced_folder_is_noticed_at_the_next_write() {
    let folder = tempfile::tempdir().unwrap();
    for replace in [false, true] {
        let place = folder.path().join(format!("{replace}"));
        let collection = Collection::create(&place, 2, &small()).unwrap();
        collection.upsert("a", &[1.0, 2.0]).unwrap();
        fs::remove_dir_all(&place).unwrap();
        if replace {
            drop(Collection::create(&place, 2, &small()).unwrap());
        }
        for _ in 0..2 {
            let error = collection.upsert("b", &[1.0, 2.0]).unwrap_err();
            assert!(matches!(error, CollectionError::Gone { .. }), "{error}");
        }
        assert!(matches!(collection.seal(), Err(CollectionError::Gone { .. })));
        assert_eq!(collection.len(), 1, "what was there can still be read");
    }
}

/// Where segments should go there are folders, so that publishing fails, as it does on a full disk.
#[test]
fn maintenance_that_fails_is_stated_once_and_writing_goes_on_until_the_backlog_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small();
    (options.seal_rows, options.max_unsealed) = (40, 120);
    let collection = Collection::create(folder.path(), DIM, &options).unwrap();
    let block: Vec<PathBuf> =
        (0..20).map(|n| folder.path().join(format!("segment-{n:08}.cri"))).collect();
    block.iter().for_each(|path| fs::create_dir(path).unwrap());
    let vectors = clustered(400, DIM, 3);
    let mut written = 0;
    let error = loop {
        match collection.upsert(written as u64, vectors.row(written)) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CollectionError::Stalled { unsealed: 120, .. }), "{error}");
    assert_eq!((written, collection.len()), (120, 120));
    let failure = collection.status().failure.unwrap();
    assert!(failure.why.contains("segment-") && failure.attempts >= 1, "{failure:?}");
    assert!(matches!(collection.seal(), Err(CollectionError::Segment(_))));
    // The disk has room again: whoever asks does not wait for the next attempt.
    block.iter().for_each(|path| fs::remove_dir(path).unwrap());
    collection.flush().unwrap();
    assert_eq!(collection.status().failure, None);
    assert!(collection.status().unsealed < 40);
    for row in written..400 {
        collection.upsert(row as u64, vectors.row(row)).unwrap();
    }
    drop(collection);
    let collection = Collection::open(folder.path()).unwrap();
    assert_eq!(collection.len(), 400);
    assert!(collection.verify().unwrap().is_sound());
}

/// Rows that are deleted or replaced while a segment of them is built are dead in it.
#[test]
fn writes_and_reads_go_on_while_segments_are_built() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = small();
    options.max_unsealed = 4_000;
    let collection = Collection::create(folder.path(), DIM, &options).unwrap();
    let vectors = clustered(1_200, DIM, 3);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut found = 0;
            while !done.load(Ordering::Relaxed) {
                found += usize::from(collection.get(7u64).unwrap().is_some());
                let answers = collection.search(vectors.row(3), &SearchOptions::for_k(5)).unwrap();
                assert!(answers.iter().all(|answer| answer.distance >= 0.0));
            }
            found
        });
        let rewriter = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                collection.compact().unwrap();
            }
        });
        for row in 0..1_200u64 {
            let mut batch = Batch::new();
            batch.upsert(row % 300, vectors.row(row as usize)).delete((row * 7) % 310);
            collection.write(&batch).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        rewriter.join().unwrap();
        reader.join().unwrap();
    });
    let mut model = Model::new();
    for row in 0..1_200u64 {
        model.insert(ExternalId::from(row % 300), vectors.row(row as usize).to_vec());
        model.remove(&ExternalId::from((row * 7) % 310));
    }
    assert_eq!(collection.len(), model.len());
    for id in 0..310u64 {
        assert_eq!(collection.get(id).unwrap().as_ref(), model.get(&ExternalId::from(id)), "{id}");
    }
    drop(collection);
    answers_truly(folder.path(), &model).unwrap();
    let collection = Collection::open(folder.path()).unwrap();
    assert_eq!(collection.len(), model.len());
}

/// A store as the first format had it: plain values, the first 30 rows in a segment.
fn first_format(folder: &Path, row: impl Fn(u64) -> Vec<f32>) {
    let words = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let sealed: Vec<u64> = (0..30).collect();
    let vectors: Vec<Vec<f32>> = sealed.iter().map(|&at| row(at)).collect();
    let index = Index::build(&Vectors::from_rows(&vectors).unwrap(), &small().build, &()).unwrap();
    index.save(folder.join("segment-00000000.cri")).unwrap();
    let db = redb::Database::create(folder.join("rows.redb")).unwrap();
    let write = db.begin_write().unwrap();
    {
        let table = |name| TableDefinition::<u64, &[u8]>::new(name);
        let mut rows = write.open_table(table("rows")).unwrap();
        let mut names = write.open_table(table("names")).unwrap();
        let mut ids = write.open_table(TableDefinition::<&[u8], u64>::new("ids")).unwrap();
        for at in (0..60u64).filter(|at| at % 6 != 0) {
            let floats: Vec<u8> = row(at).iter().flat_map(|x| x.to_le_bytes()).collect();
            let name = [&[0], &at.to_be_bytes()[..]].concat();
            rows.insert(at, floats.as_slice()).unwrap();
            names.insert(at, name.as_slice()).unwrap();
            ids.insert(name.as_slice(), at).unwrap();
        }
        let mut segments = write.open_table(table("segments")).unwrap();
        let segment = words(&[&[index.digest()], &sealed[..]].concat());
        segments.insert(0, segment.as_slice()).unwrap();
        let mut counters = write.open_table(TableDefinition::<&str, u64>::new("counters")).unwrap();
        for (name, value) in [("next row", 60), ("next segment", 1), ("dimension", 4)] {
            counters.insert(name, value).unwrap();
        }
        let mut options: serde_json::Value = serde_json::to_value(small()).unwrap();
        options.as_object_mut().unwrap().remove("max_unsealed");
        let mut table = write.open_table(TableDefinition::<&str, &str>::new("options")).unwrap();
        table.insert("options", options.to_string().as_str()).unwrap();
    }
    write.commit().unwrap();
}

#[test]
fn stores_of_the_first_format_are_opened_and_get_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let row = |at: u64| (0..4).map(|i| ((at * 7 + i * 3) % 11 + at) as f32).collect::<Vec<f32>>();
    first_format(folder.path(), row);
    for _ in 0..2 {
        let collection = Collection::open(folder.path()).unwrap();
        assert_eq!((collection.len(), collection.recovery()), (50, Default::default()));
        assert_eq!((collection.snapshot().segments(), collection.snapshot().dead()), (1, 5));
        for at in 0..60 {
            assert_eq!(collection.get(at).unwrap(), (at % 6 != 0).then(|| row(at)), "{at}");
        }
        for at in [1, 29, 31, 59] {
            let found = collection.search(&row(at), &SearchOptions::new(1, 100)).unwrap();
            assert_eq!((found[0].id.clone(), found[0].distance), (at.into(), 0.0));
        }
        let verified = collection.verify().unwrap();
        assert!(verified.is_sound(), "{verified:?}");
    }
}
