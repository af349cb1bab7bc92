//! Does a subject search, or does it know the answers?
//!
//! Answers can be kept from one request to the next, and the truth of a data set lies on the disk: in the
//! file it came in, in the driver's cache. A subject is not told where, but it runs as the same user. So it is asked
//! queries that lie nowhere, made in the driver's memory between a query of the data set and its k-th
//! neighbour. Who searches finds their neighbours as well as those of the others (these lie nearer to the
//! data) and as fast; who looks answers up does not.

use super::{Exam, Grader, MeasureError};
use crate::{data::Dataset, exact::distance, truth::exact};
use crinoid_quant::Vectors;

/// As many queries as tell a tenth of recall from chance, and a search from the price of a request.
const QUERIES: usize = 128;

/// How far the queries of each set lie from the data set's, where its k-th neighbour lies at 1.
const STEPS: [f32; 13] =
    [0.5, 0.4, 0.6, 0.45, 0.55, 0.35, 0.65, 0.42, 0.58, 0.48, 0.52, 0.38, 0.62];

/// Queries, and how far their k-th neighbours are.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) queries: Vectors,
    far: Vec<f64>,
}

/// Queries of an exam, and others that no file holds.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub(super) k: usize,
    pub(super) known: Asked,
    pub(super) new: Asked,
    /// More new ones, to be timed: each can be asked for the first time only once.
    pub(super) more: Vec<Vectors>,
}

impl Fresh {
    /// Takes queries of `exam` and makes new ones from them, for `k` answers.
    ///
    /// # Errors
    /// When the truth does not reach to `k`.
    pub fn new(grader: &Grader<'_>, exam: &Exam, k: usize) -> Result<Self, MeasureError> {
        let (data, truth) = (grader.data(), grader.truth());
        let step = exam.len().div_ceil(QUERIES).max(1);
        let rows: Vec<usize> = exam.rows().iter().step_by(step).map(|&row| row as usize).collect();
        let towards = |share: f32| {
            let moved = |&query: &usize| {
                let neighbour = truth.ids_of(query)[k - 1] as usize;
                between(data.queries.row(query), data.base.row(neighbour), share)
            };
            Vectors::new(rows.iter().flat_map(moved).collect::<Vec<f32>>().as_slice(), data.dim())
        };
        let far = rows.iter().map(|&query| truth.distances_of(query)[k - 1]).collect();
        let known = Asked { queries: towards(0.0)?, far };
        let queries = towards(STEPS[0])?;
        let truth = exact(data.metric, &data.base, &queries, k, &())?;
        let far = (0..queries.len()).map(|query| truth.distances_of(query)[k - 1]).collect();
        let more = STEPS[1..].iter().map(|&share| towards(share)).collect::<Result<_, _>>()?;
        Ok(Self { k, known, new: Asked { queries, far }, more })
    }
}

impl Asked {
    /// The share of answers that are as near as the true neighbours.
    pub(super) fn recall(&self, data: &Dataset, k: usize, ids: &[u32]) -> f64 {
        let near = |(query, ids): (usize, &[u32])| {
            let limit = self.far[query] + 1e-3 * self.far[query].abs() + 1e-6;
            let row = self.queries.row(query);
            let there = ids.iter().filter(|&&id| (id as usize) < data.base.len());
            let found = there
                .filter(|&&id| distance(data.metric, data.base.row(id as usize), row) <= limit);
            found.count()
        };
        let found: usize = ids.chunks_exact(k).enumerate().map(near).sum();
        found as f64 / ids.len().max(1) as f64
    }
}

/// A point on the way from `query` to `row`; of integers where the query is.
fn between(query: &[f32], row: &[f32], share: f32) -> Vec<f32> {
    let integers = query.iter().all(|value| value.fract() == 0.0);
    let point = query.iter().zip(row).map(|(a, b)| a + share * (b - a));
    point.map(|value| if integers { value.round() } else { value }).collect()
}
