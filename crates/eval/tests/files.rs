//! Data sets in parts, ground truth and qrels, and everything that can be wrong with them.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_eval::{
    DataError, Dataset,
    data::{Judgment, Parts, Qrels, Synthetic, read_truth, write_truth},
    truth,
};
use crinoid_files::{FileError, Rows, bin, vecs, write_vectors};
use crinoid_quant::{Buffer, Metric, Vectors};
use std::path::PathBuf;
use tempfile::TempDir;

fn bytes_data() -> Dataset {
    let tiny = Synthetic { rows: 40, queries: 5, dim: 6, bytes: true, ..Synthetic::default() };
    tiny.generate("tiny").unwrap()
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[test]
fn a_data_set_in_parts_is_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let data = bytes_data();
    let known = truth::exact(Metric::L2, &data.base, &data.queries, 3, &()).unwrap();
    let at = |name: &str| folder.path().join(name);
    write_vectors(&at("tiny.u8bin"), &data.base).unwrap();
    write_vectors(&at("queries.fbin"), &data.queries).unwrap();
    write_truth(&at("with-distances.ibin"), &known).unwrap();
    let ids = Rows { dim: 3, values: Buffer::from_slice(known.ids()) };
    bin::write(&at("ids.ibin"), &ids).unwrap();
    vecs::write(&at("ids.ivecs"), &ids).unwrap();
    let pairs = vec![(1, Judgment { id: 7, grade: 1 }), (0, Judgment { id: 39, grade: 2 })];
    Qrels::new(5, pairs).unwrap().write(&at("tiny.qrels.tsv")).unwrap();

    for name in ["with-distances.ibin", "ids.ibin", "ids.ivecs"] {
        let parts = Parts {
            base: at("tiny.u8bin"),
            queries: at("queries.fbin"),
            truth: Some(at(name)),
            metric: Metric::L2,
        };
        let opened = Dataset::open_parts(&parts).unwrap();
        assert_eq!((opened.name.as_str(), &opened.base), ("tiny", &data.base));
        assert_eq!(opened.truth.as_ref(), Some(&known), "{name}");
        let relevance = opened.relevance.unwrap();
        assert_eq!(relevance.of(0), [Judgment { id: 39, grade: 2 }]);
        assert_eq!(relevance.of(2), []);
    }

    let wrong = [2, 3, 0, 1, 2, 0, 1, 40].map(|id: u32| id);
    let path = write(&folder, "wrong.ibin", &words(&wrong));
    let error = read_truth(&path, Metric::L2, &data.base, &data.queries).unwrap_err();
    assert!(error.to_string().contains("wrong.ibin"), "{error}");
    let twice = words(&[5, 2, 0, 1, 0, 1, 3, 3, 0, 1, 0, 1]);
    let path = write(&folder, "twice.ibin", &twice);
    let error = read_truth(&path, Metric::L2, &data.base, &data.queries).unwrap_err();
    assert!(matches!(error, DataError::File(FileError::Row { row: 2, .. })), "{error}");
    let outside = words(&[5, 1, 0, 1, 2, 40, 4]);
    let path = write(&folder, "outside.ibin", &outside);
    let error = read_truth(&path, Metric::L2, &data.base, &data.queries).unwrap_err();
    assert!(matches!(error, DataError::File(FileError::Row { row: 3, .. })), "{error}");
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let three = Vectors::from_rows(&[[0.0f32; 3]]).unwrap();
    let two = Vectors::from_rows(&[[0.0f32; 2]]).unwrap();
    let refused = |base: &Vectors, queries: &Vectors| {
        Dataset::new("mine", Metric::L2, base.clone(), queries.clone()).unwrap_err().to_string()
    };
    assert!(refused(&three, &two).contains("3 dimensions, queries 2"));
    assert!(refused(&Vectors::empty(3), &three).contains("base set is empty"));
    assert!(refused(&three, &Vectors::empty(3)).contains("query set is empty"));

    let data = bytes_data();
    let other = truth::Truth::new(1, vec![0], vec![0.0]).unwrap();
    assert!(data.clone().with_truth(other).is_err());
    let outside = truth::Truth::new(1, vec![40; 5], vec![0.0; 5]).unwrap();
    assert!(data.clone().with_truth(outside).is_err());
    assert!(data.clone().with_relevance(Qrels::new(4, vec![]).unwrap()).is_err());
    let outside = Qrels::new(5, vec![(0, Judgment { id: 40, grade: 1 })]).unwrap();
    assert!(data.with_relevance(outside).is_err());
}

#[test]
fn senseless_judgments_are_refused_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let read = |text: &str| Qrels::read(&write(&folder, "a.qrels.tsv", text.as_bytes()), 3, 10);
    let good = read("\u{feff}# query\tdocument\n0\t9\n\n2\t1\t3\r\n2\t0\t0\n").unwrap();
    assert_eq!(good.of(2), [Judgment { id: 0, grade: 0 }, Judgment { id: 1, grade: 3 }]);
    for (text, word) in [
        ("0\t1\n0\n", "line 2: base row is missing"),
        ("x\t1\n", "line 1: query is `x`"),
        ("0\t-1\n", "base row is `-1`"),
        ("0\t1\thigh\n", "grade is `high`"),
        ("3\t1\n", "no such query"),
        ("0\t10\n", "no such row"),
        ("0\t1\n0\t1\n", "judged twice"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn unknown_files_are_told_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &str| Dataset::load(path).unwrap_err().to_string();
    assert!(refused("nothing.xyz").contains("no such file"));
    assert!(refused("embeded").contains("embedded-wide"));
    let path = |name: &str| folder.path().join(name).display().to_string();
    write(&folder, "strange.xyz", b"what");
    assert!(refused(&path("strange.xyz")).contains("fbin"));
    for name in ["base.fbin", "base.npy"] {
        write_vectors(&folder.path().join(name), &bytes_data().base).unwrap();
        let error = refused(&path(name));
        let said = ["--queries and --metric are missing", "cargo xtask data convert"];
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    }
    write(&folder, "truth.ibin", &words(&[1, 1, 0]));
    assert!(refused(&path("truth.ibin")).contains("ground truth"));
}

#[test]
fn other_encodings_are_named_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "a.qrels.tsv", b"0\t1\n# G\xf6del\n");
    let error = Qrels::read(&path, 3, 10).unwrap_err().to_string();
    assert!(error.contains("line 2: text is 0xf6"), "{error}");
}
