//! Texts that say what is relevant, and what was found: qrels, TREC runs, BEIR folders.

use super::script::{Script, path};
use crinoid_eval::data::{DataError, Names, Qrels, beir, trec};
use std::{fs, path::Path};

/// Parts of which many lines make sense.
const WORDS: [&str; 24] = [
    "\t",
    " ",
    "\n",
    "\r\n",
    "0",
    "1",
    "2",
    "7",
    "-1",
    "4294967295",
    "1e3",
    "Q0",
    "query-id\tcorpus-id\tscore\n",
    "#",
    "q1",
    "0 Q0 3 1 2.5 tag\n",
    "1\t2\t1\n",
    "0 0 4 1\n",
    "NaN",
    "0.5",
    "\u{feff}",
    "{\"_id\":\"1\",\"text\":\"t\"}\n",
    "{\"_id\":\"",
    "\"}\n",
];

fn text(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in bytes {
        match WORDS.get(usize::from(byte)) {
            Some(word) => text.extend_from_slice(word.as_bytes()),
            None => text.push(byte),
        }
    }
    text
}

fn check(read: Result<(), DataError>) -> bool {
    if let Err(error) = &read {
        assert!(error.to_string().contains("fuzz"), "the file is not named: {error}");
    }
    read.is_ok()
}

/// Reads the text as each of the formats; what is accepted is written and read again, and is the same.
pub fn run(data: &[u8]) -> bool {
    let mut script = Script(data);
    let (queries, documents) = (Names::numbers(script.below(6)), Names::numbers(script.below(9)));
    let bytes = text(script.rest());
    let (file, copy) = (path("fuzz-judgments"), path("fuzz-copy"));
    fs::write(&file, &bytes).unwrap();
    let plain = Qrels::read(&file, queries.len(), documents.len()).map(|qrels| {
        assert_eq!(qrels.len(), queries.len());
        qrels.write(&copy).unwrap();
        assert_eq!(Qrels::read(&copy, queries.len(), documents.len()).unwrap(), qrels);
    });
    let judged = trec::read_qrels(&file, &queries, &documents).map(|qrels| {
        trec::write_qrels(&copy, &queries, &documents, &qrels).unwrap();
        assert_eq!(trec::read_qrels(&copy, &queries, &documents).unwrap(), qrels);
    });
    let run = trec::read_run(&file, &queries, &documents).map(|answers| {
        assert_eq!(answers.len(), queries.len());
        trec::write_run(&copy, &queries, &documents, &answers, "tag").unwrap();
        assert_eq!(trec::read_run(&copy, &queries, &documents).unwrap(), answers);
    });
    let folder = beir_folder(&bytes);
    [check(plain), check(judged), check(run), folder].contains(&true)
}

/// The text as the judgments of a sound BEIR folder.
fn beir_folder(bytes: &[u8]) -> bool {
    let folder = path("fuzz-beir");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    fs::create_dir_all(folder.join("qrels")).unwrap();
    write(
        "corpus.jsonl",
        "{\"_id\":\"1\",\"text\":\"t\"}\n{\"_id\":\"2\",\"text\":\"u\"}\n".as_bytes(),
    );
    write(
        "queries.jsonl",
        "{\"_id\":\"0\",\"text\":\"t\"}\n{\"_id\":\"1\",\"text\":\"u\"}\n".as_bytes(),
    );
    write("qrels/test.tsv", bytes);
    let opened = open_again(&folder);
    // And as its documents.
    write("corpus.jsonl", bytes);
    write("qrels/test.tsv", b"0\t1\t1\n");
    open_again(&folder) | opened
}

fn open_again(folder: &Path) -> bool {
    check(beir::Collection::open(folder, "test").map(|collection| {
        let again = folder.join("again");
        collection.write(&again, "test").unwrap();
        let read = beir::Collection::open(&again, "test").unwrap();
        assert_eq!(read, collection);
        fs::remove_dir_all(again).unwrap();
    }))
}
