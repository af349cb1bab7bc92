//! The embedded policy, and random search.

use super::{Completion, Earned, Proposer, ProposerError, Request, Usage};
use crate::exemplar::Value;
use crate::knobs::{Choice, Grpo, Policy, Space};
use std::collections::BTreeMap;

/// Draws knob values from a policy and trains it by GRPO; or, as the control, draws them
/// uniformly and learns nothing.
#[derive(Clone, Debug)]
pub struct Learner {
    space: Space,
    policy: Policy,
    reference: Policy,
    grpo: Option<Grpo>,
}

impl Learner {
    /// A policy that begins at `reference` (see [`Policy::around`]).
    pub fn new(space: Space, reference: Policy, grpo: Grpo) -> Self {
        Self { space, policy: reference.clone(), reference, grpo: Some(grpo) }
    }

    /// Random search over `space`.
    pub fn random(space: Space) -> Self {
        let uniform = Policy::uniform(&space);
        Self { space, policy: uniform.clone(), reference: uniform, grpo: None }
    }

    /// The policy as it is now.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy as it was at the beginning.
    pub fn reference(&self) -> &Policy {
        &self.reference
    }

    /// The knobs.
    pub fn space(&self) -> &Space {
        &self.space
    }

    fn read(&self, completion: &str) -> Option<Choice> {
        let values: BTreeMap<String, Value> = serde_json::from_str(completion).ok()?;
        self.space.choice(&values).ok()
    }
}

impl Proposer for Learner {
    fn name(&self) -> String {
        if self.grpo.is_some() { "knobs".to_owned() } else { "random".to_owned() }
    }

    fn writes_code(&self) -> bool {
        false
    }

    fn propose(&mut self, request: &Request<'_>) -> Result<Completion, ProposerError> {
        let values = self.space.values(&self.policy.draw(request.stream));
        let text = serde_json::to_string(&values)
            .map_err(|error| ProposerError::Unusable(error.to_string()))?;
        Ok(Completion { text, usage: Usage::default() })
    }

    fn is_champion(&self, completion: &str) -> bool {
        self.read(completion) == Some(self.space.current())
    }

    fn learn(&mut self, group: &[Earned<'_>]) {
        let Some(grpo) = self.grpo else { return };
        let drawn = group.iter().filter_map(|one| Some((self.read(one.completion)?, one.reward)));
        let (choices, rewards): (Vec<Choice>, Vec<f64>) = drawn.unzip();
        self.policy = grpo.update(&self.policy, &self.reference, &choices, &rewards);
    }
}
