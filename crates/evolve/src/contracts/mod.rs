//! What each module asks of a candidate: the prose and the Rust that prompts show, and the knobs.

use crate::exemplar::Value;
use crate::knobs::{Knob, Space, SpaceError};
use crate::lab::Setup;
use crate::module::Module;
use crate::prompt::Task;
use crate::tuned::Tuned;
use crinoid_search::{Pipelined, versions};

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
             Out, in `found`: the best candidates, at most `params.beam_width(n)` of them, \
             ascending by (key, id), each id once; and exact counters of hops (nodes expanded) and \
             distance evaluations. No allocation once the working memory has grown. What counts is \
             time per query at equal recall; rows lie at random in memory, so prefetching them \
             early and measuring many per call (`batch.measure`) matter most."
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

/// The declared knobs of a module, with what `start` does as the current values.
///
/// # Errors
/// When the version that `start` has there declares none, or has a value that is not declared.
pub fn space(module: Module, start: &Setup) -> Result<Space, SpaceError> {
    let knobs = match (module, start.search.get("search").and_then(|name| name.as_str())) {
        (Module::Search, None) => Tuned::knobs(),
        (Module::Search, Some(name)) => {
            let row = versions::find(name).ok().and_then(|search| search.pipelined());
            pipelined_knobs(&row.ok_or_else(|| none("search", "this version has none"))?)
        }
        (Module::Graph, _) => graph_knobs(),
        (Module::Refine, _) => refine_knobs(),
        (Module::Quant, _) => return Err(none("quant", "the rig has no place for another codec")),
    };
    let current = |mut knob: Knob| {
        let set = start.build.get(&knob.name).or(start.search.get(&knob.name));
        if let Some(set) = set {
            let value: Option<Value> = serde_json::from_value(set.clone()).ok();
            let at = knob.values.iter().position(|known| Some(known) == value.as_ref());
            knob.current = at.ok_or_else(|| SpaceError::Value {
                name: knob.name.clone(),
                value: set.to_string(),
            })?;
        }
        Ok(knob)
    };
    Space::new(knobs.into_iter().map(current).collect::<Result<_, _>>()?)
}

fn none(name: &str, why: &'static str) -> SpaceError {
    SpaceError::Knob { name: name.to_owned(), why }
}

fn words(versions: impl Iterator<Item = String>) -> Vec<Value> {
    versions.map(Value::Word).collect()
}

fn graph_knobs() -> Vec<Knob> {
    let versions = crinoid_graph::VERSIONS.iter().map(ToString::to_string);
    let hnsw = crinoid_graph::VERSIONS.iter().position(|version| version.to_string() == "hnsw@1");
    vec![
        Knob::new("graph", "the published builder", words(versions), hnsw.unwrap_or(0)),
        Knob::new("m", "half the base degree", Value::wholes(&[8, 12, 16, 24]), 2),
        Knob::new("ef_construction", "per insertion", Value::wholes(&[100, 200, 400]), 1),
        Knob::new("alpha", "pruning slack (squared)", Value::reals(&[1.0, 1.1, 1.2, 1.4]), 2),
    ]
}

/// The parameters of a pipelined search, with those of `row` as the current values.
fn pipelined_knobs(row: &Pipelined) -> Vec<Knob> {
    let (samples, starts) = (Value::wholes(&[8, 16, 32, 64, 128, 256]), Value::wholes(&[1, 2, 4]));
    let pipelined = Value::wholes(&[8, 16, 32, 64, 1 << 20]);
    let slack = Value::reals(&[0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.16]);
    let at = |values: &[Value], now: usize| {
        values.iter().position(|value| *value == Value::Whole(now as i64)).unwrap_or(0)
    };
    let (sampled, started) = (at(&samples, row.samples), at(&starts, row.starts));
    vec![
        Knob::new("samples", "rows measured to find the start", samples, sampled),
        Knob::new("starts", "how many of them the walk starts from", starts, started),
        Knob::new("pipelined_from", "ef from which three hops are in flight", pipelined, 0),
        Knob::new("slack", "how far beyond the k-th best nodes are of interest", slack, 3),
    ]
}

fn refine_knobs() -> Vec<Knob> {
    let versions = crinoid_refine::versions::VERSIONS.iter().rev().map(ToString::to_string);
    let pool = Value::wholes(&[10, 12, 14, 16, 18, 20, 26, 40]);
    vec![
        Knob::new("refine", "the published refiner", words(versions), 0),
        Knob::new("pool", "candidates rescored at k = 10", pool, 6),
    ]
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
            for start in [Setup::default(), Setup::champions()] {
                assert!(space(module, &start).unwrap().size() > 1);
            }
            assert!(task(module, false).prompt(&[], None).contains(source.trim_end()));
        }
        assert!(space(Module::Quant, &Setup::default()).is_err());
        let champion = space(Module::Search, &Setup::champions()).unwrap();
        let values = champion.values(&champion.current());
        assert_eq!((&values["samples"], &values["starts"]), (&Value::Whole(64), &Value::Whole(1)));
        let search = [("search".to_owned(), Pipelined::WIDE.version.into())].into();
        let wider = Setup { search, ..Setup::champions() };
        let wider = space(Module::Search, &wider).unwrap();
        assert_eq!(wider.values(&wider.current())["starts"], Value::Whole(4));
        let graph = space(Module::Graph, &Setup::champions()).unwrap();
        let champion = Value::Word(crinoid_graph::CHAMPION.to_owned());
        assert_eq!(graph.values(&graph.current())["graph"], champion);
    }
}
