//! A search that can go on: answers batch by batch, and everything within a radius.

use crate::{Beam, Composed, Counters, Engine, Scratch, Search, entry};
use crinoid_graph::Graph;
use crinoid_quant::{
    Codes, Isa, Neighbor, Scorer,
    isa::{self, OnIsa},
    key,
};
use std::{cmp::Reverse, collections::BinaryHeap};

/// A search in progress, made by [`Composed::begin`].
///
/// Keeps what the walk has measured but not returned, so that the next batch costs only the nodes
/// that were not seen yet.
#[derive(Debug, Default)]
pub struct Cursor {
    scratch: Scratch,
    /// Measured and not yet expanded, closest first.
    candidates: BinaryHeap<Reverse<u64>>,
    /// Measured and not yet returned, beyond the batch under way.
    waiting: BinaryHeap<Reverse<u64>>,
    /// The batch under way, farthest first.
    nearest: BinaryHeap<u64>,
    counters: Counters,
    started: bool,
}

impl Cursor {
    /// The work done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

struct Batch<'a, C: Codes> {
    graph: &'a Graph,
    codes: &'a C,
    query: &'a C::Query,
    width: usize,
    beam: &'a mut Beam,
    candidates: &'a mut BinaryHeap<Reverse<u64>>,
    waiting: &'a mut BinaryHeap<Reverse<u64>>,
    nearest: &'a mut BinaryHeap<u64>,
    counters: &'a mut Counters,
    started: &'a mut bool,
    out: &'a mut Vec<Neighbor>,
}

impl<C: Codes> OnIsa for Batch<'_, C> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let scorer = self.codes.scorer(isa, self.query);
        let Beam { visited, lists, .. } = self.beam;
        let base = self.graph.base();
        if !*self.started {
            *self.started = true;
            visited.begin(self.graph.len());
            lists.reserve(entry::widest_row(self.graph));
            if let Some(start) = entry::descend(self.graph, scorer, lists, self.counters) {
                visited.insert(key::unpack(start).1);
                self.candidates.push(Reverse(start));
                self.waiting.push(Reverse(start));
            }
        }
        self.nearest.clear();
        while self.nearest.len() < self.width
            && let Some(Reverse(next)) = self.waiting.pop()
        {
            self.nearest.push(next);
        }
        while let Some(&Reverse(closest)) = self.candidates.peek() {
            let full = self.nearest.len() == self.width;
            if full && self.nearest.peek().is_some_and(|&farthest| closest > farthest) {
                break;
            }
            self.candidates.pop();
            let (_, node) = key::unpack(closest);
            lists.ids.clear();
            for &near in base.neighbors(node) {
                if visited.insert(near) {
                    lists.ids.push(near);
                }
            }
            lists.measure(scorer);
            self.counters.expanded(lists.ids.len());
            for (key, id) in lists.pairs() {
                let packed = key::pack(key, id);
                self.candidates.push(Reverse(packed));
                self.nearest.push(packed);
                if self.nearest.len() > self.width
                    && let Some(dropped) = self.nearest.pop()
                {
                    self.waiting.push(Reverse(dropped));
                }
            }
        }
        let start = self.out.len();
        for &packed in self.nearest.iter() {
            let (key, id) = key::unpack(packed);
            self.out.push(Neighbor::new(id, scorer.distance(key)));
        }
        self.out[start..].sort_unstable();
    }
}

impl<C: Codes, V: Search> Composed<C, V> {
    /// Begins a search that [`resume`](Self::resume) takes further, batch by batch.
    ///
    /// # Panics
    /// When the query has another dimension than the codes.
    pub fn begin(&self, query: &[f32]) -> Cursor {
        assert_eq!(query.len(), self.dim(), "dimension of the query");
        let mut cursor = Cursor::default();
        let (encoded, _) = cursor.scratch.parts::<C::Query>();
        self.codes.encode_query(query, encoded);
        cursor
    }

    /// Appends the next `width` nearest that `cursor` has not returned yet, nearest first; how
    /// many. Each batch is what best-first search with a beam of `width` finds among the rest, so a
    /// late batch may hold a row that is closer than the end of an earlier one. No row comes twice,
    /// and in the end every row that can be reached has come.
    pub fn resume(&self, cursor: &mut Cursor, width: usize, out: &mut Vec<Neighbor>) -> usize {
        let before = out.len();
        if width == 0 {
            return 0;
        }
        let Cursor { scratch, candidates, waiting, nearest, counters, started } = cursor;
        let (query, beam) = scratch.parts::<C::Query>();
        let (graph, codes) = (&*self.graph, &*self.codes);
        let work = Batch {
            graph,
            codes,
            query,
            width,
            beam,
            candidates,
            waiting,
            nearest,
            counters,
            started,
            out,
        };
        isa::dispatch(self.level, work);
        out.len() - before
    }

    /// Writes the rows within `radius` (a distance of the metric, inclusive) of a prepared query
    /// into `out`, nearest first. `width` is the beam: the search goes on in batches of it until a
    /// whole batch lies outside.
    ///
    /// # Panics
    /// When the query has another dimension than the codes.
    pub fn search_range(
        &self,
        query: &[f32],
        radius: f32,
        width: usize,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        out.clear();
        let mut cursor = self.begin(query);
        loop {
            let start = out.len();
            let came = self.resume(&mut cursor, width.max(1), out);
            let inside = out[start..].partition_point(|n| n.distance <= radius);
            out.truncate(start + inside);
            if came == 0 || inside == 0 {
                break;
            }
        }
        out.sort_unstable();
        cursor.counters
    }
}
