//! What a subject answers at one effort.

use super::{Grades, QuerySplit};
use crate::{
    metrics::mean,
    subject::{Fault, Work},
};

/// What a subject answers at one effort: the same however often it is asked, if it is
/// deterministic.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Answers per query.
    pub k: usize,
    /// The effort.
    pub ef: usize,
    /// What the answers are worth.
    pub grades: Grades,
    /// Work per query, where it is counted.
    pub work: Option<[f64; 2]>,
    /// Answers that were missing.
    pub gaps: usize,
    pub(super) ids: Vec<u32>,
    pub(super) total: Option<Work>,
}

impl Observation {
    /// Mean recall.
    pub fn recall(&self) -> f64 {
        mean(&self.grades.recall)
    }

    /// Hops per query.
    pub fn hops(&self) -> Option<f64> {
        self.work.map(|[hops, _]| hops)
    }

    /// Distance evaluations per query.
    pub fn distances(&self) -> Option<f64> {
        self.work.map(|[_, distances]| distances)
    }

    /// What is new in `ids` and `total`, answers to the same queries at the same effort.
    pub(super) fn differs(
        &self,
        ids: &[u32],
        total: Option<Work>,
        split: &QuerySplit,
    ) -> Option<Fault> {
        let ef = self.ef;
        if self.ids != ids {
            let first = self.ids.iter().zip(ids).position(|(before, now)| before != now);
            let query = first.map(|at| split.rows()[at / self.k] as usize);
            return Some(Fault::Nondeterministic { what: "an answer", ef, query });
        }
        let what = "a counter";
        (self.total != total).then_some(Fault::Nondeterministic { what, ef, query: None })
    }
}
