//! Measuring subjects, one alone or two against each other.
//!
//! | file | what is in it |
//! |---|---|
//! | `queries.rs` | [`QuerySplit`]: the queries asked; [`Grader`]: what the answers are worth |
//! | `observation.rs` | [`Observation`]: what a subject answers at one effort |
//! | `running.rs` | [`RunningSubject`]: a subject with an index, asked again and again, held to its answers |
//! | `checks.rs` | whether it was the same when it was timed as when it was graded |
//! | `fresh.rs` | [`Fresh`]: queries that nobody can have looked up |
//! | `sweep.rs` | [`Sweep`]: which efforts are worth measuring |
//! | `rounds.rs` | [`round`]: any number of subjects timed in turns, A B B A |
//! | `round_robin.rs` | [`Participant`]: many subjects timed in turns, the best configuration of each system |

mod checks;
mod fresh;
mod observation;
mod queries;
mod round_robin;
mod rounds;
mod running;
mod sweep;

pub use fresh::Fresh;
pub use observation::Observation;
pub use queries::{Grader, Grades, QuerySplit};
pub use round_robin::{Participant, Standing, round_robin, standings};
pub use rounds::{Pair, Rung, Side, Speeds, Step, Timings, Turns, curve, paired_round, round};
pub use running::{Pass, Preparations, RunningSubject};
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
    /// Others had the processor, so nothing can be said about the subject.
    #[error("{subject}: {fault}")]
    Busy {
        /// Its label.
        subject: String,
        /// What did not happen in time.
        #[source]
        fault: Fault,
    },
    /// The answers could not be graded.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The truth of new queries could not be computed.
    #[error(transparent)]
    Truth(#[from] crate::truth::TruthError),
    /// They are no queries to these vectors.
    #[error(transparent)]
    Data(Box<crate::data::DataError>),
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

impl From<crate::data::DataError> for MeasureError {
    fn from(error: crate::data::DataError) -> Self {
        Self::Data(Box::new(error))
    }
}

impl MeasureError {
    /// What `subject` did, or what the machine did to it.
    pub(crate) fn of(subject: &str, fault: Fault) -> Self {
        let subject = subject.to_owned();
        match fault {
            Fault::Busy { .. } => Self::Busy { subject, fault },
            fault => Self::Fault { subject, fault },
        }
    }

    /// Whether the machine, and nobody who was measured, is to blame.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}
