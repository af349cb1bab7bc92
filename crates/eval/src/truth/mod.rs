//! Exact nearest neighbours.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod.rs` | [`Truth`] |
//! | `scan.rs` | [`exact`]: the parallel scan |
//! | `lid.rs` | how hard a data set is |
//! | `cache.rs` | [`Cache`]: truth kept in a folder, by content |

mod cache;
mod lid;
mod scan;

pub use cache::{Cache, digest};
pub use scan::exact;

use crate::exact::distance;
use crinoid_files::FileError;
use crinoid_quant::{Metric, Vectors};
use rayon::prelude::*;

/// The `k` nearest base rows of every query, nearest first, ties by id.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    k: usize,
    ids: Vec<u32>,
    distances: Vec<f64>,
}

/// Ground truth that cannot be computed or cannot be true.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TruthError {
    /// `k` is 0 or more than there are base rows.
    #[error("{k} nearest neighbours of {rows} rows (known range: 1..={rows})")]
    K {
        /// The `k` asked for.
        k: usize,
        /// How many base rows there are.
        rows: usize,
    },
    /// Base rows and queries differ in dimension.
    #[error("base rows have {base} dimensions, queries {queries}")]
    Dimension {
        /// Of the base set.
        base: usize,
        /// Of the queries.
        queries: usize,
    },
    /// A vector cannot be used under the metric.
    #[error("{set}: {source}")]
    Vectors {
        /// `base` or `queries`.
        set: &'static str,
        /// What is wrong with it.
        source: crinoid_quant::VectorError,
    },
    /// The arrays do not fit together, or a row of them cannot be true.
    #[error("truth of query {query}: {reason}")]
    Row {
        /// The query.
        query: usize,
        /// What is wrong.
        reason: String,
    },
    /// The listener broke off.
    #[error("broken off by request")]
    Cancelled,
    /// The cache's folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Truth {
    /// From `queries x k` ids and distances, row-major, in Crinoid's units (squared L2, negated
    /// inner product, `2 - 2 cos`).
    ///
    /// # Errors
    /// When `k` is 0, an array has another length, a query has an id twice, or its distances are
    /// not finite or not ascending (beyond the rounding of an f32).
    pub fn new(k: usize, ids: Vec<u32>, distances: Vec<f64>) -> Result<Self, TruthError> {
        if k == 0 {
            return Err(TruthError::K { k, rows: 0 });
        }
        if !ids.len().is_multiple_of(k) || ids.len() != distances.len() {
            let reason = format!("{} ids, {} distances, k = {k}", ids.len(), distances.len());
            return Err(TruthError::Row { query: ids.len() / k, reason });
        }
        let mut seen = Vec::with_capacity(k);
        for (query, (ids, distances)) in
            ids.chunks_exact(k).zip(distances.chunks_exact(k)).enumerate()
        {
            seen.clear();
            seen.extend_from_slice(ids);
            seen.sort_unstable();
            if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(TruthError::Row { query, reason: format!("row {} twice", twice[0]) });
            }
            if let Some(bad) = distances.iter().find(|distance| !distance.is_finite()) {
                return Err(TruthError::Row { query, reason: format!("a distance of {bad}") });
            }
            let slack = |near: f64, far: f64| near <= far + 1e-6 * (1.0 + near.abs());
            if let Some(pair) = distances.windows(2).find(|pair| !slack(pair[0], pair[1])) {
                let reason = format!("a distance of {} before one of {}", pair[0], pair[1]);
                return Err(TruthError::Row { query, reason });
            }
        }
        Ok(Self { k, ids, distances })
    }

    /// From ids alone: distances are computed from the vectors, and each row is put in order.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when an id names no base row, or there are not `k` ids for each
    /// query.
    pub fn from_ids(
        metric: Metric,
        base: &Vectors,
        queries: &Vectors,
        k: usize,
        ids: &[u32],
    ) -> Result<Self, TruthError> {
        if base.dim() != queries.dim() {
            return Err(TruthError::Dimension { base: base.dim(), queries: queries.dim() });
        }
        if k == 0 || k > base.len() {
            return Err(TruthError::K { k, rows: base.len() });
        }
        if ids.len() != queries.len() * k {
            let reason = format!("{} ids for {} queries x {k}", ids.len(), queries.len());
            return Err(TruthError::Row { query: ids.len() / k, reason });
        }
        let outside = ids.iter().position(|&id| id as usize >= base.len());
        if let Some(at) = outside {
            let reason = format!("row {} of {}", ids[at] as i32, base.len());
            return Err(TruthError::Row { query: at / k, reason });
        }
        let mut pairs: Vec<(f64, u32)> = ids.iter().map(|&id| (0.0, id)).collect();
        pairs.par_chunks_mut(k).enumerate().for_each(|(query, row)| {
            for (far, id) in row.iter_mut() {
                *far = distance(metric, base.row(*id as usize), queries.row(query));
            }
            row.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        });
        let (distances, ids) = pairs.into_iter().unzip();
        Self::new(k, ids, distances)
    }

    /// How many neighbours are known of each query.
    pub fn k(&self) -> usize {
        self.k
    }

    /// How many queries.
    pub fn len(&self) -> usize {
        self.ids.len() / self.k
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All ids, `queries x k`, row-major.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// All distances, `queries x k`, row-major, in Crinoid's units.
    pub fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// The neighbours of `query`, nearest first.
    ///
    /// # Panics
    /// When `query >= len()`.
    pub fn ids_of(&self, query: usize) -> &[u32] {
        &self.ids[query * self.k..(query + 1) * self.k]
    }

    /// The distances of the neighbours of `query`, ascending.
    ///
    /// # Panics
    /// When `query >= len()`.
    pub fn distances_of(&self, query: usize) -> &[f64] {
        &self.distances[query * self.k..(query + 1) * self.k]
    }

    /// The truth of some of the queries, in the order of `queries`.
    ///
    /// # Panics
    /// When one of them is out of range.
    pub fn select(&self, queries: &[u32]) -> Self {
        let ids = queries.iter().flat_map(|&q| self.ids_of(q as usize)).copied().collect();
        let distances = queries.iter().flat_map(|&q| self.distances_of(q as usize));
        Self { k: self.k, ids, distances: distances.copied().collect() }
    }
}

#[cfg(test)]
mod tests;
