//! Recall against exact truth.

use super::{Answers, MetricError, check, distinct};
use crate::{data::Dataset, exact::distance, truth::Truth};
use crinoid_quant::Metric;

/// How much farther than the true k-th neighbour an answer may be and still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tolerance {
    /// A thousandth of the distance: the root of the squared L2 distance, `1 - cos`, or the
    /// absolute inner product. Independent of the data's scale.
    #[default]
    Relative,
    /// 0.001 in the units of ann-benchmarks (Euclidean distance; `1 - cos`), added: the same counts
    /// as that tool's. Depends on the data's scale: nothing for SIFT, much for cosines.
    AnnBenchmarks,
}

/// Judges answers to the queries of one data set by their exact distances, which it computes
/// itself from the vectors.
#[derive(Clone, Copy, Debug)]
pub struct RecallMetric<'a> {
    data: &'a Dataset,
    truth: &'a Truth,
    tolerance: Tolerance,
}

impl<'a> RecallMetric<'a> {
    /// Judges by `truth`, which must be that of `data`.
    ///
    /// # Errors
    /// When the truth is of another number of queries.
    pub fn new(data: &'a Dataset, truth: &'a Truth) -> Result<Self, MetricError> {
        match truth.len() == data.queries.len() {
            true => Ok(Self { data, truth, tolerance: Tolerance::default() }),
            false => Err(MetricError::Queries { got: truth.len(), want: data.queries.len() }),
        }
    }

    /// With another tolerance.
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    /// Distance-based recall@k per query: the share of `k` that the first `k` answers make up
    /// whose exact distance is no farther than the true k-th, with the tolerance. Ties are
    /// therefore worth the same, whichever of them is returned.
    ///
    /// # Errors
    /// When there are answers to another number of queries, an id names no row, or the truth
    /// does not reach to `k`.
    pub fn recall(&self, answers: &Answers, k: usize) -> Result<Vec<f64>, MetricError> {
        self.check(answers, k)?;
        let metric = self.data.metric;
        let recall = |(query, ids)| {
            let limit = self.limit(self.truth.distances_of(query)[k - 1]);
            let vector = self.data.queries.row(query);
            let near = |&(_, id): &(usize, u32)| {
                distance(metric, self.data.base.row(id as usize), vector) <= limit
            };
            distinct(ids, k).filter(near).count() as f64 / k as f64
        };
        Ok(answers.iter().enumerate().map(recall).collect())
    }

    /// Id-based recall@k per query: the share of the true `k` nearest (ties by id) among the
    /// first `k` answers.
    ///
    /// # Errors
    /// As [`recall`](Self::recall).
    pub fn recall_by_id(&self, answers: &Answers, k: usize) -> Result<Vec<f64>, MetricError> {
        self.check(answers, k)?;
        let recall = |(query, ids)| {
            let mut truth = self.truth.ids_of(query)[..k].to_vec();
            truth.sort_unstable();
            let found = distinct(ids, k).filter(|(_, id)| truth.binary_search(id).is_ok());
            found.count() as f64 / k as f64
        };
        Ok(answers.iter().enumerate().map(recall).collect())
    }

    fn check(&self, answers: &Answers, k: usize) -> Result<(), MetricError> {
        if k == 0 || k > self.truth.k() {
            return Err(MetricError::K { k, known: self.truth.k() });
        }
        check(answers, self.data.queries.len(), self.data.base.len())
    }

    /// The largest distance that counts, in Crinoid's units, where the true k-th is at `far`.
    fn limit(&self, far: f64) -> f64 {
        let eps = 1e-3;
        match (self.data.metric, self.tolerance) {
            (Metric::L2, Tolerance::Relative) => far.max(0.0) * (1.0 + eps) * (1.0 + eps),
            (Metric::L2, Tolerance::AnnBenchmarks) => (far.max(0.0).sqrt() + eps).powi(2),
            // The floor covers the rounding of cosines that a file stored in f32.
            (Metric::Cosine, Tolerance::Relative) => far.max(0.0) * (1.0 + eps) + 1e-6,
            (Metric::Cosine, Tolerance::AnnBenchmarks) => far + 2.0 * eps,
            (Metric::InnerProduct, Tolerance::Relative) => far + eps * far.abs(),
            (Metric::InnerProduct, Tolerance::AnnBenchmarks) => far + eps,
        }
    }
}
