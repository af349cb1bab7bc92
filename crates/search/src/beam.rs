//! What a search writes to while it walks; reused from query to query.

use crate::{
    exact::Smallest, flat::Lanes, flat2::Lanes2, linear_pool::LinearPool, visited::Visited,
};
use crinoid_quant::Scorer;
use std::{cmp::Reverse, collections::BinaryHeap};

/// The working memory of any search version.
///
/// Everything grows to what the largest search needed and is never given back, so that a search
/// allocates nothing once its like has run.
#[derive(Debug, Default)]
pub struct Beam {
    /// The answer: packed `(key, id)`, ascending. What a search leaves behind.
    pub found: Vec<u64>,
    /// Which nodes have been measured.
    pub visited: Visited,
    /// A batch of ids and their keys.
    pub lists: Lists,
    /// Candidates yet to be expanded, closest first.
    pub(crate) candidates: BinaryHeap<Reverse<u64>>,
    /// The best found so far, farthest first.
    pub(crate) nearest: BinaryHeap<u64>,
    pub(crate) pool: LinearPool,
    pub(crate) smallest: Smallest,
    pub(crate) lanes: Lanes,
    pub(crate) lanes2: Lanes2,
}

/// A batch of ids to measure, and room for their keys.
#[derive(Debug, Default)]
pub struct Lists {
    /// The ids.
    pub ids: Vec<u32>,
    keys: Vec<u32>,
}

impl Lists {
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

    /// The ids and the keys measured last, pair by pair.
    #[inline(always)]
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.keys.iter().copied().zip(self.ids.iter().copied())
    }

    /// Makes room for batches of `len`.
    pub(crate) fn reserve(&mut self, len: usize) {
        self.ids.clear();
        self.ids.reserve(len);
        if self.keys.len() < len {
            self.keys.resize(len, 0);
        }
    }
}
