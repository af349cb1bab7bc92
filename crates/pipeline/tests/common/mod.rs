//! Data and oracles that the tests share.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_graph::Params;
use crinoid_pipeline::{BuildOptions, Index, Recipe};
use crinoid_quant::{Metric, Neighbor, Preparation, Vectors, random::hash};

/// A number in -1..1 for a counter.
fn noise(counter: u64) -> f32 {
    (hash(0x1234_5678, counter.wrapping_sub(1)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// `n x dim` clustered vectors, the same for the same `seed`.
pub(crate) fn clustered(n: usize, dim: usize, seed: u64) -> Vectors {
    let clusters = (n / 50).max(1);
    let value = |row: usize, i: usize| {
        let cluster = row % clusters;
        let center = noise((cluster * dim + i) as u64);
        center + 0.35 * noise(seed << 40 | (row * dim + i) as u64 | 1 << 36)
    };
    let values: Vec<f32> = (0..n * dim).map(|at| value(at / dim, at % dim)).collect();
    Vectors::new(values.as_slice(), dim).unwrap()
}

/// `clustered` vectors as `recipe`'s codec can take them: integers where it must have integers.
/// `None` where it cannot serve `metric` at all.
pub(crate) fn suitable(recipe: &Recipe, metric: Metric, vectors: Vectors) -> Option<Vectors> {
    if recipe.quant() != "u8-exact@1" {
        return Some(vectors);
    }
    let integers: Vec<f32> =
        vectors.as_slice().iter().map(|x| (x * 80.0 + 128.0).round().clamp(0.0, 255.0)).collect();
    let integers = Vectors::new(integers.as_slice(), vectors.dim()).unwrap();
    (metric != Metric::Cosine).then_some(integers)
}

/// The exact `k` nearest rows under `metric`, by a scan in f64.
pub(crate) fn exact(vectors: &Vectors, query: &[f32], metric: Metric, k: usize) -> Vec<Neighbor> {
    let preparation = Preparation::new(metric, vectors.dim());
    let (vectors, mut prepared) = (preparation.apply_all(vectors).unwrap(), Vec::new());
    preparation.apply(0, query, &mut prepared).unwrap();
    let distance = |row: &[f32]| -> f64 {
        let pairs = row.iter().zip(&prepared).map(|(&x, &q)| (f64::from(x), f64::from(q)));
        match metric {
            Metric::InnerProduct => -pairs.map(|(x, q)| x * q).sum::<f64>(),
            _ => pairs.map(|(x, q)| (x - q) * (x - q)).sum(),
        }
    };
    let mut all: Vec<_> = (0..)
        .zip(vectors.rows())
        .map(|(id, row)| Neighbor::new(id, distance(row) as f32))
        .collect();
    all.sort_unstable();
    all.truncate(k);
    all
}

/// Options with a small graph, quick to build.
pub(crate) fn options(recipe: &str, metric: Metric) -> BuildOptions {
    BuildOptions::default()
        .recipe(recipe.parse().unwrap())
        .metric(metric)
        // Many of these recipes are baselines.
        .unchecked(true)
        .graph(Params { m: 8, ef_construction: 60, ..Params::default() })
        .embedding("test", "noise")
}

/// Runs `work` on a pool of its own.
pub(crate) fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// The share of the true `k` nearest that `index` finds with a beam of `ef`, over `queries`.
pub(crate) fn recall(
    index: &Index,
    vectors: &Vectors,
    queries: &Vectors,
    k: usize,
    ef: usize,
) -> f64 {
    let metric = index.options().metric;
    let (mut session, mut answers, mut hits) = (index.session(), Vec::new(), 0);
    let options = crinoid_pipeline::SearchOptions::new(k, ef);
    for query in queries.rows() {
        session.search(query, &options, &mut answers).unwrap();
        let truth = exact(vectors, query, metric, k);
        hits += answers.iter().filter(|a| truth.iter().any(|t| t.id == a.id)).count();
    }
    hits as f64 / (k * queries.len()) as f64
}

/// The distance of a prepared answer, counted in f64 from the vectors as they came.
pub(crate) fn distance(metric: Metric, q: &[f32], x: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let distance = match metric {
        Metric::L2 => dot(q, q) + dot(x, x) - 2.0 * dot(q, x),
        Metric::InnerProduct => -dot(q, x),
        Metric::Cosine => 2.0 - 2.0 * dot(q, x) / (dot(q, q) * dot(x, x)).sqrt(),
    };
    distance as f32
}
