//! What `lean@1` promises beside the contract of all codecs.

use super::*;
use crate::{isa::Portable, random};

/// Rows whose spread falls along axes that are those of no coordinate.
fn falling(n: usize, dim: usize, seed: u64) -> Vectors {
    let turn = crate::rotation::Rotation::new(dim, 5);
    let mut values = Vec::with_capacity(n * dim);
    for row in 0..n {
        let mut random = random::Random::stream(seed, 0, row as u64);
        let mut x: Vec<f32> =
            (0..dim).map(|axis| random.normal() / (1.0 + 0.2 * axis as f32)).collect();
        turn.apply(&mut x);
        values.extend(x.iter().map(|x| x + 0.5));
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

#[test]
fn short_rows_find_the_neighbours_of_data_whose_spread_falls() {
    let (base, queries) = (falling(3000, 256, 1), falling(40, 256, 2));
    for metric in [Metric::L2, Metric::InnerProduct] {
        let codes = Lean::train(&base, metric);
        assert!(codes.bytes_per_vector() <= 132, "{:?}", codes.meta);
        let (mut query, mut found) = (LeanQuery::default(), 0);
        for q in queries.rows() {
            codes.encode_query(q, &mut query);
            let scorer = codes.scorer(Portable, &query);
            let order = |distance: &dyn Fn(u32) -> f64, count: usize| {
                let mut ids: Vec<u32> = (0..base.len() as u32).collect();
                ids.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
                ids.truncate(count);
                ids
            };
            let truth = order(&|id| exact(metric, q, base.row(id as usize)), 10);
            let best = order(&|id| f64::from(scorer.distance(scorer.key(id))), 26);
            found += truth.iter().filter(|id| best.contains(id)).count();
        }
        assert!(found >= 390, "{metric}: {found} of 400");
    }
}

#[test]
fn distances_are_those_of_the_whole_rows() {
    let (base, queries) = (falling(2000, 200, 1), falling(20, 200, 2));
    for metric in [Metric::L2, Metric::InnerProduct] {
        let codes = Lean::train(&base, metric);
        let mut query = LeanQuery::default();
        for times in [1.0, 3.0, 50.0] {
            let (mut apart, mut size) = (0.0, 0.0);
            for q in queries.rows() {
                let q: Vec<f32> = q.iter().map(|x| x * times).collect();
                codes.encode_query(&q, &mut query);
                let scorer = codes.scorer(Portable, &query);
                for (id, x) in base.rows().enumerate() {
                    let truth = exact(metric, &q, x);
                    let found = f64::from(scorer.distance(scorer.key(id as u32)));
                    apart += (found - truth).powi(2);
                    size += truth.powi(2);
                }
            }
            let error = (apart / size).sqrt();
            assert!(error < 0.03, "{metric}, {times} times as far: {error}");
        }
    }
}

#[test]
fn axes_are_orthogonal_and_as_wide_as_those_of_a_full_decomposition() {
    // The spread along the axes is known: what the first 20 hold must be what the first 20 axes of the data hold.
    let base = falling(8000, 96, 3);
    let center = mean(&base);
    let axes = Axes::fit(&base, &center, 20);
    let floats = axes.floats();
    for (a, first) in floats.chunks(96).enumerate() {
        for (b, second) in floats.chunks(96).enumerate() {
            let dot: f64 =
                first.iter().zip(second).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
            let want = f64::from(u8::from(a == b));
            assert!((dot - want).abs() < 0.02, "{a} {b}: {dot}");
        }
    }
    let spread = |axis: usize| (1.0 / (1.0 + 0.2 * axis as f64)).powi(2);
    let want: f64 = (0..20).map(spread).sum();
    let held = |row: &[f32]| {
        let apart: Vec<f32> = row.iter().zip(&center).map(|(x, c)| x - c).collect();
        let mut out = vec![0.0; 20];
        products(&floats, &apart, &mut out);
        squared_norm(&out)
    };
    let found = base.rows().map(held).sum::<f64>() / base.len() as f64;
    assert!((found / want - 1.0).abs() < 0.03, "{found} {want}");
}

#[test]
fn vectors_that_do_not_spread_are_coded() {
    for value in [0.0f32, 1e-30, 7.0] {
        let base = Vectors::from_rows(&vec![[value; 130]; 70]).unwrap();
        let codes = Lean::train(&base, Metric::L2);
        let mut query = LeanQuery::default();
        codes.encode_query(base.row(0), &mut query);
        let scorer = codes.scorer(Portable, &query);
        assert!((0..70).all(|id| scorer.key(id) == scorer.key(0)));
        assert!(scorer.distance(scorer.key(0)).abs() <= 1e-6 * (1.0 + value * value));
    }
}
