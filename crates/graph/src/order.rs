//! In which order points are inserted, and how many at a time.

use crate::random;

/// Separates the stream of orders from other uses of the same seed.
const STREAM: u64 = 0x6f_7264_6572;

/// An insertion order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As the points come.
    Sequential,
    /// A seeded Fisher-Yates shuffle.
    Shuffle,
}

impl Order {
    /// The points `0..len` in this order.
    pub(crate) fn points(self, len: usize, seed: u64) -> Vec<u32> {
        let mut points: Vec<u32> = (0..len as u32).collect();
        match self {
            Order::Sequential => {}
            Order::Shuffle => random::shuffle(&mut points, seed ^ STREAM),
        }
        points
    }

    /// The points `0..len` in this order, but `first` before all others.
    pub(crate) fn starting_with(self, first: u32, len: usize, seed: u64) -> Vec<u32> {
        let mut points = self.points(len, seed);
        if let Some(place) = points.iter().position(|&point| point == first) {
            points[..=place].rotate_right(1);
        }
        points
    }
}

/// The most points in a batch: measuring them against each other stays a few percent of the work.
const MAX_BATCH: usize = 1024;

/// Points per batch: 2 % of all, so that what a batch cannot see (paths through itself) is little.
pub(crate) fn batch_len(points: usize) -> usize {
    (points / 50).clamp(32, MAX_BATCH)
}
