//! What a campaign needs to know about a candidate, whoever finds it out.

use crate::exemplar::{Form, GateResult, Score};
use crate::module::Module;
use crate::reward::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was found out about one candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Scores by data set; empty when it failed before.
    pub scores: BTreeMap<String, Score>,
    /// Why it earns nothing, if so.
    pub failure: Option<Failure>,
}

impl Judgement {
    /// A candidate that earns nothing.
    pub fn failed(failure: Failure) -> Self {
        Self { scores: BTreeMap::new(), failure: Some(failure) }
    }

    /// The scalar: geometric mean of the lower bounds, 0 after a failure.
    pub fn reward(&self) -> f64 {
        if self.failure.is_some() { 0.0 } else { crate::reward::fitness(&self.scores) }
    }

    /// The geometric mean of the ratios themselves: the unbiased figure, for the record.
    pub fn ratio(&self) -> f64 {
        let ratios = self.scores.values().map(|score| score.ratio);
        if self.failure.is_some() { 0.0 } else { crate::reward::geometric_mean(ratios) }
    }
}

/// The laboratory itself failed: nothing is known about the candidate.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct JudgeError(pub String);

/// Measures candidates against the champion that it keeps.
pub trait Judge {
    /// What the champion is, for the record.
    fn champion(&self) -> String;

    /// Takes a candidate through all stages up to the measured reward.
    ///
    /// # Errors
    /// When the laboratory fails, not the candidate.
    fn judge(&mut self, module: Module, form: &Form) -> Result<Judgement, JudgeError>;

    /// The full gate: held-out queries, and data sets that were not rewarded. `watch` is told how
    /// far it is.
    ///
    /// # Errors
    /// When the laboratory fails, not the candidate.
    fn gate(
        &mut self,
        module: Module,
        form: &Form,
        watch: &mut dyn FnMut(&str),
    ) -> Result<GateResult, JudgeError>;

    /// Makes a candidate the champion, for this module's later rounds and the next modules.
    ///
    /// # Errors
    /// When the laboratory fails.
    fn adopt(&mut self, module: Module, form: &Form) -> Result<(), JudgeError>;

    /// The champion's reward per data set, for Table 4.
    ///
    /// # Errors
    /// When the laboratory fails.
    fn standing(&mut self) -> Result<BTreeMap<String, f64>, JudgeError>;
}
