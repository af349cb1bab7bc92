//! Published searches and refiners by name.

use super::{PLAIN, compose, refusal};
use crate::tuned::Tuned;
use crinoid_eval::subject::{Parameters, Refusal, RefusalKind, only};
use crinoid_graph::Graph;
use crinoid_quant::codec::{Half, Sq8};
use crinoid_quant::{Codes, Metric, Vectors};
use crinoid_refine::{NoRefiner, Refiner, Rescore};
use crinoid_search::{Crinn, Discovery, Engine, Flat, Flat2, Flat3, Heap, Pool, Search};
use serde_json::Value;
use std::sync::Arc;

/// What the parameter `search` may say beside nothing, which is [`Tuned`]: `pool@1` with knobs.
pub const SEARCHES: &[&str] = &[
    Heap::VERSION,
    Pool::VERSION,
    Crinn::VERSION,
    Discovery::VERSION,
    Flat::VERSION,
    Flat2::VERSION,
    Flat3::VERSION,
];

/// The engine that `params` describe.
pub(super) fn engine(
    graph: &Arc<Graph>,
    codes: &Arc<Sq8>,
    params: &Parameters,
) -> Result<Box<dyn Engine>, Refusal> {
    let mut params = params.clone();
    for plain in PLAIN {
        params.remove(plain);
    }
    let name = params.remove("search");
    let name = name.as_ref().and_then(Value::as_str).unwrap_or(Tuned::VERSION);
    // Their decisions are compiled in.
    if ![Tuned::VERSION, Flat2::VERSION, Flat3::VERSION].contains(&name) {
        only(&params, &[])?;
    }
    match name {
        Tuned::VERSION => {
            let mut tuned = Tuned::default();
            set(&params, |name, value| tuned.set(name, value))?;
            compose(graph, codes, tuned)
        }
        Flat2::VERSION => {
            let mut flat = Flat2::default();
            set(&params, |name, value| flat_knob(&mut flat, name, value))?;
            compose(graph, codes, flat)
        }
        Flat3::VERSION => {
            let mut flat = Flat3::default();
            set(&params, |name, value| flat_knob(&mut flat.0, name, value))?;
            compose(graph, codes, flat)
        }
        Heap::VERSION => compose(graph, codes, Heap),
        Pool::VERSION => compose(graph, codes, Pool),
        Crinn::VERSION => compose(graph, codes, Crinn::default()),
        Discovery::VERSION => compose(graph, codes, Discovery::default()),
        Flat::VERSION => compose(graph, codes, Flat::default()),
        other => {
            let known = SEARCHES.join(", ");
            Err(refusal(RefusalKind::Params, format!("no search `{other}` (known: {known})")))
        }
    }
}

fn set(params: &Parameters, mut set: impl FnMut(&str, &Value) -> bool) -> Result<(), Refusal> {
    match params.iter().find(|(name, value)| !set(name, value)) {
        None => Ok(()),
        Some((name, value)) => {
            Err(refusal(RefusalKind::Params, format!("no knob {name} = {value}")))
        }
    }
}

/// The public fields of `flat@2`, which are those of `flat@3`; `false` when there is no such field or the value does not fit.
fn flat_knob(flat: &mut Flat2, name: &str, value: &Value) -> bool {
    let whole = value.as_u64().and_then(|v| usize::try_from(v).ok());
    match (name, whole, value.as_f64()) {
        ("entries", Some(entries @ 1..=65536), _) => flat.entries = entries,
        ("starts", Some(starts @ 1..=4), _) => flat.starts = starts,
        ("pipelined_from", Some(ef), _) => flat.pipelined_from = ef,
        ("slack", _, Some(slack)) if slack >= 0.0 => flat.slack = slack as f32,
        _ => return false,
    }
    true
}

/// The refiner called `name`.
pub(super) fn refiner(
    name: &str,
    full: &Vectors,
    metric: Metric,
) -> Result<Box<dyn Refiner>, Refusal> {
    match name {
        "float@1" => Ok(Box::new(Rescore::float(full, metric))),
        "half@1" => match Half::check(full, metric) {
            Ok(()) => Ok(Box::new(Rescore::half(full, metric))),
            Err(error) => Err(refusal(RefusalKind::Build, error)),
        },
        "int8@1" => Ok(Box::new(Rescore::int8(full, metric))),
        "none@1" => Ok(Box::new(NoRefiner)),
        other => {
            let known = "float@1, half@1, int8@1, none@1";
            Err(refusal(RefusalKind::Params, format!("no refiner `{other}` (known: {known})")))
        }
    }
}
