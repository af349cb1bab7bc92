//! What each module asks of a candidate: the prose and the Rust that prompts show, and the knobs.

use crate::exemplar::Value;
use crate::knobs::{Knob, Space, SpaceError};
use crate::module::Module;
use crate::prompt::Task;
use crate::tuned::Tuned;

/// The complete source of a candidate that does what the starting point does; `None` where code
/// cannot be exchanged.
pub fn starter(module: Module) -> Option<&'static str> {
    match module {
        Module::Graph => Some(include_str!("graph.rs")),
        Module::Search => Some(include_str!("search.rs")),
        Module::Refine => Some(include_str!("refine.rs")),
        Module::Quant => None,
    }
}

/// The task of a module, as prompts state it.
pub fn task(module: Module, allow_unsafe: bool) -> Task {
    let contract = match module {
        Module::Quant => "Vectors in, codes and distances out.",
        Module::Graph => {
            "In: a space of n points with symmetric distances, parameters (m, ef_construction, \
             alpha, seed). Out: a frozen graph over all points, with an entry node and optional \
             upper layers; a base row may have up to 2m links. The graph is then searched \
             best-first with a beam of ef nodes. What counts is queries per second at a given \
             recall, so: few distance evaluations and few hops to a given recall. The build must \
             end in minutes and give the same graph with any number of threads."
        }
        Module::Search => {
            "In: a frozen graph, a scorer for one query (int8 codes), k and ef, working memory. \
             Out, in `beam.found`: the best candidates, at most `params.beam_width(n)` of them, \
             ascending by (key, id), each id once; and exact counters of hops (nodes expanded) and \
             distance evaluations. No allocation once the working memory has grown. What counts is \
             time per query at equal recall; rows lie at random in memory, so prefetching them \
             early and measuring many per call (`lists.measure`) matter most."
        }
        Module::Refine => {
            "In: a query and the candidates of the search (by default 26 for k = 10), with int8 \
             distances. Out: the best k of them by exact distance, ties by id. It runs once per \
             query, so fixed costs count; rows lie at random in memory."
        }
    };
    Task {
        module,
        contract: contract.to_owned(),
        interface: starter(module).unwrap_or_default().to_owned(),
        allow_unsafe,
    }
}

/// The declared knobs of a module.
///
/// # Errors
/// When a module declares none.
pub fn space(module: Module) -> Result<Space, SpaceError> {
    let whole = |values: &[i64]| values.iter().copied().map(Value::Whole).collect::<Vec<_>>();
    let real = |values: &[f64]| values.iter().copied().map(Value::Real).collect::<Vec<_>>();
    let words = |values: &[&str]| {
        values.iter().map(|word| Value::Word((*word).to_owned())).collect::<Vec<_>>()
    };
    match module {
        Module::Search => Tuned::space(),
        Module::Graph => Space::new(vec![
            Knob::new(
                "graph",
                "the published builder",
                words(&["hnsw-closest@1", "hnsw@1", "vamana@1", "crinoid@1"]),
                1,
            ),
            Knob::new("m", "half the base degree", whole(&[8, 12, 16, 24]), 2),
            Knob::new("ef_construction", "candidates per insertion", whole(&[100, 200, 400]), 1),
            Knob::new("alpha", "pruning slack (squared)", real(&[1.0, 1.1, 1.2, 1.4]), 2),
        ]),
        Module::Refine => Space::new(vec![Knob::new(
            "pool",
            "candidates rescored at k = 10",
            whole(&[10, 12, 14, 16, 18, 20, 26, 40]),
            6,
        )]),
        Module::Quant => Err(SpaceError::Knob {
            name: "quant".to_owned(),
            why: "the rig has no place for another codec",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::{Rules, scan};

    #[test]
    fn starters_pass_the_scan_and_knobs_make_sense() {
        for module in [Module::Graph, Module::Search, Module::Refine] {
            let source = starter(module).unwrap();
            assert_eq!(scan(source, Rules::default()), [], "{module}");
            assert!(source.contains("pub struct Candidate"));
            assert!(space(module).unwrap().size() > 1);
            assert!(task(module, false).prompt(&[], None).contains(source.trim_end()));
        }
        assert!(space(Module::Quant).is_err());
    }
}
