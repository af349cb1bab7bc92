//! `lean@1`: the principal axes of the data, the first in bytes and the next in half bytes of the same step.
//!
//! Descriptors and embeddings of hundreds of dimensions spread along few of them: 128 axes hold 0.93 of the spread of
//! 512-dimensional GIST descriptors, 256 hold 0.98. A search that reads only these touches a quarter of the lines, and
//! what it finds is measured again by the whole rows (LeanVec: Tepper et al., TMLR 2024). What is different here: one
//! step for all coordinates, so that distances are integers, with a byte where coordinates spread and half a byte where
//! they do not ([`layout`]); what was left out of a row is not forgotten, but part of its bias; rows are as short
//! as the data allow, found out by counting on a sample; axes are bytes ([`axes`]), which a query reads all.
//!
//! In units of `t`, an eighth of the step, a byte `u` stands for `8 (u - 128)` and half a byte `n` for `8 n - 60`; a query
//! has integers `8 w` against bytes and `w` against halves. Per row one integer, `bias = |v|^2 - |e|^2 + |r|^2` in `t^2`, with the
//! error `e` of the coordinates and the rest `r` that they leave out:
//!
//! ```text
//! |v - w|^2 = bias + (64 |w8|^2 + |w4|^2 + 16384 sum w8 + 120 sum w4) - 16 (8 <u, w8> + <n, w4>)
//!  -<v, w>  =        (8192 sum w8 + 60 sum w4)                        -  8 (8 <u, w8> + <n, w4>)
//! ```

mod axes;
mod layout;
#[cfg(test)]
mod tests;

use super::{
    LINE,
    batch::{Batched, keys_in_batches},
    bytes::Affine,
    check_size, checked_area, coarseness,
    decoded::DecodedSpace,
    int4::{code, value},
    invalid, max_abs, mean, squared_norm, to_i8,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Scorer, Space, Unsuitable},
    isa::Isa,
    metric::Metric,
    vectors::Vectors,
};
use axes::{Axes, Projected, products};
use layout::{Layout, MOST_AXES, MOST_BYTES};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How many rows one kernel call measures.
const BATCH: usize = 8;

/// The most dimensions: their covariance is a square.
const MAX_DIM: usize = 4096;

/// The largest bias of a row: with the largest codes, distances fit 32 bits.
const MOST_BIAS: f64 = (1 << 29) as f64;

/// Vectors on their principal axes, in as few lines as find neighbours.
pub struct Lean {
    meta: LeanMeta,
    axes: Axes,
    rows: Buffer<u8>,
    bias: Buffer<i32>,
    center: Buffer<f32>,
}

/// What [`Lean`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeanMeta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
    /// How many axes are kept.
    pub axes: usize,
    /// Lines of a row that hold a coordinate in each byte; they come first.
    pub bytes: usize,
    /// Lines of a row that hold a coordinate in each half of a byte.
    pub halves: usize,
    /// The step between neighbouring codes.
    pub step: f32,
}

impl LeanMeta {
    fn layout(self) -> Layout {
        Layout { bytes: self.bytes, halves: self.halves, step: self.step }
    }

    /// Bytes of a row.
    fn stride(self) -> usize {
        self.layout().lines() * LINE
    }

    /// How many coordinates are bytes, and how many there are.
    fn split(self) -> (usize, usize) {
        ((self.bytes * LINE).min(self.axes), self.axes)
    }
}

/// A query of [`Lean`].
#[derive(Debug, Default)]
pub struct LeanQuery {
    projected: Projected,
    /// The integers against the lines of bytes, then those against halves: the low ones, the high ones.
    codes: Buffer<i8>,
    /// Sums of the integers of both kinds.
    sums: [i32; 2],
    /// The squared norm, in units of `t^2`.
    norm: i32,
    /// How many times the rows' unit was doubled to hold the query, under L2.
    coarse: u32,
    /// The unit of the query's integers under the inner product.
    unit: f32,
    /// What the axes leave out of the squared distance; under the inner product `-<q, c>`.
    offset: f32,
}

impl LeanQuery {
    /// Writes the coordinates as integers: `per_unit` times the later ones, an eighth of that times the first.
    fn fill(&mut self, meta: LeanMeta, per_unit: f32) {
        let (bytes, halves) = (meta.bytes * LINE, meta.halves * LINE);
        let len = bytes + 2 * halves;
        if self.codes.len() != len {
            self.codes = Buffer::zeroed(len);
        }
        let (first, later) = self.codes.make_mut().split_at_mut(bytes);
        let values = &self.projected.values;
        let (wide, narrow) = values.split_at(meta.split().0);
        let write = |codes: &mut [i8], values: &[f32], per_unit: f32| {
            codes.fill(0);
            for (code, x) in codes.iter_mut().zip(values) {
                *code = to_i8(x * per_unit, 127.0);
            }
            let sum: i32 = codes.iter().map(|&w| i32::from(w)).sum();
            let norm: i32 = codes.iter().map(|&w| i32::from(w) * i32::from(w)).sum();
            (sum, norm)
        };
        let (wide, narrow) = (write(first, wide, per_unit / 8.0), write(later, narrow, per_unit));
        self.sums = [wide.0, narrow.0];
        self.norm = 64 * wide.1 + narrow.1;
    }
}

impl Codes for Lean {
    type Query = LeanQuery;
    type Scorer<'a, I: Isa> = LeanScorer<'a, I>;
    type Meta = LeanMeta;
    const VERSION: &'static str = "lean@1";
    const SEEN: Option<usize> = Some(6);

    fn check(vectors: &Vectors, _metric: Metric) -> Result<(), Unsuitable> {
        match vectors.dim() {
            dim if dim > MAX_DIM => Err(Unsuitable::Dimensions { dim, max: MAX_DIM }),
            _ => Ok(()),
        }
    }

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let center = mean(vectors);
        let axes = Axes::fit(vectors, &center, dim.min(MOST_AXES));
        let layout = layout::fit(vectors, &center, &axes);
        let axes = axes.first(layout.axes(axes.len()));
        let Layout { bytes, halves, step } = layout;
        let meta = LeanMeta { metric, len, dim, axes: axes.len(), bytes, halves, step };
        let (stride, floats) = (meta.stride(), axes.floats());
        let (first, count) = meta.split();
        let half = halves * LINE;
        let mut rows = Buffer::<u8>::zeroed(len * stride);
        let mut bias = Buffer::<i32>::zeroed(len);
        rows.make_mut()
            .par_chunks_mut(stride)
            .zip(bias.make_mut())
            .zip(vectors.as_slice().par_chunks(dim))
            .for_each_init(
                || (vec![0.0; dim], vec![0.0; count]),
                |(apart, coordinates), ((out, bias), row)| {
                    for ((apart, x), c) in apart.iter_mut().zip(row).zip(&center) {
                        *apart = x - c;
                    }
                    products(&floats, apart, coordinates);
                    let (wide, narrow) = coordinates.split_at(first);
                    let (out, packed) = out.split_at_mut(bytes * LINE);
                    let (mut norm, mut error) = (0i64, 0.0f64);
                    out.fill(128);
                    for (byte, x) in out.iter_mut().zip(wide) {
                        let v = to_i8(x / step, 127.0);
                        *byte = v as u8 ^ 128;
                        norm += 64 * i64::from(v) * i64::from(v);
                        error += f64::from(x / step - f32::from(v)).powi(2) * 64.0;
                    }
                    for (at, x) in narrow.iter().enumerate() {
                        let code = code(*x, 1.0 / step);
                        let (byte, shift) = if at < half { (at, 0) } else { (at - half, 4) };
                        packed[byte] |= code << shift;
                        let v = value(code);
                        norm += i64::from(v) * i64::from(v);
                        error += f64::from(8.0 * (x / step) - f32::from(v)).powi(2);
                    }
                    let unit = f64::from(step / 8.0);
                    let left = (squared_norm(apart) - squared_norm(coordinates)).max(0.0);
                    let whole = norm as f64 - error + left / unit / unit;
                    *bias = whole.clamp(-MOST_BIAS, MOST_BIAS).round() as i32;
                },
            );
        Self { meta, axes, rows, bias, center: center.as_slice().into() }
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        self.meta.stride() + size_of::<i32>()
    }

    fn bytes_per_query(&self) -> usize {
        self.axes.size()
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        let meta = self.meta;
        debug_assert_eq!(query.len(), meta.dim, "query dimension");
        let first = meta.split().0;
        match meta.metric {
            Metric::InnerProduct => {
                // Products with the rows' distances from their centre.
                self.axes.project(query, &vec![0.0; meta.dim], &mut out.projected);
                let (wide, narrow) = out.projected.values.split_at(first);
                let widest = |values: &[f32]| max_abs(values.iter().copied());
                let unit = (widest(wide) / 8.0).max(widest(narrow)).min(f32::MAX) / 127.0;
                out.unit = if unit.is_normal() { unit } else { 1.0 };
                let pairs = query.iter().zip(&*self.center);
                let dot: f64 = pairs.map(|(&q, &c)| f64::from(q) * f64::from(c)).sum();
                (out.offset, out.coarse) = (-dot as f32, 0);
                out.fill(meta, 1.0 / out.unit);
            }
            Metric::L2 | Metric::Cosine => {
                self.axes.project(query, &self.center, &mut out.projected);
                let values = &out.projected.values;
                let unit = meta.step / 8.0;
                out.coarse = coarseness(meta.axes.max(1), 127.0, |limit| {
                    let steps = values.iter().enumerate().map(|(at, x)| {
                        let unit = if at < first { meta.step } else { unit };
                        (x.abs() / unit - limit).max(0.0)
                    });
                    steps.map(|far| far * far).sum()
                });
                let pairs = query.iter().zip(&*self.center);
                let whole: f64 = pairs.map(|(q, c)| f64::from(q - c).powi(2)).sum();
                out.offset = (whole - squared_norm(values)).max(0.0) as f32;
                out.fill(meta, 1.0 / (unit * f32::powi(2.0, out.coarse as i32)));
            }
        }
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        let unit = self.meta.step / 8.0;
        let [wide, narrow] = query.sums;
        let affine = match self.meta.metric {
            Metric::InnerProduct => {
                let bias = (8192 * wide).wrapping_add(60 * narrow);
                Affine::dot(bias, 3, unit * query.unit, query.offset)
            }
            Metric::L2 | Metric::Cosine => {
                let bias = (16_384 * wide).wrapping_add(120 * narrow);
                Affine::l2(bias, query.norm, 4, unit, query.coarse).beyond(query.offset)
            }
        };
        let (rows, bias, stride) = (&*self.rows, &*self.bias, self.meta.stride());
        let bytes = self.meta.bytes * LINE;
        LeanScorer { isa, rows, bias, stride, bytes, query: &query.codes, affine }
    }

    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(DecodedSpace::new(self, self.meta.metric))
    }

    fn decode(&self, id: u32, out: &mut [f32]) {
        let stride = self.meta.stride();
        let (row, packed) =
            self.rows[id as usize * stride..][..stride].split_at(self.meta.bytes * LINE);
        let (first, count) = self.meta.split();
        let half = packed.len();
        out.copy_from_slice(&self.center);
        for (axis, floats) in self.axes.floats().chunks(self.meta.dim).enumerate().take(count) {
            let steps = match axis.checked_sub(first) {
                None => f32::from((row[axis] ^ 128) as i8),
                Some(at) if at < half => f32::from(value(packed[at] & 15)) / 8.0,
                Some(at) => f32::from(value(packed[at - half] >> 4)) / 8.0,
            };
            for (out, x) in out.iter_mut().zip(floats) {
                *out += steps * self.meta.step * x;
            }
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        let mut arrays = vec![
            ("rows", self.rows.as_bytes()),
            ("bias", self.bias.as_bytes()),
            ("center", self.center.as_bytes()),
        ];
        arrays.extend(self.axes.arrays());
        (self.meta, arrays)
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let LeanMeta { len, dim, axes, bytes, halves, step, .. } = meta;
        check_size(len, dim)?;
        let fits = dim <= MAX_DIM && axes <= dim && axes <= MOST_AXES;
        let fits = fits && bytes <= MOST_BYTES && halves <= MOST_AXES / LINE;
        let room = (bytes + 2 * halves).saturating_mul(LINE);
        if !fits || bytes + halves == 0 || axes > room || !(step.is_normal() && step > 0.0) {
            let why = format!("{axes} axes in {bytes} and {halves} lines, step {step}");
            return Err(invalid("meta", why));
        }
        let rows = arrays.take("rows", checked_area("rows", len, meta.stride())?)?;
        let bias = arrays.take("bias", len)?;
        let center = arrays.take("center", dim)?;
        let axes = Axes::from_arrays(axes, dim, arrays)?;
        Ok(Self { meta, axes, rows, bias, center })
    }
}

/// Integers of a query against rows of bytes and half bytes.
#[derive(Clone, Copy, Debug)]
pub struct LeanScorer<'a, I> {
    isa: I,
    rows: &'a [u8],
    bias: &'a [i32],
    stride: usize,
    /// Where the bytes of a row end and the halves begin.
    bytes: usize,
    query: &'a [i8],
    affine: Affine,
}

impl<I: Isa> Batched for LeanScorer<'_, I> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let (mut bytes, mut halves) = ([self.rows; N], [self.rows; N]);
        let mut biases = [0; N];
        let each = bytes.iter_mut().zip(&mut halves).zip(&mut biases);
        for (((bytes, halves), bias), &id) in each.zip(&ids) {
            let row = &self.rows[id as usize * self.stride..][..self.stride];
            (*bytes, *halves) = row.split_at(self.bytes);
            *bias = self.bias[id as usize];
        }
        let (wide, narrow) = self.query.split_at(self.bytes);
        let mut dots = self.isa.dot_u4_i8_rows(halves, narrow);
        for (dot, wide) in dots.iter_mut().zip(self.isa.dot_u8_i8_rows(bytes, wide)) {
            *dot = dot.wrapping_add(wide << 3);
        }
        self.affine.keys(biases, dots)
    }
}

impl<I: Isa> Scorer for LeanScorer<'_, I> {
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
