use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};
use crinoid_search::{Counters, Pipelined, Search, SearchParams};

/// The pipelined search with a start that costs in proportion to the walk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate;

impl Search for Candidate {
    type Memory = <Pipelined as Search>::Memory;

    fn version(&self) -> &'static str {
        "candidate@0"
    }

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        memory: &mut Self::Memory,
        found: &mut Vec<u64>,
    ) -> Counters {
        let samples = (2 * params.ef).clamp(64, 160);
        let pipelined = Pipelined { samples, ..Pipelined::NEAREST };
        pipelined.search(isa, graph, scorer, params, memory, found)
    }
}
