//! Every number that a caller can give this crate, at its extremes: a right answer or a typed error.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_files::{Ids, Kind, bin, npy, read_ids, read_vectors, vecs};
use crinoid_quant::Vectors;

const N: usize = 12;

/// 0, 1, one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

#[test]
fn blocks_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.fbin");
    let values: Vec<f32> = (0..N * 2).map(|at| at as f32).collect();
    let vectors = Vectors::new(values, 2).unwrap();
    bin::write_vectors(&path, &vectors).unwrap();
    for most in extremes(N) {
        let mut matrix = bin::open(&path, Kind::F32).unwrap();
        let mut rows = 0;
        while let Some(block) = matrix.next_vectors(most).unwrap() {
            assert!((1..=most).contains(&block.len()), "{most}");
            rows += block.len();
        }
        assert_eq!(rows, if most == 0 { 0 } else { N }, "blocks of {most}");
    }
}

#[test]
fn columns_and_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u32> = (0..N as u32).collect();
    for number in extremes(N) {
        let path = folder.path().join("a.npy");
        let divides = number > 0 && N.is_multiple_of(number);
        let written = npy::write_rows(&path, &values, number);
        assert_eq!(written.is_ok(), divides, "{number} columns");
        if divides {
            assert_eq!(read_vectors(&path).unwrap().dim(), number);
        }
        let path = folder.path().join("a.ibin");
        let written = bin::write_neighbors(&path, number, &values, &[0.5; N]);
        assert_eq!(written.is_ok(), divides, "{number} neighbours");
        if divides {
            assert_eq!(read_ids(&path, None).unwrap().dim, number);
        }
        assert!(bin::write_neighbors(&path, number, &values, &[0.5; 3]).is_err());
        let ids = Ids::Numbers(vec![7; N]);
        assert_eq!(ids.text(number).is_some(), number < N);
    }
    // Headers that say how many there are: no memory is asked for on their word.
    for number in extremes(N) {
        let word = (number as u32).to_le_bytes();
        for (name, bytes) in [("b.fbin", [word, word].concat()), ("b.fvecs", word.to_vec())] {
            let path = folder.path().join(name);
            std::fs::write(&path, [bytes, vec![0; 40]].concat()).unwrap();
            let read = match name {
                "b.fbin" => bin::open(&path, Kind::F32).map(|matrix| matrix.rows()),
                _ => vecs::open(&path, Kind::F32).map(|matrix| matrix.rows()),
            };
            let fits = match name {
                "b.fbin" => false,
                // Forty zeroes after a dimension: one row of ten.
                _ => number == 10,
            };
            assert_eq!(read.is_ok(), fits, "{name}, {number}: {read:?}");
        }
    }
}
