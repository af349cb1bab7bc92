//! `sq8@1`, `sq8@2`: int8 with one step for all dimensions, centred per dimension.
//!
//! `v_i = round((x_i - c_i) / s)` with the mean vector `c` and the step `s = max |x_i - c_i| / L`,
//! `L = 127`. `sq8@2` clips: it takes the size that one value in 100,000 exceeds for the largest, which makes the
//! step a fifth to a quarter finer on real data. Clipping 1 in 3,000 loses again; a bias for what is cut off, as in
//! `int4`, loses more. One step for all dimensions is what makes the distance an integer: `|x - y|^2` is
//! `s^2 |v - w|^2`, exact in `i32`. Centring costs nothing at search time, since it cancels in L2 and is
//! one constant per query under the inner product.
//!
//! Beyond 16,643 dimensions `L` shrinks so that `d (2 L)^2 <= 2^30`: distances always fit.

use super::{
    augmentation,
    bytes::{ByteQuery, ByteRows, ByteScorer},
    check_size, coarseness, invalid, max_abs, mean, to_i8,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Space},
    isa::Isa,
    metric::Metric,
    random,
    vectors::Vectors,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Vectors as centred bytes on one scale that holds every value.
pub type Sq8 = Sq<1>;

/// Vectors as centred bytes on one scale that clips one value in 100,000.
pub type Sq8Clipped = Sq<2>;

/// How many rows the clipped scale is learnt from.
const SAMPLE: usize = 16_384;

/// How many values go to one that is clipped.
const CLIPPED: usize = 100_000;

/// Vectors as centred bytes on one scale: [`Sq8`] or [`Sq8Clipped`].
pub struct Sq<const NUMBER: u32> {
    meta: Sq8Meta,
    rows: ByteRows,
    center: Buffer<f32>,
    /// Under the inner product, each row's extra coordinate in steps; else empty.
    augment: Buffer<i32>,
}

/// What [`Sq`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sq8Meta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
    /// The step between neighbouring codes, in the vectors' own units.
    pub scale: f32,
}

/// A query of [`Sq`].
#[derive(Debug, Default)]
pub struct Sq8Query {
    bytes: ByteQuery,
    /// Step of the query's codes under the inner product.
    scale: f32,
    /// How many times the rows' step was doubled to hold the query, under L2.
    coarse: u32,
    /// `-<q, c>` under the inner product.
    offset: f32,
}

/// The largest code: 127, less where `d (2 L)^2` would exceed 2^30.
fn limit(dim: usize) -> f32 {
    ((1u64 << 28) as f64 / dim as f64).sqrt().floor().clamp(1.0, 127.0) as f32
}

/// The step that maps `max` onto `limit`.
fn step(max: f32, limit: f32) -> f32 {
    let step = max.min(f32::MAX) / limit;
    if step.is_normal() { step } else { 1.0 }
}

/// Writes `round((x_i - c_i) / scale)`, ties to even, clipped to `+-limit`.
fn quantise(x: &[f32], center: &[f32], scale: f32, limit: f32, out: &mut [i8]) {
    let per_step = 1.0 / scale;
    for ((code, &x), &c) in out.iter_mut().zip(x).zip(center) {
        *code = to_i8((x - c) * per_step, limit);
    }
}

/// The sum of the squares of what lies beyond `limit` steps from the centre, in steps.
fn outside(x: &[f32], center: &[f32], scale: f32, limit: f32) -> f32 {
    let per_step = 1.0 / scale;
    let beyond = |(&x, &c): (&f32, &f32)| (((x - c) * per_step).abs() - limit).max(0.0);
    x.iter().zip(center).map(beyond).map(|far| far * far).sum()
}

/// The largest size of a value, or, where some are to be clipped, the size that one in 100,000 of
/// a sample exceeds.
fn spread(vectors: &Vectors, center: &[f32], clip: bool) -> f32 {
    let sizes =
        |row: &[f32]| -> Vec<f32> { row.iter().zip(center).map(|(x, c)| (x - c).abs()).collect() };
    let rows = vectors.as_slice().par_chunks(vectors.dim());
    if !clip {
        return rows.map(|row| max_abs(sizes(row).into_iter())).reduce(|| 0.0, f32::max);
    }
    let sample = random::sample(42, vectors.len(), SAMPLE);
    let rows = sample.into_par_iter().map(|id| vectors.row(id as usize));
    let mut sizes: Vec<f32> = rows.flat_map_iter(sizes).collect();
    let clipped = sizes.len() / CLIPPED;
    if sizes.is_empty() {
        return 0.0;
    }
    *sizes.select_nth_unstable_by(clipped, |a, b| b.total_cmp(a)).1
}

impl<const NUMBER: u32> Codes for Sq<NUMBER> {
    type Query = Sq8Query;
    type Scorer<'a, I: Isa> = ByteScorer<'a, I>;
    type Meta = Sq8Meta;
    const VERSION: &'static str = match NUMBER {
        1 => "sq8@1",
        2 => "sq8@2",
        _ => panic!("sq8@1 and sq8@2 are published"),
    };

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let center = mean(vectors);
        let scale = step(spread(vectors, &center, NUMBER > 1), limit(dim));
        let rows = ByteRows::encode(len, dim, |row, out| {
            quantise(vectors.row(row), &center, scale, limit(dim), out);
        });
        let augment = match metric {
            Metric::InnerProduct => {
                // 2^15 steps squared, plus the 2^30 of the codes, still fit an i32.
                let steps = |w: f32| (w / scale).round_ties_even().min(32_767.0) as i32;
                augmentation(vectors).into_iter().map(steps).collect()
            }
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        let meta = Sq8Meta { metric, len, dim, scale };
        Self { meta, rows, center: center.as_slice().into(), augment }
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        self.rows.stride() + size_of::<i32>()
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        let Sq8Meta { metric, dim, scale, .. } = self.meta;
        debug_assert_eq!(query.len(), dim, "query dimension");
        let Sq8Query { bytes, scale: query_scale, coarse, offset } = out;
        match metric {
            Metric::InnerProduct => {
                *query_scale = step(max_abs(query.iter().copied()), limit(dim));
                let dot =
                    query.iter().zip(&*self.center).map(|(&q, &c)| f64::from(q) * f64::from(c));
                *offset = -dot.sum::<f64>() as f32;
                let per_step = 1.0 / *query_scale;
                bytes.encode(dim, |codes| {
                    for (code, &q) in codes.iter_mut().zip(query) {
                        *code = to_i8(q * per_step, limit(dim));
                    }
                });
            }
            Metric::L2 | Metric::Cosine => {
                let limit = limit(dim);
                *coarse =
                    coarseness(dim, limit, |limit| outside(query, &self.center, scale, limit));
                let step = scale * f32::powi(2.0, *coarse as i32);
                bytes.encode(dim, |codes| quantise(query, &self.center, step, limit, codes));
            }
        }
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        let Sq8Query { bytes, scale, coarse, offset } = query;
        match self.meta.metric {
            Metric::InnerProduct => {
                self.rows.dot_scorer(isa, bytes, self.meta.scale * scale, *offset)
            }
            Metric::L2 | Metric::Cosine => {
                self.rows.l2_scorer(isa, bytes, self.meta.scale, *coarse)
            }
        }
    }

    fn space(&self) -> Box<dyn Space + '_> {
        self.rows.space(&self.augment)
    }

    fn decode(&self, id: u32, out: &mut [f32]) {
        for ((out, &byte), &c) in out.iter_mut().zip(self.rows.row(id)).zip(&*self.center) {
            *out = f32::from(i16::from(byte) - 128) * self.meta.scale + c;
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        let mut arrays = self.rows.arrays();
        arrays.push(("center", self.center.as_bytes()));
        if self.meta.metric == Metric::InnerProduct {
            arrays.push(("augment", self.augment.as_bytes()));
        }
        (self.meta, arrays)
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let Sq8Meta { metric, len, dim, scale } = meta;
        check_size(len, dim)?;
        if !(scale.is_normal() && scale > 0.0) {
            return Err(invalid("meta", format!("step {scale}")));
        }
        let rows = ByteRows::from_arrays(len, dim, arrays)?;
        let center = arrays.take("center", dim)?;
        let augment = match metric {
            Metric::InnerProduct => arrays.take("augment", len)?,
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Ok(Self { meta, rows, center, augment })
    }
}
