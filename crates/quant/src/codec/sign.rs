//! `sign@1`: one bit per dimension, as the record's baseline has it.
//!
//! Dimension `i` is bit `i % 64` (least significant first) of word `i / 64`; the bit is set where
//! `x_i > 0`, so zero and minus zero give 0. Nothing is centred or rotated, and documents and
//! queries are coded alike; the distance is the number of differing bits, whatever the metric.
//! That is a ranking and no estimate: see the `rabitq` codecs for one.

use super::{
    batch::{Batched, in_batches_ahead, keys_in_batches},
    check_size, checked_area,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Scorer, Space},
    isa::{self, Isa, Level, OnIsa},
    metric::Metric,
    vectors::Vectors,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Words of a cache line.
const LINE: usize = super::LINE / size_of::<u64>();

/// How many rows one kernel call measures.
const BATCH: usize = 8;

/// Vectors as sign bits.
pub struct Sign {
    meta: SignMeta,
    rows: Buffer<u64>,
}

/// What [`Sign`] stores beside its array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignMeta {
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
}

/// A query of [`Sign`].
#[derive(Debug, Default)]
pub struct SignQuery {
    words: Buffer<u64>,
}

/// Words of a row: a power of two within a line, else whole lines, so that no row straddles more
/// lines than it must.
pub(super) fn stride(dim: usize) -> usize {
    let words = dim.div_ceil(64);
    if words <= LINE { words.next_power_of_two() } else { words.next_multiple_of(LINE) }
}

/// Writes the sign bits of `values` into `words`, unused bits zero.
pub(super) fn pack_signs(values: &[f32], words: &mut [u64]) {
    words.fill(0);
    for (word, values) in words.iter_mut().zip(values.chunks(64)) {
        for (bit, &value) in values.iter().enumerate() {
            *word |= u64::from(value > 0.0) << bit;
        }
    }
}

impl Sign {
    /// The words of vector `id`, with their padding.
    pub fn row(&self, id: u32) -> &[u64] {
        let stride = stride(self.meta.dim);
        &self.rows[id as usize * stride..][..stride]
    }
}

impl Codes for Sign {
    type Query = SignQuery;
    type Scorer<'a, I: Isa> = SignScorer<'a, I>;
    type Meta = SignMeta;
    const VERSION: &'static str = "sign@1";
    const COARSE: bool = true;

    fn train(vectors: &Vectors, _metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let mut rows = Buffer::<u64>::zeroed(len * stride(dim));
        rows.make_mut()
            .par_chunks_mut(stride(dim))
            .zip(vectors.as_slice().par_chunks(dim))
            .for_each(|(words, values)| pack_signs(values, words));
        Self { meta: SignMeta { len, dim }, rows }
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        stride(self.meta.dim) * size_of::<u64>()
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        debug_assert_eq!(query.len(), self.meta.dim, "query dimension");
        let stride = stride(self.meta.dim);
        if out.words.len() != stride {
            out.words = Buffer::zeroed(stride);
        }
        pack_signs(query, out.words.make_mut());
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        SignScorer { isa, rows: &self.rows, stride: stride(self.meta.dim), query: &query.words }
    }

    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(SignSpace { codes: self })
    }

    /// Writes 1 for a set bit and -1 for a clear one.
    fn decode(&self, id: u32, out: &mut [f32]) {
        let row = self.row(id);
        for (i, value) in out.iter_mut().enumerate() {
            *value = if row[i / 64] >> (i % 64) & 1 == 1 { 1.0 } else { -1.0 };
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        (self.meta, vec![("rows", self.rows.as_bytes())])
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let SignMeta { len, dim } = meta;
        check_size(len, dim)?;
        let rows = arrays.take("rows", checked_area("rows", len, stride(dim))?)?;
        Ok(Self { meta, rows })
    }
}

/// A query's sign bits against the rows' sign bits. Distances are numbers of differing bits.
#[derive(Clone, Copy, Debug)]
pub struct SignScorer<'a, I> {
    isa: I,
    rows: &'a [u64],
    stride: usize,
    query: &'a [u64],
}

impl<I: Isa> Batched for SignScorer<'_, I> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut rows = [self.rows; N];
        for (row, &id) in rows.iter_mut().zip(&ids) {
            *row = &self.rows[id as usize * self.stride..][..self.stride];
        }
        self.isa.hamming_rows(rows, self.query)
    }
}

impl<I: Isa> Scorer for SignScorer<'_, I> {
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
        key as f32
    }

    #[inline(always)]
    fn key_of(&self, distance: f32) -> u32 {
        distance.floor() as u32
    }
}

struct SignSpace<'a> {
    codes: &'a Sign,
}

/// One row measured against many.
struct Measure<'a> {
    codes: &'a Sign,
    from: u32,
    to: &'a [u32],
    keys: &'a mut [u32],
}

impl OnIsa for Measure<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let query = self.codes.row(self.from);
        let scorer = SignScorer { isa, rows: &self.codes.rows, stride: query.len(), query };
        in_batches_ahead::<BATCH>(&scorer, self.to, self.keys);
    }
}

impl Space for SignSpace<'_> {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]) {
        let measure = Measure { codes: self.codes, from, to, keys };
        isa::dispatch(Level::current(), measure);
    }

    /// Differing bits: a quarter of the squared L2 distance of the vectors of signs.
    fn value(&self, key: u32) -> f64 {
        f64::from(key)
    }
}
