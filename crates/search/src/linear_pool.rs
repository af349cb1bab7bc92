//! A bounded sorted array of candidates, each expanded at most once.

/// Marks an entry as expanded. Entries are `key << 32 | id << 1 | expanded`: ids are unique, so
/// the mark never decides an order, and sorting ignores it for free.
const EXPANDED: u64 = 1;

/// The most nodes whose ids leave room for the mark.
pub const MAX_NODES: usize = 1 << 31;

/// The `capacity` best candidates, sorted, and a cursor to the best that is yet to be expanded.
///
/// This is the linear pool of GLASS: binary search, one `memmove` per insertion.
#[derive(Clone, Debug, Default)]
pub struct LinearPool {
    entries: Vec<u64>,
    capacity: usize,
    cursor: usize,
}

impl LinearPool {
    /// Empties the pool and sets how many candidates it keeps.
    pub fn reset(&mut self, capacity: usize) {
        self.entries.clear();
        self.entries.reserve(capacity);
        self.capacity = capacity;
        self.cursor = 0;
    }

    /// Offers a candidate that has not been offered before; where it went, or `None` when it is
    /// farther than all of a full pool. `id` is below [`MAX_NODES`].
    #[inline(always)]
    pub fn insert(&mut self, key: u32, id: u32) -> Option<usize> {
        let entry = u64::from(key) << 32 | u64::from(id) << 1;
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
        let id = (*entry as u32) >> 1;
        *entry |= EXPANDED;
        self.cursor += 1;
        while self.entries.get(self.cursor).is_some_and(|entry| entry & EXPANDED != 0) {
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
        self.entries.iter().map(|&entry| entry >> 32 << 32 | (entry as u32 >> 1) as u64)
    }
}

#[cfg(test)]
mod tests;
