//! Which nodes a search has visited: one bit per node, and a list of those that are set.
//!
//! A bit instead of a byte keeps 100,000 nodes within 12.5 kB, which stay in the first-level cache. The list
//! is what the distances are computed for, window by window; afterwards it says which bits to clear.

#![allow(
    unsafe_code,
    reason = "calls of the AVX-512 forms, where the token is proof of the features"
)]

use crate::block::BLOCK;
use crinoid_graph::{Adjacency, Graph, NONE};
use crinoid_quant::{Isa, Level};
use std::ops::Range;

/// The list is at least this long, and starts over when it is full.
const ROOM: usize = 1 << 14;

/// A set of nodes of one graph, and the nodes in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Visited {
    bits: Vec<u32>,
    list: Vec<u32>,
    end: usize,
    /// Whether the list has started over, so that it does not hold all that is set.
    over: bool,
}

impl Visited {
    /// Empties the set and makes room for the nodes of `graph`. Allocates only when that takes more
    /// than any graph before.
    #[inline(always)]
    pub fn begin(&mut self, graph: &Graph) {
        let width = graph.base().stride();
        if self.over || 8 * self.end > self.bits.len() {
            self.bits.fill(0);
        } else {
            for &id in &self.list[..self.end] {
                self.bits[id as usize / 32] = 0;
            }
        }
        (self.end, self.over) = (0, false);
        let words = graph.len().div_ceil(32);
        if self.bits.len() < words {
            self.bits.resize(words, 0);
        }
        let room = ROOM.max(8 * (width + BLOCK));
        if self.list.len() < room {
            self.list.resize(room, 0);
        }
    }

    /// Adds `node`; whether it was new.
    ///
    /// # Panics
    /// When it is no node of the graph.
    #[inline(always)]
    pub fn insert(&mut self, node: u32) -> bool {
        self.push(node).is_some()
    }

    /// Whether `node` is in the set.
    #[inline(always)]
    pub fn contains(&self, node: u32) -> bool {
        self.bits.get(node as usize / 32).is_some_and(|word| word >> (node % 32) & 1 == 1)
    }

    /// Adds `node` if it is new; the window of the list that holds it alone.
    #[inline(always)]
    pub(crate) fn push(&mut self, node: u32) -> Option<Range<usize>> {
        let word = &mut self.bits[node as usize / 32];
        if *word >> (node % 32) & 1 == 1 {
            return None;
        }
        *word |= 1 << (node % 32);
        let start = self.room_for(1);
        self.list[start] = node;
        Some(self.close(start, 1))
    }

    /// Adds those neighbours of `node` that are new; their window. `new` is told each of them. All are
    /// looked up before any is added, which is right because a row of a [`Graph`](crinoid_graph::Graph) never
    /// names a neighbour twice.
    #[inline(always)]
    pub(crate) fn gather<I: Isa>(
        &mut self,
        _isa: I,
        base: Adjacency<'_>,
        node: u32,
        mut new: impl FnMut(u32),
    ) -> Range<usize> {
        let row = base.row(node);
        let start = self.room_for(row.len());
        let out = &mut self.list[start..start + row.len()];
        let count = match I::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512` token is proof of the features.
            Level::Avx512 => unsafe { crate::avx512::unseen(row, &self.bits, out) },
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
    pub(crate) fn window(&self, window: &Range<usize>) -> &[u32] {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crinoid_quant::isa::{self, OnIsa};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Gathers and inserts, at one SIMD level, in one set for several searches of two graphs.
    struct Play<'a> {
        graphs: [&'a Graph; 2],
        /// Which graph, and what happens: a node whose row is gathered, or one that is inserted.
        searches: &'a [(bool, Vec<(bool, u32)>)],
    }

    impl OnIsa for Play<'_> {
        type Output = Result<(), TestCaseError>;

        fn on<I: Isa>(self, isa: I) -> Self::Output {
            let mut visited = Visited::default();
            for (which, steps) in self.searches {
                let graph = self.graphs[usize::from(*which)];
                let mut oracle = BTreeSet::new();
                visited.begin(graph);
                for &(gathers, node) in steps {
                    let node = node % graph.len() as u32;
                    prop_assert_eq!(visited.contains(node), oracle.contains(&node));
                    if !gathers {
                        prop_assert_eq!(visited.insert(node), oracle.insert(node));
                        continue;
                    }
                    let mut told = Vec::new();
                    let window = visited.gather(isa, graph.base(), node, |id| told.push(id));
                    let row = graph.neighbors(node).iter().copied();
                    let wanted: Vec<u32> = row.filter(|&id| oracle.insert(id)).collect();
                    let found = visited.window(&window);
                    prop_assert_eq!(&found[..window.len()], &wanted);
                    prop_assert!(found[window.len()..].iter().all(|id| wanted.last() == Some(id)));
                    prop_assert!(found.len().is_multiple_of(BLOCK) && told == wanted);
                }
            }
            Ok(())
        }
    }

    fn graph(n: usize, degree: usize) -> Graph {
        let link = |node: usize, place: usize| ((node * 7 + place * 13 + place * place) % n) as u32;
        let lists: Vec<Vec<u32>> = (0..n)
            .map(|node| {
                let mut list: Vec<u32> =
                    (0..node % (degree + 1)).map(|place| link(node, place)).collect();
                list.sort_unstable();
                list.dedup();
                list.retain(|&id| id != node as u32);
                list
            })
            .collect();
        Graph::from_lists(&lists, degree, 0, Vec::new()).unwrap()
    }

    #[test]
    fn a_row_of_a_larger_graph_is_met_by_a_bounds_check() {
        struct Stray<'a>([&'a Graph; 2]);

        impl OnIsa for Stray<'_> {
            type Output = Range<usize>;

            fn on<I: Isa>(self, isa: I) -> Range<usize> {
                let mut visited = Visited::default();
                visited.begin(self.0[0]);
                visited.gather(isa, self.0[1].base(), 0, |_| ())
            }
        }

        let graph = |len: u32| {
            let lists: Vec<Vec<u32>> = (0..len).map(|_| vec![1, len - 1]).collect();
            Graph::from_lists(&lists, 2, 0, Vec::new()).unwrap()
        };
        let (small, large) = (graph(40), graph(1 << 20));
        for level in Level::available() {
            let stray = || isa::dispatch(level, Stray([&small, &large]));
            assert!(std::panic::catch_unwind(stray).is_err(), "{level}");
            let own = isa::dispatch(level, Stray([&small, &small]));
            assert_eq!(own.len(), 2, "{level}");
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_at_every_level(
            searches in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec((any::<bool>(), 0u32..900), 0..80)), 1..8),
        ) {
            let graphs = [&graph(50, 5), &graph(900, 40)];
            for level in Level::available() {
                isa::dispatch(level, Play { graphs, searches: &searches })?;
            }
        }
    }

    #[test]
    fn a_list_that_starts_over_forgets_nothing() {
        let graph = graph(40_000, 4);
        let mut visited = Visited::default();
        for _ in 0..3 {
            visited.begin(&graph);
            assert!((0..40_000).all(|node| visited.insert(node)));
            assert!((0..40_000).all(|node| !visited.insert(node)));
        }
    }
}
