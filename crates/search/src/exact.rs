//! Exact scan: every vector measured.
//!
//! The oracle of tests, the fallback under narrow filters, and the fastest search of all on small
//! sets.

use crate::{
    AnyCodes, Batch, Bitmap, Counters, Engine, Scratch, SearchParams, any_codes::AnyScorer,
    scratch::Kept,
};
use crinoid_quant::{
    Isa, Level, Metric, Neighbor, Vectors,
    isa::{self, OnIsa},
    key,
};
use rayon::prelude::*;

/// How many rows are measured at a time: their keys stay in the first-level cache.
const BLOCK: usize = 256;

/// The `k` smallest of a stream of packed `(key, id)`.
///
/// Gathers up to `2k` values below the current limit, then cuts back to `k` by selection: amortised
/// constant work per value.
#[derive(Clone, Debug, Default)]
pub struct Smallest {
    values: Vec<u64>,
    k: usize,
    limit: u64,
}

impl Smallest {
    /// Forgets everything and will keep `k` values. Room is made for them at once, unless `k` is more than
    /// half a million: then it follows what is offered.
    pub fn reset(&mut self, k: usize) {
        self.values.clear();
        self.values.reserve(k.max(8).saturating_mul(2).min(1 << 20));
        self.k = k;
        self.limit = if k == 0 { 0 } else { u64::MAX };
    }

    /// Offers one value.
    #[inline(always)]
    pub fn offer(&mut self, value: u64) {
        if value < self.limit {
            self.values.push(value);
            if self.values.len() >= self.k.max(8).saturating_mul(2) {
                self.cut();
            }
        }
    }

    /// Cuts back to `k`, after which nothing from the `k`-th smallest on is accepted.
    #[inline(never)]
    fn cut(&mut self) {
        let (_, &mut kth, _) = self.values.select_nth_unstable(self.k - 1);
        self.values.truncate(self.k);
        self.limit = kth;
    }

    /// The `k` smallest, ascending.
    pub fn sorted(&mut self) -> &[u64] {
        self.values.sort_unstable();
        self.values.truncate(self.k);
        &self.values
    }
}

/// What a scan writes to.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    batch: Batch,
    nearest: Smallest,
}

/// Measures the rows `ids` and leaves the `k` nearest in `found`: packed `(key, id)`, ascending.
pub(crate) fn scan(
    scorer: AnyScorer<'_>,
    ids: impl Iterator<Item = u32>,
    k: usize,
    memory: &mut Memory,
    found: &mut Vec<u64>,
) -> Counters {
    let Memory { batch, nearest } = memory;
    let mut counters = Counters::default();
    let mut ids = ids.peekable();
    batch.reserve(BLOCK);
    nearest.reset(k);
    while ids.peek().is_some() {
        batch.ids.clear();
        batch.ids.extend(ids.by_ref().take(BLOCK));
        batch.measure(scorer);
        counters.measured(batch.ids.len());
        batch.pairs().for_each(|(key, id)| nearest.offer(key::pack(key, id)));
    }
    found.clear();
    found.extend_from_slice(nearest.sorted());
    counters
}

/// Exact search over codes: exact for the distances of the codes, that is.
///
/// ```
/// use crinoid_quant::{Codes, Metric, Vectors, codec::Float};
/// use crinoid_search::{Engine, Exact, Scratch, SearchParams};
/// use std::sync::Arc;
///
/// let vectors = Vectors::from_rows(&[[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]])?;
/// let scan = Exact::new(Arc::new(Float::train(&vectors, Metric::L2)));
/// let mut found = Vec::new();
/// scan.search(&[3.0, 3.0], &SearchParams::new(2, 0), &mut Scratch::default(), &mut found);
/// assert_eq!(found.iter().map(|near| (near.id, near.distance)).collect::<Vec<_>>(), [(1, 1.0), (2, 13.0)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Exact {
    codes: AnyCodes,
    level: Level,
}

impl Exact {
    /// Scans `codes` at the best SIMD level of this CPU.
    pub fn new(codes: impl Into<AnyCodes>) -> Self {
        Self { codes: codes.into(), level: Level::current() }
    }

    /// The same scan at `level`, or at the best level below it that the CPU has.
    #[must_use]
    pub fn at_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The `k` nearest of the rows `ids`.
    fn among(
        &self,
        ids: impl Iterator<Item = u32>,
        k: usize,
        query: &[f32],
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        assert_eq!(query.len(), self.codes.dim(), "dimension of the query");
        out.clear();
        let Scratch { queries, memories, found } = scratch;
        let query = self.codes.encode(query, queries);
        let scorer = self.codes.scorer(self.level, query);
        let counters = scan(scorer, ids, k, memories.get(), found);
        self.codes.answer(query, found, out);
        counters
    }

    /// What [`search`](Engine::search) finds for each of `queries`, on the current rayon pool, in the order of
    /// the queries: they are read through the codes together, which takes a fraction of the time.
    ///
    /// # Panics
    /// When the dimensions differ.
    pub fn search_all(&self, queries: &Vectors, k: usize) -> Vec<Vec<Neighbor>> {
        in_groups(queries, |queries| self.search_group(queries, k.min(self.codes.len())))
    }

    fn search_group(&self, queries: &[&[f32]], k: usize) -> Vec<Vec<Neighbor>> {
        let mut kept: Vec<Kept> = queries.iter().map(|_| Kept::default()).collect();
        let encode = |(query, kept): (&&[f32], _)| {
            assert_eq!(query.len(), self.codes.dim(), "dimension of the query");
            self.codes.encode(query, kept)
        };
        let encoded: Vec<_> = queries.iter().zip(&mut kept).map(encode).collect();
        let scorers: Vec<_> =
            encoded.iter().map(|query| self.codes.scorer(self.level, *query)).collect();
        let mut nearest = vec![Smallest::default(); queries.len()];
        nearest.iter_mut().for_each(|nearest| nearest.reset(k));
        let mut batch = Batch::default();
        batch.reserve(BLOCK);
        let len = self.codes.len() as u32;
        for first in (0..len).step_by(BLOCK) {
            batch.ids.clear();
            batch.ids.extend(first..len.min(first.saturating_add(BLOCK as u32)));
            for (scorer, nearest) in scorers.iter().zip(&mut nearest) {
                batch.measure(*scorer);
                batch.pairs().for_each(|(key, id)| nearest.offer(key::pack(key, id)));
            }
        }
        let answer = |(query, nearest): (&_, &mut Smallest)| {
            let mut out = Vec::new();
            self.codes.answer(*query, nearest.sorted(), &mut out);
            out
        };
        encoded.iter().zip(&mut nearest).map(answer).collect()
    }
}

impl Engine for Exact {
    fn version(&self) -> &'static str {
        "exact@1"
    }

    fn len(&self) -> usize {
        self.codes.len()
    }

    fn dim(&self) -> usize {
        self.codes.dim()
    }

    fn search(
        &self,
        query: &[f32],
        params: &SearchParams,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        let all = 0..self.codes.len() as u32;
        self.among(all, params.k.min(self.codes.len()), query, scratch, out)
    }

    fn search_filtered(
        &self,
        query: &[f32],
        params: &SearchParams,
        admitted: &Bitmap,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        assert_eq!(admitted.len(), self.codes.len(), "length of the filter");
        self.among(admitted.ids(), params.k.min(admitted.count()), query, scratch, out)
    }
}

/// Distances of one query to some rows.
struct FloatScan<'a> {
    rows: &'a [f32],
    /// The number of the first of them.
    first: usize,
    query: &'a [f32],
    dot: bool,
    nearest: &'a mut Smallest,
}

impl OnIsa for FloatScan<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self { rows, first, query, dot, nearest } = self;
        let mut offer = |distance: f32, id: u32| {
            let distance = if dot { -distance } else { distance };
            nearest.offer(key::pack(key::from_f32(distance), id));
        };
        // Several rows share the loads of the query; the distances are those of one at a time.
        let together = rows.chunks_exact(ROWS * query.len());
        let rest = together.remainder().chunks_exact(query.len());
        let before = rows.len() / (ROWS * query.len()) * ROWS;
        for (rows, id) in together.zip((first as u32..).step_by(ROWS)) {
            let rows: [&[f32]; ROWS] =
                std::array::from_fn(|row| &rows[row * query.len()..][..query.len()]);
            let distances =
                if dot { isa.dot_f32_rows(rows, query) } else { isa.l2_f32_rows(rows, query) };
            for (distance, id) in distances.into_iter().zip(id..) {
                offer(distance, id);
            }
        }
        for (row, id) in rest.zip((first + before) as u32..) {
            offer(if dot { isa.dot_f32(row, query) } else { isa.l2_f32(row, query) }, id);
        }
    }
}

/// Rows that are measured by one call of a kernel.
const ROWS: usize = 4;

/// Bytes of rows that stay in the first-level cache while one query after the other is measured against them.
const TILE: usize = 16 << 10;

/// The most queries that share a tile: they stay in the second-level cache, and so many of them are worth one
/// reading of the rows from memory.
const GROUP: usize = 64;

/// The answers to `queries`, which are read through the rows together.
fn nearest_to_group(
    vectors: &Vectors,
    metric: Metric,
    queries: &[&[f32]],
    k: usize,
) -> Vec<Vec<Neighbor>> {
    let (dim, dot, level) = (vectors.dim(), metric == Metric::InnerProduct, Level::current());
    let mut nearest = vec![Smallest::default(); queries.len()];
    nearest.iter_mut().for_each(|nearest| nearest.reset(k.min(vectors.len())));
    let rows = (TILE / (4 * dim)).next_multiple_of(ROWS).max(ROWS);
    for (tile, values) in vectors.as_slice().chunks(rows * dim).enumerate() {
        for (query, nearest) in queries.iter().zip(&mut nearest) {
            assert_eq!(query.len(), dim, "dimension of the query");
            let scan = FloatScan { rows: values, first: tile * rows, query, dot, nearest };
            isa::dispatch(level, scan);
        }
    }
    let neighbor = |&packed: &u64| {
        let (key, id) = key::unpack(packed);
        Neighbor::new(id, key::to_f32(key))
    };
    nearest.iter_mut().map(|nearest| nearest.sorted().iter().map(neighbor).collect()).collect()
}

/// The `k` vectors nearest to a prepared `query` in f32, nearest first, ties by id.
///
/// Under [`Metric::Cosine`] both sides are taken to be normalised: it is squared L2.
///
/// # Panics
/// When the query has another dimension than the vectors.
pub fn nearest(vectors: &Vectors, metric: Metric, query: &[f32], k: usize) -> Vec<Neighbor> {
    nearest_to_group(vectors, metric, &[query], k).pop().unwrap_or_default()
}

/// [`nearest`] for every row of `queries`, on the current rayon pool, in the order of the rows.
///
/// # Panics
/// When the dimensions differ.
pub fn nearest_all(
    vectors: &Vectors,
    metric: Metric,
    queries: &Vectors,
    k: usize,
) -> Vec<Vec<Neighbor>> {
    in_groups(queries, |queries| nearest_to_group(vectors, metric, queries, k))
}

/// `answer` for all queries, some of them at a time, on the current rayon pool.
fn in_groups(
    queries: &Vectors,
    answer: impl Fn(&[&[f32]]) -> Vec<Vec<Neighbor>> + Sync,
) -> Vec<Vec<Neighbor>> {
    let rows: Vec<&[f32]> = queries.rows().collect();
    let group = rows.len().div_ceil(rayon::current_num_threads()).clamp(1, GROUP);
    rows.par_chunks(group).flat_map_iter(&answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crinoid_quant::Codes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn queries_that_share_tiles_get_what_each_gets_alone(
            queries in 1usize..40, dim in 1usize..300, k in 0usize..20, product: bool,
        ) {
            let values = |seed: u64, rows: usize| {
                let mut dice = crinoid_quant::random::Random::new(seed);
                let values: Vec<f32> = (0..rows * dim).map(|_| dice.normal()).collect();
                Vectors::new(values.as_slice(), dim).unwrap()
            };
            let (vectors, queries) = (values(1, 1 + TILE / (2 * dim).max(128)), values(2, queries));
            let metric = if product { Metric::InnerProduct } else { Metric::L2 };
            let together = nearest_all(&vectors, metric, &queries, k);
            prop_assert_eq!(together.len(), queries.len());
            for (query, found) in queries.rows().zip(&together) {
                let distance = |row: &[f32]| -> f64 {
                    let pairs = row.iter().zip(query).map(|(x, y)| (f64::from(*x), f64::from(*y)));
                    match product {
                        true => -pairs.map(|(x, y)| x * y).sum::<f64>(),
                        false => pairs.map(|(x, y)| (x - y).powi(2)).sum(),
                    }
                };
                let mut all: Vec<f64> = vectors.rows().map(distance).collect();
                all.sort_unstable_by(f64::total_cmp);
                prop_assert_eq!(found.len(), k.min(all.len()));
                for (found, exact) in found.iter().zip(&all) {
                    let own = distance(vectors.row(found.id as usize));
                    prop_assert!((own - exact).abs() <= 1e-4 * exact.abs().max(1.0), "{own} {exact}");
                }
            }
        }

        #[test]
        fn codes_that_are_read_together_answer_as_to_each_alone(
            queries in 1usize..70, rows in 0usize..600, dim in 1usize..70, k in 0usize..20,
        ) {
            let values = |seed: u64, rows: usize| {
                let mut dice = crinoid_quant::random::Random::new(seed);
                let values: Vec<f32> = (0..rows * dim).map(|_| dice.normal()).collect();
                Vectors::new(values.as_slice(), dim).unwrap()
            };
            let (rows, queries) = (values(1, rows), values(2, queries));
            let codes = crinoid_quant::codec::Sq8Clipped::train(&rows, Metric::L2);
            let scan = Exact::new(std::sync::Arc::new(codes));
            let (mut scratch, mut alone) = (Scratch::default(), Vec::new());
            for (query, together) in queries.rows().zip(scan.search_all(&queries, k)) {
                scan.search(query, &SearchParams::new(k, 0), &mut scratch, &mut alone);
                prop_assert_eq!(&alone, &together);
            }
        }

        #[test]
        fn the_smallest_are_kept(values in proptest::collection::hash_set(0u64..1000, 0..200), k in 0usize..50) {
            let mut smallest = Smallest::default();
            smallest.reset(k);
            values.iter().for_each(|&value| smallest.offer(value));
            let mut sorted: Vec<u64> = values.into_iter().collect();
            sorted.sort_unstable();
            sorted.truncate(k);
            prop_assert_eq!(smallest.sorted(), &sorted[..]);
        }
    }
}
