//! An answer: who, and how far.

use std::cmp::Ordering;

/// One answer of a search: a row's id and its distance from the query.
///
/// Ordered by distance (IEEE total order), then by id, so that sorting is deterministic and the
/// smallest element is the nearest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Neighbor {
    /// The row of the base set.
    pub id: u32,
    /// Squared L2 or negated inner product; lower is closer.
    pub distance: f32,
}

impl Neighbor {
    /// A neighbour from its two parts.
    pub const fn new(id: u32, distance: f32) -> Self {
        Self { id, distance }
    }
}

impl Ord for Neighbor {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Neighbor {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Neighbor {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Neighbor {}
