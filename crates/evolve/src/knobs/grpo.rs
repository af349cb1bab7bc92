//! Group relative policy optimisation (section 3.4, equations 2 and 3).

use super::policy::Policy;
use super::space::Choice;
use serde::{Deserialize, Serialize};

/// Group-normalised rewards (equation 2): `(r_i - mean) / std`, with the population's standard
/// deviation. All zero when the rewards do not differ: nothing is to be learnt from them.
pub fn advantages(rewards: &[f64]) -> Vec<f64> {
    let count = rewards.len() as f64;
    let mean = rewards.iter().sum::<f64>() / count;
    let variance = rewards.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    let flat = deviation <= 1e-12 * mean.abs().max(1.0);
    rewards.iter().map(|r| if flat { 0.0 } else { (r - mean) / deviation }).collect()
}

/// Logits beyond which nothing changes any more.
const CERTAIN: f64 = 1e6;

/// The settings of the update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grpo {
    /// Clipping range of the probability ratio. Greater than 0.
    pub epsilon: f64,
    /// Weight of the KL divergence to the reference policy. Not negative.
    pub beta: f64,
    /// Length of a gradient step, in nats per unit of gradient.
    pub rate: f64,
    /// Gradient steps per group. The ratio is 1 in the first, so only later ones can clip.
    pub steps: u32,
}

impl Default for Grpo {
    /// First guesses, not tuned: rounds are few and measurements dear, so
    /// a group is used for several steps and clipping, not a small rate, bounds each of them.
    fn default() -> Self {
        Self { epsilon: 0.2, beta: 0.02, rate: 1.0, steps: 8 }
    }
}

impl Grpo {
    /// The objective of equation 3 for one group: `choices` were drawn from `old` and earned
    /// `advantages`. A choice is a completion of one token per knob; the divergence to
    /// `reference` is exact (summed over each knob's values), averaged over the tokens.
    ///
    /// What [`gradient`](Self::gradient) is the derivative of, and tested against.
    #[cfg(test)]
    pub(crate) fn objective(
        &self,
        policy: &Policy,
        old: &Policy,
        reference: &Policy,
        choices: &[Choice],
        advantages: &[f64],
    ) -> f64 {
        let (new, before) = (policy.table(), old.table());
        let tokens = new.len() as f64;
        let mut surrogate = 0.0;
        for (choice, &advantage) in choices.iter().zip(advantages) {
            for (token, &value) in choice.iter().enumerate() {
                let ratio = new[token][value] / before[token][value];
                let clipped = ratio.clamp(1.0 - self.epsilon, 1.0 + self.epsilon);
                surrogate += (ratio * advantage).min(clipped * advantage) / tokens;
            }
        }
        let divergence: f64 =
            new.iter().zip(reference.table()).map(|(row, reference)| kl(row, &reference)).sum();
        surrogate / choices.len() as f64 - self.beta * divergence / tokens
    }

    /// The gradient of the objective of equation 3 with respect to the policy's logits.
    pub(crate) fn gradient(
        &self,
        policy: &Policy,
        old: &Policy,
        reference: &Policy,
        choices: &[Choice],
        advantages: &[f64],
    ) -> Vec<Vec<f64>> {
        let (new, before, anchor) = (policy.table(), old.table(), reference.table());
        let tokens = new.len() as f64;
        let share = 1.0 / (choices.len() as f64 * tokens);
        let mut gradient: Vec<Vec<f64>> = new.iter().map(|row| vec![0.0; row.len()]).collect();
        for (choice, &advantage) in choices.iter().zip(advantages) {
            for (token, &value) in choice.iter().enumerate() {
                let ratio = new[token][value] / before[token][value];
                // Where the minimum takes the clipped side, the term does not move.
                let clipped = (advantage > 0.0 && ratio > 1.0 + self.epsilon)
                    || (advantage < 0.0 && ratio < 1.0 - self.epsilon);
                if clipped {
                    continue;
                }
                // d ratio / d logit_v = ratio * (1[v = value] - p_v)
                let scale = share * advantage * ratio;
                for (v, slope) in gradient[token].iter_mut().enumerate() {
                    *slope += scale * (f64::from(u8::from(v == value)) - new[token][v]);
                }
            }
        }
        for ((slopes, row), reference) in gradient.iter_mut().zip(&new).zip(&anchor) {
            // d KL / d logit_v = p_v * (ln(p_v / q_v) - KL)
            let divergence = kl(row, reference);
            for ((slope, p), q) in slopes.iter_mut().zip(row).zip(reference) {
                if *p > 0.0 {
                    *slope -= self.beta / tokens * p * ((p / q).ln() - divergence);
                }
            }
        }
        gradient
    }

    /// The policy after one group: `steps` steps of gradient ascent away from `policy`, which is
    /// also the old policy that the group was drawn from.
    ///
    /// The gradient is multiplied by the number of knobs: equation 3 averages over the tokens of
    /// a completion, which would make a space of many knobs learn more slowly for no reason.
    #[must_use]
    pub fn update(
        &self,
        policy: &Policy,
        reference: &Policy,
        choices: &[Choice],
        rewards: &[f64],
    ) -> Policy {
        let mut next = policy.clone();
        if choices.is_empty() {
            return next;
        }
        let advantages = advantages(rewards);
        let scale = self.rate * policy.logits.len() as f64;
        for _ in 0..self.steps {
            let gradient = self.gradient(&next, policy, reference, choices, &advantages);
            for (row, slopes) in next.logits.iter_mut().zip(gradient) {
                for (logit, slope) in row.iter_mut().zip(slopes) {
                    // Beyond these the softmax is 0 or 1 already, and infinities would make it neither.
                    let moved = (*logit + scale * slope).clamp(-CERTAIN, CERTAIN);
                    *logit = if moved.is_nan() { *logit } else { moved };
                }
            }
        }
        next
    }
}

/// `KL(p || q)` of two distributions over the same values, in nats.
pub(crate) fn kl(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| if *p > 0.0 { p * (p / q).ln() } else { 0.0 }).sum()
}
