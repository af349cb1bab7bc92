//! TREC and BEIR files, folders, splits, integrity.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_eval::{
    DataError, Dataset,
    data::{
        Judgment, Names, Qrels, Synthetic,
        beir::{Collection, Text},
        trec,
    },
    metrics::{Answers, hit, mrr, ndcg},
    truth,
};
use crinoid_files::FileError;
use crinoid_quant::{Metric, Vectors};
use std::path::Path;

fn small() -> Dataset {
    let data = Synthetic { rows: 60, queries: 10, dim: 5, ..Synthetic::default() };
    data.generate("small").unwrap()
}

/// Twelve queries, 41 documents, judgments and a run with ties, all by formula.
fn retrieval() -> (Names, Names, Qrels, String) {
    let named = |prefix: &str, n: usize| {
        Names::new((0..n).map(|i| format!("{prefix}{i}")).collect(), Path::new("names")).unwrap()
    };
    let (mut pairs, mut run) = (Vec::new(), String::new());
    for q in 0..12u32 {
        for d in 0..41 {
            let grade = (q * q * 5 + d * d * 3 + q * d * 7) % 23;
            if grade < 4 && q != 11 {
                pairs.push((q, Judgment { id: d, grade }));
            }
        }
        for r in 0..15 {
            let d = (q * 11 + r * (2 * (q % 5) + 3)) % 41;
            // The ranks are wrong on purpose: only the scores count.
            run.push_str(&format!("q{q} Q0 d{d} 1 {}.0 mine\n", 20 - r / 2));
        }
    }
    (named("q", 12), named("d", 41), Qrels::new(12, pairs).unwrap(), run)
}

const NDCG: [f64; 12] = [
    0.147232347,
    0.226532419,
    0.0,
    0.558507586,
    0.246302389,
    0.08478905,
    0.0,
    0.179070268,
    0.0,
    0.0,
    0.0,
    f64::NAN,
];
/// Beyond rank 10 the reciprocal ranks were set to 0.
const RR: [f64; 12] = [0.111111111, 0.25, 0.0, 1.0, 0.5, 0.25, 0.0, 0.25, 0.0, 0.0, 0.0, f64::NAN];
const SUCCESS: [f64; 12] = [0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, f64::NAN];
const LEFT_OUT: [usize; 2] = [8, 11];

/// Golden values: pytrec_eval-terrier 0.5.11, `ndcg_cut.10`, `recip_rank`, `success.5` on the same
/// run and qrels; ir_measures 0.4.3 agrees (its RR breaks ties otherwise). Both give 0 to
/// queries without relevant documents, which we leave out.
#[test]
fn metrics_of_a_run_agree_with_trec_eval() {
    let folder = tempfile::tempdir().unwrap();
    let (queries, documents, qrels, run) = retrieval();
    let path = folder.path().join("run.trec");
    std::fs::write(&path, run).unwrap();
    let answers = trec::read_run(&path, &queries, &documents).unwrap();
    for (values, golden) in [
        (ndcg(&qrels, &answers, 41, 10).unwrap(), NDCG),
        (mrr(&qrels, &answers, 41, 10).unwrap(), RR),
        (hit(&qrels, &answers, 41, 5).unwrap(), SUCCESS),
    ] {
        let left_out: Vec<usize> =
            (0..12).filter(|q| !values.iter().any(|value| value.0 == *q)).collect();
        assert_eq!(left_out, LEFT_OUT);
        for (query, value) in values {
            assert!((value - golden[query]).abs() < 1e-9, "{query}: {value} {golden:?}");
        }
    }
}

#[test]
fn runs_and_judgments_go_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (queries, documents, qrels, _) = retrieval();
    let mut answers = Answers::default();
    (0..12u32).for_each(|q| answers.push((0..q).rev().map(|i| i * 3)));
    let path = folder.path().join("a");
    trec::write_run(&path, &queries, &documents, &answers, "ours").unwrap();
    assert_eq!(trec::read_run(&path, &queries, &documents).unwrap(), answers);
    trec::write_qrels(&path, &queries, &documents, &qrels).unwrap();
    assert_eq!(trec::read_qrels(&path, &queries, &documents).unwrap(), qrels);

    let fail = |text: &str, word: &str| {
        std::fs::write(&path, text).unwrap();
        let error = match text.split_whitespace().count() {
            4 => trec::read_qrels(&path, &queries, &documents).unwrap_err(),
            _ => trec::read_run(&path, &queries, &documents).unwrap_err(),
        };
        assert!(error.to_string().contains(word), "{error}");
    };
    fail("q0 Q0 d1 1 2.0", "fields is 5");
    fail("q0 Q0 d1 1 high tag", "score is high");
    fail("q0 Q0 d1 1 NaN tag", "not a number");
    fail("q0 Q0 d99 1 2.0 tag", "`d99`");
    fail("q99 Q0 d1 1 2.0 tag", "`q99`");
    fail("q0 Q0 d1 1 2.0 tag\nq0 Q0 d1 2 1.0 tag", "twice");
    fail("q0 0 d1 good", "not an integer");
    fail("q0 0 d77 1", "which does not exist");
    let unnamed = Names::numbers(3);
    assert!(trec::write_run(&path, &queries, &unnamed, &answers, "ours").is_err());
}

#[test]
fn names_that_would_overwrite_each_other_are_refused() {
    let refused = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Names::new(names, Path::new("corpus.jsonl")).unwrap_err().to_string()
    };
    let twice = refused(&["a", "b", "a"]);
    assert!(twice.contains("row 2") && twice.contains("row 0"), "{twice}");
    assert!(refused(&["a", ""]).contains("row 1"));
    assert!(refused(&["a b"]).contains("white space"));
    assert_eq!(Names::numbers(5).row("4"), Some(4));
}

fn collection() -> Collection {
    let text =
        |id: String, title: &str| Text { text: format!("words of {id}"), title: title.into(), id };
    let pairs = vec![(0, Judgment { id: 1, grade: 2 }), (1, Judgment { id: 0, grade: 1 })];
    Collection {
        documents: (0..3).map(|i| text(format!("d{i}"), "A \"title\"")).collect(),
        queries: (0..2).map(|i| text(format!("q{i}"), "")).collect(),
        qrels: Qrels::new(2, pairs).unwrap(),
    }
}

#[test]
fn a_beir_folder_goes_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection();
    collection.write(folder.path(), "test").unwrap();
    assert_eq!(Collection::open(folder.path(), "test").unwrap(), collection);

    // Queries of other splits are left out, and rows are counted without them.
    let queries = folder.path().join("queries.jsonl");
    let more = std::fs::read_to_string(&queries).unwrap();
    let other = "{\"_id\": \"other\", \"text\": \"?\", \"metadata\": {\"any\": 1}}\n";
    std::fs::write(&queries, format!("{other}{more}")).unwrap();
    assert_eq!(Collection::open(folder.path(), "test").unwrap(), collection);

    let vectors = |n: usize| Vectors::new(&vec![1.0f32; n * 4][..], 4).unwrap();
    let data = collection.dataset("mine", Metric::Cosine, vectors(3), vectors(2)).unwrap();
    assert_eq!(data.relevance, Some(collection.qrels.clone()));
    assert!(collection.dataset("mine", Metric::Cosine, vectors(2), vectors(2)).is_err());
    let (documents, queries) = collection.names().unwrap();
    assert_eq!((documents.row("d2"), queries.name(1)), (Some(2), Some("q1")));
}

#[test]
fn a_corpus_that_lost_something_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    collection().write(folder.path(), "test").unwrap();
    let corpus = folder.path().join("corpus.jsonl");
    let good = std::fs::read_to_string(&corpus).unwrap();
    let refused = |text: &str| {
        std::fs::write(&corpus, text).unwrap();
        Collection::open(folder.path(), "test").unwrap_err().to_string()
    };
    let overwritten = refused(&format!("{good}{}", good.lines().next().unwrap()));
    assert!(overwritten.contains("corpus.jsonl: row 3") && overwritten.contains("`d0`"));
    let gold_missing = refused(good.split_once('\n').unwrap().1);
    assert!(gold_missing.contains("test.tsv") && gold_missing.contains("`d0`"), "{gold_missing}");
    assert!(refused(&good.replace("\"text\"", "\"words\"")).contains("line 1"));
    assert!(refused(&good[..good.len() / 2]).contains("text is damaged"));
    std::fs::remove_file(&corpus).unwrap();
    assert!(matches!(
        Collection::open(folder.path(), "test"),
        Err(DataError::File(FileError::Io { .. }))
    ));
}

/// Judgments with or without a line of names above them, and with a byte order mark before either.
#[test]
fn the_first_line_of_judgments_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let collection = collection();
    collection.write(folder.path(), "test").unwrap();
    let path = folder.path().join("qrels/test.tsv");
    let good = std::fs::read_to_string(&path).unwrap();
    let (header, body) = good.split_once('\n').unwrap();
    assert!(header.starts_with("query-id"));
    for text in [body.to_owned(), format!("\u{feff}{body}"), format!("\u{feff}{good}")] {
        std::fs::write(&path, &text).unwrap();
        let read = Collection::open(folder.path(), "test").unwrap();
        assert_eq!(read.qrels, collection.qrels, "{text}");
    }
    // What is no line of names is a judgment, and a damaged one is not passed over.
    let (first, rest) = body.split_once('\n').unwrap();
    let grade = first.rsplit('\t').next().unwrap();
    for bad in ["1.0", "high", ""] {
        let damaged = format!("{}{bad}\n{rest}", &first[..first.len() - grade.len()]);
        std::fs::write(&path, damaged).unwrap();
        let error = Collection::open(folder.path(), "test").unwrap_err().to_string();
        assert!(error.contains("test.tsv: line 1"), "{error}");
    }
    std::fs::write(&path, [good.as_bytes(), b"G\xf6del d0 1\n"].concat()).unwrap();
    let error = Collection::open(folder.path(), "test").unwrap_err().to_string();
    let line = good.lines().count() + 1;
    assert!(error.contains(&format!("line {line}: text is 0xf6")), "{error}");
}

#[test]
fn a_data_set_in_a_folder_goes_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = small();
    let known = truth::exact(data.metric, &data.base, &data.queries, 4, &()).unwrap();
    let pairs = vec![(3, Judgment { id: 7, grade: 1 })];
    let data = data.with_truth(known).unwrap();
    let data = data.with_relevance(Qrels::new(10, pairs).unwrap()).unwrap();
    for format in ["fbin", "fvecs", "npy"] {
        let path = folder.path().join(format);
        data.write(&path, format).unwrap();
        let read = Dataset::open(&path).unwrap();
        assert_eq!((&read.name, read.metric), (&data.name, data.metric));
        assert_eq!((&read.base, &read.queries), (&data.base, &data.queries));
        assert_eq!((read.truth, read.relevance), (data.truth.clone(), data.relevance.clone()));
    }
    assert!(matches!(
        data.write(folder.path(), "u8bin"),
        Err(DataError::File(FileError::Row { row: 0, .. }))
    ));

    let description = folder.path().join("fbin/dataset.json");
    let good = std::fs::read_to_string(&description).unwrap();
    for bad in [
        good.replace("base.fbin", "../fbin/base.fbin"),
        good.replace("base.fbin", "/etc/passwd"),
        good.replace("\"l2\"", "\"manhattan\""),
        good.replace("\"truth\"", "\"thruth\""),
        good[..good.len() / 2].to_owned(),
    ] {
        std::fs::write(&description, bad).unwrap();
        let error = Dataset::open(&folder.path().join("fbin")).unwrap_err();
        assert!(matches!(error, DataError::File(FileError::Damaged { .. })), "{error}");
    }
    assert!(matches!(Dataset::open(folder.path()), Err(DataError::File(FileError::Io { .. }))));
}

#[test]
fn a_split_parts_the_queries_and_what_belongs_to_them() {
    let data = small();
    let known = truth::exact(data.metric, &data.base, &data.queries, 4, &()).unwrap();
    let data = data.with_truth(known).unwrap();
    let (dev, held) = data.split(0.3, 9).unwrap();
    assert_eq!((dev.queries.len(), held.queries.len()), (7, 3));
    assert_eq!((dev.name.as_str(), held.name.as_str()), ("small:dev", "small:held-out"));
    for half in [&dev, &held] {
        let computed = truth::exact(half.metric, &half.base, &half.queries, 4, &()).unwrap();
        assert_eq!(half.truth.as_ref(), Some(&computed));
    }
    let all: Vec<&[f32]> = data.queries.rows().collect();
    assert!(all.iter().all(|row| {
        dev.queries.rows().any(|r| r == *row) != held.queries.rows().any(|r| r == *row)
    }));
    let again = data.split(0.3, 9).unwrap();
    assert_eq!(again.1.queries, held.queries);
    assert_ne!(data.split(0.3, 10).unwrap().1.queries, held.queries);
    assert!(data.split(0.0, 1).is_err() && data.split(1.0, 1).is_err());
    assert!(data.with_queries(&[0]).split(0.5, 1).is_err());
    assert_eq!(data.split(0.0001, 1).unwrap().1.queries.len(), 1);
}

#[test]
fn integrity_finds_what_is_odd() {
    let clean = small();
    let found = clean.integrity(None);
    assert_eq!((found.duplicate_rows, found.largest_group, found.queries_in_base), (0, 1, 0));
    assert_eq!((found.zero_rows, found.bytes, found.judged), (0, false, None));

    let base =
        Vectors::from_rows(&[[1.0f32, 2.0], [0.0, 0.0], [1.0, 2.0], [1.0, 2.0], [9.0, 255.0]]);
    let queries = Vectors::from_rows(&[[9.0f32, 255.0], [0.5, 0.0]]).unwrap();
    let data = Dataset::new("odd", Metric::L2, base.unwrap(), queries).unwrap();
    let exact = truth::exact(data.metric, &data.base, &data.queries, 2, &()).unwrap();
    let wrong = truth::Truth::new(2, vec![4, 3, 1, 4], vec![0.0, 64073.0, 0.25, 1e6]).unwrap();
    let pairs = vec![(0, Judgment { id: 1, grade: 0 })];
    let data = data.with_relevance(Qrels::new(2, pairs).unwrap()).unwrap();
    let found = data.clone().with_truth(wrong).unwrap().integrity(Some(&exact));
    assert_eq!((found.duplicate_rows, found.largest_group, found.queries_in_base), (2, 3, 1));
    assert_eq!((found.zero_rows, found.zero_queries, found.bytes), (1, 0, true));
    assert_eq!(found.judged, Some((1, 1)));
    assert_eq!(found.false_truth, Some((1, 1)));
    assert_eq!(found.norms.0, 0.0);
}
