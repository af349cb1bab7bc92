//! Texts beside rows: stored with them, searched by their words, and read by a reranker.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{distance, options};
use crinoid_pipeline::{
    EmbeddingSpace, QueryVector, Request, RetrieverError, SearchOptions,
    collection::{
        Attributes, Batch, Collection, CollectionError, CollectionOptions, CollectionRetriever,
        ExternalId, FilterExpr, Fusion, HybridOptions, MAX_TEXT, Row, TextMatch,
    },
};
use crinoid_quant::Metric;
use crinoid_refine::ScriptedReranker;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use std::{collections::BTreeMap, fs, path::Path};

const DIM: usize = 3;

fn kept() -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2))
        .seal_rows(12)
        .max_dead(0.3)
        .max_segments(2)
}

type Model = BTreeMap<ExternalId, Row>;

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// BM25 as the textbooks have it, over all texts of the model.
fn naive(model: &Model, question: &str, admits: impl Fn(&Row) -> bool) -> Vec<(ExternalId, f64)> {
    let texts: Vec<(&ExternalId, &Row, Vec<String>)> =
        model.iter().filter_map(|(id, row)| Some((id, row, words(row.text.as_deref()?)))).collect();
    let n = texts.len() as f64;
    let average = texts.iter().map(|(_, _, words)| words.len()).sum::<usize>() as f64 / n;
    let mut found = Vec::new();
    for (id, row, text) in &texts {
        let mut score = 0.0;
        for word in words(question) {
            let with = texts.iter().filter(|(_, _, text)| text.contains(&word)).count() as f64;
            let count = text.iter().filter(|w| **w == word).count() as f64;
            let rarity = (1.0 + (n - with + 0.5) / (with + 0.5)).ln();
            let damped = count + 1.2 * (0.25 + 0.75 * text.len() as f64 / average);
            score += rarity * count * 2.2 / damped;
        }
        if score > 0.0 && admits(row) {
            found.push(((*id).clone(), score));
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    found
}

/// The same ids and scores in the same order; where scores differ by rounding alone, in any.
fn same(found: &[TextMatch], truth: &[(ExternalId, f64)], k: usize, question: &str) {
    assert_eq!(found.len(), truth.len().min(k), "`{question}`: {found:?}, not {truth:?}");
    let scores: BTreeMap<_, _> = truth.iter().cloned().collect();
    for (at, found) in found.iter().enumerate() {
        assert!((found.score - truth[at].1).abs() < 1e-9, "`{question}`: place {at}");
        let score = scores.get(&found.id).unwrap_or_else(|| panic!("{} is no answer", found.id));
        assert!((found.score - score).abs() < 1e-9, "`{question}`: {}", found.id);
    }
}

fn text() -> impl Strategy<Value = Option<String>> {
    let word = select(vec!["open", "Close", "file", "file,", "sort-list", "naïve", "7", "the"]);
    let text = vec(word, 0..12).prop_map(|words| words.join(" "));
    prop_oneof![4 => text.prop_map(Some), 1 => Just(None)]
}

fn row() -> impl Strategy<Value = Row> {
    (vec(-4i8..5, DIM), 0i64..3, text()).prop_map(|(vector, n, text)| Row {
        vector: vector.into_iter().map(f32::from).collect(),
        attributes: Attributes::from([("n".to_owned(), n.into())]),
        text,
    })
}

#[derive(Clone, Debug)]
enum Operation {
    Write(Vec<(u64, Option<Row>)>),
    Update(u64, i64),
    Seal,
    Compact,
    Reopen,
    /// Opens it again without the files of the words.
    Forget,
}

fn operation() -> impl Strategy<Value = Operation> {
    let entry = (0u64..30, prop_oneof![4 => row().prop_map(Some), 1 => Just(None)]);
    prop_oneof![
        10 => vec(entry, 1..8).prop_map(Operation::Write),
        1 => (0u64..30, 0i64..3).prop_map(|(id, n)| Operation::Update(id, n)),
        2 => Just(Operation::Seal),
        1 => Just(Operation::Compact),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Forget),
    ]
}

fn files_of_words(folder: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let is_words = |file: &std::path::PathBuf| {
        file.file_name().unwrap().to_string_lossy().starts_with("words-")
    };
    files.filter(is_words).collect()
}

fn check(collection: &Collection, model: &Model, question: &str, query: &[f32], n: i64) {
    let all = collection.snapshot();
    let some = collection.filtered(&FilterExpr::equal("n", n)).unwrap();
    let admitted = |row: &Row| row.attributes.get("n") == Some(&n.into());
    for k in [3, 100] {
        same(
            &all.search_text(question, k).unwrap(),
            &naive(model, question, |_| true),
            k,
            question,
        );
        let found = some.search_text(question, k).unwrap();
        same(&found, &naive(model, question, admitted), k, question);
    }
    let wide = SearchOptions::new(100, 400).pool(400);
    let hybrid = HybridOptions::for_k(100).search(wide);
    for (snapshot, filtered) in [(&all, false), (&some, true)] {
        let near = snapshot.search_exact(query, 100).unwrap();
        let said = snapshot.search_text(question, 100).unwrap();
        for found in snapshot.search_hybrid(query, question, &hybrid).unwrap() {
            let row = &model[&found.id];
            assert!(!filtered || admitted(row));
            let truth = distance(Metric::L2, query, &row.vector);
            assert!((found.distance.unwrap() - truth).abs() < 1e-3);
            let words = said.iter().find(|said| said.id == found.id).map(|said| said.score);
            assert_eq!(found.words, words);
            // Rows at one distance can stand in either order, which moves their ranks.
            let rank = |row: &ExternalId| near.iter().position(|near| near.id == *row).unwrap();
            let ties = near.iter().filter(|near| (near.distance - truth).abs() < 1e-3).count();
            let place = said.iter().position(|said| said.id == found.id);
            let by_words = place.map_or(0.0, |place| 1.0 / (61.0 + place as f64));
            let by_vector = found.score - by_words;
            let rank_found = 1.0 / by_vector - 61.0;
            assert!((rank_found - rank(&found.id) as f64).abs() < ties as f64 + 1e-6);
        }
    }
}

#[test]
fn words_are_found_as_a_naive_bm25_finds_them() {
    let cases = std::env::var("CRINOID_MODEL_CASES").ok().map(|cases| cases.parse().unwrap());
    let config =
        Config { cases: cases.unwrap_or(24), failure_persistence: None, ..Config::default() };
    let question = select(vec!["file", "open the file", "FILE file 7", "sort", "naïve list close"]);
    let query = vec((-4i8..5).prop_map(f32::from), DIM);
    let sequence = vec((operation(), question, query, 0i64..3), 1..16);
    let outcome = TestRunner::new(config).run(&sequence, |operations| {
        let folder = tempfile::tempdir().unwrap();
        let mut collection = Collection::create(folder.path(), DIM, &kept()).unwrap();
        let mut model = Model::new();
        for (operation, question, query, n) in operations {
            match operation {
                Operation::Write(entries) => {
                    let mut batch = Batch::new();
                    for (id, row) in entries {
                        match row {
                            Some(row) => {
                                batch.upsert_row(id, row.clone());
                                model.insert(id.into(), row);
                            }
                            None => {
                                batch.delete(id);
                                model.remove(&id.into());
                            }
                        }
                    }
                    collection.write(&batch).unwrap();
                }
                Operation::Update(id, n) => {
                    collection.update(id, [("n".to_owned(), Some(n.into()))]).unwrap();
                    if let Some(row) = model.get_mut(&id.into()) {
                        row.attributes.insert("n".to_owned(), n.into());
                    }
                }
                Operation::Seal => collection.seal().unwrap(),
                Operation::Compact => collection.compact().unwrap(),
                Operation::Reopen | Operation::Forget => {
                    drop(collection);
                    if matches!(operation, Operation::Forget) {
                        for file in files_of_words(folder.path()) {
                            fs::remove_file(file).unwrap();
                        }
                    }
                    collection = Collection::open(folder.path()).unwrap();
                    assert_eq!(collection.recovery(), Default::default());
                }
            }
            let ids: Vec<ExternalId> = model.keys().cloned().collect();
            let rows = collection.get_many(&ids).unwrap();
            assert!(rows.iter().map(|row| row.as_ref().unwrap()).eq(model.values()));
            let texts = collection.texts(&ids).unwrap();
            assert!(texts.iter().eq(model.values().map(|row| &row.text)));
            check(&collection, &model, question, &query, n);
        }
        assert!(collection.verify().unwrap().is_sound());
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// 200 rows in a segment, some of them replaced since, more beside it.
fn filled(folder: &Path) -> (Collection, Model) {
    let collection = Collection::create(folder, DIM, &kept().seal_rows(10_000)).unwrap();
    let mut model = Model::new();
    for (first, last) in [(0, 200), (180, 260)] {
        let mut batch = Batch::new();
        for at in first..last {
            let text = format!("row {at} of {} has word{} and word{}", first, at % 7, at % 11);
            let row = Row::new([at as f32, 1.0, 0.0]).text(text);
            batch.upsert_row(at, row.clone());
            model.insert(at.into(), row);
        }
        collection.write(&batch).unwrap();
        if first == 0 {
            collection.seal().unwrap();
        }
    }
    (collection, model)
}

fn agrees(collection: &Collection, model: &Model) {
    for question in ["word3", "word1 word10 row", "word5 180", "nothing of it"] {
        let found = collection.snapshot().search_text(question, 500).unwrap();
        same(&found, &naive(model, question, |_| true), 500, question);
    }
}

#[test]
fn a_snapshot_keeps_its_words_whatever_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (collection, model) = filled(folder.path());
    let before = collection.snapshot();
    for at in 0..230u64 {
        collection.delete(at).unwrap();
    }
    collection.compact().unwrap();
    for question in ["word3", "word1 word10 row"] {
        let found = before.search_text(question, 500).unwrap();
        same(&found, &naive(&model, question, |_| true), 500, question);
    }
    let rest = model.into_iter().filter(|(id, _)| *id >= 230.into()).collect();
    agrees(&collection, &rest);
}

#[test]
fn files_of_words_that_are_damaged_lost_or_of_others_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let (collection, model) = filled(folder.path());
    agrees(&collection, &model);
    drop(collection);
    let [file] = &files_of_words(folder.path())[..] else { panic!("one segment, one file") };
    let whole = fs::read(file).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(file, &damaged).unwrap();
        let collection = Collection::open(folder.path()).unwrap();
        agrees(&collection, &model);
    }
    fs::write(file, &whole[..whole.len() / 2]).unwrap();
    let stranger = folder.path().join("words-00000099.cri");
    fs::write(&stranger, b"left over").unwrap();
    let collection = Collection::open(folder.path()).unwrap();
    assert_eq!(collection.recovery().removed, 1);
    agrees(&collection, &model);
    let copy = folder.path().join("copy");
    collection.backup(&copy).unwrap();
    agrees(&Collection::open(&copy).unwrap(), &model);
    drop(collection);
    let mut damaged = fs::read(file).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    let collection = Collection::open(folder.path()).unwrap();
    fs::write(file, damaged).unwrap();
    let problems = collection.verify().unwrap().problems;
    assert!(matches!(&problems[..], [one] if one.contains("words-")), "{problems:?}");
}

#[test]
fn what_is_no_question_or_too_long_is_refused_or_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), DIM, &kept()).unwrap();
    let empty = collection.snapshot();
    assert!(empty.search_text("word", 5).unwrap().is_empty());
    collection.upsert("silent", &[1.0, 2.0, 3.0]).unwrap();
    let mut batch = Batch::new();
    batch.upsert_row("empty", Row::new([0.0; DIM]).text(""));
    batch.upsert_row("said", Row::new([1.0; DIM]).text("a word"));
    collection.write(&batch).unwrap();
    let now = collection.snapshot();
    assert_eq!(now.search_text("WORD!", 5).unwrap()[0].id, "said".into());
    for nothing in ["", "  ,;", "other"] {
        assert!(now.search_text(nothing, 5).unwrap().is_empty(), "`{nothing}`");
    }
    assert!(matches!(now.search_text("word", 0), Err(CollectionError::Search(_))));
    let mut batch = Batch::new();
    batch.upsert_row("long", Row::new([0.0; DIM]).text("x".repeat(MAX_TEXT + 1)));
    let refused = collection.write(&batch).unwrap_err();
    assert!(matches!(refused, CollectionError::Limit { what: "bytes of a text", .. }), "{refused}");
    assert_eq!(collection.len(), 3);
    // Half of the lists is enough for an answer.
    let found = now.search_hybrid(&[0.0; DIM], "other", &HybridOptions::for_k(1)).unwrap();
    assert_eq!((&found[0].id, found[0].words), (&"empty".into(), None));
}

#[test]
fn a_retriever_over_a_collection_checks_the_space_and_reads_the_texts() {
    let folder = tempfile::tempdir().unwrap();
    let (collection, _) = filled(folder.path());
    let space = EmbeddingSpace::new("test", "noise", DIM);
    let request =
        Request { vector: QueryVector::Floats(&[100.0, 1.0, 0.0]), space: &space, text: None };
    let plain = CollectionRetriever::new(&collection, SearchOptions::for_k(3));
    let found = plain.retrieve(&request).unwrap();
    assert_eq!(found[0].id, 100.into());
    assert_eq!(found[0].text.as_deref(), Some("row 100 of 0 has word2 and word1"));
    assert_eq!(found[0].score, None);

    let elsewhere = EmbeddingSpace::new("test", "other", DIM);
    let refused = plain.retrieve(&Request { space: &elsewhere, ..request });
    assert!(matches!(refused, Err(RetrieverError::Mismatch(_))));

    // By words as well: row 250 is far away and has both words.
    let asked = Request { text: Some("250 word5"), ..request };
    let hybrid = CollectionRetriever::new(&collection, SearchOptions::for_k(3))
        .with_words(Fusion::Weighted(0.3));
    let found = hybrid.retrieve(&asked).unwrap();
    assert_eq!(found[0].id, 250.into());
    assert!(found[0].fused.is_some());

    let text = "row 103 of 0 has word5 and word4";
    let reranker = ScriptedReranker::new().with("250 word5", text, 3.0);
    let reranked = plain.with_reranker(&reranker, 10);
    let among = collection.snapshot();
    let (found, report) = reranked.retrieve_among(&among, &asked).unwrap();
    assert_eq!((&found[0].id, found[0].score), (&103.into(), Some(3.0)));
    assert_eq!((found.len(), report.unwrap().entered), (3, 10));
}
