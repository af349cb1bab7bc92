//! Who proposes candidates.
//!
//! | file | what is in it |
//! |---|---|
//! | `learner.rs` | [`Learner`]: the embedded policy over declared knobs, and random search as its control |
//! | `openai.rs` | [`OpenAi`](openai::OpenAi): any OpenAI-compatible endpoint (feature `openai`) |
//! | `command.rs` | [`Program`]: prompt on stdin, answer on stdout |
//! | `file.rs` | [`Folder`]: prompt.md is written, answer.md is waited for |

mod command;
mod file;
mod learner;
#[cfg(feature = "openai")]
pub mod openai;

pub use command::Program;
pub use file::Folder;
pub use learner::Learner;

use crate::random::Stream;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is asked of a proposer.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The prompt; empty for a proposer that reads none.
    pub prompt: &'a str,
    /// Names this request within its campaign, e.g. `search-r03-i2-a0`.
    pub name: &'a str,
    /// Randomness of this request alone.
    pub stream: Stream,
}

/// Tokens paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of prompts.
    pub prompt: u64,
    /// Tokens of completions.
    pub completion: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt += other.prompt;
        self.completion += other.completion;
    }
}

/// What a proposer answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The answer as it came.
    pub text: String,
    /// What it cost, where that is known.
    pub usage: Usage,
}

/// One answer and what it earned, for proposers that learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Earned<'a> {
    /// The answer.
    pub completion: &'a str,
    /// The smoothed reward.
    pub reward: f64,
}

/// There is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposerError {
    /// None came in time. The campaign goes on without.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// What came is no answer. The campaign goes on without.
    #[error("{0}")]
    Unusable(String),
    /// There is no point in asking again: wrong key, no such model, program not found.
    #[error("{0}")]
    Fatal(String),
}

/// Proposes candidates: the policy.
pub trait Proposer {
    /// Its name for the record, e.g. `knobs` or `openai:MODEL`.
    fn name(&self) -> String;

    /// Whether answers are source code behind the three headers of
    /// [`answer`](crate::answer); otherwise they are JSON objects of knob values.
    fn writes_code(&self) -> bool;

    /// One answer. Of knob values, a function of the request and of what was learnt before: a resumed
    /// campaign asks again and compares.
    ///
    /// # Errors
    /// [`ProposerError`] says whether asking again makes sense.
    fn propose(&mut self, request: &Request<'_>) -> Result<Completion, ProposerError>;

    /// Whether an answer changes nothing: what it describes is the starting point.
    fn is_champion(&self, _completion: &str) -> bool {
        false
    }

    /// Told once per group what its members earned, in order. Must depend on nothing else, so
    /// that a resumed campaign replays it.
    fn learn(&mut self, _group: &[Earned<'_>]) {}
}
