//! What is measured: a champion or a candidate.

use crate::exemplar::{Form, Value};
use crate::judge::JudgeError;
use crate::module::Module;
use crinoid_eval::subject::Parameters;
use std::collections::BTreeMap;

/// A champion or a candidate: code for some modules, parameters for the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// Source by module; empty for published versions only.
    pub code: BTreeMap<Module, String>,
    /// Build parameters.
    pub build: Parameters,
    /// Search parameters beside `ef`.
    pub search: Parameters,
}

impl Setup {
    /// The published champions. (The default is where GLASS stands, and where the paper began.)
    pub fn champions() -> Self {
        let named = |place: &str, version: &str| (place.to_owned(), version.into());
        Self {
            code: BTreeMap::new(),
            build: [
                named("graph", crinoid_graph::CHAMPION),
                named("refine", crinoid_refine::versions::CHAMPION),
            ]
            .into(),
            search: [named("search", crinoid_search::versions::CHAMPION)].into(),
        }
    }

    /// This setup with `form` in the place of `module`.
    ///
    /// # Errors
    /// When knobs are given for a module that has none here.
    pub fn with(&self, module: Module, form: &Form) -> Result<Self, JudgeError> {
        let mut setup = self.clone();
        match (form, module) {
            (Form::Code(source), Module::Graph | Module::Search | Module::Refine) => {
                setup.code.insert(module, source.clone());
                if module == Module::Search {
                    // Knobs belong to the search that they were declared by.
                    setup.search.retain(|name, _| name == "pool");
                }
                if module == Module::Graph {
                    setup.build.remove("graph");
                }
            }
            (Form::Knobs(knobs), Module::Graph | Module::Search | Module::Refine) => {
                let (build, search): (Vec<_>, Vec<_>) = parameters(knobs)
                    .partition(|(name, _)| module == Module::Graph || name == "refine");
                setup.build.extend(build);
                setup.search.extend(search);
            }
            (_, Module::Quant) => {
                return Err(JudgeError("the rig has no place for another codec yet".to_owned()));
            }
        }
        Ok(setup)
    }

    /// Whether both are served by the same program from the same index.
    pub(super) fn shares_index(&self, other: &Self) -> bool {
        self.code == other.code && self.build == other.build
    }
}

fn parameters(
    knobs: &BTreeMap<String, Value>,
) -> impl Iterator<Item = (String, serde_json::Value)> {
    knobs.iter().map(|(name, value)| {
        let value = match value {
            Value::Switch(value) => (*value).into(),
            Value::Whole(value) => (*value).into(),
            Value::Real(value) => (*value).into(),
            Value::Word(value) => value.as_str().into(),
        };
        (name.clone(), value)
    })
}
