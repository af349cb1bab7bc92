//! A candidate for the refine module: `Candidate` has `new` and implements `Refiner`.
//! This is the starting point: the published `float@1`, unchanged.

use crinoid_quant::codec::Float;
use crinoid_quant::{Metric, Neighbor, Vectors};
use crinoid_refine::{Refiner, RefinerQuery, Rescore, Scratch, StageReport};

/// The refiner, with the vectors that it measures against.
pub struct Candidate(Rescore<Float>);

impl Candidate {
    /// `full`: the vectors, of unit length under the cosine. `metric`: `L2` or `InnerProduct`.
    pub fn new(full: &Vectors, metric: Metric) -> Self {
        Self(Rescore::new(full, metric))
    }
}

impl Refiner for Candidate {
    fn version(&self) -> &'static str {
        "candidate@0"
    }

    /// Leaves the best `keep` of `candidates`, closest first, ties by id, with finer distances.
    /// Candidates come ordered by the distance of their int8 codes.
    fn refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> StageReport {
        self.0.refine(query, keep, scratch, candidates)
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}
