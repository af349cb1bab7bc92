//! The HDF5 reader against files that h5py wrote (tests/data/make.py).
#![cfg(feature = "hdf5")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests report by panicking or skipping"
)]

use crinoid_eval::{
    DataError, Dataset,
    metrics::{Answers, RecallMetric, Tolerance, hit, mean, mrr, ndcg},
    truth,
};
use crinoid_files::FileError;
use crinoid_quant::Metric;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(format!("{name}.hdf5"))
}

fn open(name: &str) -> Result<Dataset, DataError> {
    Dataset::open(&file(name))
}

/// The values that make.py writes.
fn values(rows: usize, salt: usize) -> Vec<f32> {
    let value = |at: usize| {
        let (i, j) = (at / 7, at % 7);
        ((i * i * 31 + j * 17 + i * j * 7 + salt * 101) % 253) as f32
    };
    (0..rows * 7).map(value).collect()
}

fn floats(rows: usize, salt: usize) -> Vec<f32> {
    values(rows, salt).iter().map(|value| value / 8.0 - 15.0).collect()
}

#[test]
fn every_layout_and_type_reads_as_h5py_wrote_it() {
    for (name, metric, whole) in [
        ("euclidean", Metric::L2, false),
        ("angular", Metric::Cosine, false),
        ("double", Metric::L2, false),
        ("chunked", Metric::L2, false),
        ("untold", Metric::L2, false),
        ("bytes", Metric::L2, true),
        ("big-endian", Metric::L2, true),
    ] {
        let data = open(name).unwrap();
        assert_eq!((data.name.as_str(), data.metric, data.dim()), (name, metric, 7));
        let of = if whole { values } else { floats };
        assert_eq!(data.base.as_slice(), of(60, 0), "{name}");
        assert_eq!(data.queries.as_slice(), of(6, 1), "{name}");
        assert_eq!(data.truth.is_none(), name == "untold");
        if let Some(read) = &data.truth {
            let computed = truth::exact(metric, &data.base, &data.queries, 5, &()).unwrap();
            assert_eq!(read.ids(), computed.ids(), "{name}");
            for (read, computed) in read.distances().iter().zip(computed.distances()) {
                assert!((read - computed).abs() <= 1e-6 * (1.0 + computed), "{name}");
            }
        }
    }
}

/// Files as VIBE lays them out, with queries to learn from.
#[test]
fn files_of_vibe_are_read_with_their_sample() {
    for (name, metric) in [
        ("vibe-ip", Metric::InnerProduct),
        ("vibe-cosine", Metric::Cosine),
        ("vibe-normalized", Metric::Cosine),
    ] {
        let data = open(name).unwrap();
        assert_eq!(
            (data.metric, data.base.len(), data.queries.len(), data.dim()),
            (metric, 60, 6, 7)
        );
        let computed = truth::exact(metric, &data.base, &data.queries, 5, &()).unwrap();
        assert_eq!(data.truth.as_ref().unwrap().ids(), computed.ids(), "{name}");
        let sample = data.sample.as_ref().unwrap();
        assert_eq!(sample.queries.len(), 8);
        let near = truth::exact(metric, &data.base, &sample.queries, 5, &()).unwrap();
        assert_eq!(sample.neighbors.as_ref().unwrap().values.as_slice(), near.ids(), "{name}");
    }
}

/// Hamming distances are squared L2 distances of bits, packed or one a byte.
#[test]
fn bits_are_searched_by_their_hamming_distance() {
    let bits = |rows: usize, dim: usize, salt: usize, divisor: usize| -> Vec<f32> {
        let value = |i: usize, j: usize| (i * i * 31 + j * 17 + i * j * 7 + salt * 101) % 253;
        let bit = |at: usize| f32::from(value(at / dim, at % dim).is_multiple_of(divisor));
        (0..rows * dim).map(bit).collect()
    };
    let data = open("vibe-hamming").unwrap();
    assert_eq!((data.metric, data.dim()), (Metric::L2, 16));
    assert_eq!(data.base.as_slice(), bits(60, 16, 0, 3));
    assert_eq!(data.queries.as_slice(), bits(6, 16, 1, 3));
    let known = data.truth.as_ref().unwrap();
    for (query, row) in (0..6).flat_map(|query| (0..5).map(move |rank| (query, rank))) {
        let base = data.base.row(known.ids_of(query)[row] as usize);
        let differ = base.iter().zip(data.queries.row(query)).filter(|(a, b)| a != b).count();
        assert_eq!(known.distances_of(query)[row], differ as f64);
    }
    let data = open("hamming").unwrap();
    assert_eq!((data.metric, data.dim()), (Metric::L2, 7));
    assert_eq!(data.base.as_slice(), bits(60, 7, 0, 2));
}

/// Collections have rows and queries of length zero under the cosine; reading them is no matter of
/// the metric.
#[test]
fn vectors_of_length_zero_are_read() {
    let data = open("zeros").unwrap();
    assert_eq!(data.metric, Metric::Cosine);
    let found = data.integrity(None);
    assert_eq!((found.zero_rows, found.zero_queries), (1, 1));
}

#[test]
fn foreign_layouts_are_refused_by_name() {
    let refused = |name: &str| open(name).unwrap_err().to_string();
    assert!(refused("sparse").contains("`type` is sparse"), "{}", refused("sparse"));
    assert!(matches!(open("absent"), Err(DataError::File(FileError::Io { .. }))));
}

/// Whatever happens to the bytes, the reader answers or says what is wrong; it never panics and
/// never hands out numbers that are not finite.
#[test]
fn a_flipped_byte_or_a_cut_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.hdf5");
    for name in ["euclidean", "chunked"] {
        let good = std::fs::read(file(name)).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= if at % 2 == 0 { 0xff } else { 0x08 };
            std::fs::write(&path, &bad).unwrap();
            if let Ok(data) = Dataset::open(&path) {
                assert!(data.base.as_slice().iter().all(|value| value.is_finite()));
            }
        }
        for length in (0..good.len()).step_by(97) {
            std::fs::write(&path, &good[..length]).unwrap();
            assert!(Dataset::open(&path).is_err(), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn truth_of_other_vectors_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("swapped.hdf5");
    let mut bytes = std::fs::read(file("euclidean")).unwrap();
    // The queries' values stand in one piece; another first query has other distances.
    let queries: Vec<u8> = floats(6, 1).iter().flat_map(|value| value.to_le_bytes()).collect();
    let start = bytes.windows(queries.len()).position(|window| window == queries).unwrap();
    bytes[start..start + 4].copy_from_slice(&300.0f32.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = Dataset::open(&path).unwrap_err();
    assert!(
        matches!(&error, DataError::File(FileError::Row { field, .. }) if field.contains("distances")),
        "{error}"
    );
}

/// A file of the development data, or `None` with a word on stderr where it is not there.
fn development(name: &str) -> Option<Dataset> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("CRINOID_DATA").map_or(folder, PathBuf::from);
    let path = folder.join(format!("{name}.hdf5"));
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(Dataset::open(&path).unwrap())
}

/// Golden values: `get_recall_values(distances, run, k, knn_threshold)` of ann-benchmarks'
/// plotting/metrics.py with the distances of its distance.py, where the run answers query `q` at
/// rank `r` with `neighbors[q][(r * (1 + q % 3) + q % 7) % 100]`, for k = 10 and 50.
#[test]
fn recall_is_that_of_ann_benchmarks() {
    for (name, at_10, at_50) in [
        ("sift-128-euclidean-100k", 0.448, 0.69744),
        ("code-384-angular-100k", 0.4638, 0.71418),
        ("words-25-angular-100k", 0.5435, 0.75726),
    ] {
        let Some(data) = development(name) else { continue };
        let truth = data.truth.as_ref().unwrap();
        let mut answers = Answers::default();
        for query in 0..truth.len() {
            let rank = |r: usize| (r * (1 + query % 3) + query % 7) % 100;
            answers.push((0..50).map(|r| truth.ids_of(query)[rank(r)]));
        }
        let judge =
            RecallMetric::new(&data, truth).unwrap().with_tolerance(Tolerance::AnnBenchmarks);
        for (k, golden) in [(10, at_10), (50, at_50)] {
            let recall = mean(&judge.recall(&answers, k).unwrap());
            assert!((recall - golden).abs() < 1e-9, "{name}, k = {k}: {recall} is not {golden}");
        }
    }
}

#[test]
fn the_development_data_opens() {
    let Some(data) = development("code-384-angular-100k") else { return };
    assert_eq!((data.base.len(), data.dim(), data.queries.len()), (100_000, 384, 1_000));
    assert_eq!(data.metric, Metric::Cosine);
    let qrels = data.relevance.as_ref().unwrap();
    assert_eq!(qrels.iter().count(), 1_000);

    // The relevance metrics of exact search, as published with the data.
    let truth = data.truth.as_ref().unwrap();
    let mut answers = Answers::default();
    (0..truth.len()).for_each(|query| answers.push(truth.ids_of(query).iter().copied()));
    let rows = data.base.len();
    let rounded = |values: Vec<(usize, f64)>| {
        let values: Vec<f64> = values.into_iter().map(|pair| pair.1).collect();
        (mean(&values) * 1000.0).round() / 1000.0
    };
    assert_eq!(rounded(mrr(qrels, &answers, rows, 10).unwrap()), 0.379);
    assert_eq!(rounded(ndcg(qrels, &answers, rows, 10).unwrap()), 0.420);
    assert_eq!(rounded(hit(qrels, &answers, rows, 100).unwrap()), 0.771);
}
