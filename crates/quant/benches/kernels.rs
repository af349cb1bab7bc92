//! Time per distance of every kernel, by level, rows per call and where the rows lie.
//!
//! METHOD: ids in random order are scored through the loop that a search uses: one dispatch, then
//! `keys` of 8 or `key` one at a time, each row prefetched 8 to 16 ids ahead. `near`: 1,024 ids out of 256 rows
//! (the rows stay in L1 or L2). `far`: 65,536 different ids out of 100 million dimensions (rows
//! come from L3 or memory). BIAS: the ids are random but the same in each iteration.

use crinoid_quant::{
    Codes, Isa, Level, Metric, Scorer, Vectors,
    blocks::{BlockQuery, Blocked, Blocks},
    codec::{Float, Half, Int4, Pq, Rabitq, Sign, Sq8},
    isa::{OnIsa, PANEL, PANEL_BYTES, dispatch},
    tile::Tile,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Scores `ids` into `keys`, `batch` or one at a time, prefetching ahead.
struct Score<'a, C: Codes> {
    codes: &'a C,
    query: &'a C::Query,
    ids: &'a [u32],
    keys: &'a mut [u32],
    batch: usize,
}

impl<C: Codes> OnIsa for Score<'_, C> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let scorer = self.codes.scorer(isa, self.query);
        for (group, keys) in self.keys.chunks_exact_mut(8).enumerate() {
            let ids = &self.ids[group * 8..][..8];
            for &id in self.ids[group * 8 + 8..].iter().skip(8).take(8) {
                scorer.prefetch(id, scorer.lines());
            }
            if self.batch == 8 {
                scorer.keys(ids, keys);
            } else {
                for (&id, key) in ids.iter().zip(keys) {
                    *key = scorer.key(id);
                }
            }
        }
    }
}

fn values(n: usize, dim: usize) -> Vectors {
    let mut state = 1u64;
    let data: Vec<f32> = (0..n * dim)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Vectors::new(data.as_slice(), dim).unwrap_or_else(|_| Vectors::empty(dim))
}

fn codec<C: Codes>(c: &mut Criterion, dim: usize) {
    for (place, n, count) in [("near", 256, 1 << 10), ("far", 100_000_000 / dim, 1 << 16)] {
        let base = values(n, dim);
        let codes = C::train(&base, Metric::L2);
        let mut query = C::Query::default();
        codes.encode_query(base.row(1), &mut query);
        let ids: Vec<u32> = (0..count).map(|i| (i * 7_368_787 % n) as u32).collect();
        let mut keys = vec![0; count];
        let name = C::VERSION;
        let mut group = c.benchmark_group(format!("{name}/{dim}/{place}"));
        group.throughput(Throughput::Elements(count as u64));
        for level in Level::available() {
            for batch in [1, 8] {
                group.bench_function(BenchmarkId::new(level.name(), batch), |b| {
                    b.iter(|| {
                        let (codes, query) = (&codes, &query);
                        dispatch(level, Score { codes, query, ids: &ids, keys: &mut keys, batch });
                        black_box(&mut keys);
                    });
                });
            }
        }
    }
}

fn kernels(c: &mut Criterion) {
    for dim in [128, 384, 960] {
        codec::<Float>(c, dim);
        codec::<Half>(c, dim);
        codec::<Sq8>(c, dim);
        codec::<Int4>(c, dim);
        codec::<Pq<4>>(c, dim);
        codec::<Rabitq<1>>(c, dim);
        codec::<Sign>(c, dim);
        blocks::<Pq<4>>(c, dim);
        blocks::<Rabitq<1>>(c, dim);
    }
}

/// Scans `order`, a block at a time.
struct Scan<'a>(&'a Blocks, &'a BlockQuery, &'a [usize]);

impl OnIsa for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self(blocks, query, order) = self;
        let scorer = query.scorer(isa);
        for (i, &block) in order.iter().enumerate() {
            if let Some(&next) = order.get(i + 1) {
                blocks.prefetch(next);
            }
            let (codes, factors) = blocks.get(block);
            black_box(scorer.keys(codes, factors, query.add()));
        }
    }
}

/// As [`codec`], 32 codes side by side.
fn blocks<C: Blocked>(c: &mut Criterion, dim: usize) {
    let base = values(100_000_000 / 64 / dim, dim);
    let codes = C::train(&base, Metric::L2);
    let ids: Vec<u32> = (0..codes.len() as u32).collect();
    let Some(blocks) = codes.blocks(&ids) else { return };
    let mut query = BlockQuery::default();
    codes.encode_block_query(base.row(1), &mut query);
    for (place, most) in [("near", 8), ("far", blocks.count())] {
        let order: Vec<usize> = (0..1024).map(|i| i * 7_368_787 % most).collect();
        let mut group = c.benchmark_group(format!("{} x32/{dim}/{place}", C::VERSION));
        group.throughput(Throughput::Elements(32 * order.len() as u64));
        for level in Level::available() {
            group.bench_function(BenchmarkId::new(level.name(), 32), |b| {
                b.iter(|| dispatch(level, Scan(&blocks, &query, &order)));
            });
        }
    }
}

/// All pairs of 1,024 rows, in products of bytes, beside the same kernel on two panels that stay in the first-level
/// cache: the machine's peak as this loop can reach it.
fn tiles(c: &mut Criterion) {
    for dim in [25, 128, 384, 960] {
        let codes = Sq8::train(&values(1024, dim), Metric::L2);
        let ids: Vec<u32> = (0..1024).collect();
        let mut tile = Tile::default();
        codes.space().gather(&ids, &mut tile);
        let mut keys = vec![0; PANEL * tile.stride()];
        let mut group = c.benchmark_group(format!("tile/{dim}"));
        group.throughput(Throughput::Elements((1024 * 1024 * dim) as u64));
        for level in Level::available() {
            group.bench_function(level.name(), |b| {
                b.iter(|| {
                    for panel in 0..tile.panels() {
                        tile.keys_at(level, panel, (&tile, 0), &mut keys);
                        black_box(&mut keys);
                    }
                });
            });
        }
        group.finish();
    }
    let (left, right) = (vec![[3i8; PANEL_BYTES]; 240], vec![[7u8; PANEL_BYTES]; 240]);
    let mut group = c.benchmark_group("tile/peak");
    group.throughput(Throughput::Elements((PANEL * PANEL_BYTES * 240) as u64));
    for level in Level::available() {
        group.bench_function(level.name(), |b| {
            b.iter(|| black_box(dispatch(level, Panels(black_box(&left), black_box(&right)))));
        });
    }
}

struct Panels<'a>(&'a [[i8; PANEL_BYTES]], &'a [[u8; PANEL_BYTES]]);

impl OnIsa for Panels<'_> {
    type Output = [[i32; PANEL]; PANEL];

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Self::Output {
        isa.dot_panels(self.0, self.1)
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(100))
        .measurement_time(std::time::Duration::from_millis(400))
        .sample_size(20);
    targets = kernels, tiles
}
criterion_main!(benches);
