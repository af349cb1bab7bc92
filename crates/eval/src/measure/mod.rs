//! Measuring subjects, one alone or two against each other.
//!
//! | file | what is in it |
//! |---|---|
//! | `exam.rs` | [`Exam`]: the queries asked; [`Grader`]: what the answers are worth |
//! | `observation.rs` | [`Observation`]: what a subject answers at one effort |
//! | `station.rs` | [`Station`]: a subject with an index, asked again and again, held to its answers |
//! | `fresh.rs` | [`Fresh`]: queries that nobody can have looked up |
//! | `sweep.rs` | [`Sweep`]: which efforts are worth measuring |
//! | `rounds.rs` | [`round`]: two stations timed in turns, A B B A |
//! | `league.rs` | [`Contender`]: many stations timed in turns, the best configuration of each system |

mod exam;
mod fresh;
mod league;
mod observation;
mod rounds;
mod station;
mod sweep;

pub use exam::{Exam, Grader, Grades};
pub use fresh::Fresh;
pub use league::{Contender, Standing, league_round, standings};
pub use observation::Observation;
pub use rounds::{Pair, Rung, Side, Step, curve, round};
pub use station::{Pass, Preparations, Station};
pub use sweep::{Sweep, sweep};

use crate::{metrics::MetricError, subject::Fault};

/// A measurement that did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// A subject did something wrong.
    #[error("{subject}: {fault}")]
    Fault {
        /// Its label.
        subject: String,
        /// What it did.
        #[source]
        fault: Fault,
    },
    /// The answers could not be graded.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The truth of new queries could not be computed.
    #[error(transparent)]
    Truth(#[from] crate::truth::TruthError),
    /// New queries could not be made.
    #[error(transparent)]
    Vectors(#[from] crinoid_quant::VectorError),
    /// A sample was too small.
    #[error(transparent)]
    Stat(#[from] crate::stats::StatError),
    /// There are too few queries to split.
    #[error("{queries} queries are too few to hold half of them out (at least {need})")]
    Queries {
        /// How many there are.
        queries: usize,
        /// How many are needed.
        need: usize,
    },
    /// An effort was to be looked up that was never measured.
    #[error("ef = {ef} at k = {k} was not measured")]
    Unasked {
        /// Answers per query.
        k: usize,
        /// The effort.
        ef: usize,
    },
    /// The one who watched asked to stop.
    #[error("broken off by request")]
    Cancelled,
}
