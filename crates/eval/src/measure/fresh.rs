//! Does a subject find its answers, or does it know them?
//!
//! The truth of a data set lies on the disk: in the file it came in, in the driver's cache. A subject is
//! not told where, but it runs as the same user. So it is asked queries that lie nowhere: made in the
//! driver's memory, each half-way between one of the data set's and its k-th neighbour, with a truth that
//! is computed there. Who searches finds them as easily (they lie nearer to the data); who looks answers up does not.

use super::{Exam, Grader, MeasureError};
use crate::truth::{Truth, exact};
use crinoid_quant::Vectors;

/// As many queries as tell a tenth of recall from chance.
const QUERIES: usize = 64;

/// Queries that no file holds, with their truth.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Places in the exam of the queries that they were made from.
    pub(super) from: Vec<usize>,
    pub(super) queries: Vectors,
    pub(super) truth: Truth,
}

impl Fresh {
    /// Makes them from queries of `exam`, for `k` answers.
    ///
    /// # Errors
    /// When the truth does not reach to `k`.
    pub fn new(grader: &Grader<'_>, exam: &Exam, k: usize) -> Result<Self, MeasureError> {
        let (data, truth) = (grader.data(), grader.truth());
        let k = k.min(truth.k());
        let step = exam.len().div_ceil(QUERIES).max(1);
        let from: Vec<usize> = (0..exam.len()).step_by(step).collect();
        let mut values = Vec::with_capacity(from.len() * data.dim());
        for &place in &from {
            let query = exam.rows()[place] as usize;
            let (row, neighbour) = (data.queries.row(query), truth.ids_of(query)[k - 1]);
            let middle =
                row.iter().zip(data.base.row(neighbour as usize)).map(|(a, b)| (a + b) / 2.0);
            // Codecs for integers ask for integers.
            let integers = row.iter().all(|value| value.fract() == 0.0);
            values.extend(middle.map(|value| if integers { value.round() } else { value }));
        }
        let queries = Vectors::new(values.as_slice(), data.dim())?;
        let truth = exact(data.metric, &data.base, &queries, k, &())?;
        Ok(Self { from, queries, truth })
    }
}

/// The share of the true neighbours among `ids`, over all `queries`, which name rows of `truth`.
pub(super) fn share(truth: &Truth, queries: impl Iterator<Item = (usize, Vec<u32>)>) -> f64 {
    let (mut found, mut wanted) = (0, 0);
    for (query, ids) in queries {
        let near = &truth.ids_of(query)[..ids.len().min(truth.k())];
        found += near.iter().filter(|id| ids.contains(id)).count();
        wanted += near.len();
    }
    found as f64 / f64::from(wanted.max(1) as u32)
}
