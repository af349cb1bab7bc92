//! Which nodes a search has seen: one bit per node, and a list of those that are set.
//!
//! A bit instead of a byte keeps 100,000 nodes within 12.5 kB, which stay in the first-level cache. The list
//! is what the distances are computed for, window by window; afterwards it says which bits to clear.

use super::frontier::BLOCK;
use crinoid_graph::NONE;
use crinoid_quant::{Isa, Level};
use std::ops::Range;

/// The list is at least this long, and starts over when it is full.
const ROOM: usize = 1 << 14;

/// A set of nodes, and the nodes in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Seen {
    bits: Vec<u32>,
    list: Vec<u32>,
    end: usize,
    /// Whether the list has started over, so that it does not hold all that is set.
    over: bool,
}

impl Seen {
    /// Empties the set and makes room for nodes `0..len` and rows of `width` links. Allocates only when
    /// either grows.
    #[inline(always)]
    pub(super) fn begin(&mut self, len: usize, width: usize) {
        if self.over || 8 * self.end > self.bits.len() {
            self.bits.fill(0);
        } else {
            for &id in &self.list[..self.end] {
                self.bits[id as usize / 32] = 0;
            }
        }
        (self.end, self.over) = (0, false);
        if self.bits.len() < len.div_ceil(32) {
            self.bits.resize(len.div_ceil(32), 0);
        }
        let room = ROOM.max(4 * (width + BLOCK));
        if self.list.len() < room {
            self.list.resize(room, 0);
        }
    }

    /// Adds `node`; whether it was new. It is not listed: every search that adds nodes in this way
    /// lists them by [`push`](Self::push) as well.
    #[inline(always)]
    fn mark(&mut self, node: u32) -> bool {
        let word = &mut self.bits[node as usize / 32];
        let new = *word >> (node % 32) & 1 == 0;
        *word |= 1 << (node % 32);
        new
    }

    /// Adds `node` if it is new; the window of the list that holds it alone.
    #[inline(always)]
    pub(super) fn push(&mut self, node: u32) -> Option<Range<usize>> {
        if !self.mark(node) {
            return None;
        }
        let start = self.room_for(1);
        self.list[start] = node;
        Some(self.close(start, 1))
    }

    /// Adds those nodes of `row` (up to the first [`NONE`]) that are new; their window. `new` is told
    /// each of them.
    #[inline(always)]
    pub(super) fn gather<I: Isa>(
        &mut self,
        _isa: I,
        row: &[u32],
        mut new: impl FnMut(u32),
    ) -> Range<usize> {
        let start = self.room_for(row.len());
        let out = &mut self.list[start..start + row.len()];
        let count = match I::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512` token is proof of the features.
            Level::Avx512 => unsafe { super::lanes::unseen(row, &self.bits, out) },
            _ => unseen(row, &self.bits, out),
        };
        for place in start..start + count {
            let id = self.list[place];
            self.bits[id as usize / 32] |= 1 << (id % 32);
            new(id);
        }
        self.close(start, count)
    }

    /// The nodes of a window; then, up to a multiple of [`BLOCK`], repetitions of the last one.
    #[inline(always)]
    pub(super) fn window(&self, window: &Range<usize>) -> &[u32] {
        &self.list[window.start..window.end.next_multiple_of(BLOCK)]
    }

    /// Where the next `len` nodes go.
    #[inline(always)]
    fn room_for(&mut self, len: usize) -> usize {
        if self.end + len + BLOCK > self.list.len() {
            (self.end, self.over) = (0, true);
        }
        self.end
    }

    #[inline(always)]
    fn close(&mut self, start: usize, count: usize) -> Range<usize> {
        let end = start + count;
        if count > 0 {
            let last = self.list[end - 1];
            self.list[end..end + BLOCK].fill(last);
            self.end = end.next_multiple_of(BLOCK);
        }
        start..end
    }
}

/// Writes the nodes of `row` whose bits are not set to `out`; how many there are.
#[inline(always)]
fn unseen(row: &[u32], bits: &[u32], out: &mut [u32]) -> usize {
    let mut count = 0;
    for &id in row {
        if id == NONE {
            break;
        }
        out[count] = id;
        count += usize::from(bits[id as usize / 32] >> (id % 32) & 1 == 0);
    }
    count
}
