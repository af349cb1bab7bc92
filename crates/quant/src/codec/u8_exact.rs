//! `u8-exact@1`: integers 0..255 as they are.
//!
//! SIFT and image data are integers already, so a byte per dimension is lossless and the squared
//! L2 distance to an integer query is exact; nothing has to be rescored. The rows share the scorer
//! of [`bytes`](super::bytes) with `v = x - 128`. A query that is not integer is rounded, one
//! from outside gets a coarser step; under the inner product it has a step of its own.

use super::{
    augmentation,
    bytes::{ByteQuery, ByteRows, ByteScorer},
    check_size, coarseness, max_abs, to_i8,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Space, Unsuitable},
    isa::Isa,
    metric::Metric,
    vectors::Vectors,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The most dimensions: `2 * 255^2 * 16,384 < 2^31`, distance and augmentation together.
const MAX_DIM: usize = 16_384;

/// Vectors of integers 0..255, lossless.
pub struct U8Exact {
    meta: U8ExactMeta,
    rows: ByteRows,
    /// Under the inner product, each row's extra coordinate, rounded; else empty.
    augment: Buffer<i32>,
}

/// What [`U8Exact`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct U8ExactMeta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
}

/// A query of [`U8Exact`].
#[derive(Debug, Default)]
pub struct U8ExactQuery {
    bytes: ByteQuery,
    /// Step of the query's codes under the inner product.
    scale: f32,
    /// How many times the step 1 was doubled to hold the query, under L2.
    coarse: u32,
}

/// The integer nearest to `value`, clipped to `0..=255`, less 128. The rounding is that of
/// [`to_i8`].
#[inline(always)]
fn to_centred(value: f32) -> i8 {
    const MAGIC: f32 = 12_582_912.0;
    ((value.clamp(0.0, 255.0) + MAGIC).to_bits() as u8 ^ 0x80) as i8
}

fn is_byte(value: f32) -> bool {
    f32::from(value as u8) == value
}

impl U8Exact {
    /// Whether every value is an integer in `0..=255` and there are not too many dimensions.
    pub fn applies(vectors: &Vectors) -> bool {
        vectors.dim() <= MAX_DIM && vectors.as_slice().par_iter().all(|&value| is_byte(value))
    }
}

impl Codes for U8Exact {
    type Query = U8ExactQuery;
    type Scorer<'a, I: Isa> = ByteScorer<'a, I>;
    type Meta = U8ExactMeta;
    const VERSION: &'static str = "u8-exact@1";
    const LOSSLESS: bool = true;

    fn check(vectors: &Vectors, _metric: Metric) -> Result<(), Unsuitable> {
        if vectors.dim() > MAX_DIM {
            return Err(Unsuitable::Dimensions { dim: vectors.dim(), max: MAX_DIM });
        }
        let values = vectors.as_slice();
        match values.par_iter().position_first(|&value| !is_byte(value)) {
            Some(at) => Err(Unsuitable::NotAByte {
                row: at / vectors.dim(),
                dim: at % vectors.dim(),
                value: values[at],
            }),
            None => Ok(()),
        }
    }

    /// Values that [`check`](Codes::check) would refuse are rounded and clipped.
    fn train(vectors: &Vectors, metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let rows = ByteRows::encode(len, dim, |row, out| {
            for (code, &value) in out.iter_mut().zip(vectors.row(row)) {
                *code = to_centred(value);
            }
        });
        let augment = match metric {
            Metric::InnerProduct => {
                augmentation(vectors).into_iter().map(|w| w.round_ties_even() as i32).collect()
            }
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Self { meta: U8ExactMeta { metric, len, dim }, rows, augment }
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
        debug_assert_eq!(query.len(), self.meta.dim, "query dimension");
        match self.meta.metric {
            Metric::InnerProduct => {
                let step = max_abs(query.iter().copied()) / 127.0;
                out.scale = if step.is_normal() { step } else { 1.0 };
                out.bytes.encode(query.len(), |codes| {
                    for (code, &q) in codes.iter_mut().zip(query) {
                        *code = to_i8(q / out.scale, 127.0);
                    }
                });
            }
            Metric::L2 | Metric::Cosine => {
                let beyond = |q: f32, limit: f32| (q - 128.0).abs() - limit;
                out.coarse = coarseness(query.len(), 128.0, |limit| {
                    query.iter().map(|&q| beyond(q, limit).max(0.0)).map(|far| far * far).sum()
                });
                let per_step = f32::powi(0.5, out.coarse as i32);
                out.bytes.encode(query.len(), |codes| {
                    for (code, &q) in codes.iter_mut().zip(query) {
                        *code = match out.coarse {
                            0 => to_centred(q),
                            _ => to_i8((q - 128.0) * per_step, 127.0),
                        };
                    }
                });
            }
        }
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        match self.meta.metric {
            Metric::InnerProduct => self.rows.unsigned_dot_scorer(isa, &query.bytes, query.scale),
            Metric::L2 | Metric::Cosine => {
                self.rows.l2_scorer(isa, &query.bytes, 1.0, query.coarse)
            }
        }
    }

    fn space(&self) -> Box<dyn Space + '_> {
        self.rows.space(&self.augment)
    }

    fn decode(&self, id: u32, out: &mut [f32]) {
        for (out, &byte) in out.iter_mut().zip(self.rows.row(id)) {
            *out = f32::from(byte);
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        let mut arrays = self.rows.arrays();
        if self.meta.metric == Metric::InnerProduct {
            arrays.push(("augment", self.augment.as_bytes()));
        }
        (self.meta, arrays)
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let U8ExactMeta { metric, len, dim } = meta;
        check_size(len, dim)?;
        let rows = ByteRows::from_arrays(len, dim, arrays)?;
        let augment = match metric {
            Metric::InnerProduct => arrays.take("augment", len)?,
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Ok(Self { meta, rows, augment })
    }
}
