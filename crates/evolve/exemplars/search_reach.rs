use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer};
use crinoid_search::{Counters, Pipelined, Search, SearchParams};

/// The pipelined search with a reach that depends on the effort.
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
        let slack = match params.ef {
            ..32 => 0.06,
            32..128 => 0.05,
            _ => 0.04,
        };
        let pipelined = Pipelined { slack, ..Pipelined::NEAREST };
        pipelined.search(isa, graph, scorer, params, memory, found)
    }
}
