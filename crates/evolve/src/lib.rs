#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod answer;
pub mod campaign;
pub mod candidate;
pub mod contracts;
pub mod exemplar;
pub mod journal;
pub mod judge;
pub mod knobs;
pub mod lab;
pub mod module;
pub mod prompt;
pub mod proposer;
pub mod random;
pub mod reward;
pub mod rig;
pub mod sampling;
pub mod tuned;

pub use exemplar::{Database, Exemplar, Form, Score};
pub use module::Module;
