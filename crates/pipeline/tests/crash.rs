//! A child process is killed over and over while it inserts rows with attributes and texts, changes attributes, seals, compacts and publishes;
//! what it acknowledged must be there, what it did not must be there whole or not at all, and filters and words agree
//! with what is stored.
//!
//! `CRINOID_CRASH_KILLS` says how often.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]
#![cfg(unix)]

mod common;

use common::options;
use crinoid_pipeline::{
    Index, SearchOptions,
    collection::{
        Attributes, Batch, Collection, CollectionOptions, ExternalId, FilterExpr, Row, Value,
    },
};
use crinoid_quant::{Metric, Vectors};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How many processes are killed.
fn kills() -> u64 {
    std::env::var("CRINOID_CRASH_KILLS").map_or(300, |kills| kills.parse().unwrap())
}

const DIM: usize = 6;
const FOLDER: &str = "CRINOID_TEST_CRASH_FOLDER";
const START: &str = "CRINOID_TEST_CRASH_START";

fn hash(x: u64) -> u64 {
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

/// Seals every few batches and compacts every few seals.
fn kept() -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2))
        .seal_rows(12)
        .max_dead(0.2)
        .max_segments(3)
}

type Model = BTreeMap<ExternalId, Row>;

/// What happens to an id.
enum Entry {
    Put(Row),
    Update(i64),
    Delete,
}

/// How many values the attribute `n` has.
const VALUES: u64 = 5;

/// How many different words the texts say.
const WORDS: u64 = 4;

fn described(n: u64) -> Attributes {
    let tags = (0..n % 3).map(|tag| tag.to_string()).collect();
    Attributes::from([
        ("n".to_owned(), Value::Int((n % VALUES) as i64)),
        ("tags".to_owned(), Value::List(tags)),
    ])
}

/// The entries of batch number `at`, the same in the child and in the test.
fn entries(at: u64) -> Vec<(ExternalId, Entry)> {
    let entry = |place: u64| {
        let roll = hash(at * 31 + place + 1);
        let id = ExternalId::from(roll % 70);
        let value = |i: u64| (hash(roll + i) % 2_000) as f32 / 1_000.0 - 1.0;
        let entry = match roll / 70 % 8 {
            0 | 1 => Entry::Delete,
            2 | 3 => Entry::Update((roll / 1_000 % VALUES) as i64),
            4 => Entry::Put(Row::new((0..DIM as u64).map(value).collect::<Vec<_>>())),
            _ => {
                let vector: Vec<f32> = (0..DIM as u64).map(value).collect();
                let text = format!("text {roll} says word{}", roll / 10_000 % WORDS);
                Entry::Put(Row::new(vector).attributes(described(roll / 1_000)).text(text))
            }
        };
        (id, entry)
    };
    (0..1 + hash(at) % 5).map(entry).collect()
}

fn apply(model: &mut Model, at: u64) {
    for (id, entry) in entries(at) {
        match entry {
            Entry::Put(row) => drop(model.insert(id, row)),
            Entry::Update(n) => {
                if let Some(row) = model.get_mut(&id) {
                    row.attributes.insert("n".to_owned(), Value::Int(n));
                }
            }
            Entry::Delete => drop(model.remove(&id)),
        }
    }
}

/// Not a test by itself: the process that gets killed.
#[test]
fn child() {
    let (Ok(folder), Ok(start)) = (std::env::var(FOLDER), std::env::var(START)) else { return };
    let collection = Collection::open(folder).unwrap();
    let mut out = std::io::stdout();
    for at in start.parse().unwrap().. {
        let mut batch = Batch::new();
        for (id, entry) in entries(at) {
            match entry {
                Entry::Put(row) => batch.upsert_row(id, row),
                Entry::Update(n) => batch.update(id, [("n".to_owned(), Some(Value::Int(n)))]),
                Entry::Delete => batch.delete(id),
            };
        }
        collection.write(&batch).unwrap();
        writeln!(out, "ack {at}").unwrap();
        out.flush().unwrap();
    }
}

/// Runs the child from batch `start` on, kills it some time after `acks` acknowledgements, and
/// returns the number of the batch that it acknowledged last.
fn run_and_kill(folder: &Path, start: u64, acks: u64, delay: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(START, start.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: String| line.split("ack ").nth(1).and_then(|n| n.trim().parse().ok());
    let mut acknowledged = lines.map_while(Result::ok).filter_map(number);
    let mut last = None;
    for _ in 0..acks {
        last = acknowledged.next();
        assert!(last.is_some(), "the child ended by itself");
    }
    let started = Instant::now();
    while started.elapsed() < delay {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.last().or(last)
}

fn contents(collection: &Collection, ids: u64) -> Model {
    let ids: Vec<ExternalId> = (0..ids).map(ExternalId::from).collect();
    let rows = collection.get_many(&ids).unwrap();
    ids.into_iter().zip(rows).filter_map(|(id, row)| Some((id, row?))).collect()
}

/// Filters find the rows that have the attributes, and answers equal those of an index that was built of exactly
/// these rows.
fn check_answers(collection: &Collection, model: &Model) {
    assert_eq!(collection.len(), model.len());
    for n in 0..VALUES as i64 {
        let tag = (n % 2).to_string();
        let filter = FilterExpr::equal("n", n) | FilterExpr::contains("tags", &*tag);
        let admitted = model.iter().filter(|(_, row)| {
            let tagged = |tags: &Value| matches!(tags, Value::List(tags) if tags.contains(&tag));
            row.attributes.get("n") == Some(&Value::Int(n))
                || row.attributes.get("tags").is_some_and(tagged)
        });
        let admitted: Vec<ExternalId> = admitted.map(|(id, _)| id.clone()).collect();
        assert_eq!(collection.filtered(&filter).unwrap().list(None, 100), admitted, "{filter}");
    }
    for n in 0..WORDS {
        let word = format!("word{n}");
        let says = |text: &String| text.ends_with(&word);
        let saying = model.iter().filter(|(_, row)| row.text.as_ref().is_some_and(says));
        let saying: Vec<_> = saying.map(|(id, _)| id.clone()).collect();
        let found = collection.snapshot().search_text(&word, 100).unwrap();
        let mut found: Vec<_> = found.into_iter().map(|found| found.id).collect();
        found.sort();
        assert_eq!(found, saying, "{word}");
    }
    let rows: Vec<_> = model.values().map(|row| &row.vector).collect();
    if rows.is_empty() {
        return;
    }
    let ids: Vec<_> = model.keys().collect();
    let index = Index::build(&Vectors::from_rows(&rows).unwrap(), &kept().build, &()).unwrap();
    let search = SearchOptions::new(8, 200).pool(200);
    let (mut session, mut expected) = (index.session(), Vec::new());
    for probe in 0..3 {
        let query: Vec<f32> =
            (0..DIM as u64).map(|i| (hash(probe * 97 + i) % 2_000) as f32 / 1e3 - 1.0).collect();
        session.search(&query, &search, &mut expected).unwrap();
        let found = collection.search(&query, &search).unwrap();
        let expected: Vec<_> = expected.iter().map(|n| (ids[n.id as usize], n.distance)).collect();
        let found: Vec<_> = found.iter().map(|answer| (&answer.id, answer.distance)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn whatever_is_killed_when_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    Collection::create(folder.path(), DIM, &kept()).unwrap();
    let (mut model, mut next) = (Model::new(), 0);
    let (mut unacknowledged, mut leftovers) = (0, 0);
    let kills = kills();
    for kill in 0..kills {
        let roll = hash(kill ^ 0xc4a5);
        // Up to a few milliseconds after an acknowledgement, or while it is still opening.
        let delay = Duration::from_micros(roll / 8 % 6_000);
        if let Some(last) = run_and_kill(folder.path(), next, roll % 8, delay) {
            (next..=last).for_each(|at| apply(&mut model, at));
            next = last + 1;
        }
        let collection = Collection::open(folder.path()).unwrap();
        leftovers += collection.recovery().removed;
        let found = contents(&collection, 70);
        if found != model {
            // The batch after the last acknowledged one may have made it, as a whole.
            apply(&mut model, next);
            next += 1;
            unacknowledged += 1;
            assert!(found == model, "kill {kill}: neither the state before batch {next} nor after");
        }
        check_answers(&collection, &model);
    }
    println!(
        "{kills} kills, {next} batches; {unacknowledged} times the batch under way was there, \
         {leftovers} files were left over from seals and compactions"
    );
}
