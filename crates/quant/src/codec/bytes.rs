//! What codecs with byte rows share: rows, scorer, build space.
//!
//! A row holds `u = v + 128` for integers `v` in `-128..=127`; a query holds `w` in the same range.
//! One kernel, `dot = sum u_i w_i = <v, w> + 128 sum w`, then serves both metrics exactly:
//!
//! ```text
//! |v - w|^2 = |v|^2 + (|w|^2 + 256 sum w) - 2 dot      row bias + query bias - 2 dot
//!  -<v, w>  =   0   + (128 sum w)         -   dot
//! ```
//!
//! Intermediate values wrap around 2^32 and the wraps cancel; the result itself is exact while it
//! fits an `i32`, which the codecs see to when they choose the range of `v`.

use super::{
    LINE,
    batch::{Batched, in_batches_ahead, keys_in_batches},
    checked_area,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, PartsError, Scorer, Space},
    isa::{self, Isa, Level, OnIsa},
    key,
    tile::{Source, Tile},
};
use rayon::prelude::*;
use std::cell::RefCell;

/// The byte that stands for zero, with which rows are padded.
const ZERO: u8 = 128;

/// How many rows one kernel call measures.
const BATCH: usize = 8;

/// `n` rows of bytes, each padded to whole cache lines, and the squared norm of each.
pub(super) struct ByteRows {
    rows: Buffer<u8>,
    norms: Buffer<i32>,
    stride: usize,
    dim: usize,
}

impl ByteRows {
    /// Encodes `len` rows; `encode(row, out)` writes the row's integers into `out` (of length
    /// `dim`).
    pub(super) fn encode(len: usize, dim: usize, encode: impl Fn(usize, &mut [i8]) + Sync) -> Self {
        let stride = dim.next_multiple_of(LINE);
        let mut rows = Buffer::<u8>::zeroed(len * stride);
        let mut norms = Buffer::<i32>::zeroed(len);
        rows.make_mut().par_chunks_mut(stride).zip(norms.make_mut()).enumerate().for_each_init(
            || vec![0i8; dim],
            |codes, (row, (out, norm))| {
                encode(row, codes);
                *norm = squared_norm(codes);
                let (values, padding) = out.split_at_mut(dim);
                for (byte, &code) in values.iter_mut().zip(&*codes) {
                    *byte = code as u8 ^ ZERO;
                }
                padding.fill(ZERO);
            },
        );
        Self { rows, norms, stride, dim }
    }

    pub(super) fn len(&self) -> usize {
        self.norms.len()
    }

    /// Bytes of a row.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Row `id`, with its padding.
    pub(super) fn row(&self, id: u32) -> &[u8] {
        &self.rows[id as usize * self.stride..][..self.stride]
    }

    /// The squared norm of each row's integers.
    pub(super) fn norms(&self) -> &[i32] {
        &self.norms
    }

    /// Makes row `id` the query. Called below a dispatch, where it becomes vector code: it is
    /// paid once per visited list of a build.
    #[inline(always)]
    pub(super) fn row_as_query(&self, id: u32, query: &mut ByteQuery) {
        let row = &self.rows[id as usize * self.stride..][..self.stride];
        if query.codes.len() != row.len() {
            query.codes = Buffer::zeroed(row.len());
        }
        let mut sum = 0;
        for (code, &byte) in query.codes.make_mut().iter_mut().zip(row) {
            *code = (byte ^ ZERO) as i8;
            sum += i32::from(*code);
        }
        (query.sum, query.norm) = (sum, self.norms[id as usize]);
    }

    pub(super) fn arrays(&self) -> Vec<(&'static str, &[u8])> {
        vec![("rows", self.rows.as_bytes()), ("norms", self.norms.as_bytes())]
    }

    pub(super) fn from_arrays(
        len: usize,
        dim: usize,
        arrays: &mut Arrays<'_>,
    ) -> Result<Self, PartsError> {
        let stride = dim.next_multiple_of(LINE);
        let rows = arrays.take("rows", checked_area("rows", len, stride)?)?;
        let norms = arrays.take("norms", len)?;
        Ok(Self { rows, norms, stride, dim })
    }

    /// Scores squared L2 distances against integers whose step is `2^coarse` of the rows'; `step` is
    /// that of the rows.
    pub(super) fn l2_scorer<'a, I: Isa>(
        &'a self,
        isa: I,
        query: &'a ByteQuery,
        step: f32,
        coarse: u32,
    ) -> ByteScorer<'a, I> {
        let affine = Affine::l2(query.sum.wrapping_mul(256), query.norm, 1, step, coarse);
        self.scorer(isa, query, affine)
    }

    /// Scores `offset - unit <v, w>`.
    pub(super) fn dot_scorer<'a, I: Isa>(
        &'a self,
        isa: I,
        query: &'a ByteQuery,
        unit: f32,
        offset: f32,
    ) -> ByteScorer<'a, I> {
        let query_bias = query.sum.wrapping_mul(128);
        self.scorer(isa, query, Affine::dot(query_bias, 0, unit, offset))
    }

    /// Scores `-unit <u, w>`, with the rows' bytes as they are.
    pub(super) fn unsigned_dot_scorer<'a, I: Isa>(
        &'a self,
        isa: I,
        query: &'a ByteQuery,
        unit: f32,
    ) -> ByteScorer<'a, I> {
        self.scorer(isa, query, Affine::dot(0, 0, unit, 0.0))
    }

    fn scorer<'a, I: Isa>(
        &'a self,
        isa: I,
        query: &'a ByteQuery,
        affine: Affine,
    ) -> ByteScorer<'a, I> {
        let (rows, bias, stride) = (&*self.rows, &*self.norms, self.stride);
        ByteScorer { isa, rows, bias, stride, query: &query.codes, affine }
    }

    /// The build space of the rows. `augment` is the integer extra coordinate of each row that
    /// makes inner products a metric; empty for L2.
    pub(super) fn space<'a>(&'a self, augment: &'a [i32]) -> Box<dyn Space + 'a> {
        Box::new(ByteSpace { rows: self, augment })
    }
}

impl ByteQuery {
    /// The squared norm of the integers.
    pub(super) fn norm(&self) -> i32 {
        self.norm
    }
}

fn squared_norm(codes: &[i8]) -> i32 {
    codes.iter().map(|&v| i32::from(v) * i32::from(v)).fold(0, i32::wrapping_add)
}

/// A query as integers, zero-padded to a row's length.
#[derive(Debug, Default)]
pub(super) struct ByteQuery {
    codes: Buffer<i8>,
    sum: i32,
    norm: i32,
}

impl ByteQuery {
    /// Encodes into `dim` integers; `encode` writes them.
    pub(super) fn encode(&mut self, dim: usize, encode: impl FnOnce(&mut [i8])) {
        let stride = dim.next_multiple_of(LINE);
        if self.codes.len() != stride {
            self.codes = Buffer::zeroed(stride);
        }
        let codes = self.codes.make_mut();
        encode(&mut codes[..dim]);
        codes[dim..].fill(0);
        self.sum = codes.iter().map(|&w| i32::from(w)).sum();
        self.norm = squared_norm(codes);
    }
}

/// From integer dot products to keys, and from keys to distances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    /// All ones where the row's bias counts, zero where it does not: a mask costs less than a
    /// branch.
    use_bias: i32,
    /// The row's bias is divided by `2^coarse`.
    coarse: u32,
    query_bias: i32,
    /// The dot product is multiplied by `2^shift`.
    shift: u32,
    /// The distance that 1 stands for.
    unit: f32,
    /// The distance that 0 stands for.
    offset: f32,
}

impl Affine {
    /// Squared L2 distances of rows with the given `step` to a query whose integers `w` have the step
    /// `2^coarse step` and the squared norm `norm`:
    ///
    /// ```text
    /// |v - 2^c w|^2 = 2^c (|v|^2 / 2^c - 2 <v, w>) + 4^c |w|^2
    /// ```
    ///
    /// The last term is the same for all rows. It is part of the integers where the steps agree, and
    /// of the offset, which no order depends on, where they do not: there it might not fit.
    #[inline(always)]
    pub(super) fn l2(query_bias: i32, norm: i32, shift: u32, step: f32, coarse: u32) -> Self {
        let unit = step * step;
        match coarse {
            0 => {
                let query_bias = query_bias.wrapping_add(norm);
                Self { use_bias: -1, coarse, query_bias, shift, unit, offset: 0.0 }
            }
            _ => {
                let times = f32::powi(2.0, coarse as i32);
                let offset = norm as f32 * (step * times) * (step * times);
                Self { use_bias: -1, coarse, query_bias, shift, unit: unit * times, offset }
            }
        }
    }

    /// With `more` added to all distances, which changes no order.
    #[inline(always)]
    pub(super) fn beyond(self, more: f32) -> Self {
        Self { offset: self.offset + more, ..self }
    }

    /// `offset - unit <v, w>`.
    #[inline(always)]
    pub(super) fn dot(query_bias: i32, shift: u32, unit: f32, offset: f32) -> Self {
        Self { use_bias: 0, coarse: 0, query_bias, shift, unit, offset }
    }

    /// The keys of `row bias / 2^coarse + query bias - 2^shift dot`.
    #[inline(always)]
    pub(super) fn keys<const N: usize>(&self, biases: [i32; N], dots: [i32; N]) -> [u32; N] {
        let mut keys = [0; N];
        for ((key, dot), bias) in keys.iter_mut().zip(dots).zip(biases) {
            let bias = ((bias >> self.coarse) & self.use_bias).wrapping_add(self.query_bias);
            *key = key::from_i32(bias.wrapping_sub(dot << self.shift));
        }
        keys
    }

    #[inline(always)]
    pub(super) fn distance(&self, key: u32) -> f32 {
        key::to_i32(key) as f32 * self.unit + self.offset
    }

    #[inline(always)]
    pub(super) fn key_of(&self, distance: f32) -> u32 {
        // The cast saturates, which is what a limit beyond every distance should do.
        key::from_i32(((distance - self.offset) / self.unit).floor() as i32)
    }
}

/// An integer query against byte rows; serves every codec whose rows are bytes on one scale.
#[derive(Clone, Copy, Debug)]
pub struct ByteScorer<'a, I> {
    isa: I,
    rows: &'a [u8],
    bias: &'a [i32],
    stride: usize,
    query: &'a [i8],
    affine: Affine,
}

impl<I: Isa> ByteScorer<'_, I> {
    #[inline(always)]
    fn row(&self, id: u32) -> &[u8] {
        &self.rows[id as usize * self.stride..][..self.stride]
    }
}

impl<I: Isa> Batched for ByteScorer<'_, I> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut rows = [self.rows; N];
        let mut biases = [0; N];
        for ((row, bias), &id) in rows.iter_mut().zip(&mut biases).zip(&ids) {
            *row = self.row(id);
            *bias = self.bias[id as usize];
        }
        let dots = self.isa.dot_u8_i8_rows(rows, self.query);
        self.affine.keys(biases, dots)
    }
}

impl<I: Isa> Scorer for ByteScorer<'_, I> {
    keys_in_batches!(BATCH);

    #[inline(always)]
    fn prefetch(&self, id: u32, lines: usize) {
        for line in 0..lines {
            self.isa.prefetch(self.rows, id as usize * self.stride + line * LINE);
        }
        self.isa.prefetch(self.bias, id as usize);
    }

    #[inline(always)]
    fn lines(&self) -> usize {
        self.stride / LINE
    }

    #[inline(always)]
    fn distance(&self, key: u32) -> f32 {
        self.affine.distance(key)
    }

    #[inline(always)]
    fn key_of(&self, distance: f32) -> u32 {
        self.affine.key_of(distance)
    }
}

/// Byte rows as points; see [`ByteRows::space`].
struct ByteSpace<'a> {
    rows: &'a ByteRows,
    augment: &'a [i32],
}

/// One row measured against many.
struct Measure<'a> {
    rows: &'a ByteRows,
    from: u32,
    query: &'a mut ByteQuery,
    to: &'a [u32],
    keys: &'a mut [u32],
}

impl OnIsa for Measure<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        self.rows.row_as_query(self.from, self.query);
        let scorer = self.rows.l2_scorer(isa, self.query, 1.0, 0);
        in_batches_ahead::<BATCH>(&scorer, self.to, self.keys);
    }
}

impl Space for ByteSpace<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]) {
        thread_local! {
            static QUERY: RefCell<ByteQuery> = RefCell::default();
        }
        QUERY.with_borrow_mut(|query| {
            let measure = Measure { rows: self.rows, from, query, to, keys: &mut *keys };
            isa::dispatch(Level::current(), measure);
        });
        add_augmentation(self.augment, from, to, keys);
    }

    fn gather(&self, points: &[u32], tile: &mut Tile) -> bool {
        let ByteRows { rows, norms, stride, dim } = self.rows;
        let source = Source { rows, norms, stride: *stride, dim: *dim, augment: self.augment };
        tile.gather(source, points);
        true
    }

    fn value(&self, key: u32) -> f64 {
        f64::from(key::to_i32(key))
    }
}

/// Adds the squared difference of the integer extra coordinates, where there are any.
pub(super) fn add_augmentation(augment: &[i32], from: u32, to: &[u32], keys: &mut [u32]) {
    if let Some(&own) = augment.get(from as usize) {
        for (key, &id) in keys.iter_mut().zip(to) {
            let apart = augment[id as usize] - own;
            *key = key::from_i32(key::to_i32(*key).wrapping_add(apart.wrapping_mul(apart)));
        }
    }
}
