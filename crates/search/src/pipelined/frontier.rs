//! The frontier: the best nodes seen so far, as sorted blocks of integers.
//!
//! A slot is a [`Candidate`], flagged once it is expanded, as an integer: the order of the integers is the
//! order of the search (closer first, then lower id), and inserting `x` into the sorted slots means
//! `new[i] = max(old[i - 1], min(x, old[i]))` for every `i`: no branch. A block is one register on
//! AVX-512; the first eight blocks are loaded once per list of newcomers. Only blocks with
//! candidates are touched, so a wide frontier that a stop rule keeps short costs what a short one does.

#![allow(
    unsafe_code,
    reason = "calls of the AVX-512 forms, where the token is proof of the features"
)]

use crate::block::{BLOCK, Block};
use crinoid_graph::Candidate;
use crinoid_quant::{Isa, Level};

/// An empty slot: larger than every candidate, and marked as expanded.
const EMPTY: u64 = u64::MAX;

/// A bounded sorted set of candidates; see the module.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    blocks: Vec<Block>,
    /// How many candidates may be in it: the ef of the search.
    capacity: usize,
    /// How many candidates are in it. What lies beyond the last one's block is not looked at.
    filled: usize,
    /// No slot of an earlier block is unexpanded.
    cursor: usize,
    /// The slots that a list of candidates adds.
    newcomers: Vec<u64>,
}

impl Frontier {
    /// Empties the frontier, bounds it to `capacity >= 1` candidates, and makes room for lists of
    /// `width`.
    #[inline(always)]
    pub(super) fn reset(&mut self, capacity: usize, width: usize) {
        // The capacity may end within a block: what falls off the end falls into its rest.
        let blocks = capacity.div_ceil(BLOCK) + 1;
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks, Block([EMPTY; BLOCK]));
        }
        if self.newcomers.len() < width + 2 * BLOCK {
            self.newcomers.resize(width + 2 * BLOCK, 0);
        }
        self.blocks[0] = Block([EMPTY; BLOCK]);
        (self.capacity, self.filled, self.cursor) = (capacity, 0, 0);
    }

    /// The candidate at `place`, ascending, or the empty slot.
    #[inline(always)]
    pub(super) fn at(&self, place: usize) -> u64 {
        if place < self.filled { self.blocks[place / BLOCK].0[place % BLOCK] } else { EMPTY }
    }

    /// Lets those of the candidates `ids`, whose keys are `keys`, in that are below the slot `limit`;
    /// those for which there is no room fall off the end. Both slices are readable up to a multiple of
    /// [`BLOCK`] values, of which `count` count.
    #[inline(always)]
    pub(super) fn insert<I: Isa>(
        &mut self,
        _isa: I,
        keys: &[u32],
        ids: &[u32],
        count: usize,
        limit: u64,
    ) {
        let limit = limit.min(self.at(self.capacity - 1));
        let found = match I::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512` token is proof of the features.
            Level::Avx512 => unsafe {
                crate::avx512::newcomers(limit, keys, ids, count, &mut self.newcomers)
            },
            _ => newcomers(limit, &keys[..count], &ids[..count], &mut self.newcomers),
        };
        if found == 0 {
            return;
        }
        let used = self.filled.div_ceil(BLOCK);
        self.filled = (self.filled + found).min(self.capacity);
        let blocks = &mut self.blocks[..self.filled.div_ceil(BLOCK)];
        if let Some(fresh) = blocks.get_mut(used.max(1)..) {
            fresh.fill(Block([EMPTY; BLOCK]));
        }
        let newcomers = &self.newcomers[..found];
        let first = match I::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512` token is proof of the features.
            Level::Avx512 => unsafe { crate::avx512::insert(blocks, newcomers) },
            _ => insert(blocks, newcomers),
        };
        self.cursor = self.cursor.min(first);
    }

    /// Forgets candidates from the slot `limit` on, but keeps the best `least`.
    #[inline(always)]
    pub(super) fn cut(&mut self, limit: u64, least: usize) {
        let before = self.filled;
        while self.filled > least && self.at(self.filled - 1) >= limit {
            self.filled -= 1;
        }
        if self.filled < before {
            // With what fell off the end into the rest of the last block.
            for place in self.filled..before.next_multiple_of(BLOCK) {
                self.blocks[place / BLOCK].0[place % BLOCK] = EMPTY;
            }
        }
    }

    /// Takes the best unexpanded candidate and marks it expanded; its slot.
    #[inline(always)]
    pub(super) fn pop<I: Isa>(&mut self, _isa: I) -> Option<u64> {
        let blocks = &mut self.blocks[..self.filled.div_ceil(BLOCK)];
        let place = match I::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512` token is proof of the features.
            Level::Avx512 => unsafe { crate::avx512::pop(blocks, self.cursor) },
            _ => pop(blocks, self.cursor),
        };
        self.cursor = place / BLOCK;
        (place < self.filled).then(|| self.at(place))
    }

    /// Appends the candidates, closest first, as packed key and id.
    #[inline(always)]
    pub(super) fn write(&self, out: &mut Vec<u64>) {
        let slots = self.blocks.iter().flat_map(|block| block.0).take(self.filled);
        out.extend(slots.map(|slot| Candidate::from_bits(slot).packed()));
    }
}

/// Writes the slots of the candidates that are below `limit` to `out`; how many there are.
#[inline(always)]
fn newcomers(limit: u64, keys: &[u32], ids: &[u32], out: &mut [u64]) -> usize {
    let mut found = 0;
    for (&key, &id) in keys.iter().zip(ids) {
        out[found] = Candidate::new(key, id).bits();
        found += usize::from(out[found] < limit);
    }
    found
}

/// Inserts `newcomers`, the largest slots falling off the end; the first block that may have changed.
#[inline(always)]
fn insert(blocks: &mut [Block], newcomers: &[u64]) -> usize {
    let mut first = blocks.len();
    for &x in newcomers {
        let above = |block: &Block| block.0[BLOCK - 1] < x;
        let (start, mut x) = (blocks.partition_point(above), x);
        for slot in blocks[start..].iter_mut().flat_map(|block| &mut block.0) {
            (*slot, x) = (x.min(*slot), x.max(*slot));
        }
        first = first.min(start);
    }
    first
}

/// Marks the first unexpanded slot from block `cursor` on; its place, or the number of slots.
#[inline(always)]
fn pop(blocks: &mut [Block], cursor: usize) -> usize {
    for (index, block) in blocks.iter_mut().enumerate().skip(cursor) {
        if let Some(place) = block.0.iter().position(|slot| slot & 1 == 0) {
            block.0[place] |= 1;
            return index * BLOCK + place;
        }
    }
    blocks.len() * BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crinoid_quant::{
        isa::{self, OnIsa},
        key,
    };
    use proptest::prelude::*;

    fn slot(key: u32, id: u32) -> u64 {
        Candidate::new(key, id).bits()
    }

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

        fn cut(&mut self, limit: u32, least: usize) {
            let near = self.slots.iter().filter(|slot| slot.0 < limit).count();
            self.slots.truncate(near.max(least));
        }

        fn pop(&mut self) -> Option<u64> {
            let found = self.slots.iter_mut().find(|slot| !slot.2)?;
            found.2 = true;
            Some(slot(found.0, found.1) | 1)
        }
    }

    /// Inserts lists of keys (ids are counted up) and pops in between, at one SIMD level.
    struct Play<'a> {
        capacity: usize,
        lists: &'a [(Vec<u32>, usize, u32)],
    }

    impl OnIsa for Play<'_> {
        type Output = Result<(), TestCaseError>;

        fn on<I: Isa>(self, isa: I) -> Self::Output {
            let mut oracle = Oracle { capacity: self.capacity, slots: Vec::new() };
            let mut frontier = Frontier::default();
            frontier.reset(300, 8);
            frontier.insert(isa, &[0; BLOCK], &[7; BLOCK], 1, u64::MAX);
            frontier.reset(self.capacity, 60);
            let mut names = 0u32..;
            for (keys, pops, limit) in self.lists {
                let (mut keys, count) = (keys.clone(), keys.len());
                let mut ids: Vec<u32> = keys.iter().map(|_| names.next().unwrap()).collect();
                for (&key, &id) in keys.iter().zip(&ids).filter(|&(key, _)| key < limit) {
                    oracle.insert(key, id);
                }
                // What follows the list is of no account.
                keys.resize(count.next_multiple_of(BLOCK), 0);
                ids.resize(keys.len(), u32::MAX / 2);
                frontier.insert(isa, &keys, &ids, count, slot(*limit, 0));
                for _ in 0..*pops {
                    prop_assert_eq!(frontier.pop(isa), oracle.pop());
                }
                oracle.cut(limit / 2, 3);
                frontier.cut(slot(limit / 2, 0), 3);
                let end = oracle.slots.last();
                prop_assert_eq!(frontier.at(oracle.slots.len()), EMPTY);
                prop_assert_eq!(
                    end.map(|end| end.0),
                    end.map(|_| { (frontier.at(oracle.slots.len() - 1) >> 32) as u32 })
                );
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
            capacity in prop_oneof![1usize..40, 57usize..75, 120usize..140, 250usize..260],
            lists in proptest::collection::vec(
                (proptest::collection::vec(0u32..500, 0..60), 0usize..12, 300u32..1500), 1..12),
        ) {
            for level in Level::available() {
                isa::dispatch(level, Play { capacity, lists: &lists })?;
            }
        }
    }
}
