//! A batch of rows to measure, and room for their keys.

use crate::visited::Visited;
use crinoid_graph::Adjacency;
use crinoid_quant::{Isa, Scorer};

/// A batch of ids to measure, and room for their keys; reused from batch to batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The ids.
    pub ids: Vec<u32>,
    keys: Vec<u32>,
}

impl Batch {
    /// Makes room for batches of `len`.
    pub fn reserve(&mut self, len: usize) {
        self.ids.clear();
        self.ids.reserve(len);
        if self.keys.len() < len {
            self.keys.resize(len, 0);
        }
    }

    /// The neighbours of `node` that are not in `visited` become the batch, and visited.
    ///
    /// # Panics
    /// When `visited` was begun for another graph, with fewer nodes.
    #[inline(always)]
    pub fn gather<I: Isa>(
        &mut self,
        isa: I,
        base: Adjacency<'_>,
        node: u32,
        visited: &mut Visited,
    ) {
        let window = visited.gather(isa, base, node, |_| {});
        self.ids.clear();
        self.ids.extend_from_slice(&visited.window(&window)[..window.len()]);
    }

    /// The keys of the distances to [`ids`](Self::ids), in their order.
    #[inline(always)]
    pub fn measure<S: Scorer>(&mut self, scorer: S) -> &[u32] {
        let len = self.ids.len();
        if self.keys.len() < len {
            self.keys.resize(len, 0);
        }
        let keys = &mut self.keys[..len];
        scorer.keys(&self.ids, keys);
        keys
    }

    /// The keys measured last and the ids, pair by pair.
    #[inline(always)]
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.keys.iter().copied().zip(self.ids.iter().copied())
    }
}
