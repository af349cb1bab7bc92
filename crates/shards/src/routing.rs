//! Which rows go to which shard, and which shards a query can leave out.

use crinoid_quant::{Metric, Vectors, kmeans, prepare::normalise};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A ball that holds all rows of a shard (of unit length under the cosine).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its centre.
    pub centroid: Vec<f32>,
    /// Its radius: no row is farther from the centre.
    pub radius: f64,
}

/// Rounding that a bound must survive: distances are sums of `f32`.
const SLACK: f64 = 1e-5;

impl Region {
    pub(crate) fn is_sound(&self, dim: usize) -> bool {
        let finite = self.centroid.iter().all(|x| x.is_finite());
        self.centroid.len() == dim && finite && self.radius.is_finite() && self.radius >= 0.0
    }

    /// How far the centre is from a query (of unit length under the cosine), and a distance that no row of the region
    /// is below.
    pub(crate) fn from(&self, query: &[f32], metric: Metric) -> (f64, f64) {
        let centre = self.centroid.iter().zip(query);
        match metric {
            Metric::InnerProduct => {
                let dot: f64 = centre.map(|(&c, &q)| f64::from(c) * f64::from(q)).sum();
                let length = query.iter().map(|&q| f64::from(q).powi(2)).sum::<f64>().sqrt();
                let bound = dot + length * self.radius;
                (-dot, -(bound + SLACK * bound.abs()))
            }
            Metric::L2 | Metric::Cosine => {
                let apart =
                    centre.map(|(&c, &q)| (f64::from(c) - f64::from(q)).powi(2)).sum::<f64>();
                let least = apart.sqrt() * (1.0 - SLACK) - self.radius * (1.0 + SLACK);
                (apart, least.max(0.0).powi(2))
            }
        }
    }
}

/// Rows, sent to the centroids nearest to them.
pub(crate) struct Routed {
    /// Of each shard its rows, ascending, and where they lie; no shard is empty.
    pub(crate) shards: Vec<(Vec<u32>, Region)>,
}

/// Sends every row to the `copies` nearest of `count` centroids, which are found on a sample.
pub(crate) fn route(rows: &Vectors, metric: Metric, count: usize, copies: usize) -> Routed {
    let unit = metric.normalises().then(|| of_unit_length(rows));
    let rows = unit.as_ref().unwrap_or(rows);
    let options = kmeans::Options { centroids: count, ..kmeans::Options::default() };
    let centroids = kmeans::cluster(rows, &options);
    let nearest: Vec<Vec<u32>> = (0..rows.len())
        .into_par_iter()
        .map(|row| {
            let mut apart: Vec<(f64, u32)> = centroids
                .rows()
                .zip(0..)
                .map(|(centroid, at)| (squared(centroid, rows.row(row)), at))
                .collect();
            apart.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            apart.into_iter().take(copies).map(|(_, at)| at).collect()
        })
        .collect();
    let mut shards: Vec<Vec<u32>> = vec![Vec::new(); centroids.len()];
    for (row, of) in (0..).zip(&nearest) {
        of.iter().for_each(|&shard| shards[shard as usize].push(row));
    }
    let shards = shards.into_iter().zip(centroids.rows()).filter(|(own, _)| !own.is_empty());
    let shards = shards.map(|(own, centroid)| {
        let apart = own.iter().map(|&row| squared(centroid, rows.row(row as usize)));
        let radius = apart.fold(0.0, f64::max).sqrt();
        (own, Region { centroid: centroid.to_vec(), radius })
    });
    Routed { shards: shards.collect() }
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
}

/// The rows at length 1; rows of zeros as they are.
fn of_unit_length(rows: &Vectors) -> Vectors {
    let mut values = rows.as_slice().to_vec();
    values.par_chunks_mut(rows.dim()).for_each(|row| {
        // A row of zeros stays one: it is as far from everything as the cosine says.
        let _ = normalise(0, row);
    });
    Vectors::new(values, rows.dim()).unwrap_or_else(|_| rows.clone())
}
