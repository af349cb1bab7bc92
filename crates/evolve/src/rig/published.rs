//! Published searches and refiners by name.

use super::{PLAIN, compose, refusal};
use crate::tuned::Tuned;
use crinoid_eval::subject::{Parameters, Refusal, RefusalKind, only};
use crinoid_graph::Graph;
use crinoid_quant::codec::Sq8;
use crinoid_quant::{Metric, Vectors};
use crinoid_refine::rescore::Rescoring;
use crinoid_refine::versions::{RefinerVisitor, with_refiner};
use crinoid_refine::{NoRefiner, Refiner, Rescore};
use crinoid_search::{Engine, Pipelined, versions};
use serde_json::Value;
use std::sync::Arc;

/// What the parameter `search` may say beside nothing, which is [`Tuned`]: `pool@1` with knobs.
pub fn searches() -> Vec<String> {
    versions::VERSIONS.iter().map(ToString::to_string).collect()
}

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
    if name == Tuned::VERSION {
        let mut tuned = Tuned::default();
        set(&params, |name, value| tuned.set(name, value))?;
        return compose(graph, codes, tuned);
    }
    let known = versions::find(name).map_err(|error| refusal(RefusalKind::Params, error))?;
    if let Some(mut row) = known.pipelined() {
        set(&params, |name, value| pipelined_knob(&mut row, name, value))?;
        return compose(graph, codes, row);
    }
    // The decisions of the others are compiled in.
    only(&params, &[])?;
    let engine = known.compose(Arc::clone(graph), Arc::clone(codes));
    engine.map(|engine| Box::new(engine) as _).map_err(|error| refusal(RefusalKind::Build, error))
}

fn set(params: &Parameters, mut set: impl FnMut(&str, &Value) -> bool) -> Result<(), Refusal> {
    match params.iter().find(|(name, value)| !set(name, value)) {
        None => Ok(()),
        Some((name, value)) => {
            Err(refusal(RefusalKind::Params, format!("no knob {name} = {value}")))
        }
    }
}

/// The parameters of a pipelined search; `false` when there is no such one or the value does not fit.
fn pipelined_knob(row: &mut Pipelined, name: &str, value: &Value) -> bool {
    let whole = value.as_u64().and_then(|v| usize::try_from(v).ok());
    match (name, whole, value.as_f64()) {
        ("samples", Some(samples @ 1..=65536), _) => row.samples = samples,
        ("starts", Some(starts @ 1..=4), _) => row.starts = starts,
        ("pipelined_from", Some(ef), _) => row.pipelined_from = ef,
        ("slack", _, Some(slack)) if slack >= 0.0 => row.slack = slack as f32,
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
    with_refiner(name, Make { full, metric })
        .map_err(|error| refusal(RefusalKind::Params, error))?
}

struct Make<'a> {
    full: &'a Vectors,
    metric: Metric,
}

impl RefinerVisitor for Make<'_> {
    type Output = Result<Box<dyn Refiner>, Refusal>;

    fn none(self) -> Self::Output {
        Ok(Box::new(NoRefiner))
    }

    // Nothing is truncated here: both forms of the vectors are the same.
    fn rescore<C: Rescoring>(self) -> Self::Output {
        let Self { full, metric } = self;
        C::check(full, metric).map_err(|error| refusal(RefusalKind::Build, error))?;
        Ok(Box::new(Rescore::<C>::new(full, metric)))
    }
}
