//! npy, TREC and BEIR files, folders, splits, integrity.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_eval::{
    DataError, Dataset,
    data::{
        Judgment, Names, Qrels, Synthetic,
        beir::{Collection, Text},
        npy, read_vectors, trec, write_vectors,
    },
    metrics::{Answers, hit, mrr, ndcg},
    truth,
};
use crinoid_quant::{Metric, Vectors};
use std::path::{Path, PathBuf};

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn small() -> Dataset {
    let data = Synthetic { rows: 60, queries: 10, dim: 5, ..Synthetic::default() };
    data.generate("small").unwrap()
}

/// The files were written by `numpy.save`: `arange(12, dtype=float32).reshape(4, 3) / 4 - 1`,
/// `arange(-4, 8).reshape(4, 3)` and an array in Fortran order.
#[test]
fn arrays_of_numpy_are_read() {
    let floats: Vec<f32> = (0..12).map(|i| i as f32 / 4.0 - 1.0).collect();
    let vectors = npy::read_vectors(&committed("f4.npy"), "base").unwrap();
    assert_eq!((vectors.as_slice(), vectors.dim()), (&floats[..], 3));
    let integers: Vec<f32> = (-4..8).map(|i| i as f32).collect();
    assert_eq!(npy::read_vectors(&committed("i8.npy"), "base").unwrap().as_slice(), integers);
    let ids = npy::read_ids(&committed("i8.npy")).unwrap();
    assert_eq!((ids.dim, ids.values[3], ids.values[11]), (3, u32::MAX, 7));
    let error = npy::read_vectors(&committed("fortran.npy"), "base").unwrap_err().to_string();
    assert!(error.contains("fortran_order"), "{error}");
    assert!(npy::read_ids(&committed("f4.npy")).unwrap_err().to_string().contains("<f4"));
}

#[test]
fn npy_goes_there_and_back_and_is_what_numpy_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let vectors = npy::read_vectors(&committed("f4.npy"), "base").unwrap();
    write_vectors(&path, &vectors).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(committed("f4.npy")).unwrap());
    assert_eq!(read_vectors(&path, "base").unwrap(), vectors);
}

#[test]
fn damaged_npy_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let good = std::fs::read(committed("f4.npy")).unwrap();
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        npy::read_vectors(&path, "base")
    };
    for length in 0..good.len() {
        let error = open(&good[..length]).unwrap_err();
        assert!(matches!(error, DataError::Length { .. }), "{length}: {error}");
    }
    assert!(matches!(open(&[&good[..], &[0]].concat()), Err(DataError::Length { .. })));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x15;
        // An error or other finite values; never a panic.
        if let Ok(vectors) = open(&bad) {
            assert!(vectors.as_slice().iter().all(|value| value.is_finite()));
        }
    }
    let absurd = |shape: &str| {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (text.len() as u16).to_le_bytes();
        open(&[b"\x93NUMPY\x01\x00", &length[..], text.as_bytes()].concat()).unwrap_err()
    };
    assert!(matches!(absurd("(4000000000, 18446744073709551615)"), DataError::Length { .. }));
    assert!(matches!(absurd("(4, 0)"), DataError::Field { .. }));
    assert!(matches!(absurd("(4294967295, 1)"), DataError::Field { .. }));
    assert!(matches!(absurd("(4,)"), DataError::Field { .. }));
    assert!(matches!(absurd("(99999999999999999999, 1)"), DataError::Field { .. }));
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
    assert!(refused(&good.replace("\"text\"", "\"words\"")).contains("row 0"));
    assert!(refused(&good[..good.len() / 2]).contains("line is damaged"));
    std::fs::remove_file(&corpus).unwrap();
    assert!(matches!(Collection::open(folder.path(), "test"), Err(DataError::Io { .. })));
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
    assert!(matches!(data.write(folder.path(), "u8bin"), Err(DataError::Row { row: 0, .. })));

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
        assert!(matches!(error, DataError::Damaged { .. }), "{error}");
    }
    assert!(matches!(Dataset::open(folder.path()), Err(DataError::Io { .. })));
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
