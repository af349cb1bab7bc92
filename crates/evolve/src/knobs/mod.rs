//! A policy that really learns without any language model: choosing values for declared knobs.
//!
//! A *knob* is a named finite list of values ([`Space`]); a candidate is one value for each. The
//! policy ([`Policy`]) is one softmax per knob, so a candidate is a completion of as many tokens
//! as there are knobs, and is trained by GRPO exactly as the paper trains its language model
//! ([`grpo`], equations 2 and 3).

pub mod grpo;
pub mod policy;
pub mod space;

pub use grpo::{Grpo, advantages};
pub use policy::Policy;
pub use space::{Choice, Knob, Space, SpaceError};

#[cfg(test)]
mod tests;
