//! The command beside a process that has the collection open.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid::{Batch, Collection, CollectionOptions, Row};
use std::{fs, path::Path, process::Command};

/// Whether it succeeded, and what it printed on standard output or else on standard error.
fn run(folder: &Path, line: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crinoid"));
    let output = command.args(line.split(' ')).current_dir(folder).output().unwrap();
    let said = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_collection_is_read_while_another_process_writes_it_where_that_shares_it() {
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let shop = at.join("shop");
    drop(Collection::create(&shop, 1, &CollectionOptions::default()).unwrap());
    let fill = |collection: &Collection| {
        let mut batch = Batch::new();
        batch.upsert_row("a", Row::new([1.0]).text("an apple"));
        batch.upsert_row("b", Row::new([2.0]).attributes([("n".to_owned(), 7.into())].into()));
        collection.write(&batch).unwrap();
    };

    let writer = Collection::open_shared(&shop).unwrap();
    fill(&writer);
    assert_eq!(run(at, "list shop").1, "a\nb\n");
    assert_eq!(run(at, "list shop --where n=7").1, "b\n");
    let row = run(at, "get shop a").1;
    assert!(row.contains("[1.0]") && row.contains("an apple"), "{row}");
    let found = run(at, "search shop --vector 1.9 -k 1").1;
    assert!(found.contains("\tb\t"), "{found}");
    assert!(run(at, "info shop").1.contains("rows"), "{:?}", run(at, "info shop"));
    assert!(run(at, "export shop --out rows.jsonl").0);
    assert_eq!(fs::read_to_string(at.join("rows.jsonl")).unwrap().lines().count(), 2);
    // What was written since is seen, too.
    writer.delete("a").unwrap();
    assert_eq!(run(at, "list shop --count").1, "1\n");
    let (done, why) = run(at, "delete shop b");
    assert!(!done && why.contains("--shared"), "{why}");
    drop(writer);

    let alone = Collection::open(&shop).unwrap();
    for line in ["list shop", "get shop b", "search shop --vector 1", "info shop", "compact shop"] {
        let (done, why) = run(at, line);
        assert!(
            !done && why.contains("the collection open") && why.contains("--shared"),
            "{line}: {why}"
        );
    }
    drop(alone);
    assert_eq!(run(at, "list shop --count").1, "1\n");
    fs::write(at.join("more.jsonl"), "{\"id\": \"c\", \"vector\": [3.0]}\n").unwrap();
    assert!(run(at, "add shop more.jsonl --ids id --shared").0);
    assert!(run(at, "add new more.jsonl --ids id --shared").0);
    assert_eq!((run(at, "list shop").1, run(at, "list new").1), ("b\nc\n".into(), "c\n".into()));
}
