//! The estimator's promises: unbiased over rotations, inside its bound, better than its baselines.

use super::*;
use crate::{codes::Scorer, isa::Portable, random};

fn normal(seed: u64, i: u64) -> f32 {
    // Irwin-Hall: the sum of twelve uniform numbers.
    (0..12).map(|j| random::unit(seed, 12 * i + j)).sum::<f64>() as f32 - 6.0
}

fn vectors(n: usize, dim: usize, offset: f32, unit: bool, seed: u64) -> Vectors {
    let mut values: Vec<f32> = (0..(n * dim) as u64)
        .map(|i| {
            // Uneven variances: the rotation has work to do.
            let spread = 1.0 / (1.0 + (i % dim as u64) as f32 / 8.0).sqrt();
            offset * spread + spread * normal(seed, i)
        })
        .collect();
    if unit {
        for (row, values) in values.chunks_exact_mut(dim).enumerate() {
            crate::prepare::normalise(row, values).unwrap();
        }
    }
    Vectors::new(values.as_slice(), dim).unwrap()
}

fn exact(metric: Metric, q: &[f32], x: &[f32]) -> f64 {
    let pairs = q.iter().zip(x).map(|(&q, &x)| (f64::from(q), f64::from(x)));
    match metric {
        Metric::InnerProduct => -pairs.map(|(q, x)| q * x).sum::<f64>(),
        _ => pairs.map(|(q, x)| (q - x) * (q - x)).sum(),
    }
}

/// Mean and standard error of the error, its root mean square, and how often it leaves the bound,
/// over rotations.
fn errors<const B: u32>(metric: Metric, dim: usize, centroids: usize) -> (f64, f64, f64, f64) {
    let unit = metric == Metric::Cosine;
    let metric = if unit { Metric::L2 } else { metric };
    let base = vectors(60, dim, 0.3, unit, 1);
    let queries = vectors(2, dim, 0.3, unit, 2);
    let mut means = Vec::new();
    let (mut outside, mut squares, mut count) = (0, 0.0, 0);
    for seed in 0..24 {
        let codes = Rabitq::<B>::train_with(&base, metric, &RabitqOptions { centroids, seed });
        let mut query = RabitqQuery::default();
        let mut sum = 0.0;
        for q in queries.rows() {
            codes.encode_query(q, &mut query);
            let scorer = codes.scorer(Portable, &query);
            for (id, x) in base.rows().enumerate() {
                let id = id as u32;
                let error = f64::from(scorer.distance(scorer.key(id))) - exact(metric, q, x);
                outside += usize::from(error.abs() > f64::from(codes.bound(id, &query)));
                squares += error * error;
                sum += error;
                count += 1;
            }
        }
        means.push(sum / 120.0);
    }
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let rms = (squares / count as f64).sqrt();
    (mean, (variance / n).sqrt(), rms, outside as f64 / count as f64)
}

fn promise<const B: u32>(dims: &[usize]) {
    for &dim in dims {
        for metric in [Metric::L2, Metric::InnerProduct, Metric::Cosine] {
            for centroids in [1, 4] {
                let (mean, standard, rms, outside) = errors::<B>(metric, dim, centroids);
                assert!(mean.abs() <= 4.0 * standard, "B{B} {dim} {metric}: {mean} {standard}");
                // 1.9 standard deviations leave 6 % outside.
                assert!(outside < 0.09, "B{B} {dim} {metric} {centroids}: {outside} {rms}");
            }
        }
    }
}

const DIMS: [usize; 5] = [25, 100, 128, 384, 960];

#[test]
fn one_bit_estimates_are_unbiased_and_bounded() {
    promise::<1>(&DIMS);
}

#[test]
fn two_bit_estimates_are_unbiased_and_bounded() {
    promise::<2>(&DIMS);
}

#[test]
fn four_bit_estimates_are_unbiased_and_bounded() {
    promise::<4>(&DIMS);
}

#[test]
fn eight_bit_estimates_are_unbiased_and_bounded() {
    promise::<8>(&DIMS);
}

#[test]
fn more_bits_are_closer() {
    let rms = [
        errors::<1>(Metric::L2, 100, 1).2,
        errors::<2>(Metric::L2, 100, 1).2,
        errors::<3>(Metric::L2, 100, 1).2,
        errors::<4>(Metric::L2, 100, 1).2,
        errors::<5>(Metric::L2, 100, 1).2,
        errors::<6>(Metric::L2, 100, 1).2,
        errors::<7>(Metric::L2, 100, 1).2,
    ];
    assert!(rms.windows(2).all(|pair| pair[1] < 0.8 * pair[0]), "{rms:?}");
}

#[test]
fn the_rounding_of_the_code_is_near_the_best_possible() {
    // Against an exhaustive search over where levels change, the grid loses under 0.1 %.
    let r: Vec<f32> = (0..64).map(|i| normal(3, i)).collect();
    let zero = vec![0.0; 64];
    let quality = |integers: &[u8], middle: f64| {
        let (mut rx, mut xx) = (0.0, 0.0);
        for (&r, &u) in r.iter().zip(integers) {
            let x = f64::from(u) - middle;
            rx += f64::from(r) * x;
            xx += x * x;
        }
        rx / xx.sqrt()
    };
    let mut integers = vec![0u8; 64];
    code::encode::<3>(&r, &zero, Metric::L2, &mut integers);
    let found = quality(&integers, 3.5);
    let best = (1..4000)
        .map(|t| {
            let per_step = t as f32 / 400.0;
            let codes: Vec<u8> = r
                .iter()
                .map(|r| {
                    let size = (r.abs() * per_step).floor().min(3.0) as u8;
                    if *r > 0.0 { 4 + size } else { 3 - size }
                })
                .collect();
            quality(&codes, 3.5)
        })
        .fold(0.0, f64::max);
    assert!(found > 0.999 * best, "{found} {best}");
}

#[test]
fn a_vector_on_its_centroid_has_the_distance_of_the_centroid() {
    let base = Vectors::new(&[2.0; 40][..], 10).unwrap();
    let codes = Rabitq::<1>::train(&base, Metric::L2);
    let mut query = RabitqQuery::default();
    codes.encode_query(&[1.0; 10], &mut query);
    let scorer = codes.scorer(Portable, &query);
    assert!((scorer.distance(scorer.key(3)) - 10.0).abs() < 1e-3);
}
