//! A search that can go on: answers batch by batch, and everything within a radius.

use crate::{Batch, Composed, Counters, Engine, Scratch, Visited, any_codes::AnyScorer, entry};
use crinoid_graph::Graph;
use crinoid_quant::{
    Isa, Neighbor,
    isa::{self, OnIsa},
    key,
};
use std::{cmp::Reverse, collections::BinaryHeap};

/// A search in progress, made by [`Composed::begin`].
///
/// Keeps what the walk has measured but not returned, so that the next batch costs only the nodes
/// that were not seen yet.
///
/// ```
/// use crinoid_graph::{CHAMPION, Params, builder};
/// use crinoid_quant::{Codes, Metric, Vectors, codec::Float};
/// use crinoid_search::{BestFirst, Composed};
/// use std::sync::Arc;
///
/// let vectors = Vectors::from_rows((0..100).map(|i| [i as f32]))?;
/// let codes = Arc::new(Float::train(&vectors, Metric::L2));
/// let graph = Arc::new(builder(CHAMPION)?.build(&*codes.space(), &Params::default(), &())?);
/// let engine = Composed::new(graph, codes, BestFirst::POOL)?;
///
/// let (mut cursor, mut found) = (engine.begin(&[0.0]), Vec::new());
/// while found.len() < 30 {
///     engine.resume(&mut cursor, 10, &mut found); // ten more at a time
/// }
/// assert!(found.iter().map(|near| near.id).eq(0..30));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Cursor {
    scratch: Scratch,
    progress: Progress,
    counters: Counters,
}

/// How far the walk has come.
#[derive(Debug, Default)]
struct Progress {
    started: bool,
    visited: Visited,
    batch: Batch,
    /// Measured and not yet expanded, closest first.
    candidates: BinaryHeap<Reverse<u64>>,
    /// Measured and not yet returned, beyond the answers under way.
    waiting: BinaryHeap<Reverse<u64>>,
    /// The answers under way, farthest first.
    nearest: BinaryHeap<u64>,
}

impl Cursor {
    /// The work done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// The next answers, compiled per SIMD level.
struct Resumed<'a> {
    graph: &'a Graph,
    scorer: AnyScorer<'a>,
    width: usize,
    progress: &'a mut Progress,
    found: &'a mut Vec<u64>,
}

impl OnIsa for Resumed<'_> {
    type Output = Counters;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Counters {
        let Self { graph, scorer, width, progress, found } = self;
        let Progress { started, visited, batch, candidates, waiting, nearest } = progress;
        let (base, mut counters) = (graph.base(), Counters::default());
        if !*started {
            *started = true;
            visited.begin(graph);
            batch.reserve(entry::widest_row(graph));
            if let Some(start) = entry::descend(graph, scorer, batch, &mut counters) {
                visited.insert(key::unpack(start).1);
                candidates.push(Reverse(start));
                waiting.push(Reverse(start));
            }
        }
        nearest.clear();
        while nearest.len() < width
            && let Some(Reverse(next)) = waiting.pop()
        {
            nearest.push(next);
        }
        while let Some(&Reverse(closest)) = candidates.peek() {
            let full = nearest.len() == width;
            if full && nearest.peek().is_some_and(|&farthest| closest > farthest) {
                break;
            }
            candidates.pop();
            let (_, node) = key::unpack(closest);
            batch.gather(isa, base, node, visited);
            batch.measure(scorer);
            counters.expanded(batch.ids.len());
            for (key, id) in batch.pairs() {
                let packed = key::pack(key, id);
                candidates.push(Reverse(packed));
                nearest.push(packed);
                if nearest.len() > width
                    && let Some(dropped) = nearest.pop()
                {
                    waiting.push(Reverse(dropped));
                }
            }
        }
        found.clear();
        found.extend(nearest.iter());
        found.sort_unstable();
        counters
    }
}

impl Composed {
    /// Begins a search that [`resume`](Self::resume) takes further, batch by batch.
    ///
    /// # Panics
    /// When the query has another dimension than the codes.
    pub fn begin(&self, query: &[f32]) -> Cursor {
        assert_eq!(query.len(), self.dim(), "dimension of the query");
        let mut cursor = Cursor::default();
        self.codes.encode(query, &mut cursor.scratch.queries);
        cursor
    }

    /// Appends the next `width` nearest that `cursor` has not returned yet, nearest first; how
    /// many. Each batch is what best-first search with a beam of `width` finds among the rest, so a
    /// late batch may hold a row that is closer than the end of an earlier one. No row comes twice,
    /// and in the end every row that can be reached has come.
    pub fn resume(&self, cursor: &mut Cursor, width: usize, out: &mut Vec<Neighbor>) -> usize {
        if width == 0 {
            return 0;
        }
        let Cursor { scratch: Scratch { queries, found, .. }, progress, counters } = cursor;
        let query = self.codes.encoded(queries);
        let (graph, scorer) = (&*self.graph, self.codes.scorer(self.level, query));
        *counters += isa::dispatch(self.level, Resumed { graph, scorer, width, progress, found });
        self.codes.answer(query, found, out);
        found.len()
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
