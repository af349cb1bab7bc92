//! Points side by side, and all pairs among them.

use crate::candidate::Candidate;
use crinoid_quant::{
    Isa, Level, Space,
    isa::{self, OnIsa, PANEL},
    key,
    tile::Tile,
};

/// Accumulators of [`Near`], each as wide as a register: the minima of 64 classes of places.
const MINIMA: usize = 4;

/// The most that [`nearest`] finds.
pub(crate) const MOST: usize = MINIMA * PANEL;

/// Points whose distances to many others are measured at once: as products of bytes where the space has
/// such ([`Space::gather`]), row by row where it has not.
#[derive(Default)]
pub(crate) struct Block {
    ids: Vec<u32>,
    tile: Tile,
    is_tiled: bool,
}

impl Block {
    /// Takes `ids` in the place of what was there.
    pub(crate) fn load(&mut self, space: &dyn Space, ids: &[u32]) {
        self.ids.clear();
        self.ids.extend_from_slice(ids);
        self.is_tiled = space.gather(ids, &mut self.tile);
    }

    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many groups of sixteen points.
    pub(crate) fn panels(&self) -> usize {
        self.ids.len().div_ceil(PANEL)
    }

    /// The number of points in whole panels.
    pub(crate) fn stride(&self) -> usize {
        self.panels() * PANEL
    }

    /// The keys of the distances of the points of `panel` to those of `other` from its panel `first` on: row after row;
    /// `u32::MAX` where there is no point.
    pub(crate) fn keys(
        &self,
        space: &dyn Space,
        panel: usize,
        (other, first): (&Block, usize),
        keys: &mut Vec<u32>,
    ) {
        let stride = other.stride() - first * PANEL;
        keys.resize(PANEL * stride, 0);
        if self.is_tiled {
            return self.tile.keys(panel, (&other.tile, first), keys);
        }
        let others = &other.ids[first * PANEL..];
        let own = &self.ids[panel * PANEL..];
        for (&id, row) in own.iter().zip(keys.chunks_exact_mut(stride)) {
            let (known, rest) = row.split_at_mut(others.len());
            space.keys(id, others, known);
            rest.fill(u32::MAX);
        }
    }

    /// What pruning rules compare: [`Space::value`], without a call where the keys are those of integers.
    #[inline(always)]
    pub(crate) fn value(&self, space: &dyn Space, key: u32) -> f64 {
        if self.is_tiled { f64::from(key::to_i32(key)) } else { space.value(key) }
    }
}

/// Leaves the `keep` (at most [`MOST`]) of `ids` with the smallest `keys`, ascending, in `found`. There are as many keys as
/// fill whole panels; one of `u32::MAX` is nobody's.
pub(crate) fn nearest(keys: &[u32], ids: &[u32], keep: usize, found: &mut Vec<Candidate>) {
    isa::dispatch(Level::current(), Near { keys, ids, keep: keep.min(MOST), found });
}

struct Near<'a> {
    keys: &'a [u32],
    ids: &'a [u32],
    keep: usize,
    found: &'a mut Vec<Candidate>,
}

impl OnIsa for Near<'_> {
    type Output = ();

    /// Places fall into 64 classes. As many keys as there are minima of classes up to the `keep`-th smallest of them are at
    /// most that, so the `keep` smallest keys are, and few others. One pass of minima and one of comparisons do
    /// what a heap would do in many steps.
    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self { keys, ids, keep, found } = self;
        found.clear();
        if keep == 0 {
            return;
        }
        let blocks = keys.as_chunks::<PANEL>().0;
        let mut minima = [[u32::MAX; PANEL]; MINIMA];
        for (turn, block) in blocks.iter().enumerate() {
            for (minimum, &key) in minima[turn % MINIMA].iter_mut().zip(block) {
                *minimum = key.min(*minimum);
            }
        }
        // The largest number that fewer than `keep` minima are below, bit by bit.
        let mut limit = 0u32;
        for bit in (0..u32::BITS).rev() {
            let more = limit | 1 << bit;
            let below: u32 = minima.iter().map(|m| isa.below(m, more).count_ones()).sum();
            if (below as usize) < keep {
                limit = more;
            }
        }
        let limit = limit.saturating_add(1);
        for (block, keys) in blocks.iter().enumerate() {
            let mut mask = isa.below(keys, limit);
            while mask != 0 {
                let place = mask.trailing_zeros() as usize;
                mask &= mask - 1;
                found.push(Candidate::new(keys[place], ids[block * PANEL + place]));
            }
        }
        if found.len() > keep {
            found.select_nth_unstable(keep - 1);
            found.truncate(keep);
        }
        found.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_are_those_of_a_sort(
            mut keys in proptest::collection::vec(prop_oneof![0u32..50, any::<u32>()], 0..700),
            keep in 0usize..70,
        ) {
            let ids: Vec<u32> = (0..keys.len() as u32).map(|id| id.wrapping_mul(7919) % 65_536).collect();
            let mut sorted: Vec<Candidate> =
                keys.iter().zip(&ids).map(|(&key, &id)| Candidate::new(key, id)).collect();
            sorted.retain(|candidate| candidate.key() < u32::MAX);
            sorted.sort_unstable();
            sorted.truncate(keep.min(MOST));
            keys.resize(keys.len().next_multiple_of(PANEL), u32::MAX);
            let mut found = Vec::new();
            nearest(&keys, &ids, keep, &mut found);
            prop_assert_eq!(found, sorted);
        }
    }
}
