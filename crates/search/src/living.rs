//! Search over a set in which some rows are dead.

use crate::{Bitmap, Counters, Engine, Scratch, SearchParams};
use crinoid_quant::Neighbor;

/// An engine some of whose rows have been deleted: they are walked over but never returned.
///
/// A search is a filtered one among the living: it looks wider in proportion to the dead, and once
/// more where these cluster around the query.
#[derive(Clone, Debug)]
pub struct Living<E> {
    engine: E,
    alive: Bitmap,
}

impl<E: Engine> Living<E> {
    /// `engine` without the rows in `dead`.
    ///
    /// # Panics
    /// When `dead` has another length than the engine.
    pub fn new(engine: E, dead: &Bitmap) -> Self {
        assert_eq!(dead.len(), engine.len(), "length of the tombstones");
        let alive = Bitmap::from_fn(dead.len(), |id| !dead.contains(id));
        Self { engine, alive }
    }

    /// Marks row `id` as dead; whether it was alive.
    pub fn bury(&mut self, id: u32) -> bool {
        self.alive.remove(id)
    }

    /// The rows that are not dead.
    pub fn alive(&self) -> &Bitmap {
        &self.alive
    }
}

impl<E: Engine> Engine for Living<E> {
    fn version(&self) -> &'static str {
        self.engine.version()
    }

    fn len(&self) -> usize {
        self.alive.count()
    }

    fn dim(&self) -> usize {
        self.engine.dim()
    }

    fn search(
        &self,
        query: &[f32],
        params: &SearchParams,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        self.engine.search_filtered(query, params, &self.alive, scratch, out)
    }

    /// `admitted` is over all rows, the dead included.
    fn search_filtered(
        &self,
        query: &[f32],
        params: &SearchParams,
        admitted: &Bitmap,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        let both = self.alive.intersection(admitted);
        self.engine.search_filtered(query, params, &both, scratch, out)
    }
}
