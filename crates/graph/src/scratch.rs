//! Memory that a thread needs while it inserts points, used again and again.

use crate::{candidate::Candidate, select::Pruning};
use crossbeam_queue::SegQueue;
use std::ops::{Deref, DerefMut};

/// Working memory of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) visited: Visited,
    /// The search's candidates, ascending.
    pub(crate) pool: Vec<Candidate>,
    /// What the search expanded, in that order.
    pub(crate) expanded: Vec<Candidate>,
    /// Slots about to be measured, and their keys.
    pub(crate) todo: Vec<u32>,
    pub(crate) keys: Vec<u32>,
    /// Keys to the points of the same batch.
    pub(crate) peers: Vec<u32>,
    pub(crate) pruning: Pruning,
}

/// Which slots a search has met: stamps of the current generation.
#[derive(Default)]
pub(crate) struct Visited {
    stamps: Vec<u8>,
    generation: u8,
}

impl Visited {
    /// Forgets everything; afterwards slots `0..len` may be marked.
    ///
    /// Stamps are bytes, so that those of a million points stay in cache; every 255 searches they
    /// are cleared.
    pub(crate) fn begin(&mut self, len: usize) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.stamps.fill(0);
            self.generation = 1;
        }
        if self.stamps.len() < len {
            self.stamps.resize(len, 0);
        }
    }

    /// Marks `slot`; whether it was not marked before.
    #[inline(always)]
    pub(crate) fn insert(&mut self, slot: u32) -> bool {
        let stamp = &mut self.stamps[slot as usize];
        let is_new = *stamp != self.generation;
        *stamp = self.generation;
        is_new
    }

    /// Marks `slots` and leaves those that were not marked before in `new`.
    #[inline]
    pub(crate) fn gather(&mut self, slots: &[u32], new: &mut Vec<u32>) {
        new.resize(slots.len(), 0);
        let mut count = 0;
        // Whether a slot is new is a coin's toss: write first, count after.
        for &slot in slots {
            new[count] = slot;
            count += usize::from(self.insert(slot));
        }
        new.truncate(count);
    }
}

/// Scratch memory that waits for the next thread that needs some.
#[derive(Default)]
pub(crate) struct ScratchPool(SegQueue<Scratch>);

/// Scratch on loan: it goes back when dropped.
pub(crate) struct Borrowed<'a> {
    spare: &'a ScratchPool,
    scratch: Scratch,
}

impl ScratchPool {
    pub(crate) fn take(&self) -> Borrowed<'_> {
        Borrowed { spare: self, scratch: self.0.pop().unwrap_or_default() }
    }
}

impl Deref for Borrowed<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.spare.0.push(std::mem::take(&mut self.scratch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_wrap_without_memory_of_older_ones() {
        let mut visited = Visited::default();
        visited.begin(2);
        assert!(visited.insert(1) && !visited.insert(1));
        for _ in 0..600 {
            visited.begin(2);
            assert!(visited.insert(0) && !visited.insert(0));
        }
        visited.begin(3);
        assert!(visited.insert(1) && visited.insert(2));
    }
}
