//! `flat@3`: `flat@2` with a wider start, for sets that fall apart into clusters.
//!
//! Where clusters are hard to tell apart by distance and few links lead from one to the next, a walk that
//! starts in the wrong one does not leave it: 64 sampled rows are too few to find the right one, and the closest of them
//! may lie elsewhere. Here 256 rows are measured, and the links of the closest four followed.

use crate::{Beam, Counters, Flat2, Search, SearchParams};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};

/// The search `flat@3`.
#[derive(Clone, Copy, Debug)]
pub struct Flat3(pub Flat2);

impl Default for Flat3 {
    fn default() -> Self {
        Self(Flat2 { entries: 256, starts: 4, ..Flat2::default() })
    }
}

impl Search for Flat3 {
    const VERSION: &'static str = "flat@3";

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        beam: &mut Beam,
    ) -> Counters {
        self.0.search(isa, graph, scorer, params, beam)
    }
}
