//! Subjects: whatever is measured, behind one protocol.
//!
//! | file | what is in it |
//! |---|---|
//! | `protocol.rs` | the messages, as `PROTOCOL.md` documents them |
//! | `files.rs` | query, answer and latency files |
//! | `pin.rs` | which core a subject runs on |
//! | `process.rs` | a child process whose output and memory are bounded |
//! | `tree.rs` | that process and all that it starts: what they use, how they end |
//! | `account.rs` | whether what it uses fits one thread |
//! | `driver.rs` | [`Driver`]: asks, times from outside, checks every reply |
//! | `serve.rs` | [`serve`]: the other side, for any [`System`] |
//! | `ours.rs` | `Ours`: a recipe of Crinoid as a [`System`] (feature `ours`) |
//! | `fault.rs` | [`Fault`]: what a subject can do wrong |

mod account;
mod driver;
mod fault;
pub mod files;
#[cfg(feature = "ours")]
mod ours;
mod pin;
mod process;
mod protocol;
mod serve;
mod tree;

pub use driver::{Answers, Driver, Launch, Limits, Timed};
pub use fault::Fault;
#[cfg(feature = "ours")]
pub use ours::{Ours, Sabotage};
pub use pin::keep_off;
pub use protocol::{
    Built, Hello, Loaded, MAX_LINE, NO_ANSWER, PROTOCOL, Parameters, Refusal, RefusalKind, Reply,
    Request, Searched, Work, effort,
};
pub use serve::{Asked, Found, System, integer, only, serve};
