//! Every number that a caller can give this crate, at its extremes: a right answer or a typed error. Those
//! functions that say "Panics" of a size or an index, as slices and `Vec` do, are not asked.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use bytes::Bytes;
use crinoid_quant::{
    Buffer, Metric, Preparation, VectorError, Vectors, key,
    kmeans::{self, assign, cluster},
    profile::{self, Profile},
    random::{Draws, below, bounded, sample},
    rotation::Rotation,
    vectors::{MAX_DIM, check_dim},
};

const N: usize = 12;

/// 0, 1, one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

const SHARES: [f64; 9] =
    [0.0, 1.0, -1.0, 0.5, 2.0, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

#[test]
fn buffers_and_windows() {
    for len in [0, 1, 17, usize::MAX / 4, usize::MAX - 1, usize::MAX] {
        assert_eq!(Buffer::<f32>::try_zeroed(len).is_some(), len <= 17, "{len} zeroes");
    }
    let bytes = Bytes::from_owner(Buffer::<u8>::zeroed(64));
    for start in extremes(64) {
        for len in extremes(64) {
            let inside = start.checked_add(len).is_some_and(|end| end <= 64);
            let whole = len.is_multiple_of(4) && (start.is_multiple_of(4) || len == 0);
            let window = Buffer::<u32>::window(&bytes, start, len);
            assert_eq!(window.is_ok(), inside && whole, "{len} bytes from {start}");
        }
    }
}

#[test]
fn dimensions() {
    for dim in extremes(MAX_DIM).into_iter().chain(extremes(N)) {
        assert_eq!(check_dim(dim).is_ok(), (1..=MAX_DIM).contains(&dim), "{dim}");
        let divides = dim > 0 && N.is_multiple_of(dim);
        assert_eq!(Vectors::new(vec![0.5; N], dim).is_ok(), divides, "{dim}");
        assert_eq!(Vectors::empty(dim).len(), 0);
        for metric in Metric::ALL {
            let preparation = Preparation::new(metric, dim);
            let mut out = Vec::new();
            let prepared = preparation.apply(7, &[0.5; N], &mut out);
            assert_eq!(prepared.is_ok(), dim == N, "{metric}, {dim}");
            assert!(
                prepared.is_ok() || matches!(prepared, Err(VectorError::Dimension { row: 7, .. }))
            );
        }
        let cut = Preparation::new(Metric::L2, N).truncated(dim);
        assert_eq!(cut.is_ok(), (1..=N).contains(&dim), "truncated to {dim}");
    }
}

#[test]
fn random_numbers() {
    for bound in [0, 1, 2, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        for bits in [0, 1, u64::MAX - 1, u64::MAX] {
            let number = bounded(bits, bound);
            assert!(number < bound || (number, bound) == (0, 0), "{bits}, {bound}");
        }
        assert!(Draws::new(u64::MAX).below(bound) <= bound.saturating_sub(1));
        let number = below(u64::MAX, u64::MAX, bound as usize);
        assert!(number <= (bound as usize).saturating_sub(1));
    }
    for len in [0, 1, N - 1, N, N + 1] {
        for count in extremes(N) {
            let rows = sample(u64::MAX, len, count);
            assert_eq!(rows.len(), len.min(count), "{count} of {len}");
            assert!(
                rows.is_sorted_by(|a, b| a < b) && rows.iter().all(|&row| (row as usize) < len)
            );
        }
    }
}

#[test]
fn keys_of_distances() {
    let floats = [
        0.0,
        1.0,
        -1.0,
        f32::MIN_POSITIVE,
        1e-45,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    for a in floats {
        assert_eq!(key::to_f32(key::from_f32(a)), a);
        for b in floats {
            assert_eq!(key::from_f32(a) < key::from_f32(b), a < b, "{a}, {b}");
        }
    }
    for (key, id) in [(0, 0), (u32::MAX, 0), (0, u32::MAX), (u32::MAX, u32::MAX)] {
        assert_eq!(key::unpack(key::pack(key, id)), (key, id));
    }
}

fn rows(n: usize, dim: usize) -> Vectors {
    let value = |at: usize| ((at * 37 + 11) % 29) as f32 / 7.0 - 2.0;
    Vectors::new((0..n * dim).map(value).collect::<Vec<f32>>(), dim).unwrap()
}

#[test]
fn clusters_and_profiles() {
    for vectors in [rows(N, 3), rows(1, 1), Vectors::empty(3)] {
        for number in extremes(N) {
            let usual = kmeans::Options::default();
            for options in [
                kmeans::Options { centroids: number, ..usual },
                kmeans::Options { iterations: number, ..usual },
                kmeans::Options { rows_per_centroid: number, ..usual },
                kmeans::Options { centroids: number, rows_per_centroid: number, ..usual },
            ] {
                let centroids = cluster(&vectors, &options);
                let want = options.centroids.clamp(1, vectors.len().max(1));
                assert!((1..=want).contains(&centroids.len()), "{options:?}");
                assert!(centroids.as_slice().iter().all(|value| value.is_finite()));
                let nearest = assign(&vectors, &centroids);
                assert!(nearest.iter().all(|&at| (at as usize) < centroids.len()));
            }
            let usual = profile::Options::default();
            for options in [
                profile::Options { sample: number, ..usual },
                profile::Options { bins: number.min(1 << 10), ..usual },
                profile::Options { lid_neighbors: number, ..usual },
                profile::Options { lid_points: number, ..usual },
                profile::Options { near_zero: number as f32, ..usual },
                profile::Options { near_zero: f32::NAN, ..usual },
            ] {
                let profile = Profile::of(&vectors, &options);
                assert_eq!(profile.rows, vectors.len(), "{options:?}");
                for share in SHARES {
                    assert!(profile.dimensions_for(share) <= vectors.dim(), "{share}");
                }
            }
        }
    }
}

#[test]
fn rotations_keep_lengths() {
    for dim in [0, 1, 2, 3, 63, 64, 65] {
        for rounds in [0, 1, 2, 3, 4, 17] {
            for seed in [0, 1, u64::MAX] {
                let rotation = Rotation::with_rounds(dim, seed, rounds);
                let before: Vec<f32> = (0..dim).map(|at| at as f32 - 3.5).collect();
                let mut vector = before.clone();
                rotation.apply(&mut vector);
                let norm = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>();
                let (was, is) = (norm(&before), norm(&vector));
                assert!((was - is).abs() <= 1e-3 * was, "{dim}, {rounds} rounds: {was}, {is}");
            }
        }
    }
}
