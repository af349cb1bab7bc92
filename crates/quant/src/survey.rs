//! Every codec on one set of vectors: bytes, speed, and how well its distances alone find the
//! neighbours.

use crate::{
    codec::{
        Float, Half, Int4, Int8Fixed, Int8MaxAbs, Rabitq, RecordAsymmetric, Sign, Sq8, U8Exact,
    },
    codes::{Codes, Scorer, Unsuitable},
    isa::{self, Isa, Level, OnIsa},
    key,
    metric::Metric,
    random,
    vectors::Vectors,
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
    /// Bytes that a search touches per vector.
    pub bytes: usize,
    /// Vectors encoded per second, on all threads of the current pool, training included.
    pub encoded_per_second: f64,
    /// Microseconds to encode one query.
    pub query_micros: f64,
    /// Nanoseconds per distance, one thread, rows at random places prefetched a batch ahead.
    pub random_nanos: f64,
    /// Nanoseconds per distance, one thread, over rows that stay in the nearest caches.
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
    take(Float::VERSION, of::<Float>(subject));
    take(Half::VERSION, of::<Half>(subject));
    take(U8Exact::VERSION, of::<U8Exact>(subject));
    take(Sq8::VERSION, of::<Sq8>(subject));
    take(Int8MaxAbs::VERSION, of::<Int8MaxAbs>(subject));
    take(Int8Fixed::VERSION, of::<Int8Fixed>(subject));
    take(Rabitq::<8>::VERSION, of::<Rabitq<8>>(subject));
    take(Int4::VERSION, of::<Int4>(subject));
    take(Rabitq::<4>::VERSION, of::<Rabitq<4>>(subject));
    take(Rabitq::<3>::VERSION, of::<Rabitq<3>>(subject));
    take(Rabitq::<2>::VERSION, of::<Rabitq<2>>(subject));
    take(Rabitq::<1>::VERSION, of::<Rabitq<1>>(subject));
    take(RecordAsymmetric::VERSION, of::<RecordAsymmetric>(subject));
    take(Sign::VERSION, of::<Sign>(subject));
    rows
}

/// Surveys one codec.
///
/// # Errors
/// When the codec cannot take these vectors.
///
/// # Panics
/// When `truth` is shorter than `k` per query.
pub fn of<C: Codes>(subject: &Subject<'_>) -> Result<Row, Unsuitable> {
    let Subject { base, queries, metric, .. } = *subject;
    C::check(base, metric)?;
    let start = Instant::now();
    let codes = C::train(base, metric);
    let seconds = start.elapsed().as_secs_f64();

    let mut query = C::Query::default();
    let start = Instant::now();
    for values in queries.rows() {
        codes.encode_query(values, &mut query);
    }
    let query_micros = start.elapsed().as_secs_f64() * 1e6 / queries.len().max(1) as f64;

    Ok(Row {
        version: C::VERSION,
        bytes: codes.bytes_per_vector(),
        encoded_per_second: base.len() as f64 / seconds,
        query_micros,
        random_nanos: nanos(&codes, &query, base.len(), 1 << 15),
        near_nanos: nanos(&codes, &query, base.len().min(128), 1 << 12),
        recall: recall(&codes, subject),
    })
}

/// Keys of `ids` as a search takes them: eight at a time, the next eight prefetched.
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
        let scorer = self.codes.scorer(isa, self.query);
        for (group, keys) in self.keys.chunks_mut(8).enumerate() {
            let ids = &self.ids[8 * group..];
            for &id in ids.iter().skip(8).take(8) {
                scorer.prefetch(id, scorer.lines());
            }
            scorer.keys(&ids[..keys.len()], keys);
        }
    }
}

/// Nanoseconds per distance over `count` random ids below `n`: the median of nine passes.
fn nanos<C: Codes>(codes: &C, query: &C::Query, n: usize, count: usize) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let ids: Vec<u32> = (0..count as u64).map(|i| random::below(1, i, n) as u32).collect();
    let mut keys = vec![0; count];
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            let sweep = Sweep { codes, query, ids: &ids, keys: &mut keys };
            isa::dispatch(Level::current(), sweep);
            std::hint::black_box(&mut keys);
            start.elapsed().as_secs_f64() * 1e9 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn recall<C: Codes>(codes: &C, subject: &Subject<'_>) -> [f64; 3] {
    let Subject { base, queries, truth, k, .. } = *subject;
    let ids: Vec<u32> = (0..base.len() as u32).collect();
    let found: Vec<[usize; 3]> = (0..queries.len())
        .into_par_iter()
        .map_init(
            || (C::Query::default(), vec![0; ids.len()]),
            |(query, keys), at| {
                codes.encode_query(queries.row(at), query);
                let sweep = Sweep { codes, query, ids: &ids, keys: &mut *keys };
                isa::dispatch(Level::current(), sweep);
                let mut best: Vec<u64> =
                    keys.iter().zip(&ids).map(|(&key, &id)| key::pack(key, id)).collect();
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
        assert_eq!(rows.len(), 13);
        for row in &rows {
            assert!(row.bytes > 0 && row.near_nanos > 0.0 && row.encoded_per_second > 0.0);
            assert!(row.recall.windows(2).all(|pair| pair[0] <= pair[1]), "{row:?}");
        }
        assert_eq!(rows[0].recall, [1.0; 3]);
    }
}
