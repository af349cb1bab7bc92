//! A bounded sorted array of candidates, each expanded at most once.

use crinoid_graph::Candidate;

/// The `capacity` best candidates, sorted, and a cursor to the best that is yet to be expanded.
///
/// This is the linear pool of GLASS: binary search, one `memmove` per insertion. Expanded entries are
/// flagged.
#[derive(Clone, Debug, Default)]
pub struct LinearPool {
    entries: Vec<Candidate>,
    capacity: usize,
    cursor: usize,
}

impl LinearPool {
    /// Empties the pool and sets how many candidates it keeps. Room is made for them at once, unless they are
    /// more than a million: then it follows what is offered.
    pub fn reset(&mut self, capacity: usize) {
        self.entries.clear();
        self.entries.reserve(capacity.min(1 << 20));
        self.capacity = capacity;
        self.cursor = 0;
    }

    /// Offers a candidate that has not been offered before; where it went, or `None` when it is
    /// farther than all of a full pool. `id` is below
    /// [`MAX_POINTS`](crinoid_graph::candidate::MAX_POINTS).
    #[inline(always)]
    pub fn insert(&mut self, key: u32, id: u32) -> Option<usize> {
        let entry = Candidate::new(key, id);
        if self.entries.len() == self.capacity {
            if self.entries.last().is_none_or(|&last| entry > last) {
                return None;
            }
            self.entries.pop();
        }
        let place = self.entries.partition_point(|&other| other < entry);
        self.entries.insert(place, entry);
        self.cursor = self.cursor.min(place);
        Some(place)
    }

    /// The closest candidate that has not been expanded, marked as expanded from now on.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<u32> {
        let entry = self.entries.get_mut(self.cursor)?;
        let id = entry.id();
        *entry = entry.flagged();
        self.cursor += 1;
        while self.entries.get(self.cursor).is_some_and(|entry| entry.is_flagged()) {
            self.cursor += 1;
        }
        Some(id)
    }

    /// Where the closest unexpanded candidate stands; the length when there is none.
    #[inline(always)]
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// All candidates as packed `(key, id)`, ascending.
    pub fn packed(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.entries.iter().map(|entry| entry.packed())
    }
}

#[cfg(test)]
mod tests;
