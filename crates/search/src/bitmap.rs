//! A set of ids: which rows a filter admits, which rows are dead.

/// Ids below a fixed length, a bit each.
///
/// ```
/// use crinoid_search::Bitmap;
///
/// let mut even = Bitmap::from_fn(10, |id| id % 2 == 0);
/// even.remove(4);
/// assert_eq!((even.count(), even.ids().collect::<Vec<_>>()), (4, vec![0, 2, 6, 8]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
    count: usize,
}

impl Bitmap {
    /// The empty set over ids `0..len`.
    pub fn new(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len, count: 0 }
    }

    /// The ids below `len` that satisfy `predicate`.
    pub fn from_fn(len: usize, predicate: impl Fn(u32) -> bool) -> Self {
        let mut bitmap = Self::new(len);
        for id in 0..len as u32 {
            if predicate(id) {
                bitmap.insert(id);
            }
        }
        bitmap
    }

    /// Adds `id`; whether it was new. Ids from [`len`](Self::len) on are not taken.
    pub fn insert(&mut self, id: u32) -> bool {
        let new = (id as usize) < self.len && !self.contains(id);
        if new {
            self.words[id as usize / 64] |= 1 << (id % 64);
            self.count += 1;
        }
        new
    }

    /// Removes `id`; whether it was there.
    pub fn remove(&mut self, id: u32) -> bool {
        let there = self.contains(id);
        if there {
            self.words[id as usize / 64] &= !(1 << (id % 64));
            self.count -= 1;
        }
        there
    }

    /// Whether `id` is in the set.
    #[inline(always)]
    pub fn contains(&self, id: u32) -> bool {
        match self.words.get(id as usize / 64) {
            Some(word) => word >> (id % 64) & 1 == 1,
            None => false,
        }
    }

    /// One past the largest id that fits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no id is in the set.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many ids are in the set.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The ids that are in both sets, which are over equally many.
    ///
    /// # Panics
    /// When the sets differ in [`len`](Self::len).
    pub fn intersection(&self, other: &Self) -> Self {
        assert_eq!(self.len, other.len, "length of the sets");
        let words: Vec<u64> = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        Self { words, len: self.len, count }
    }

    /// The ids, ascending.
    pub fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(place, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(place as u32 * 64 + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_as_a_set(len in 0usize..200, steps in proptest::collection::vec((any::<bool>(), 0u32..220), 0..200)) {
            let (mut bitmap, mut oracle) = (Bitmap::new(len), BTreeSet::new());
            for (add, id) in steps {
                if add {
                    prop_assert_eq!(bitmap.insert(id), (id as usize) < len && oracle.insert(id));
                } else {
                    prop_assert_eq!(bitmap.remove(id), oracle.remove(&id));
                }
            }
            prop_assert!(bitmap.ids().eq(oracle.iter().copied()));
            prop_assert_eq!((bitmap.count(), bitmap.is_empty()), (oracle.len(), oracle.is_empty()));
            prop_assert_eq!(&Bitmap::from_fn(len, |id| oracle.contains(&id)), &bitmap);
            let even = Bitmap::from_fn(len, |id| id % 2 == 0);
            let both = oracle.iter().copied().filter(|id| id % 2 == 0);
            prop_assert!(bitmap.intersection(&even).ids().eq(both.clone()));
            prop_assert_eq!(bitmap.intersection(&even).count(), both.count());
        }
    }
}
