//! Every codec on one set of vectors: bytes, speed, and how well its distances alone find the
//! neighbours.

mod levels;

pub use levels::levels;

use crate::{
    blocks::{BlockQuery, Blocked, Blocks},
    codec::{Pq, Rabitq},
    codes::{Codes, Scorer, Unsuitable},
    isa::{self, BLOCK, Isa, Level, OnIsa},
    key,
    metric::Metric,
    random,
    vectors::Vectors,
    versions::{CodecVisitor, VERSIONS, with_codec},
};
use rayon::prelude::*;
use serde::Serialize;
use std::time::Instant;

/// What is surveyed: prepared vectors, prepared queries, and their exact neighbours.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The documents.
    pub base: &'a Vectors,
    /// The queries, of the same dimension.
    pub queries: &'a Vectors,
    /// The exact nearest documents of each query, `k` per query, query after query.
    pub truth: &'a [u32],
    /// How many of them there are per query.
    pub k: usize,
    /// The prepared metric.
    pub metric: Metric,
}

/// One codec's line in the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The codec, `name@number`.
    pub version: &'static str,
    /// Whether 32 codes lie side by side ([`Blocks`]); else each has a row of its own.
    pub blocks: bool,
    /// Bytes that a search touches per vector.
    pub bytes: f64,
    /// Vectors encoded per second, on all threads of the current pool, training included.
    pub encoded_per_second: f64,
    /// Microseconds to encode one query.
    pub query_micros: f64,
    /// Nanoseconds per distance, one thread, rows at random places prefetched a batch ahead. Blocks have none.
    pub random_nanos: Option<f64>,
    /// Nanoseconds per distance, one thread, 32 rows side by side, or a block, at a random place,
    /// prefetched 32 ahead.
    pub beside_nanos: f64,
    /// Nanoseconds per distance, one thread, rows or blocks that stay in the nearest caches.
    pub near_nanos: f64,
    /// Share of the exact nearest `k` found among the best `k`, `2k` and `10k` by this code alone.
    pub recall: [f64; 3],
}

/// Surveys every published codec. `each` is told of every outcome as it is there.
///
/// # Panics
/// When `truth` is shorter than `k` per query.
pub fn all(
    subject: &Subject<'_>,
    mut each: impl FnMut(&'static str, &Result<Row, Unsuitable>),
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut take = |version, row: Result<Row, Unsuitable>| {
        each(version, &row);
        rows.extend(row);
    };
    for version in VERSIONS {
        // Every name of the table is known.
        let surveyed = with_codec(&version.to_string(), Survey(subject));
        surveyed.into_iter().for_each(|(version, row)| take(version, row));
    }
    take(Pq::<4>::VERSION, of_blocks::<Pq<4>>(subject));
    take(Rabitq::<2>::VERSION, of_blocks::<Rabitq<2>>(subject));
    take(Rabitq::<1>::VERSION, of_blocks::<Rabitq<1>>(subject));
    rows
}

/// [`of`] a codec by name.
struct Survey<'a>(&'a Subject<'a>);

impl CodecVisitor for Survey<'_> {
    type Output = (&'static str, Result<Row, Unsuitable>);

    fn visit<C: Codes>(self) -> Self::Output {
        (C::VERSION, of::<C>(self.0))
    }
}

/// Surveys one codec by its rows.
///
/// # Errors
/// When the codec cannot take these vectors.
///
/// # Panics
/// When `truth` is shorter than `k` per query.
pub fn of<C: Codes>(subject: &Subject<'_>) -> Result<Row, Unsuitable> {
    let (codes, encoded_per_second) = trained::<C>(subject)?;
    let mut query = C::Query::default();
    let query_micros = micros(subject.queries, |values| codes.encode_query(values, &mut query));
    let ids: Vec<u32> = (0..codes.len() as u32).collect();
    let nanos = |ids: Vec<u32>| {
        let mut keys = vec![0; ids.len()];
        nanos(ids.len(), || {
            let sweep = Sweep { codes: &codes, query: &query, ids: &ids, keys: &mut keys };
            isa::dispatch(Level::current(), sweep);
        })
    };
    Ok(Row {
        version: C::VERSION,
        blocks: false,
        bytes: codes.bytes_per_vector() as f64,
        encoded_per_second,
        query_micros,
        random_nanos: Some(nanos(places(codes.len(), 1, 1 << 15))),
        beside_nanos: nanos(places(codes.len(), BLOCK, 1 << 15)),
        near_nanos: nanos(places(codes.len().min(128), 1, 1 << 12)),
        recall: recall(subject, codes.len(), |values, keys| {
            let mut query = C::Query::default();
            codes.encode_query(values, &mut query);
            let sweep = Sweep { codes: &codes, query: &query, ids: &ids, keys };
            isa::dispatch(Level::current(), sweep);
        }),
    })
}

/// Surveys one codec by blocks of 32 codes side by side.
///
/// # Errors
/// When the codec cannot take these vectors.
///
/// # Panics
/// When `truth` is shorter than `k` per query.
pub fn of_blocks<C: Blocked>(subject: &Subject<'_>) -> Result<Row, Unsuitable> {
    let (codes, encoded_per_second) = trained::<C>(subject)?;
    let ids: Vec<u32> = (0..codes.len() as u32).collect();
    let blocks = codes.blocks(&ids).unwrap_or_default();
    let mut query = BlockQuery::default();
    let query_micros =
        micros(subject.queries, |values| codes.encode_block_query(values, &mut query));
    let nanos = |count, most| {
        let order: Vec<u32> = places(blocks.count().min(most), 1, count / BLOCK);
        let mut keys = vec![0; order.len() * BLOCK];
        nanos(keys.len(), || {
            let scan = Scan { blocks: &blocks, query: &query, order: &order, keys: &mut keys };
            isa::dispatch(Level::current(), scan);
        })
    };
    let order: Vec<u32> = (0..blocks.count() as u32).collect();
    Ok(Row {
        version: C::VERSION,
        blocks: true,
        bytes: blocks.bytes_per_block() as f64 / BLOCK as f64,
        encoded_per_second,
        query_micros,
        random_nanos: None,
        beside_nanos: nanos(1 << 15, usize::MAX),
        near_nanos: nanos(1 << 12, 4),
        recall: recall(subject, blocks.count() * BLOCK, |values, keys| {
            let mut query = BlockQuery::default();
            codes.encode_block_query(values, &mut query);
            let scan = Scan { blocks: &blocks, query: &query, order: &order, keys };
            isa::dispatch(Level::current(), scan);
        }),
    })
}

/// A codec and how many vectors it encoded per second.
fn trained<C: Codes>(subject: &Subject<'_>) -> Result<(C, f64), Unsuitable> {
    C::check(subject.base, subject.metric)?;
    let start = Instant::now();
    let codes = C::train(subject.base, subject.metric);
    let seconds = start.elapsed().as_secs_f64();
    Ok((codes, subject.base.len() as f64 / seconds))
}

/// Microseconds per query.
fn micros(queries: &Vectors, mut encode: impl FnMut(&[f32])) -> f64 {
    let start = Instant::now();
    queries.rows().for_each(&mut encode);
    start.elapsed().as_secs_f64() * 1e6 / queries.len().max(1) as f64
}

/// `count` ids below `n` in runs of `run` neighbours, each run at a random place.
fn places(n: usize, run: usize, count: usize) -> Vec<u32> {
    let start = |i: usize| random::below(1, (i / run) as u64, n / run.min(n).max(1)) * run;
    (0..count).map(|i| ((start(i) + i % run) % n.max(1)) as u32).collect()
}

/// Nanoseconds for one of `count`: the median of nine passes.
fn nanos(count: usize, mut pass: impl FnMut()) -> f64 {
    let mut times = [0.0; 9].map(|_: f64| {
        let start = Instant::now();
        pass();
        start.elapsed().as_secs_f64() * 1e9 / count.max(1) as f64
    });
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Keys of `ids` as a search takes them: eight at a time, the eight after the next ones prefetched.
struct Sweep<'a, C: Codes> {
    codes: &'a C,
    query: &'a C::Query,
    ids: &'a [u32],
    keys: &'a mut [u32],
}

impl<C: Codes> OnIsa for Sweep<'_, C> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        if self.codes.is_empty() {
            return;
        }
        let scorer = self.codes.scorer(isa, self.query);
        for (group, keys) in self.keys.chunks_mut(8).enumerate() {
            let ids = &self.ids[8 * group..];
            for &id in ids.iter().skip(16).take(8) {
                scorer.prefetch(id, scorer.lines());
            }
            scorer.keys(&ids[..keys.len()], keys);
        }
        std::hint::black_box(self.keys);
    }
}

/// Keys of whole blocks, the next one prefetched.
struct Scan<'a> {
    blocks: &'a Blocks,
    query: &'a BlockQuery,
    order: &'a [u32],
    keys: &'a mut [u32],
}

impl OnIsa for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let (scorer, add) = (self.query.scorer(isa), self.query.add());
        for (i, keys) in self.keys.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
            if let Some(&next) = self.order.get(i + 1) {
                self.blocks.prefetch(next as usize);
            }
            let (codes, factors) = self.blocks.get(self.order[i] as usize);
            *keys = scorer.keys(codes, factors, add);
        }
        std::hint::black_box(self.keys);
    }
}

/// Recalls of the subject, where `measure` writes the keys of all vectors (and perhaps some padding,
/// `places` in all) for a query.
fn recall(
    subject: &Subject<'_>,
    places: usize,
    measure: impl Fn(&[f32], &mut [u32]) + Sync,
) -> [f64; 3] {
    let Subject { base, queries, truth, k, .. } = *subject;
    let found: Vec<[usize; 3]> = (0..queries.len())
        .into_par_iter()
        .map_init(
            || vec![0; places],
            |keys, at| {
                measure(queries.row(at), keys);
                let keys = keys[..base.len()].iter();
                let mut best: Vec<u64> =
                    keys.zip(0..).map(|(&key, id)| key::pack(key, id)).collect();
                if 10 * k < best.len() {
                    best.select_nth_unstable(10 * k);
                    best.truncate(10 * k);
                }
                best.sort_unstable();
                let truth = &truth[at * k..][..k];
                [k, 2 * k, 10 * k].map(|within| {
                    let best = &best[..within.min(best.len())];
                    best.iter().filter(|&&pair| truth.contains(&key::unpack(pair).1)).count()
                })
            },
        )
        .collect();
    let all = (k * queries.len()).max(1) as f64;
    [0, 1, 2].map(|i| found.iter().map(|found| found[i]).sum::<usize>() as f64 / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_has_a_row_for_every_codec_that_applies() {
        let values: Vec<f32> = (0..300 * 24).map(|i| random::unit(1, i) as f32 - 0.4).collect();
        let base = Vectors::new(values.as_slice(), 24).unwrap();
        let queries = Vectors::new(&values[..5 * 24], 24).unwrap();
        // Each query is a row: it is its own nearest neighbour.
        let truth: Vec<u32> = (0..5).collect();
        let subject =
            Subject { base: &base, queries: &queries, truth: &truth, k: 1, metric: Metric::L2 };
        let mut left_out = Vec::new();
        let rows = all(&subject, |version, row| {
            if row.is_err() {
                left_out.push(version);
            }
        });
        assert_eq!(left_out, ["u8-exact@1"]);
        assert_eq!(rows.len(), 23);
        for row in &rows {
            assert!(row.bytes > 0.0 && row.near_nanos > 0.0 && row.encoded_per_second > 0.0);
            assert!(row.beside_nanos > 0.0 && row.random_nanos.is_none() == row.blocks);
            assert!(row.recall.windows(2).all(|pair| pair[0] <= pair[1]), "{row:?}");
        }
        assert_eq!(rows[0].recall, [1.0; 3]);
    }
}
