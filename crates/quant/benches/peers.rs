//! Time per distance beside the best third-party kernels, and beside the rate at which memory streams.
//!
//! `cargo bench -p crinoid-quant --features peers --bench peers`
//!
//! METHOD: one row of the table is one job in two forms, ours in batches of eight rows and the peer's row by
//! row (it has no other form), over the same rows in the same order. The two take turns, A B B A; the
//! ratio is the median of the pairs' ratios, with the interval that holds the true median at 95 %.
//! `L1`, `L2`, `memory`: rows at random places of 32 KiB, 512 KiB, 256 MiB, prefetched 16 rows ahead on both sides.
//! The bound is a row's bytes by the rate at which one thread adds up as much memory in order. BIAS: one
//! CPU, one order of rows; the peer multiplies `f16` by `f16` and `i8` by `i8` where ours has queries
//! of `f32` and rows of `u8`.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use crinoid_quant::{
    Buffer, Isa, Level,
    isa::{OnIsa, dispatch, prefetch},
    random,
};
use half::f16;
use simsimd::{BinarySimilarity, SpatialSimilarity};
use std::{hint::black_box, time::Instant};

/// Turns per job, and the ranks among them that enclose the median at 95 %.
const TURNS: usize = 61;
const RANKS: [usize; 3] = [22, 30, 38];

/// Places by the bytes of their rows.
const PLACES: [(&str, usize); 3] = [("L1", 32 << 10), ("L2", 512 << 10), ("memory", 256 << 20)];

/// One kernel in our form and the peer's.
trait Job {
    type Row: bytemuck::Pod;
    type Query: bytemuck::Pod;
    const NAME: &'static str;
    /// Distances that one row gives.
    const CODES: usize = 1;
    /// Elements of a row, and of a query, for `dim` dimensions.
    fn lengths(dim: usize) -> [usize; 2];
    fn element(bits: u64) -> Self::Row;
    fn query(bits: u64) -> Self::Query;
    fn ours<I: Isa>(isa: I, rows: [&[Self::Row]; 8], query: &[Self::Query]);
    /// Whether there is a peer, and its distance.
    fn peer(_row: &[Self::Row], _query: &[Self::Row]) -> bool {
        false
    }
}

fn float(bits: u64) -> f32 {
    (bits >> 40) as f32 / (1 << 23) as f32 - 1.0
}

struct L2Float;
impl Job for L2Float {
    type Row = f32;
    type Query = f32;
    const NAME: &'static str = "L2 of f32";
    fn lengths(dim: usize) -> [usize; 2] {
        [dim, dim]
    }
    fn element(bits: u64) -> f32 {
        float(bits)
    }
    fn query(bits: u64) -> f32 {
        float(bits)
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[f32]; 8], query: &[f32]) {
        // Four at a time, as the codec takes them.
        let [a, b, c, d, e, f, g, h] = rows;
        black_box(isa.l2_f32_rows([a, b, c, d], query));
        black_box(isa.l2_f32_rows([e, f, g, h], query));
    }
    fn peer(row: &[f32], query: &[f32]) -> bool {
        black_box(f32::sqeuclidean(row, query)).is_some()
    }
}

struct L2Half;
impl Job for L2Half {
    type Row = f16;
    type Query = f32;
    const NAME: &'static str = "L2 of f16";
    fn lengths(dim: usize) -> [usize; 2] {
        [dim, dim]
    }
    fn element(bits: u64) -> f16 {
        f16::from_f32(float(bits))
    }
    fn query(bits: u64) -> f32 {
        float(bits)
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[f16]; 8], query: &[f32]) {
        let [a, b, c, d, e, f, g, h] = rows;
        black_box(isa.l2_f16_rows([a, b, c, d], query));
        black_box(isa.l2_f16_rows([e, f, g, h], query));
    }
    fn peer(row: &[f16], query: &[f16]) -> bool {
        let [row, query]: [&[simsimd::f16]; 2] = [row, query].map(bytemuck_cast);
        black_box(simsimd::f16::sqeuclidean(row, query)).is_some()
    }
}

/// The same 16 bits under the peer's name.
fn bytemuck_cast(values: &[f16]) -> &[simsimd::f16] {
    // SAFETY: both types are transparent wrappers of `u16`.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
}

struct Bytes;
impl Job for Bytes {
    type Row = u8;
    type Query = i8;
    const NAME: &'static str = "dot of bytes";
    fn lengths(dim: usize) -> [usize; 2] {
        [dim, dim]
    }
    fn element(bits: u64) -> u8 {
        bits as u8
    }
    fn query(bits: u64) -> i8 {
        bits as i8
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[u8]; 8], query: &[i8]) {
        black_box(isa.dot_u8_i8_rows(rows, query));
    }
    fn peer(row: &[u8], query: &[u8]) -> bool {
        let [row, query]: [&[i8]; 2] = [row, query].map(bytemuck::cast_slice);
        black_box(i8::dot(row, query)).is_some()
    }
}

struct Nibbles;
impl Job for Nibbles {
    type Row = u8;
    type Query = i8;
    const NAME: &'static str = "dot of 4 bits";
    fn lengths(dim: usize) -> [usize; 2] {
        [dim / 2, dim]
    }
    fn element(bits: u64) -> u8 {
        bits as u8
    }
    fn query(bits: u64) -> i8 {
        bits as i8
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[u8]; 8], query: &[i8]) {
        black_box(isa.dot_u4_i8_rows(rows, query));
    }
}

struct Signs;
impl Job for Signs {
    type Row = u64;
    type Query = u64;
    const NAME: &'static str = "Hamming";
    fn lengths(dim: usize) -> [usize; 2] {
        [dim / 64, dim / 64]
    }
    fn element(bits: u64) -> u64 {
        bits
    }
    fn query(bits: u64) -> u64 {
        bits
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[u64]; 8], query: &[u64]) {
        black_box(isa.hamming_rows(rows, query));
    }
    fn peer(row: &[u64], query: &[u64]) -> bool {
        let [row, query]: [&[u8]; 2] = [row, query].map(bytemuck::cast_slice);
        black_box(u8::hamming(row, query)).is_some()
    }
}

struct Planes;
impl Job for Planes {
    type Row = u64;
    type Query = u64;
    const NAME: &'static str = "bits by 4 planes";
    fn lengths(dim: usize) -> [usize; 2] {
        [dim / 64, 4 * (dim / 64)]
    }
    fn element(bits: u64) -> u64 {
        bits
    }
    fn query(bits: u64) -> u64 {
        bits
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[u64]; 8], query: &[u64]) {
        black_box(isa.bit_dot_rows(rows, query));
    }
}

struct Scan;
impl Job for Scan {
    type Row = u8;
    type Query = u8;
    const NAME: &'static str = "FastScan, 1 bit";
    const CODES: usize = 32;
    fn lengths(dim: usize) -> [usize; 2] {
        [4 * dim, 4 * dim]
    }
    fn element(bits: u64) -> u8 {
        bits as u8
    }
    fn query(bits: u64) -> u8 {
        bits as u8
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[u8]; 8], query: &[u8]) {
        for row in rows {
            black_box(isa.scan_block(row, query));
        }
    }
}

struct LookUps;
impl Job for LookUps {
    type Row = u8;
    type Query = u16;
    const NAME: &'static str = "look-ups, 2 bits";
    fn lengths(dim: usize) -> [usize; 2] {
        [dim / 4, 256 * (dim / 4)]
    }
    fn element(bits: u64) -> u8 {
        bits as u8
    }
    fn query(bits: u64) -> u16 {
        bits as u16
    }
    #[inline(always)]
    fn ours<I: Isa>(isa: I, rows: [&[u8]; 8], query: &[u16]) {
        black_box(isa.look_up_rows(rows, query));
    }
}

/// One pass over rows at the places of `ids`.
struct Pass<'a, J: Job> {
    rows: &'a [J::Row],
    len: usize,
    ids: &'a [u32],
    query: &'a [J::Query],
}

impl<'a, J: Job> Pass<'a, J> {
    #[inline(always)]
    fn row(&self, id: u32) -> &'a [J::Row] {
        &self.rows[id as usize * self.len..][..self.len]
    }

    /// Asks for the eight rows that come two batches after `batch`.
    #[inline(always)]
    fn ahead(&self, batch: usize) {
        for &id in self.ids.iter().skip(8 * batch + 16).take(8) {
            for at in (0..self.len).step_by(64 / size_of::<J::Row>()) {
                prefetch(self.rows, id as usize * self.len + at);
            }
        }
    }
}

impl<J: Job> OnIsa for Pass<'_, J> {
    type Output = ();
    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        for (batch, ids) in self.ids.as_chunks::<8>().0.iter().enumerate() {
            self.ahead(batch);
            let mut rows = [self.rows; 8];
            for (row, &id) in rows.iter_mut().zip(ids) {
                *row = self.row(id);
            }
            J::ours(isa, rows, self.query);
        }
    }
}

/// The sum of all words, as fast as they come.
struct Stream<'a>(&'a [u64]);

impl OnIsa for Stream<'_> {
    type Output = u64;
    #[inline(always)]
    fn on<I: Isa>(self, _: I) -> u64 {
        let mut sums = [0u64; 64];
        for words in self.0.as_chunks::<64>().0 {
            for lane in 0..64 {
                sums[lane] = sums[lane].wrapping_add(words[lane]);
            }
        }
        sums.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
    }
}

fn nanos(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e9
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn measure<J: Job>(rates: &[f64; 3]) {
    let level = Level::current();
    for dim in [128, 384, 960] {
        let [len, query_len] = J::lengths(dim);
        let bytes = len * size_of::<J::Row>();
        let most = PLACES[2].1 / size_of::<J::Row>();
        let rows: Buffer<J::Row> = {
            let mut rows = Buffer::zeroed(most);
            let (start, rest) = rows.make_mut().split_at_mut(1 << 20);
            (0..).zip(&mut *start).for_each(|(i, out)| *out = J::element(random::hash(1, i)));
            rest.chunks_mut(1 << 20).for_each(|out| out.copy_from_slice(&start[..out.len()]));
            rows
        };
        let query: Vec<J::Query> =
            (0..query_len as u64).map(|i| J::query(random::hash(2, i))).collect();
        let other: Vec<J::Row> = (0..len as u64).map(|i| J::element(random::hash(3, i))).collect();
        let peer = J::peer(&other, &other);
        for ((place, size), rate) in PLACES.iter().zip(rates) {
            let count = (size / bytes).max(8);
            let ids: Vec<u32> = (0..(32u64 << 20) / (bytes.max(64) as u64 * 8) * 8)
                .map(|i| random::below(4, i, count) as u32)
                .collect();
            let pass = || Pass::<J> { rows: &rows, len, ids: &ids, query: &query };
            let ours = || nanos(|| dispatch(level, pass()));
            let theirs = || {
                nanos(|| {
                    let pass = pass();
                    for (batch, ids) in ids.as_chunks::<8>().0.iter().enumerate() {
                        pass.ahead(batch);
                        for &id in ids {
                            J::peer(pass.row(id), &other);
                        }
                    }
                })
            };
            let mut times = (Vec::new(), Vec::new(), Vec::new());
            for turn in 0..TURNS {
                let (a, b) = match (peer, turn % 2) {
                    (false, _) => (ours(), f64::NAN),
                    (true, 0) => (ours(), theirs()),
                    (true, _) => {
                        let b = theirs();
                        (ours(), b)
                    }
                };
                times.0.push(a);
                times.1.push(b);
                times.2.push(b / a);
            }
            let per = (ids.len() * J::CODES) as f64;
            let ours = sorted(times.0)[RANKS[1]] / per;
            let theirs = sorted(times.1)[RANKS[1]] / per;
            let [low, ratio, high] = RANKS.map(|rank| sorted(times.2.clone())[rank]);
            let bound = bytes as f64 / J::CODES as f64 / rate;
            let peer = if peer {
                format!("{theirs:.2} | {ratio:.2} [{low:.2}, {high:.2}]")
            } else {
                "- | -".to_owned()
            };
            println!(
                "| {} | {dim} | {place} | {ours:.2} | {peer} | {bound:.2} | {:.1} |",
                J::NAME,
                ours / bound
            );
        }
    }
}

fn main() {
    let level = Level::current();
    let words = Buffer::<u64>::from_slice(&vec![1; PLACES[2].1 / 8]);
    // Bytes per nanosecond, the median of passes over as much memory as the rows take.
    let rates = PLACES.map(|(place, size)| {
        let part = &words[..size / 8];
        let passes = (64 << 20) / size.min(64 << 20);
        let times = (0..TURNS).map(|_| {
            nanos(|| {
                for _ in 0..passes {
                    black_box(dispatch(level, Stream(black_box(part))));
                }
            })
        });
        let rate = (passes * size) as f64 / sorted(times.collect())[RANKS[1]];
        println!("{place}: {rate:.0} bytes per ns");
        rate
    });
    println!(
        "\n| kernel ({level}) | d | rows in | ns | peer ns | peer / ours | bound ns | ours / bound |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    measure::<L2Float>(&rates);
    measure::<L2Half>(&rates);
    measure::<Bytes>(&rates);
    measure::<Nibbles>(&rates);
    measure::<Signs>(&rates);
    measure::<Planes>(&rates);
    measure::<Scan>(&rates);
    measure::<LookUps>(&rates);
}
