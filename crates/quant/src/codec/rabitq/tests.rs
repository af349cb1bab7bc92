//! The estimator's promises: unbiased over rotations, inside its bound, better than its baselines.

use super::*;
use crate::{blocks::Factors, codes::Scorer, isa::Portable, key, random};

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

/// The keys of a block at one level.
struct Block<'a> {
    query: &'a BlockQuery,
    codes: &'a [u8],
    factors: &'a Factors,
    add: f32,
}

impl OnIsa for Block<'_> {
    type Output = [u32; BLOCK];
    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> [u32; BLOCK] {
        self.query.scorer(isa).keys(self.codes, self.factors, self.add)
    }
}

#[test]
fn blocks_estimate_what_rows_estimate() {
    fn check<const B: u32>(dim: usize, metric: Metric) {
        let (base, queries) = (vectors(70, dim, 0.3, false, 1), vectors(2, dim, 0.3, false, 2));
        let codes = Rabitq::<B>::train(&base, metric);
        let ids: Vec<u32> = (0..70).rev().collect();
        let blocks = codes.blocks(&ids).unwrap();
        let (mut query, mut tables) = (RabitqQuery::default(), BlockQuery::default());
        for q in queries.rows() {
            codes.encode_query(q, &mut query);
            codes.encode_block_query(q, &mut tables);
            let scorer = codes.scorer(Portable, &query);
            for (block, ids) in ids.chunks(BLOCK).enumerate() {
                let (codes_of, factors) = blocks.get(block);
                let keys = |level| {
                    let (query, add) = (&tables, tables.add());
                    isa::dispatch(level, Block { query, codes: codes_of, factors, add })
                };
                let found = keys(Level::Portable);
                for level in Level::available() {
                    assert_eq!(keys(level), found, "{level}");
                }
                for (&id, &key) in ids.iter().zip(&found) {
                    let apart = scorer.distance(scorer.key(id)) - key::to_f32(key);
                    // What the two roundings of the query add: three standard deviations of each.
                    let steps = query.step() + 2.0 * tables.step();
                    let bound = 1.6 * codes.errors[id as usize][1] * steps;
                    assert!(apart.abs() <= bound, "B{B} {dim} {metric}: {apart} {bound}");
                }
            }
        }
    }
    for dim in [3, 25, 100, 128, 384] {
        for metric in [Metric::L2, Metric::InnerProduct] {
            check::<1>(dim, metric);
            check::<2>(dim, metric);
            check::<4>(dim, metric);
        }
    }
}

#[test]
fn several_centroids_have_no_blocks() {
    let base = vectors(70, 20, 0.3, false, 1);
    let options = RabitqOptions { centroids: 4, seed: 1 };
    let codes = Rabitq::<1>::train_with(&base, Metric::L2, &options);
    assert!(codes.blocks(&[0, 1]).is_none());
}

#[test]
fn blocks_around_a_node_are_unbiased_and_bounded() {
    for dim in [100, 128, 384] {
        for metric in [Metric::L2, Metric::InnerProduct] {
            let base = vectors(31, dim, 0.3, false, 1);
            let query = vectors(1, dim, 0.3, false, 2);
            let query = query.row(0);
            // The first vector is the node, the others are its neighbours.
            let mean = mean(&base);
            let (mut means, mut outside) = (Vec::new(), 0);
            for seed in 0..24 {
                let frame = Frame::new(&mean, metric, seed);
                let mut placed = vec![0.0; 31 * dim];
                for (out, row) in placed.chunks_exact_mut(dim).zip(base.rows()) {
                    frame.place(row, out);
                }
                let rows: Vec<&[f32]> = placed.chunks_exact(dim).collect();
                let mut codes = vec![0; frame.block_bytes::<1>()];
                let mut factors = NO_FACTORS;
                frame.encode_block::<1>(rows[0], &rows[1..], &mut codes, &mut factors);
                let mut tables = BlockQuery::default();
                frame.encode_block_query(query, &mut tables);
                let add = exact(metric, query, base.row(0)) as f32;
                let block = Block { query: &tables, codes: &codes, factors: &factors, add };
                let keys = isa::dispatch(Level::current(), block);
                assert!(keys[30..].iter().all(|&key| key::to_f32(key) == f32::INFINITY));
                let reach = exact(Metric::L2, query, base.row(0)).sqrt() as f32;
                let mut sum = 0.0;
                for (lane, x) in base.rows().skip(1).enumerate() {
                    let error = f64::from(key::to_f32(keys[lane])) - exact(metric, query, x);
                    let bound = 0.57 * factors[1][lane].abs() * reach;
                    outside += usize::from(error.abs() > f64::from(bound));
                    sum += error / 30.0;
                }
                means.push(sum);
            }
            let n = means.len() as f64;
            let mean = means.iter().sum::<f64>() / n;
            let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
            assert!(mean.abs() <= 4.0 * (variance / n).sqrt(), "{dim} {metric}: {mean}");
            assert!(outside < 24 * 30 * 9 / 100, "{dim} {metric}: {outside}");
        }
    }
}
