//! `none@1`: the order of the search is the answer.

use crate::{
    refiner::{Refiner, RefinerQuery, Scratch},
    report::{Reason, StageReport},
};
use crinoid_quant::Neighbor;

/// Keeps the first candidates and their coarse distances.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRefiner;

impl NoRefiner {
    /// The version, `name@number`.
    pub const VERSION: &'static str = "none@1";
}

impl Refiner for NoRefiner {
    fn version(&self) -> &'static str {
        Self::VERSION
    }

    fn refine(
        &self,
        _query: &RefinerQuery<'_>,
        keep: usize,
        _scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> StageReport {
        let entered = candidates.len();
        candidates.truncate(keep);
        StageReport {
            name: Self::VERSION,
            entered,
            left: candidates.len(),
            reason: Reason::Skipped,
            ..StageReport::default()
        }
    }

    fn bytes(&self) -> usize {
        0
    }
}
