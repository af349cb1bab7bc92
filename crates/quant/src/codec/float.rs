//! `float@1`: the vectors as they are.

use super::{
    augmentation,
    batch::{Batched, in_batches, in_batches_ahead},
    check_size, checked_area,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Scorer, Space},
    isa::{self, Isa, Level, OnIsa},
    key,
    metric::Metric,
    vectors::Vectors,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Floats of a cache line.
const LINE: usize = super::LINE / size_of::<f32>();

/// How many rows one kernel call measures.
const BATCH: usize = 4;

/// Vectors as `f32`, rows zero-padded to whole cache lines.
pub struct Float {
    meta: FloatMeta,
    rows: Buffer<f32>,
    /// Under the inner product, each row's extra coordinate; else empty.
    augment: Buffer<f32>,
}

/// What [`Float`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloatMeta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
}

/// A query of [`Float`], zero-padded.
#[derive(Debug, Default)]
pub struct FloatQuery {
    values: Buffer<f32>,
}

impl Float {
    fn stride(&self) -> usize {
        self.meta.dim.next_multiple_of(LINE)
    }

    fn row(&self, id: u32) -> &[f32] {
        &self.rows[id as usize * self.stride()..][..self.stride()]
    }
}

impl Codes for Float {
    type Query = FloatQuery;
    type Scorer<'a, I: Isa> = FloatScorer<'a, I>;
    type Meta = FloatMeta;
    const VERSION: &'static str = "float@1";
    const INTEGER: bool = false;

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let stride = dim.next_multiple_of(LINE);
        let mut rows = Buffer::<f32>::zeroed(len * stride);
        rows.make_mut()
            .par_chunks_mut(stride)
            .zip(vectors.as_slice().par_chunks(dim))
            .for_each(|(out, row)| out[..dim].copy_from_slice(row));
        let augment = match metric {
            Metric::InnerProduct => augmentation(vectors).as_slice().into(),
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Self { meta: FloatMeta { metric, len, dim }, rows, augment }
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        self.stride() * size_of::<f32>()
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        debug_assert_eq!(query.len(), self.meta.dim, "query dimension");
        if out.values.len() != self.stride() {
            out.values = Buffer::zeroed(self.stride());
        }
        let values = out.values.make_mut();
        values[..query.len()].copy_from_slice(query);
        values[query.len()..].fill(0.0);
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        FloatScorer {
            isa,
            rows: &self.rows,
            stride: self.stride(),
            query: &query.values,
            dot: self.meta.metric == Metric::InnerProduct,
        }
    }

    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(FloatSpace { codes: self })
    }

    fn decode(&self, id: u32, out: &mut [f32]) {
        out.copy_from_slice(&self.row(id)[..self.meta.dim]);
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        let mut arrays = vec![("rows", self.rows.as_bytes())];
        if self.meta.metric == Metric::InnerProduct {
            arrays.push(("augment", self.augment.as_bytes()));
        }
        (self.meta, arrays)
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let FloatMeta { metric, len, dim } = meta;
        check_size(len, dim)?;
        let rows = arrays.take("rows", checked_area("rows", len, dim.next_multiple_of(LINE))?)?;
        let augment = match metric {
            Metric::InnerProduct => arrays.take("augment", len)?,
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Ok(Self { meta, rows, augment })
    }
}

/// A float query against float rows.
#[derive(Clone, Copy, Debug)]
pub struct FloatScorer<'a, I> {
    isa: I,
    rows: &'a [f32],
    stride: usize,
    query: &'a [f32],
    /// Whether to score `-<q, x>` instead of the squared L2 distance.
    dot: bool,
}

impl<I: Isa> Batched for FloatScorer<'_, I> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut rows = [self.rows; N];
        for (row, &id) in rows.iter_mut().zip(&ids) {
            *row = &self.rows[id as usize * self.stride..][..self.stride];
        }
        let mut keys = [0; N];
        if self.dot {
            for (key, dot) in keys.iter_mut().zip(self.isa.dot_f32_rows(rows, self.query)) {
                *key = key::from_f32(-dot);
            }
        } else {
            for (key, l2) in keys.iter_mut().zip(self.isa.l2_f32_rows(rows, self.query)) {
                *key = key::from_f32(l2);
            }
        }
        keys
    }
}

impl<I: Isa> Scorer for FloatScorer<'_, I> {
    #[inline(always)]
    fn key(&self, id: u32) -> u32 {
        let [key] = self.measure([id]);
        key
    }

    #[inline(always)]
    fn keys(&self, ids: &[u32], keys: &mut [u32]) {
        in_batches::<BATCH>(self, ids, keys);
    }

    #[inline(always)]
    fn prefetch(&self, id: u32, lines: usize) {
        for line in 0..lines {
            self.isa.prefetch(self.rows, id as usize * self.stride + line * LINE);
        }
    }

    #[inline(always)]
    fn lines(&self) -> usize {
        self.stride / LINE
    }

    #[inline(always)]
    fn distance(&self, key: u32) -> f32 {
        key::to_f32(key)
    }

    #[inline(always)]
    fn key_of(&self, distance: f32) -> u32 {
        key::from_f32(distance)
    }
}

pub(super) struct FloatSpace<'a> {
    pub(super) codes: &'a Float,
}

/// One row measured against many.
struct Measure<'a> {
    codes: &'a Float,
    from: u32,
    to: &'a [u32],
    keys: &'a mut [u32],
}

impl OnIsa for Measure<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let scorer = FloatScorer {
            isa,
            rows: &self.codes.rows,
            stride: self.codes.stride(),
            query: self.codes.row(self.from),
            dot: false,
        };
        in_batches_ahead::<BATCH>(&scorer, self.to, self.keys);
    }
}

impl Space for FloatSpace<'_> {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]) {
        let measure = Measure { codes: self.codes, from, to, keys: &mut *keys };
        isa::dispatch(Level::current(), measure);
        if let Some(&own) = self.codes.augment.get(from as usize) {
            for (key, &id) in keys.iter_mut().zip(to) {
                let apart = self.codes.augment[id as usize] - own;
                *key = key::from_f32(key::to_f32(*key) + apart * apart);
            }
        }
    }

    fn value(&self, key: u32) -> f64 {
        f64::from(key::to_f32(key))
    }

    fn is_integer(&self) -> bool {
        false
    }
}
