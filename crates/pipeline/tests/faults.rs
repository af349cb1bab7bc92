//! The disk refuses: every n-th write, sync, rename or read below a collection's folder fails, in a process of its
//! own, by a library that is loaded before libc (`faults.c`, compiled here). What is asked then succeeds or ends in
//! a typed error; what was acknowledged is there, what failed is there whole or not at all, and no answer is wrong.
//!
//! `CRINOID_FAULT_RATES` names other rates than the usual ones: `3,7,40`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]
#![cfg(target_os = "linux")]

mod common;

use common::{distance, options};
use crinoid_pipeline::{
    SearchOptions,
    collection::{
        Attributes, Batch, Collection, CollectionError, CollectionOptions, ExternalId, FilterExpr,
        Row,
    },
};
use crinoid_quant::{Metric, random::hash};
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

const DIM: usize = 4;
const FOLDER: &str = "FAULT_FOLDER";
const BATCHES: u64 = 40;
const IDS: u64 = 40;

/// What fails, as `faults.c` numbers it.
const KINDS: [(&str, u32); 5] =
    [("writes", 1), ("syncs", 2), ("renames", 4), ("reads", 8), ("all of them", 15)];

/// Every how many calls.
const RATES: [u64; 9] = [1, 2, 3, 5, 11, 23, 47, 101, 211];

type Model = BTreeMap<ExternalId, Row>;

fn kept() -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2))
        .seal_rows(12)
        .max_dead(0.2)
        .max_segments(2)
        // Vectors of segments are read while it searches.
        .rows_on_disk(true)
}

/// The entries of batch number `at`: rows, and ids that go.
fn entries(at: u64) -> Vec<(u64, Option<Row>)> {
    let entry = |place: u64| {
        let roll = hash(7, at * 31 + place);
        let value = |i: u64| (hash(roll, i) % 2_000) as f32 / 1_000.0 - 1.0;
        let row = Row::new((0..DIM as u64).map(value).collect::<Vec<_>>())
            .attributes(Attributes::from([("n".to_owned(), ((roll >> 8) as i64 % 3).into())]))
            .text(format!("word{} of {at}", roll >> 16 & 3));
        (roll % IDS, (roll >> 32 & 3 > 0).then_some(row))
    };
    (0..4).map(entry).collect()
}

fn apply(model: &mut Model, at: u64) {
    for (id, row) in entries(at) {
        match row {
            Some(row) => drop(model.insert(id.into(), row)),
            None => drop(model.remove(&id.into())),
        }
    }
}

fn batch(at: u64) -> Batch {
    let mut batch = Batch::new();
    for (id, row) in entries(at) {
        match row {
            Some(row) => batch.upsert_row(id, row),
            None => batch.delete(id),
        };
    }
    batch
}

fn contents(collection: &Collection) -> Result<Model, CollectionError> {
    let ids: Vec<ExternalId> = (0..IDS).map(ExternalId::from).collect();
    let rows = collection.get_many(&ids)?;
    Ok(ids.into_iter().zip(rows).filter_map(|(id, row)| Some((id, row?))).collect())
}

/// Every question is answered rightly, or refused.
fn check(collection: &Collection, model: &Model) -> Result<(), CollectionError> {
    let query = [0.1, -0.2, 0.3, 0.0];
    let filtered = collection.filtered(&FilterExpr::equal("n", 1i64))?;
    let whole = collection.snapshot();
    for (snapshot, only) in [(&whole, false), (&filtered, true)] {
        let admitted = model.iter().filter(|(_, row)| !only || row.attributes["n"] == 1.into());
        let mut truth: Vec<f32> =
            admitted.clone().map(|(_, row)| distance(Metric::L2, &query, &row.vector)).collect();
        truth.sort_by(f32::total_cmp);
        truth.truncate(5);
        assert_eq!(snapshot.len(), admitted.clone().count());
        let options = SearchOptions::new(5, 200).pool(200);
        for found in [snapshot.search(&query, &options)?, snapshot.search_exact(&query, 5)?] {
            assert_eq!(found.len(), truth.len());
            for (found, truth) in found.iter().zip(&truth) {
                assert!((found.distance - truth).abs() < 1e-4, "{found:?}, not {truth}");
            }
        }
        let said = |row: &Row| row.text.as_ref().is_some_and(|text| text.contains("word2"));
        let mut found = snapshot.search_text("word2", 100)?;
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let found = found.iter().map(|found| &found.id);
        assert!(found.eq(admitted.filter(|(_, row)| said(row)).map(|(id, _)| id)));
    }
    Ok(())
}

/// Tries until it is done, as often as is sensible.
fn persist<T>(mut attempt: impl FnMut() -> Result<T, CollectionError>) -> Option<T> {
    (0..12).find_map(|_| attempt().ok())
}

/// Not a test by itself: the process whose disk fails. It says which batches were acknowledged, which failed and
/// were found there, and which failed and were not.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let mut out = std::io::stdout();
    let mut say = |what: &str, at: u64| {
        writeln!(out, "said {what} {at}").unwrap();
        out.flush().unwrap();
    };
    let mut model = Model::new();
    let mut open = persist(|| Collection::open(&folder));
    for at in 0..BATCHES {
        let Some(collection) = &open else { return };
        match collection.write(&batch(at)) {
            Ok(_) => {
                apply(&mut model, at);
                say("acknowledged", at);
            }
            Err(error) => {
                say("failed", at);
                // It is there, whole, or it is not; whoever asks again finds out.
                assert!(!error.to_string().is_empty());
                drop(open.take());
                let found = persist(|| {
                    let collection = Collection::open(&folder)?;
                    let rows = contents(&collection)?;
                    Ok((collection, rows))
                });
                let Some((collection, rows)) = found else { return };
                if rows != model {
                    apply(&mut model, at);
                    assert!(rows == model, "neither the state before batch {at} nor after");
                    say("there", at);
                } else {
                    say("absent", at);
                }
                open = Some(collection);
            }
        }
        let Some(collection) = &open else { return };
        match at % 8 {
            3 => drop(collection.seal()),
            5 => drop(collection.flush()),
            7 => drop(collection.compact()),
            _ => {}
        }
        if let Ok(rows) = contents(collection) {
            assert!(rows == model, "after batch {at}");
        }
        let _ = check(collection, &model);
    }
}

/// The library, or why there is none.
fn library(folder: &Path) -> Result<PathBuf, String> {
    let (source, library) = (folder.join("faults.c"), folder.join("libfaults.so"));
    std::fs::write(&source, include_str!("faults.c")).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-w", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .output()
        .map_err(|error| format!("no cc here ({error})"))?;
    match compiled.status.success() {
        true => Ok(library),
        false => Err(String::from_utf8_lossy(&compiled.stderr).into_owned()),
    }
}

fn run(library: &Path, folder: &Path, kinds: u32, every: u64, error: i32) -> std::process::Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("LD_PRELOAD", library)
        .env(FOLDER, folder)
        .env("FAULT_KINDS", kinds.to_string())
        .env("FAULT_EVERY", every.to_string())
        .env("FAULT_ERROR", error.to_string())
        .output()
        .unwrap()
}

#[test]
fn a_disk_that_refuses_costs_errors_and_no_data() {
    let room = tempfile::tempdir().unwrap();
    let library = match library(room.path()) {
        Ok(library) => library,
        Err(why) => return println!("skipped: no library that lets the disk fail: {why}"),
    };
    let rates = std::env::var("CRINOID_FAULT_RATES").map_or(RATES.to_vec(), |rates| {
        rates.split(',').map(|rate| rate.trim().parse().unwrap()).collect()
    });
    let (mut runs, mut acknowledged, mut failed, mut there) = (0, 0, 0, 0);
    for (name, kinds) in KINDS {
        let mut failed_here = 0;
        for &every in &rates {
            // EIO and ENOSPC.
            let error = if every % 2 == 1 { 5 } else { 28 };
            let folder = room.path().join(format!("{kinds} {every}"));
            drop(Collection::create(&folder, DIM, &kept()).unwrap());
            let output = run(&library, &folder, kinds, every, error);
            let (said, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "every {every}th of {name}: {said}\n{err}");
            let mut model = Model::new();
            let mut unsure = None;
            for line in said.lines().filter_map(|line| line.split("said ").nth(1)) {
                let (what, at) = line.split_once(' ').unwrap();
                let at: u64 = at.trim().parse().unwrap();
                match what {
                    "failed" => {
                        unsure = Some(at);
                        failed_here += 1;
                    }
                    "acknowledged" | "there" => {
                        apply(&mut model, at);
                        unsure = None;
                        acknowledged += u64::from(what == "acknowledged");
                        there += u64::from(what == "there");
                    }
                    _ => unsure = None,
                }
            }
            let collection = Collection::open(&folder).unwrap();
            let found = contents(&collection).unwrap();
            if let Some(at) = unsure.filter(|_| found != model) {
                apply(&mut model, at);
            }
            assert!(found == model, "every {every}th of {name}: {said}");
            check(&collection, &model).unwrap();
            let verified = collection.verify().unwrap();
            assert!(verified.is_sound(), "every {every}th of {name}: {verified:?}");
            runs += 1;
        }
        failed += failed_here;
        println!("{name}: {failed_here} batches failed");
    }
    println!(
        "{runs} processes: {acknowledged} batches acknowledged, {failed} failed, {there} of these were there"
    );
    assert!(acknowledged > 0 && failed > 0);
}
