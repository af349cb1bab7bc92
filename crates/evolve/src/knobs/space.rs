//! What can be chosen.

use crate::exemplar::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A named list of values, one of which is what the champion does today.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Knob {
    /// The name that the module's parameters use.
    pub name: String,
    /// What it does, in a line.
    pub summary: String,
    /// The values, in an order that makes sense to people. At least one, none twice.
    pub values: Vec<Value>,
    /// Position of the value in use.
    pub current: usize,
}

/// One position per knob.
pub type Choice = Vec<usize>;

/// All knobs of a module version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Space {
    knobs: Vec<Knob>,
}

/// A declaration or a choice makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// Two knobs have one name, or a knob has no values, repeats one, or a wrong current one.
    #[error("knob `{name}`: {why}")]
    Knob {
        /// The knob.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Values were given that do not belong to exactly the declared knobs.
    #[error("no value of knob `{name}` is `{value}`")]
    Value {
        /// The knob, or what was taken for one.
        name: String,
        /// The value, or nothing where one is missing.
        value: String,
    },
}

impl Knob {
    /// A knob; `current` is the position of the value in use.
    pub fn new(name: &str, summary: &str, values: Vec<Value>, current: usize) -> Self {
        Self { name: name.to_owned(), summary: summary.to_owned(), values, current }
    }
}

impl Space {
    /// The space of `knobs`.
    ///
    /// # Errors
    /// When a name is taken twice or a knob is empty, repeats a value, or has no current one.
    pub fn new(knobs: Vec<Knob>) -> Result<Self, SpaceError> {
        for (at, knob) in knobs.iter().enumerate() {
            let fail = |why| Err(SpaceError::Knob { name: knob.name.clone(), why });
            if knobs[..at].iter().any(|earlier| earlier.name == knob.name) {
                return fail("the name is taken");
            }
            if knob.current >= knob.values.len() {
                return fail("no current value");
            }
            if (1..knob.values.len()).any(|i| knob.values[..i].contains(&knob.values[i])) {
                return fail("a value is listed twice");
            }
        }
        Ok(Self { knobs })
    }

    /// The knobs in their order.
    pub fn knobs(&self) -> &[Knob] {
        &self.knobs
    }

    /// How many candidates there are.
    pub fn size(&self) -> u64 {
        self.knobs.iter().fold(1, |size, knob| size.saturating_mul(knob.values.len() as u64))
    }

    /// What the champion does today.
    pub fn current(&self) -> Choice {
        self.knobs.iter().map(|knob| knob.current).collect()
    }

    /// The values that a choice stands for. Positions past the end stand for the last value.
    pub fn values(&self, choice: &[usize]) -> BTreeMap<String, Value> {
        let pairs = self.knobs.iter().zip(choice);
        pairs
            .filter_map(|(knob, &at)| {
                let value = knob.values.get(at).or(knob.values.last())?;
                Some((knob.name.clone(), value.clone()))
            })
            .collect()
    }

    /// The choice that stands for `values`.
    ///
    /// # Errors
    /// When a knob has no value, or a value is not one of its knob's, or is nobody's.
    pub fn choice(&self, values: &BTreeMap<String, Value>) -> Result<Choice, SpaceError> {
        let fail = |name: &str, value: String| SpaceError::Value { name: name.to_owned(), value };
        for (name, value) in values {
            if !self.knobs.iter().any(|knob| knob.name == *name) {
                return Err(fail(name, value.to_string()));
            }
        }
        let mut choice = Vec::with_capacity(self.knobs.len());
        for knob in &self.knobs {
            let value = values.get(&knob.name).ok_or_else(|| fail(&knob.name, String::new()))?;
            let at = knob.values.iter().position(|known| known == value);
            choice.push(at.ok_or_else(|| fail(&knob.name, value.to_string()))?);
        }
        Ok(choice)
    }
}
