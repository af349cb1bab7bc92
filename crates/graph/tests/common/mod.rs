//! Generated vectors and a naive oracle.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of this"
)]

use crinoid_graph::{Graph, random::hash};
use crinoid_quant::Vectors;
use std::collections::BTreeSet;

/// A value in -0.5..0.5.
fn uniform(seed: u64, counter: u64) -> f32 {
    (hash(seed, counter) >> 40) as f32 / (1u64 << 24) as f32 - 0.5
}

/// `n` points around `clusters` centres in a `d`-dimensional box, cluster after cluster. Centres
/// are the same for every `seed`.
pub fn clustered(n: usize, d: usize, clusters: usize, seed: u64) -> Vectors {
    let rows: Vec<Vec<f32>> = (0..n)
        .map(|row| {
            let cluster = row * clusters / n;
            let value = |dim: usize| {
                let spread = uniform(seed, (row * d + dim) as u64);
                2.0 * uniform(99, (cluster * d + dim) as u64) + spread
            };
            (0..d).map(value).collect()
        })
        .collect();
    Vectors::from_rows(&rows).unwrap()
}

/// Squared L2.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// The `k` nearest rows to each query, by exhaustive search.
pub fn exact(base: &Vectors, queries: &Vectors, k: usize) -> Vec<Vec<u32>> {
    let nearest = |query: &[f32]| {
        let mut all: Vec<(f32, u32)> =
            base.rows().enumerate().map(|(id, row)| (distance(query, row), id as u32)).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.into_iter().take(k).map(|(_, id)| id).collect()
    };
    queries.rows().map(nearest).collect()
}

/// Greedy descent and best-first search with textbook sets: slow and obviously right.
pub fn search(graph: &Graph, base: &Vectors, query: &[f32], ef: usize) -> Vec<u32> {
    let measure = |node: u32| distance(query, base.row(node as usize));
    let Some(mut at) = (!graph.is_empty()).then(|| graph.entry()) else { return Vec::new() };
    for layer in graph.layers().iter().rev() {
        let node = |slot: u32| layer.nodes[slot as usize];
        while let Some(&next) = layer
            .neighbors(at)
            .iter()
            .filter(|&&next| measure(node(next)) < measure(node(at)))
            .min_by(|&&a, &&b| measure(node(a)).total_cmp(&measure(node(b))))
        {
            at = next;
        }
        at = layer.below[at as usize];
    }
    let rank = |node: u32| (measure(node).to_bits(), node);
    let mut seen = BTreeSet::from([at]);
    let mut open = BTreeSet::from([rank(at)]);
    let mut best = open.clone();
    while let Some(next) = open.pop_first() {
        if best.len() >= ef && best.last().is_some_and(|worst| next > *worst) {
            break;
        }
        for &neighbor in graph.neighbors(next.1) {
            if seen.insert(neighbor) {
                open.insert(rank(neighbor));
                best.insert(rank(neighbor));
                if best.len() > ef {
                    best.pop_last();
                }
            }
        }
    }
    best.into_iter().map(|(_, id)| id).collect()
}

/// The share of the true `k` nearest that searches with `ef` find.
pub fn recall(
    graph: &Graph,
    base: &Vectors,
    queries: &Vectors,
    truth: &[Vec<u32>],
    k: usize,
    ef: usize,
) -> f64 {
    let mut hits = 0;
    for (query, truth) in queries.rows().zip(truth) {
        let found = search(graph, base, query, ef);
        hits += found.iter().take(k).filter(|id| truth[..k].contains(id)).count();
    }
    hits as f64 / (queries.len() * k) as f64
}

/// Some rows of `vectors`.
pub fn rows(vectors: &Vectors, ids: &[u32]) -> Vectors {
    let rows: Vec<&[f32]> = ids.iter().map(|&id| vectors.row(id as usize)).collect();
    Vectors::from_rows(&rows).unwrap()
}
