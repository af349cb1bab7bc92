//! `int4@1`: 4 bits per dimension with one step for all, centred, against an int8 query.
//!
//! In units of `t`, an eighth of a document's step, a code `n` in `0..=15` stands for
//! `v = 8 n - 60` and a query has integers `w` in `-127..=127`: eight times finer and twice as wide, so
//! that the query adds next to nothing to the error. Everything is an integer:
//!
//! ```text
//! |v - w|^2 = |v|^2 + (|w|^2 + 120 sum w) - 16 dot      dot = sum n_i w_i
//!  -<v, w>  =          (60 sum w)         -  8 dot
//! ```
//!
//! The step is the one that minimises the squared error on a sample: clipping a few outliers buys
//! a finer step for the rest. A row's error `e = x - v t` is not lost: `|v t - q|^2` exceeds
//! `|x - q|^2` by `|e|^2` on average (by `|e|^2 - 2 <e, q - x>`, and `q - x` has no reason to point along `e`),
//! so the row's bias is `|v|^2 - |e|^2 / t^2`. Without it clipped rows seem too far away.
//!
//! Byte `j` of a row of `L` bytes holds dimension `j` in its low nibble and `L + j` in its high one.

use super::{
    LINE, augmentation,
    batch::{Batched, in_batches_ahead, keys_in_batches},
    bytes::{Affine, add_augmentation},
    check_size, checked_area, coarseness, invalid, max_abs, mean, power, to_i8,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Scorer, Space, Unsuitable},
    isa::{self, Isa, Level, OnIsa},
    key,
    metric::Metric,
    vectors::Vectors,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// How many rows one kernel call measures.
const BATCH: usize = 8;

/// The most dimensions: `(2 * 60)^2 * 65,536 < 2^30`.
const MAX_DIM: usize = 65_536;

/// How many rows the step is fitted to.
const SAMPLE: usize = 4096;

/// Vectors as centred 4-bit codes on one scale.
pub struct Int4 {
    meta: Int4Meta,
    rows: Buffer<u8>,
    /// `|v|^2 - |e|^2` of each row, in units of `t^2`.
    bias: Buffer<i32>,
    /// `|v|^2` of each row.
    norms: Buffer<i32>,
    center: Buffer<f32>,
    /// Under the inner product, each row's extra coordinate in units of `t`; else empty.
    augment: Buffer<i32>,
}

/// What [`Int4`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Int4Meta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
    /// The unit `t`: an eighth of the step between neighbouring codes.
    pub unit: f32,
}

/// A query of [`Int4`].
#[derive(Debug, Default)]
pub struct Int4Query {
    codes: Buffer<i8>,
    sum: i32,
    norm: i32,
    /// The unit of the query's codes under the inner product.
    unit: f32,
    /// How many times the rows' unit was doubled to hold the query, under L2.
    coarse: u32,
    /// `-<q, c>` under the inner product.
    offset: f32,
}

impl Int4Query {
    /// Fills the two halves of `2 * stride` integers, zero beyond `dim`.
    fn fill(&mut self, dim: usize, integers: impl Iterator<Item = i8>) {
        let len = 2 * stride(dim);
        if self.codes.len() != len {
            self.codes = Buffer::zeroed(len);
        }
        let codes = self.codes.make_mut();
        for (code, integer) in codes[..dim].iter_mut().zip(integers) {
            *code = integer;
        }
        codes[dim..].fill(0);
        self.sum = codes.iter().map(|&w| i32::from(w)).sum();
        self.norm = codes.iter().map(|&w| i32::from(w) * i32::from(w)).sum();
    }

    fn encode(&mut self, query: &[f32], integer: impl Fn(f32, f32) -> i8, center: &[f32]) {
        self.fill(query.len(), query.iter().zip(center).map(|(&q, &c)| integer(q, c)));
    }
}

/// Bytes of a row: a power of two within a line, else whole lines.
fn stride(dim: usize) -> usize {
    let bytes = dim.div_ceil(2);
    if bytes <= LINE { bytes.next_power_of_two() } else { bytes.next_multiple_of(LINE) }
}

/// The largest query integer: 127, less where `(60 + L)^2 d` would exceed 2^30.
fn query_limit(dim: usize) -> f32 {
    (((1u64 << 30) as f64 / dim as f64).sqrt() - 60.0).floor().clamp(60.0, 127.0) as f32
}

/// The code of a centred value `x`: the `n` whose `8 n - 60` is nearest to `x / t`.
#[inline(always)]
pub(super) fn code(x: f32, per_step: f32) -> u8 {
    // Rounds to even as `to_i8` does.
    const MAGIC: f32 = 12_582_912.0;
    ((x * per_step + 7.5).clamp(0.0, 15.0) + MAGIC).to_bits() as u8 & 15
}

/// What a code stands for, in units of `t`.
#[inline(always)]
pub(super) fn value(code: u8) -> i8 {
    code as i8 * 8 - 60
}

/// The unit that minimises the squared error of a sample of rows. Deterministic: a fixed sample, a
/// fixed grid, sums in a fixed order.
fn fit(vectors: &Vectors, center: &[f32]) -> f32 {
    let every = vectors.len().div_ceil(SAMPLE).max(1);
    let residuals: Vec<f32> = (0..vectors.len())
        .step_by(every)
        .flat_map(|row| vectors.row(row).iter().zip(center).map(|(x, c)| x - c))
        .collect();
    let max = max_abs(residuals.iter().copied()).min(f32::MAX);
    let sum: f64 = residuals.iter().map(|&x| f64::from(x / max) * f64::from(x / max)).sum();
    let rms = max * (sum / residuals.len().max(1) as f64).sqrt() as f32;
    if !(rms / 64.0).is_normal() {
        return 1.0;
    }
    // Steps from 0.1 to 2.6 standard deviations: 0.217 is right for a uniform distribution, 0.335
    // for a normal one, more for heavier tails.
    let errors: Vec<(f64, f32)> = (0..56u32)
        .into_par_iter()
        .map(|i| {
            let step = rms * 0.1 * power(1.06, i);
            let per_step = 1.0 / step;
            let error = |&x: &f32| {
                let apart = x * per_step - (f32::from(code(x, per_step)) - 7.5);
                apart * apart
            };
            let rows = residuals.chunks(center.len());
            let sum: f64 = rows.map(|row| f64::from(row.iter().map(error).sum::<f32>())).sum();
            (sum * f64::from(step) * f64::from(step), step)
        })
        .collect();
    let best = errors.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(1.0, |(_, step)| step / 8.0)
}

impl Int4 {
    fn row(&self, id: u32) -> &[u8] {
        let stride = stride(self.meta.dim);
        &self.rows[id as usize * stride..][..stride]
    }

    /// The code of dimension `i` in a row.
    fn code(row: &[u8], i: usize) -> u8 {
        if i < row.len() { row[i] & 15 } else { row[i - row.len()] >> 4 }
    }
}

impl Codes for Int4 {
    type Query = Int4Query;
    type Scorer<'a, I: Isa> = Int4Scorer<'a, I>;
    type Meta = Int4Meta;
    const VERSION: &'static str = "int4@1";

    fn check(vectors: &Vectors, _metric: Metric) -> Result<(), Unsuitable> {
        match vectors.dim() {
            dim if dim > MAX_DIM => Err(Unsuitable::Dimensions { dim, max: MAX_DIM }),
            _ => Ok(()),
        }
    }

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let stride = stride(dim);
        let center = mean(vectors);
        let unit = fit(vectors, &center);
        let mut rows = Buffer::<u8>::zeroed(len * stride);
        let (mut bias, mut norms) = (Buffer::<i32>::zeroed(len), Buffer::<i32>::zeroed(len));
        rows.make_mut()
            .par_chunks_mut(stride)
            .zip(bias.make_mut().par_iter_mut().zip(norms.make_mut()))
            .zip(vectors.as_slice().par_chunks(dim))
            .for_each(|((out, (bias, norm)), row)| {
                let per_step = 1.0 / (8.0 * unit);
                let mut error = 0.0f64;
                for (i, (&x, &c)) in row.iter().zip(&center).enumerate() {
                    let code = code(x - c, per_step);
                    let (byte, shift) = if i < stride { (i, 0) } else { (i - stride, 4) };
                    out[byte] |= code << shift;
                    let v = i32::from(value(code));
                    *norm += v * v;
                    let apart = f64::from((x - c) / unit) - f64::from(v);
                    error += apart * apart;
                }
                // The cast saturates; the subtraction may wrap for absurd outliers only.
                *bias = norm.saturating_sub(error.round() as i32);
            });
        let augment = match metric {
            Metric::InnerProduct => {
                let units = |w: f32| (w / unit).round_ties_even().min(32_767.0) as i32;
                augmentation(vectors).into_iter().map(units).collect()
            }
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        let meta = Int4Meta { metric, len, dim, unit };
        Self { meta, rows, bias, norms, center: center.as_slice().into(), augment }
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        stride(self.meta.dim) + size_of::<i32>()
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        let Int4Meta { metric, dim, unit, .. } = self.meta;
        debug_assert_eq!(query.len(), dim, "query dimension");
        let limit = query_limit(dim);
        match metric {
            Metric::InnerProduct => {
                let step = max_abs(query.iter().copied()) / limit;
                out.unit = if step.is_normal() { step } else { 1.0 };
                let pairs = query.iter().zip(&*self.center);
                let dot: f64 = pairs.map(|(&q, &c)| f64::from(q) * f64::from(c)).sum();
                out.offset = -dot as f32;
                let per_unit = 1.0 / out.unit;
                out.encode(query, |q, _| to_i8(q * per_unit, limit), &self.center);
            }
            Metric::L2 | Metric::Cosine => {
                out.coarse = coarseness(dim, limit, |limit| {
                    let pairs = query.iter().zip(&*self.center);
                    let beyond = pairs.map(|(&q, &c)| (((q - c) / unit).abs() - limit).max(0.0));
                    beyond.map(|far| far * far).sum()
                });
                let per_unit = 1.0 / (unit * f32::powi(2.0, out.coarse as i32));
                out.encode(query, |q, c| to_i8((q - c) * per_unit, limit), &self.center);
            }
        }
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        let affine = match self.meta.metric {
            Metric::InnerProduct => {
                Affine::dot(60 * query.sum, 3, self.meta.unit * query.unit, query.offset)
            }
            Metric::L2 | Metric::Cosine => {
                Affine::l2(120 * query.sum, query.norm, 4, self.meta.unit, query.coarse)
            }
        };
        let (rows, bias, stride) = (&*self.rows, &*self.bias, stride(self.meta.dim));
        Int4Scorer { isa, rows, bias, stride, query: &query.codes, affine }
    }

    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(Int4Space { codes: self })
    }

    fn decode(&self, id: u32, out: &mut [f32]) {
        let row = self.row(id);
        for (i, (out, &c)) in out.iter_mut().zip(&*self.center).enumerate() {
            *out = f32::from(value(Self::code(row, i))) * self.meta.unit + c;
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        let mut arrays = vec![
            ("rows", self.rows.as_bytes()),
            ("bias", self.bias.as_bytes()),
            ("norms", self.norms.as_bytes()),
            ("center", self.center.as_bytes()),
        ];
        if self.meta.metric == Metric::InnerProduct {
            arrays.push(("augment", self.augment.as_bytes()));
        }
        (self.meta, arrays)
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let Int4Meta { metric, len, dim, unit } = meta;
        check_size(len, dim)?;
        if dim > MAX_DIM || !(unit.is_normal() && unit > 0.0) {
            return Err(invalid("meta", format!("{dim} dimensions, unit {unit}")));
        }
        let rows = arrays.take("rows", checked_area("rows", len, stride(dim))?)?;
        let bias = arrays.take("bias", len)?;
        let norms = arrays.take("norms", len)?;
        let center = arrays.take("center", dim)?;
        let augment = match metric {
            Metric::InnerProduct => arrays.take("augment", len)?,
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Ok(Self { meta, rows, bias, norms, center, augment })
    }
}

/// An int8 query against 4-bit rows.
#[derive(Clone, Copy, Debug)]
pub struct Int4Scorer<'a, I> {
    isa: I,
    rows: &'a [u8],
    bias: &'a [i32],
    stride: usize,
    query: &'a [i8],
    affine: Affine,
}

impl<I: Isa> Batched for Int4Scorer<'_, I> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut rows = [self.rows; N];
        let mut biases = [0; N];
        for ((row, bias), &id) in rows.iter_mut().zip(&mut biases).zip(&ids) {
            *row = &self.rows[id as usize * self.stride..][..self.stride];
            *bias = self.bias[id as usize];
        }
        self.affine.keys(biases, self.isa.dot_u4_i8_rows(rows, self.query))
    }
}

impl<I: Isa> Scorer for Int4Scorer<'_, I> {
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
        self.stride.div_ceil(LINE)
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

struct Int4Space<'a> {
    codes: &'a Int4,
}

/// One row measured against many.
struct Measure<'a> {
    codes: &'a Int4,
    query: &'a Int4Query,
    to: &'a [u32],
    keys: &'a mut [u32],
}

impl OnIsa for Measure<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let (codes, query) = (self.codes, self.query);
        let scorer = Int4Scorer {
            isa,
            rows: &codes.rows,
            bias: &codes.norms,
            stride: stride(codes.meta.dim),
            query: &query.codes,
            affine: Affine::l2(120 * query.sum, query.norm, 4, 1.0, 0),
        };
        in_batches_ahead::<BATCH>(&scorer, self.to, self.keys);
    }
}

/// Distances between the codes as they stand, `|v - w|^2` in units of `t^2`.
impl Space for Int4Space<'_> {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]) {
        thread_local! {
            static QUERY: RefCell<Int4Query> = RefCell::default();
        }
        let codes = self.codes;
        QUERY.with_borrow_mut(|query| {
            let row = codes.row(from);
            query.fill(codes.meta.dim, (0..codes.meta.dim).map(|i| value(Int4::code(row, i))));
            let measure = Measure { codes, query, to, keys: &mut *keys };
            isa::dispatch(Level::current(), measure);
        });
        add_augmentation(&codes.augment, from, to, keys);
    }

    fn value(&self, key: u32) -> f64 {
        f64::from(key::to_i32(key))
    }
}
