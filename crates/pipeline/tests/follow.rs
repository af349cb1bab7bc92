//! One process writes a collection, others read it: real processes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]
#![cfg(unix)]

mod common;

use common::options;
use crinoid_pipeline::{
    EmbeddingSpace, QueryVector, Request, SearchOptions,
    collection::{
        Attributes, Batch, Collection, CollectionError, CollectionOptions, CollectionRetriever,
        ExternalId, FilterExpr, Follower, Fusion, Readable, Row,
    },
};
use crinoid_quant::Metric;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

const FOLDER: &str = "CRINOID_TEST_FOLLOW_FOLDER";
const ROLE: &str = "CRINOID_TEST_FOLLOW_ROLE";
/// Rows of a batch: all of them have the number of the batch as an attribute, or none is there.
const ROWS: u64 = 5;

fn kept() -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2))
        .seal_rows(40)
        .max_segments(2)
}

fn write(collection: &Collection, at: u64) {
    let mut batch = Batch::new();
    for row in 0..ROWS {
        let attributes = Attributes::from([("batch".to_owned(), (at as i64).into())]);
        let row_of = Row::new([at as f32, row as f32]).attributes(attributes);
        batch.upsert_row(row, row_of.clone());
        batch.upsert_row(at * ROWS + row + ROWS, row_of.text(format!("of batch{at}")));
    }
    collection.write(&batch).unwrap();
}

/// What a state of the collection after `at + 1` batches is, and `at`.
fn whole_batches(snapshot: &crinoid_pipeline::collection::Snapshot) -> Option<u64> {
    if snapshot.is_empty() {
        return None;
    }
    let batches = snapshot.len() as u64 / ROWS - 1;
    assert_eq!(snapshot.len() as u64 % ROWS, 0, "half a batch");
    let last = batches - 1;
    let of_last = snapshot.filtered(&FilterExpr::equal("batch", last as i64)).unwrap();
    // The first rows are replaced by every batch.
    let ids: Vec<ExternalId> = (0..ROWS)
        .chain((1..=ROWS).map(|row| last * ROWS + ROWS - 1 + row))
        .map(Into::into)
        .collect();
    assert_eq!(of_last.list(None, 100), ids);
    assert_eq!(of_last.search_text(&format!("batch{last}"), 100).unwrap().len() as u64, ROWS);
    let query = [last as f32, 0.0];
    let found = snapshot.search(&query, &SearchOptions::new(2, 100)).unwrap();
    assert_eq!((found[0].id.clone(), found[0].distance), (0.into(), 0.0));
    Some(last)
}

/// Not a test by itself: another process, which does as it is told, a line at a time.
#[test]
fn child() {
    let (Ok(folder), Ok(role)) = (std::env::var(FOLDER), std::env::var(ROLE)) else { return };
    let mut out = std::io::stdout();
    let mut say = |word: String| {
        writeln!(out, "said {word}").unwrap();
        out.flush().unwrap();
    };
    let mut lines = std::io::stdin().lines();
    if role == "follow" {
        let follower = Follower::open(folder).unwrap();
        say("open".to_owned());
        while let Some(Ok(_)) = lines.next() {
            follower.refresh().unwrap();
            say(format!("{:?}", whole_batches(&follower.snapshot())));
        }
        return;
    }
    let collection = match role.as_str() {
        "share" => Collection::open_shared(folder).unwrap(),
        _ => Collection::open(folder).unwrap(),
    };
    say("open".to_owned());
    let mut at = 0;
    while let Some(Ok(line)) = lines.next() {
        for _ in 0..line.trim().parse().unwrap() {
            write(&collection, at);
            at += 1;
        }
        say(format!("{at}"));
    }
}

struct Other {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Other {
    fn start(folder: &Path, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder)
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut other = Self { child, input, output: BufReader::new(output) };
        assert_eq!(other.said(), "open");
        other
    }

    fn said(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the other process ended");
            if let Some((_, word)) = line.split_once("said ") {
                return word.trim().to_owned();
            }
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.said()
    }

    fn end(self) {
        let Self { mut child, input, .. } = self;
        drop(input);
        assert!(child.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn followers_in_other_processes_see_what_one_writes_whole_batch_by_whole_batch() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    drop(Collection::create(folder, 2, &kept()).unwrap());
    // Without a writer as well.
    assert!(Follower::open(folder).unwrap().snapshot().is_empty());
    let mut writer = Other::start(folder, "share");
    let mine = Follower::open(folder).unwrap();
    let mut theirs = Other::start(folder, "follow");
    assert_eq!(theirs.ask("look"), "None");
    assert_eq!(writer.ask("1"), "1");
    assert_eq!(theirs.ask("look"), "Some(0)");
    assert!(mine.refresh().unwrap());
    assert_eq!(whole_batches(&mine.snapshot()), Some(0));
    let before = mine.snapshot();

    // While it writes, seals and merges.
    writer.tell("60");
    let (mut seen, mut refreshed) = (Some(0), 0);
    while seen < Some(60) {
        refreshed += u64::from(mine.refresh().unwrap());
        let now = whole_batches(&mine.snapshot());
        assert!(now >= seen, "{now:?} after {seen:?}");
        seen = now;
    }
    assert!(refreshed > 0);
    assert_eq!(writer.said(), "61");
    assert_eq!(theirs.ask("look"), "Some(60)");
    assert_eq!(whole_batches(&before), Some(0), "an old state stays as it is");
    let rows = mine.get_many(&[7.into(), "nobody".into()]).unwrap();
    assert!(rows[0].is_some() && rows[1].is_none());

    // One writes; who wants to write, too, is told who does.
    let refused = Collection::open_shared(folder).unwrap_err();
    assert!(matches!(&refused, CollectionError::InUse { .. }), "{refused}");
    let refused = Collection::open(folder).unwrap_err();
    assert!(matches!(&refused, CollectionError::InUse { .. }), "{refused}");

    // A writer that dies takes no follower with it; a new follower has to wait for somebody who mends it.
    writer.kill();
    mine.refresh().unwrap();
    assert_eq!(whole_batches(&mine.snapshot()), Some(60));
    assert_eq!(theirs.ask("look"), "Some(60)");
    if let Err(error) = Follower::open(folder) {
        assert!(matches!(error, CollectionError::Unclosed { .. }), "{error}");
    }
    let collection = Collection::open_shared(folder).unwrap();
    assert_eq!(whole_batches(&collection.snapshot()), Some(60));
    write(&collection, 61);
    collection.compact().unwrap();
    assert_eq!(theirs.ask("look"), "Some(61)");
    mine.refresh().unwrap();
    assert_eq!(whole_batches(&mine.snapshot()), Some(61));
    theirs.end();
}

#[test]
fn who_has_a_collection_for_himself_is_named() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    drop(Collection::create(folder, 2, &kept()).unwrap());
    let mut writer = Other::start(folder, "alone");
    assert_eq!(writer.ask("2"), "2");
    let pid = writer.child.id();
    let refusals = [
        Collection::open(folder).unwrap_err(),
        Collection::open_shared(folder).unwrap_err(),
        Follower::open(folder).unwrap_err(),
    ];
    for refused in refusals {
        let CollectionError::InUse { path, holders } = &refused else { panic!("{refused}") };
        assert!(path.starts_with(folder));
        if cfg!(target_os = "linux") {
            assert!(holders.is_empty() || holders.contains(&pid), "{refused}, not {pid}");
            println!("{refused}");
        }
    }
    writer.end();
    let follower = Follower::open(folder).unwrap();
    assert_eq!(whole_batches(&follower.snapshot()), Some(1));
    // Who reads keeps nobody from writing, as long as that is shared.
    let refused = Collection::open(folder).unwrap_err();
    assert!(matches!(refused, CollectionError::InUse { .. }), "{refused}");
    drop(Collection::open_shared(folder).unwrap());
    drop(follower);
    drop(Collection::open(folder).unwrap());
}

#[test]
fn a_retriever_reads_what_another_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    drop(Collection::create(folder.path(), 2, &kept()).unwrap());
    let writer = Collection::open_shared(folder.path()).unwrap();
    let follower = Follower::open(folder.path()).unwrap();
    (0..12).for_each(|at| write(&writer, at));
    assert!(follower.refresh().unwrap());
    let build = &follower.options().build;
    let space = EmbeddingSpace::new(&build.provider, &build.model, 2);
    let vector = QueryVector::Floats(&[3.0, 0.0]);
    let request = Request { vector, space: &space, text: Some("batch7") };
    let answers = |of: &dyn Readable| {
        let retriever = CollectionRetriever::new(of, SearchOptions::for_k(20));
        retriever.with_words(Fusion::default()).retrieve(&request).unwrap()
    };
    let found = answers(&follower);
    assert_eq!((found.len(), answers(&writer).len()), (20, 20));
    let says = |text: &str| found.iter().filter(|one| one.text.as_deref() == Some(text)).count();
    // All that have the word, and the nearest.
    assert!(says("of batch7") == 5 && says("of batch3") >= 1, "{found:?}");
}
