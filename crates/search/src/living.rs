//! Search over a set in which some rows are dead.

use crate::{Bitmap, Counters, Engine, Scratch, SearchParams};
use crinoid_quant::Neighbor;

/// An engine some of whose rows have been deleted: they are walked over but never returned.
///
/// Asks the engine for more than is wanted, in proportion to the dead. Where the dead cluster around a
/// query that is not enough; then one retry asks for as many as there are dead on top.
#[derive(Clone, Debug)]
pub struct Living<E> {
    engine: E,
    dead: Bitmap,
}

impl<E: Engine> Living<E> {
    /// `engine` without the rows in `dead`.
    ///
    /// # Panics
    /// When `dead` has another length than the engine.
    pub fn new(engine: E, dead: Bitmap) -> Self {
        assert_eq!(dead.len(), engine.len(), "length of the tombstones");
        Self { engine, dead }
    }

    /// Marks row `id` as dead; whether it was alive.
    pub fn bury(&mut self, id: u32) -> bool {
        self.dead.insert(id)
    }

    /// The dead rows.
    pub fn dead(&self) -> &Bitmap {
        &self.dead
    }
}

impl<E: Engine> Engine for Living<E> {
    fn version(&self) -> &'static str {
        self.engine.version()
    }

    fn len(&self) -> usize {
        self.engine.len() - self.dead.count()
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
        let (all, alive) = (self.engine.len(), self.len());
        out.clear();
        if params.k == 0 || alive == 0 {
            return Counters::default();
        }
        let wanted = params.k.min(alive);
        let enlarged = |size: usize| size.saturating_mul(all).div_ceil(alive).min(all);
        let mut wider = SearchParams::new(enlarged(wanted), enlarged(params.ef));
        let mut counters = self.engine.search(query, &wider, scratch, out);
        out.retain(|n| !self.dead.contains(n.id));
        if out.len() < wanted {
            // Even if all the dead are closer than the living, this many hold enough of these.
            let enough = wanted.saturating_add(self.dead.count()).min(all);
            wider = SearchParams::new(enough, enough.max(wider.ef));
            counters += self.engine.search(query, &wider, scratch, out);
            out.retain(|n| !self.dead.contains(n.id));
        }
        out.truncate(wanted);
        counters
    }
}
