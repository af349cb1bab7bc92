//! The frontier of `flat@1`: the best nodes seen so far, as one sorted array of integers.
//!
//! A slot is `key << 32 | id << 1 | expanded`, so that the order of the integers is the order of
//! the search (closer first, then lower id), and the array can be kept sorted without a branch:
//! inserting `x` into a sorted array means `new[i] = max(old[i - 1], min(x, old[i]))` for every
//! `i`. Eight slots go per instruction on AVX-512. Empty slots are `u64::MAX`: larger than
//! everything, and marked as expanded.

use crinoid_quant::{Isa, Level, key};

/// Slots per block, the unit in which the array is read and written.
pub(super) const BLOCK: usize = 8;

/// Frontiers of more candidates than this take newcomers batch by batch.
const WIDE: usize = 128;

/// An empty slot.
const EMPTY: u64 = u64::MAX;

/// A bounded sorted set of candidates; see the module.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    /// One block of zeroes (the neighbour below the first slot), then the slots, in whole blocks.
    slots: Vec<u64>,
    /// How many slots count: the ef of the search.
    capacity: usize,
    /// No slot of an earlier block is unexpanded.
    cursor: usize,
    /// Newcomers to a wide frontier.
    batch: Vec<u64>,
}

/// The slot of a candidate that is not expanded yet.
#[inline(always)]
pub(super) fn slot(key: u32, id: u32) -> u64 {
    u64::from(key) << 32 | u64::from(id) << 1
}

/// The node of a slot.
#[inline(always)]
pub(super) fn id(slot: u64) -> u32 {
    slot as u32 >> 1
}

impl Frontier {
    /// Empties the frontier and bounds it to `capacity >= 1` candidates.
    #[inline(always)]
    pub(super) fn reset(&mut self, capacity: usize) {
        let slots = BLOCK + capacity.next_multiple_of(BLOCK);
        if self.slots.len() < slots {
            self.slots.resize(slots, EMPTY);
            self.slots[..BLOCK].fill(0);
        }
        self.slots[BLOCK..slots].fill(EMPTY);
        self.capacity = capacity;
        self.cursor = 0;
    }

    /// Keys above this cannot enter.
    #[inline(always)]
    pub(super) fn threshold(&self) -> u32 {
        (self.slots[BLOCK + self.capacity - 1] >> 32) as u32
    }

    /// Inserts a candidate; one that is too far falls off the end.
    #[inline(always)]
    pub(super) fn insert<I: Isa>(&mut self, _isa: I, x: u64) {
        let end = BLOCK + self.capacity.next_multiple_of(BLOCK);
        let slots = &mut self.slots[..end];
        // Skipping far blocks pays on long arrays only; on short ones it is a mispredicted branch.
        let mut first = BLOCK;
        while first + 8 * BLOCK < end && slots[first + 8 * BLOCK - 1] < x {
            first += 8 * BLOCK;
        }
        let below = match I::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512` token is proof of the features; `BLOCK <= first` and `end` is
            // the length of `slots`, both multiples of `BLOCK`.
            Level::Avx512 => unsafe { super::lanes::insert(slots, first, x) },
            _ => insert(slots, first, x),
        };
        self.cursor = self.cursor.min((first - BLOCK + below) / BLOCK);
    }

    /// Whether [`insert_all`](Self::insert_all) is the cheaper way in: from this width on, moving
    /// every slot once per batch beats moving them once per candidate without branches.
    #[inline(always)]
    pub(super) fn is_wide(&self) -> bool {
        self.capacity > WIDE
    }

    /// Whether every slot is taken.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.slots[BLOCK + self.capacity - 1] != EMPTY
    }

    /// Inserts a batch, moving each slot at most once: the newcomers are sorted, and the
    /// stretch of slots between the places of two of them moves by as many slots as
    /// newcomers are smaller.
    #[inline(always)]
    pub(super) fn insert_all(&mut self, keys: &[u32], ids: &[u32]) {
        let threshold = self.threshold();
        self.batch.clear();
        for (&key, &id) in keys.iter().zip(ids) {
            if key <= threshold {
                self.batch.push(slot(key, id));
            }
        }
        self.batch.sort_unstable();
        let slots = &mut self.slots[..BLOCK + self.capacity];
        let (mut end, len) = (slots.len(), slots.len());
        for (smaller, &x) in self.batch.iter().enumerate().rev() {
            let place = BLOCK + slots[BLOCK..end].partition_point(|&slot| slot < x);
            let to = place + smaller + 1;
            if to < len {
                slots.copy_within(place..end.min(len - smaller - 1), to);
            }
            if to <= len {
                slots[to - 1] = x;
                self.cursor = self.cursor.min((to - 1 - BLOCK) / BLOCK);
            }
            end = place;
        }
    }

    /// Takes the best unexpanded candidate and marks it expanded.
    #[inline(always)]
    pub(super) fn pop<I: Isa>(&mut self, _isa: I) -> Option<u32> {
        let blocks = self.capacity.div_ceil(BLOCK);
        while self.cursor < blocks {
            let start = BLOCK * (1 + self.cursor);
            let block = &mut self.slots[start..start + BLOCK];
            let marks = match I::LEVEL {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: an `Avx512` token is proof of the features; the block has `BLOCK` slots.
                Level::Avx512 => unsafe { super::lanes::unexpanded(block) },
                _ => unexpanded(block),
            };
            if marks != 0 {
                let index = marks.trailing_zeros() as usize;
                if self.cursor * BLOCK + index >= self.capacity {
                    return None;
                }
                block[index] |= 1;
                return Some(id(block[index]));
            }
            self.cursor += 1;
        }
        None
    }

    /// Appends the candidates, closest first, as packed key and id.
    #[inline(always)]
    pub(super) fn write(&self, out: &mut Vec<u64>) {
        for &slot in &self.slots[BLOCK..BLOCK + self.capacity] {
            if slot == EMPTY {
                break;
            }
            out.push(key::pack((slot >> 32) as u32, id(slot)));
        }
    }
}

/// Inserts `x` into the sorted `slots[first..]`; returns how many of them are smaller.
#[inline(always)]
fn insert(slots: &mut [u64], first: usize, x: u64) -> usize {
    let below = slots[first..].partition_point(|&slot| slot < x);
    if first + below < slots.len() {
        let last = slots.len() - 1;
        slots.copy_within(first + below..last, first + below + 1);
        slots[first + below] = x;
    }
    below
}

/// A bit per slot that is not expanded.
#[inline(always)]
fn unexpanded(block: &[u64]) -> u32 {
    let bits = block.iter().enumerate().map(|(i, slot)| ((!slot & 1) as u32) << i);
    bits.fold(0, |all, bit| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crinoid_quant::isa::{self, OnIsa};
    use proptest::prelude::*;

    /// What the frontier must do, by sorting.
    struct Oracle {
        capacity: usize,
        slots: Vec<(u32, u32, bool)>,
    }

    impl Oracle {
        fn insert(&mut self, key: u32, id: u32) {
            self.slots.push((key, id, false));
            self.slots.sort_unstable();
            self.slots.truncate(self.capacity);
        }

        fn pop(&mut self) -> Option<u32> {
            let slot = self.slots.iter_mut().find(|slot| !slot.2)?;
            slot.2 = true;
            Some(slot.1)
        }
    }

    /// Inserts batches of keys (ids are counted up) and pops in between, at one SIMD level.
    struct Play<'a> {
        capacity: usize,
        batches: &'a [(Vec<u32>, usize)],
    }

    impl OnIsa for Play<'_> {
        type Output = Result<(), TestCaseError>;

        fn on<I: Isa>(self, isa: I) -> Self::Output {
            let mut oracle = Oracle { capacity: self.capacity, slots: Vec::new() };
            let mut frontier = Frontier::default();
            frontier.reset(300);
            frontier.insert(isa, slot(0, 7));
            frontier.reset(self.capacity);
            let mut ids = 0u32..;
            for (keys, pops) in self.batches {
                let ids: Vec<u32> = keys.iter().map(|_| ids.next().unwrap()).collect();
                if frontier.is_wide() {
                    frontier.insert_all(keys, &ids);
                } else {
                    for (&key, &id) in keys.iter().zip(&ids) {
                        frontier.insert(isa, slot(key, id));
                    }
                }
                for (&key, &id) in keys.iter().zip(&ids) {
                    oracle.insert(key, id);
                }
                for _ in 0..*pops {
                    prop_assert_eq!(frontier.pop(isa), oracle.pop());
                }
                prop_assert_eq!(frontier.is_full(), oracle.slots.len() == self.capacity);
            }
            let mut found = Vec::new();
            frontier.write(&mut found);
            let wanted: Vec<u64> =
                oracle.slots.iter().map(|&(key, id, _)| key::pack(key, id)).collect();
            prop_assert_eq!(found, wanted);
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn a_frontier_is_a_sorted_bounded_list(
            capacity in prop_oneof![1usize..40, 120usize..140, 250usize..260],
            batches in proptest::collection::vec(
                (proptest::collection::vec(0u32..500, 0..60), 0usize..12), 1..12),
        ) {
            for level in Level::available() {
                isa::dispatch(level, Play { capacity, batches: &batches })?;
            }
        }
    }
}
