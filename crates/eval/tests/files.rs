//! fbin, fvecs, ground truth and qrels: there and back, and everything that can be wrong.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_eval::{
    DataError, Dataset,
    data::{
        Judgment, Parts, Qrels, Rows, Synthetic, bin, read_truth, read_vectors, vecs, write_vectors,
    },
    truth,
};
use crinoid_quant::{Buffer, Metric, VectorError, Vectors};
use std::path::{Path, PathBuf};
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
fn every_format_reads_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = bytes_data().base;
    for name in ["a.fbin", "a.u8bin", "a.fvecs", "a.bvecs"] {
        let path = folder.path().join(name);
        write_vectors(&path, &vectors).unwrap();
        assert_eq!(read_vectors(&path, "base").unwrap(), vectors, "{name}");
    }
    let signed = Vectors::from_rows(&[[-128.0f32, 127.0], [0.0, -1.0]]).unwrap();
    let path = folder.path().join("a.i8bin");
    write_vectors(&path, &signed).unwrap();
    assert_eq!(read_vectors(&path, "base").unwrap(), signed);
    // Nothing but the finished files is left behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[test]
fn the_layouts_are_those_of_the_formats() {
    let folder = tempfile::tempdir().unwrap();
    let two = Vectors::from_rows(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]).unwrap();
    let of = |name: &str| {
        let path = folder.path().join(name);
        write_vectors(&path, &two).unwrap();
        std::fs::read(path).unwrap()
    };
    assert_eq!(of("a.u8bin"), [&words(&[2, 3])[..], &[1, 2, 3, 4, 5, 6]].concat());
    assert_eq!(of("a.bvecs"), [&words(&[3])[..], &[1, 2, 3], &words(&[3]), &[4, 5, 6]].concat());
    let floats: Vec<u8> = (1..=6).flat_map(|value| (value as f32).to_le_bytes()).collect();
    assert_eq!(of("a.fbin"), [words(&[2, 3]), floats].concat());
}

#[test]
fn values_that_do_not_fit_are_refused_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = Vectors::from_rows(&[[1.0f32, 2.0], [3.0, 256.0], [0.5, 0.0]]).unwrap();
    let error = write_vectors(&folder.path().join("a.u8bin"), &vectors).unwrap_err();
    assert!(matches!(error, DataError::Row { row: 1, .. }), "{error}");
    assert!(error.to_string().contains("256"), "{error}");

    let huge = Rows { dim: 1, values: Buffer::from_slice(&[1i32, 16_777_217]) };
    let error = huge.into_vectors(Path::new("x.ibin"), "base").unwrap_err();
    assert!(matches!(error, DataError::Row { row: 1, .. }), "{error}");
}

#[test]
fn damaged_bin_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |bytes: &[u8]| read_vectors(&write(&folder, "a.fbin", bytes), "base");
    let good = words(&[2, 3, 0, 0, 0, 0, 0, 0]);
    assert_eq!(open(&good).unwrap().len(), 2);
    for length in 0..good.len() {
        let error = open(&good[..length]).unwrap_err();
        assert!(matches!(error, DataError::Length { .. }), "{length}: {error}");
    }
    let trailing = [&good[..], &[0]].concat();
    assert!(matches!(open(&trailing), Err(DataError::Length { needs: 32, has: 33, .. })));
    // Headers that ask for exabytes, overflow 64 bits or name more rows than ids can.
    assert!(matches!(open(&words(&[u32::MAX - 1, u32::MAX])), Err(DataError::Length { .. })));
    assert!(matches!(open(&words(&[u32::MAX, 1])), Err(DataError::Field { .. })));
    assert!(matches!(open(&words(&[5, 0])), Err(DataError::Field { .. })));
    let nan = words(&[1, 2, 0, f32::NAN.to_bits()]);
    assert!(matches!(
        open(&nan),
        Err(DataError::Vectors { source: VectorError::NotFinite { row: 0, dim: 1, .. }, .. })
    ));
    assert!(matches!(
        read_vectors(&folder.path().join("absent.fbin"), "base"),
        Err(DataError::Io { .. })
    ));
    assert!(matches!(read_vectors(folder.path(), "base"), Err(DataError::Format { .. })));
}

#[test]
fn damaged_vecs_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |bytes: &[u8]| vecs::read::<f32>(&write(&folder, "a.fvecs", bytes));
    let good = words(&[2, 0, 0, 2, 0, 0]);
    assert_eq!(open(&good).unwrap().len(), 2);
    for length in (0..good.len()).filter(|length| *length != 12) {
        let error = open(&good[..length]).unwrap_err();
        assert!(matches!(error, DataError::Length { .. }), "{length}: {error}");
    }
    assert!(matches!(open(&[&good[..], &[0; 7]].concat()), Err(DataError::Length { .. })));
    assert!(matches!(open(&words(&[2, 0, 0, 3, 0, 0])), Err(DataError::Row { row: 1, .. })));
    assert!(matches!(open(&words(&[0, 0, 0])), Err(DataError::Field { .. })));
    assert!(matches!(open(&words(&[u32::MAX, 0, 0])), Err(DataError::Field { .. })));
    assert!(matches!(open(&words(&[i32::MAX as u32, 0])), Err(DataError::Length { .. })));
}

#[test]
fn a_data_set_in_parts_is_put_together() {
    let folder = tempfile::tempdir().unwrap();
    let data = bytes_data();
    let known = truth::exact(Metric::L2, &data.base, &data.queries, 3, &()).unwrap();
    let at = |name: &str| folder.path().join(name);
    write_vectors(&at("tiny.u8bin"), &data.base).unwrap();
    write_vectors(&at("queries.fbin"), &data.queries).unwrap();
    bin::write_truth(&at("with-distances.ibin"), &known).unwrap();
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
    assert!(matches!(error, DataError::Row { row: 2, .. }), "{error}");
    let outside = words(&[5, 1, 0, 1, 2, 40, 4]);
    let path = write(&folder, "outside.ibin", &outside);
    let error = read_truth(&path, Metric::L2, &data.base, &data.queries).unwrap_err();
    assert!(matches!(error, DataError::Row { row: 3, .. }), "{error}");
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
    let good = read("# query\tdocument\n0\t9\n\n2\t1\t3\r\n2\t0\t0\n").unwrap();
    assert_eq!(good.of(2), [Judgment { id: 0, grade: 0 }, Judgment { id: 1, grade: 3 }]);
    for (text, word) in [
        ("0\t1\n0\n", "row 1: base row is missing"),
        ("x\t1\n", "row 0: query is `x`"),
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
    let refused = |path: &str| Dataset::load(path).unwrap_err().to_string();
    assert!(refused("nothing.xyz").contains("fbin"));
    assert!(refused("embeded").contains("embedded-wide"));
    assert!(refused("base.fbin").contains("no queries"));
}
