//! What a refiner is.

use crate::report::StageReport;
use crinoid_quant::Neighbor;
use std::{any::Any, fmt};

/// The two forms of a query that refiners may need.
#[derive(Clone, Copy, Debug)]
pub struct RefinerQuery<'a> {
    /// All dimensions; of unit length under the cosine.
    pub full: &'a [f32],
    /// As the search saw it: truncated, then of unit length under the cosine.
    pub prepared: &'a [f32],
}

/// Which form of vectors and queries a refiner measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// All dimensions.
    Full,
    /// The leading dimensions that the search uses.
    Prepared,
}

impl RefinerQuery<'_> {
    /// The form that belongs to `side`.
    pub fn side(&self, side: Side) -> &[f32] {
        match side {
            Side::Full => self.full,
            Side::Prepared => self.prepared,
        }
    }
}

/// A stage that scores candidates again, more finely, and keeps the best.
///
/// One virtual call per query. The same query and candidates give the same answer, whatever was
/// asked before; candidates of equal fine score are ordered by id.
pub trait Refiner: Send + Sync {
    /// The version, `name@number`.
    fn version(&self) -> &'static str;

    /// Re-scores `candidates` and leaves the best `keep` of them, closest first, with the finer
    /// distances.
    ///
    /// A candidate for which there is no vector comes after all scored ones, in the order in which
    /// it came, at an infinite distance; the report counts it.
    ///
    /// Allocates nothing once `scratch` has served a query of this refiner with as many
    /// candidates.
    fn refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> StageReport;

    /// Bytes of the vectors it measures against.
    fn bytes(&self) -> usize;
}

/// The working memory of one refiner and one thread; serves any refiner, and grows on first use.
#[derive(Default)]
pub struct Scratch {
    state: Option<Box<dyn Any + Send>>,
}

impl Scratch {
    /// The state of type `T`, fresh where another type was used before.
    pub fn state<T: Any + Send + Default>(&mut self) -> &mut T {
        if !self.state.as_ref().is_some_and(|state| state.is::<T>()) {
            self.state = Some(Box::new(T::default()));
        }
        match self.state.as_mut().and_then(|state| state.downcast_mut::<T>()) {
            Some(state) => state,
            // The box was filled with a `T` three lines above.
            None => unreachable!("the state has just been made"),
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}
