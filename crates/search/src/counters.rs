//! How much work a search did.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Work of one search, exact and independent of the machine.
///
/// A search keeps these in registers and adds to them once per expanded node, which is why there
/// is no way to switch them off: there is nothing to save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Nodes expanded: adjacency lists read, on any layer.
    pub hops: u64,
    /// Distances evaluated between the query and stored vectors, entry points included.
    pub distances: u64,
}

impl Counters {
    /// One node was expanded, and `distances` of its neighbours were measured.
    #[inline(always)]
    pub fn expanded(&mut self, distances: usize) {
        self.hops += 1;
        self.distances += distances as u64;
    }

    /// `distances` vectors were measured outside any expansion.
    #[inline(always)]
    pub fn measured(&mut self, distances: usize) {
        self.distances += distances as u64;
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.hops += other.hops;
        self.distances += other.distances;
    }
}
