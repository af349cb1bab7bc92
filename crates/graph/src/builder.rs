//! What a graph builder is.

use crate::{
    adjacency::{Graph, GraphError},
    candidate::MAX_POINTS,
};
use crinoid_quant::Space;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// The parameters that every builder understands.
///
/// ```
/// use crinoid_graph::Params;
///
/// let params = Params { m: 24, ..Params::default() };
/// assert!(params.validate().is_ok());
/// assert_eq!(Params { m: 1, ..params }.validate().unwrap_err().to_string(), "m = 1 is out of range (2..=512)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Params {
    /// Links per node on upper layers; a base row has `2 m` slots. `2..=512`.
    pub m: usize,
    /// How many candidates an insertion's search keeps. At least `m`.
    pub ef_construction: usize,
    /// Pruning slack on squared distances for builders with an alpha (1 = strict). `1.0..=4.0`.
    pub alpha: f32,
    /// Whether slots that pruning left empty are filled with the nearest pruned candidates.
    pub backfill: bool,
    /// Seed of everything random: order, layers.
    pub seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, alpha: 1.2, backfill: false, seed: 42 }
    }
}

/// Why a build did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A parameter is out of its range.
    #[error("{name} = {value} is out of range ({range})")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// The values it may have.
        range: &'static str,
    },
    /// [`Progress`] asked to stop.
    #[error("the build was cancelled")]
    Cancelled,
    /// The builder made something that is no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Params {
    /// Checks every range.
    ///
    /// # Errors
    /// [`BuildError::Parameter`] names the first parameter that is out of range.
    pub fn validate(&self) -> Result<(), BuildError> {
        let fail = |name, value: String, range| Err(BuildError::Parameter { name, value, range });
        if !(2..=512).contains(&self.m) {
            return fail("m", self.m.to_string(), "2..=512");
        }
        if !(self.m..=1 << 20).contains(&self.ef_construction) {
            return fail("ef_construction", self.ef_construction.to_string(), "m..=1048576");
        }
        if !(1.0..=4.0).contains(&self.alpha) {
            return fail("alpha", self.alpha.to_string(), "1.0..=4.0");
        }
        Ok(())
    }

    /// As [`validate`](Self::validate), and checks that candidates can name `points` ids.
    pub(crate) fn validate_for(&self, points: usize) -> Result<(), BuildError> {
        self.validate()?;
        if points > MAX_POINTS {
            let (name, range) = ("points", "0..=2147483648");
            return Err(BuildError::Parameter { name, value: points.to_string(), range });
        }
        Ok(())
    }
}

/// Told how far a build is; may stop it.
pub trait Progress: Sync {
    /// `done` of `total` units of work are done. Called a few hundred times per build, from one
    /// thread at a time.
    fn report(&self, done: usize, total: usize) -> ControlFlow<()>;
}

/// Listens to nothing and never stops a build.
impl Progress for () {
    fn report(&self, _done: usize, _total: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// A published way of building a graph.
///
/// A build runs on the current rayon pool and depends on nothing but the space and the
/// parameters: the same input gives the same graph at any number of threads.
pub trait Builder: Send + Sync {
    /// The version, `name@number`.
    fn version(&self) -> &'static str;

    /// Builds a graph over all points of `space`.
    ///
    /// # Errors
    /// When a parameter is out of range or `progress` breaks off.
    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError>;
}
