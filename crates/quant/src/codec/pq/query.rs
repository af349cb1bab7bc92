//! A query's tables, and its scorer.

use super::Pq;
use crate::{
    blocks::BlockQuery,
    buffer::Buffer,
    codec::{
        LINE,
        batch::{Batched, keys_in_batches},
    },
    codes::Scorer,
    isa::{self, Isa, Level, OnIsa},
    metric::Metric,
};

/// How many rows one kernel call measures: they share the tables' way through the cache.
const BATCH: usize = 8;

/// The largest entry of a 16-bit table.
const LARGEST: f32 = 65_535.0;

/// A query of [`Pq`].
#[derive(Debug, Default)]
pub struct PqQuery {
    /// Part by part, the distance to each codeword less the part's smallest.
    entries: Vec<f32>,
    /// The sum of the smallest ones.
    least: f32,
    /// Part by part, the largest less the smallest.
    spread: Vec<f32>,
    /// 256 entries per byte of a row.
    tables: Buffer<u16>,
    /// The value of 1 in the tables.
    step: f32,
}

impl<const BITS: u32> Pq<BITS> {
    /// The distances of the query's parts to all codewords.
    pub(super) fn measure(&self, query: &[f32], out: &mut PqQuery) {
        let words = 1 << BITS;
        out.entries.clear();
        out.entries.resize(self.meta.parts() * words, 0.0);
        let (width, entries) = (self.meta.width, &mut *out.entries);
        let dot = self.meta.metric == Metric::InnerProduct;
        let codebook = &self.codebook;
        isa::dispatch(Level::current(), Entries { query, codebook, words, width, dot, entries });
        out.spread.clear();
        let mut least = 0.0f64;
        for entries in out.entries.chunks_exact_mut(words) {
            let [low, high] = extremes(entries);
            entries.iter_mut().for_each(|entry| *entry -= low);
            out.spread.push(high - low);
            least += f64::from(low);
        }
        out.least = least as f32;
    }
}

/// Distances between parts of a query and codewords, into zeroes. Lanes are codewords: the same at every
/// level.
struct Entries<'a> {
    query: &'a [f32],
    codebook: &'a [f32],
    words: usize,
    width: usize,
    dot: bool,
    entries: &'a mut [f32],
}

impl OnIsa for Entries<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, _: I) {
        let Self { query, codebook, words, width, dot, entries } = self;
        for (i, (&q, values)) in query.iter().zip(codebook.chunks_exact(words)).enumerate() {
            let entries = entries[i / width * words..][..words].iter_mut().zip(values);
            if dot {
                entries.for_each(|(entry, c)| *entry -= q * c);
            } else {
                entries.for_each(|(entry, c)| *entry += (q - c) * (q - c));
            }
        }
    }
}

impl PqQuery {
    /// Rounds the entries to 16 bits; two parts of 4 bits become one table.
    pub(super) fn tables_of_bytes(&mut self, words: usize) {
        let parts = self.spread.len();
        let per_byte = if words == 256 { 1 } else { 2 };
        let bytes = parts.div_ceil(per_byte);
        if self.tables.len() != 256 * bytes {
            self.tables = Buffer::zeroed(256 * bytes);
        }
        // Rounded apart, the two parts of a byte exceed the sum of their spreads by at most 1.
        let widest = self.spread.chunks(per_byte).map(|pair| pair.iter().sum::<f32>());
        self.step = step(widest.fold(0.0, f32::max), LARGEST - 1.0);
        let per_step = 1.0 / self.step;
        let round = |entry: f32| round(entry * per_step) as u16;
        let tables = self.tables.make_mut().as_chunks_mut::<256>().0;
        for (table, entries) in tables.iter_mut().zip(self.entries.chunks(words * per_byte)) {
            if per_byte == 1 {
                table.iter_mut().zip(entries).for_each(|(out, &entry)| *out = round(entry));
                continue;
            }
            let (low, high) = entries.split_at(words);
            let mut lows = [0; 16];
            lows.iter_mut().zip(low).for_each(|(out, &entry)| *out = round(entry));
            for (nibble, out) in table.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                // An odd number of parts leaves the last byte's upper half empty.
                let high = high.get(nibble).map_or(0, |&entry| round(entry));
                out.iter_mut().zip(lows).for_each(|(out, low)| *out = low + high);
            }
        }
    }

    /// Rounds the entries of 16 codewords per part to 8 bits, for blocks.
    pub(super) fn tables_of_groups(&self, groups: usize, out: &mut BlockQuery) {
        let step = step(self.spread.iter().copied().fold(0.0, f32::max), 255.0);
        let tables = out.start(groups, 0, step, self.least);
        let (filled, rest) = tables.split_at_mut(self.entries.len());
        for (out, &entry) in filled.iter_mut().zip(&self.entries) {
            *out = round(entry / step) as u8;
        }
        rest.fill(0);
    }
}

/// The smallest and the largest of a whole number of sixteens, in lanes that compilers vectorise.
fn extremes(values: &[f32]) -> [f32; 2] {
    let (mut low, mut high) = ([f32::INFINITY; 16], [f32::NEG_INFINITY; 16]);
    for values in values.as_chunks::<16>().0 {
        for i in 0..16 {
            low[i] = if values[i] < low[i] { values[i] } else { low[i] };
            high[i] = if values[i] > high[i] { values[i] } else { high[i] };
        }
    }
    [
        low.into_iter().fold(f32::INFINITY, f32::min),
        high.into_iter().fold(f32::NEG_INFINITY, f32::max),
    ]
}

/// The nearest integer below 2^22, ties to even: adding 1.5 * 2^23 leaves it in the low bits.
fn round(value: f32) -> u32 {
    (value + 12_582_912.0).to_bits() & 0x3F_FFFF
}

/// The step that maps `max` onto `limit`.
fn step(max: f32, limit: f32) -> f32 {
    let step = max.min(f32::MAX) / limit;
    if step.is_normal() { step } else { 1.0 }
}

/// A query's tables against rows of codewords.
#[derive(Clone, Copy, Debug)]
pub struct PqScorer<'a, I> {
    isa: I,
    rows: &'a [u8],
    bytes: usize,
    stride: usize,
    tables: &'a [u16],
    step: f32,
    least: f32,
}

impl<'a, I: Isa> PqScorer<'a, I> {
    pub(super) fn new(
        isa: I,
        rows: &'a [u8],
        bytes: usize,
        stride: usize,
        query: &'a PqQuery,
    ) -> Self {
        let PqQuery { tables, step, least, .. } = query;
        Self { isa, rows, bytes, stride, tables, step: *step, least: *least }
    }
}

impl<I: Isa> Batched for PqScorer<'_, I> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut rows = [self.rows; N];
        for (row, &id) in rows.iter_mut().zip(&ids) {
            *row = &self.rows[id as usize * self.stride..][..self.bytes];
        }
        // Below 2^30: the sum itself is an order-preserving key.
        self.isa.look_up_rows(rows, self.tables)
    }
}

impl<I: Isa> Scorer for PqScorer<'_, I> {
    keys_in_batches!(BATCH);

    #[inline(always)]
    fn prefetch(&self, id: u32, lines: usize) {
        for line in 0..lines {
            self.isa.prefetch(self.rows, id as usize * self.stride + line * LINE);
        }
    }

    #[inline(always)]
    fn lines(&self) -> usize {
        self.stride.div_ceil(LINE)
    }

    #[inline(always)]
    fn distance(&self, key: u32) -> f32 {
        key as f32 * self.step + self.least
    }

    #[inline(always)]
    fn key_of(&self, distance: f32) -> u32 {
        // The cast saturates at 0, which is below every distance.
        ((distance - self.least) / self.step).floor() as u32
    }
}
