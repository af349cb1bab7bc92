//! What a newcomer types first, by number. Those that cannot compile (4, 5, 16) are documentation tests
//! of the crate, with the message that they give.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid::{BuildOptions, Index, Metric, SearchOptions, Vectors};
use half::f16;

const N: usize = 10;

fn rows() -> Vec<Vec<f32>> {
    (0..N).map(|i| vec![i as f32, 1.0]).collect()
}

fn flat() -> Vec<f32> {
    rows().concat()
}

fn expected() -> Vectors {
    Vectors::from_rows(&rows()).unwrap()
}

fn index() -> Index {
    Index::build(&rows(), &BuildOptions::default(), &()).unwrap()
}

fn ids(answers: &[crinoid::Neighbor]) -> Vec<u32> {
    answers.iter().map(|near| near.id).collect()
}

#[test]
fn guesses_1_to_3_vectors_from_rows_values_and_matrices() {
    assert_eq!(Vectors::from_rows(&rows()).unwrap().row(3), [3.0, 1.0]);
    assert_eq!(Vectors::new(flat(), 2).unwrap(), expected());
    let matrix = ndarray::Array2::from_shape_vec((N, 2), flat()).unwrap();
    assert_eq!(Vectors::from_rows(&matrix).unwrap(), expected());
    assert_eq!(Vectors::from_rows(matrix.view()).unwrap(), expected());
}

#[test]
fn guess_6_vectors_from_an_iterator_of_rows() {
    assert_eq!(Vectors::from_rows(rows().iter()).unwrap(), expected());
    assert_eq!(Vectors::from_rows(rows().chunks(1).map(|one| &one[0])).unwrap(), expected());
}

#[test]
fn guesses_7_to_10_vectors_of_other_numbers() {
    let halves: Vec<f16> = flat().into_iter().map(f16::from_f32).collect();
    assert_eq!(Vectors::new(halves, 2).unwrap(), expected());
    let signed: Vec<i8> = flat().iter().map(|&x| x as i8).collect();
    assert_eq!(Vectors::new(signed, 2).unwrap(), expected());
    let bytes: Vec<u8> = flat().iter().map(|&x| x as u8).collect();
    assert_eq!(Vectors::new(bytes, 2).unwrap(), expected());
    let wide: Vec<f64> = flat().iter().map(|&x| x.into()).collect();
    assert_eq!(Vectors::new(wide, 2).unwrap(), expected());
}

#[test]
fn guesses_11_and_12_building_from_rows() {
    let index = Index::build(&rows(), &BuildOptions::default(), &()).unwrap();
    assert_eq!(ids(&index.search(&[4.1, 1.0], 2).unwrap()), [4, 5]);
    let index = Index::builder().metric(Metric::Cosine).m(24).build(&rows()).unwrap();
    assert_eq!((index.options().graph.m, index.metric()), (24, Metric::Cosine));
    for built in [
        Index::builder().build((flat(), 2)).unwrap(),
        Index::builder().build((&flat()[..], 2)).unwrap(),
        Index::builder().build(rows().iter()).unwrap(),
        Index::builder().build(&expected()).unwrap(),
        Index::builder().build(ndarray::Array2::from_shape_vec((N, 2), flat()).unwrap()).unwrap(),
    ] {
        assert_eq!(built.digest(), self::index().digest());
    }
}

#[test]
fn guesses_13_and_24_many_queries_at_once() {
    let index = index();
    let answers = index.search_batch(&expected(), 3).unwrap();
    assert_eq!(answers, index.search_all(&expected(), 3).unwrap());
    for (row, near) in answers.rows().enumerate() {
        assert_eq!(near, index.search(&rows()[row], 3).unwrap());
    }
    assert!(index.search_batch(&Vectors::empty(2), 10).unwrap().is_empty());
    let error = index.search_batch(&[[1.0, 2.0, 3.0]], 1).unwrap_err();
    assert_eq!(error.to_string(), "query: row 0: 3 dimensions where 2 are expected");
    assert!(index.search_batch(&expected(), 0).unwrap_err().to_string().contains("k is 0"));
}

#[test]
fn guess_14_everything_within_a_distance() {
    let index = index();
    assert_eq!(ids(&index.search_range(&[5.0, 1.0], 1.0).unwrap()), [5, 4, 6]);
    assert!(index.search_range(&[5.0, 1.0], -1.0).unwrap().is_empty());
    assert_eq!(index.search_range(&[5.0, 1.0], f32::INFINITY).unwrap().len(), N);
    let error = index.search_range(&[5.0, 1.0], f32::NAN).unwrap_err();
    assert!(error.to_string().contains("radius"), "{error}");
}

#[test]
fn guess_15_one_after_the_other() {
    let index = index();
    let all: Vec<_> = index.iter(&[0.0, 1.0]).unwrap().map(|near| near.unwrap().id).collect();
    assert_eq!(all, (0..N as u32).collect::<Vec<_>>());
    assert_eq!(index.search_iter(&[9.0, 1.0]).unwrap().next().unwrap().unwrap().id, 9);
}

#[test]
fn guess_17_the_vector_back() {
    let index = index();
    assert_eq!(index.vector(3).unwrap(), rows()[3]);
    assert!(index.vector(N as u32).unwrap_err().to_string().contains("no row 10"));
}

#[test]
fn guesses_18_to_20_options_filters_and_the_metric() {
    let index = index();
    let answers = index.search_with(&[4.1, 1.0], &SearchOptions::for_k(3)).unwrap();
    assert_eq!(ids(&answers), [4, 5, 3]);
    let even = index.search_filtered(&[4.1, 1.0], 3, |id| id % 2 == 0).unwrap();
    assert_eq!(ids(&even), [4, 6, 2]);
    assert_eq!(index.metric(), Metric::L2);
}

#[test]
fn guesses_21_and_22_bytes_instead_of_a_file() {
    let (index, mut bytes) = (index(), Vec::new());
    index.save_to_writer(&mut bytes).unwrap();
    let loaded = Index::from_bytes(&bytes).unwrap();
    assert_eq!(loaded.digest(), index.digest());
    assert_eq!(loaded.search(&[4.1, 1.0], 3).unwrap(), index.search(&[4.1, 1.0], 3).unwrap());
    assert!(Index::from_bytes(&[]).is_err());
    for at in [0, 70, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(Index::load_from(&damaged).is_err(), "byte {at}");
        assert!(Index::load_from(&bytes[..at]).is_err(), "cut at {at}");
    }
}
