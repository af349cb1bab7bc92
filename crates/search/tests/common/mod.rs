//! Small sets with structure, and graphs made by brute force, so that searches are tested apart
//! from builders.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses its own part, and may panic")]

use crinoid_graph::{Graph, Layer, NONE};
use crinoid_quant::{Buffer, Metric, Vectors, random::hash};
use crinoid_search::exact;

/// A number in `[0, 1)`, a pure function of its arguments.
pub(crate) fn noise(seed: u64, index: u64) -> f32 {
    (hash(seed, index.wrapping_sub(1)) >> 40) as f32 / (1u64 << 24) as f32
}

/// `n` points around 20 centres.
pub(crate) fn clustered(n: usize, dim: usize, seed: u64) -> Vectors {
    let values: Vec<f32> = (0..n * dim)
        .map(|i| {
            let (row, column) = ((i / dim) as u64, (i % dim) as u64);
            let centre = noise(7, (row % 20) << 32 | column);
            centre + 0.5 * noise(seed, i as u64)
        })
        .collect();
    Vectors::new(values.as_slice(), dim).unwrap()
}

/// Every point linked to its `degree` nearest and to its successor, so that all are reachable;
/// `layered` adds a layer of every 16th point, linked the same way.
pub(crate) fn knn_graph(vectors: &Vectors, degree: usize, layered: bool) -> Graph {
    let n = vectors.len();
    if n == 0 {
        return Graph::from_lists::<Vec<u32>>(&[], degree, NONE, Vec::new()).unwrap();
    }
    let lists = knn_lists(vectors, degree);
    let layers = if layered { vec![layer(vectors, degree)] } else { Vec::new() };
    Graph::from_lists(&lists, degree + 1, 0, layers).unwrap()
}

fn knn_lists(vectors: &Vectors, degree: usize) -> Vec<Vec<u32>> {
    let n = vectors.len();
    exact::nearest_all(vectors, Metric::L2, vectors, degree + 1)
        .into_iter()
        .enumerate()
        .map(|(row, nearest)| {
            let mut list: Vec<u32> = nearest.into_iter().map(|n| n.id).collect();
            list.retain(|&id| id != row as u32);
            list.truncate(degree);
            let next = ((row + 1) % n) as u32;
            if next != row as u32 && !list.contains(&next) {
                list.push(next);
            }
            list
        })
        .collect()
}

fn layer(vectors: &Vectors, degree: usize) -> Layer {
    let nodes: Vec<u32> = (0..vectors.len() as u32).step_by(16).collect();
    let rows: Vec<&[f32]> = nodes.iter().map(|&node| vectors.row(node as usize)).collect();
    let lists = knn_lists(&Vectors::from_rows(&rows).unwrap(), degree);
    let width = degree + 1;
    let mut links = vec![NONE; nodes.len() * width];
    for (row, list) in lists.iter().enumerate() {
        links[row * width..][..list.len()].copy_from_slice(list);
    }
    let nodes = Buffer::from_slice(&nodes);
    Layer { below: nodes.clone(), nodes, links: Buffer::from_slice(&links), degree: width }
}
