//! The gate: does a candidate ship?
//!
//! | file | what is in it |
//! |---|---|
//! | `phase.rs` | [`decide`]: from intervals to a verdict, a pure function |
//! | `sequential.rs` | [`Looks`]: stopping early without paying for it in false verdicts |
//! | `evidence.rs` | [`Evidence`]: from measurements to intervals |
//! | `characteristics.rs` | how often the gate errs, on generated measurements |
//! | `trial.rs` | [`Trial`]: the whole measurement of two subjects |

pub mod characteristics;
mod evidence;
mod phase;
mod sequential;
mod trial;

pub use evidence::{Evidence, ratio};
pub use phase::{Criterion, Holds, Outcome, Phase, Terms, Verdict, decide};
pub use sequential::{Look, Looks};
pub use trial::{Conclusion, Stage, Trial};
