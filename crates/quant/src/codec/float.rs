//! `float@1`: the vectors as they are; `half@1`: the same in half the bytes.
//!
//! One generic codec over the element of a row. Queries stay `f32`; an `f16` row is widened in
//! registers (VCVTPH2PS), with 11 significant bits per value and a largest value of 65,504.

use super::{
    augmentation,
    batch::{Batched, float_keys, in_batches_ahead, keys_in_batches},
    check_size, checked_area,
};
use crate::{
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Scorer, Space, Unsuitable},
    isa::{self, Element, Isa, Level, OnIsa},
    key,
    metric::Metric,
    vectors::Vectors,
};
use half::f16;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Values to whose multiples rows and queries are padded: a cache line of `f32`. An `f16` row may
/// end in the middle of a line.
const LINE: usize = super::LINE / size_of::<f32>();

/// How many rows one kernel call measures.
const BATCH: usize = 4;

/// Vectors as `f32`.
pub type Float = FloatRows<f32>;

/// Vectors as `f16`.
pub type Half = FloatRows<f16>;

/// Vectors as floats of type `T`, rows zero-padded to multiples of 16 values.
pub struct FloatRows<T> {
    meta: FloatMeta,
    rows: Buffer<T>,
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

impl<T: Element> FloatRows<T> {
    fn stride(&self) -> usize {
        self.meta.dim.next_multiple_of(LINE)
    }

    fn row(&self, id: u32) -> &[T] {
        &self.rows[id as usize * self.stride()..][..self.stride()]
    }
}

impl<T: Element> Codes for FloatRows<T> {
    type Query = FloatQuery;
    type Scorer<'a, I: Isa> = FloatScorer<'a, I, T>;
    type Meta = FloatMeta;
    const VERSION: &'static str = if size_of::<T>() == 2 { "half@1" } else { "float@1" };

    fn check(vectors: &Vectors, _metric: Metric) -> Result<(), Unsuitable> {
        let values = vectors.as_slice();
        match values.par_iter().position_first(|value| value.abs() > T::MAX) {
            Some(at) => Err(Unsuitable::TooLarge {
                row: at / vectors.dim(),
                dim: at % vectors.dim(),
                value: values[at],
            }),
            None => Ok(()),
        }
    }

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let stride = dim.next_multiple_of(LINE);
        // Rows that are whole lines already are taken as they are, without a copy.
        let same = size_of::<T>() == size_of::<f32>() && stride == dim;
        let taken =
            vectors.buffer().owned().filter(|_| same).and_then(|own| own.reinterpret().ok());
        let rows = taken.unwrap_or_else(|| {
            let mut rows = Buffer::<T>::zeroed(len * stride);
            let out = rows.make_mut().par_chunks_mut(stride);
            out.zip(vectors.as_slice().par_chunks(dim)).for_each(|(out, row)| {
                for (value, &x) in out.iter_mut().zip(row) {
                    *value = T::of(x);
                }
            });
            rows
        });
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
        self.stride() * size_of::<T>()
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
        for (out, &value) in out.iter_mut().zip(self.row(id)) {
            *out = value.widen();
        }
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

impl Float {
    /// No rows yet, for rows that come and go: see [`refill`](Self::refill). They can be measured
    /// against queries, but under the inner product they are no [`space`](Codes::space).
    pub fn vacant(metric: Metric, dim: usize) -> Self {
        let meta = FloatMeta { metric, len: 0, dim };
        Self { meta, rows: Buffer::default(), augment: Buffer::default() }
    }

    /// Forgets all rows and makes room for `len` others, which the caller writes: each of the
    /// dimension rounded up to 16, the rest zeroes, as they are in the array `rows` of
    /// [`parts`](Codes::parts). Allocates only when there were never as many.
    pub fn refill(&mut self, len: usize) -> &mut [f32] {
        self.meta.len = len;
        let values = len * self.stride();
        if self.rows.len() < values {
            self.rows = Buffer::zeroed(values);
        }
        self.augment = Buffer::default();
        &mut self.rows.make_mut()[..values]
    }
}

/// A float query against float rows.
#[derive(Clone, Copy, Debug)]
pub struct FloatScorer<'a, I, T = f32> {
    isa: I,
    rows: &'a [T],
    stride: usize,
    query: &'a [f32],
    /// Whether to score `-<q, x>` instead of the squared L2 distance.
    dot: bool,
}

impl<I: Isa, T: Element> Batched for FloatScorer<'_, I, T> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut rows = [self.rows; N];
        for (row, &id) in rows.iter_mut().zip(&ids) {
            *row = &self.rows[id as usize * self.stride..][..self.stride];
        }
        let mut keys = [0; N];
        if self.dot {
            for (key, dot) in keys.iter_mut().zip(T::dots(self.isa, rows, self.query)) {
                *key = key::from_f32(-dot);
            }
        } else {
            for (key, l2) in keys.iter_mut().zip(T::l2(self.isa, rows, self.query)) {
                *key = key::from_f32(l2);
            }
        }
        keys
    }
}

impl<I: Isa, T: Element> Scorer for FloatScorer<'_, I, T> {
    keys_in_batches!(BATCH);

    #[inline(always)]
    fn prefetch(&self, id: u32, lines: usize) {
        for line in 0..lines {
            self.isa.prefetch(
                self.rows,
                id as usize * self.stride + line * (super::LINE / size_of::<T>()),
            );
        }
    }

    #[inline(always)]
    fn lines(&self) -> usize {
        (self.stride * size_of::<T>()).div_ceil(super::LINE)
    }

    float_keys!();
}

pub(super) struct FloatSpace<'a, T> {
    pub(super) codes: &'a FloatRows<T>,
}

/// One row measured against many.
struct Measure<'a, T> {
    codes: &'a FloatRows<T>,
    query: &'a FloatQuery,
    to: &'a [u32],
    keys: &'a mut [u32],
}

impl<T: Element> OnIsa for Measure<'_, T> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let scorer = FloatScorer {
            isa,
            rows: &self.codes.rows,
            stride: self.codes.stride(),
            query: &self.query.values,
            dot: false,
        };
        in_batches_ahead::<BATCH>(&scorer, self.to, self.keys);
    }
}

impl<T: Element> Space for FloatSpace<'_, T> {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]) {
        thread_local! {
            static QUERY: RefCell<FloatQuery> = RefCell::default();
        }
        QUERY.with_borrow_mut(|query| {
            let row = self.codes.row(from);
            if query.values.len() != row.len() {
                query.values = Buffer::zeroed(row.len());
            }
            for (value, x) in query.values.make_mut().iter_mut().zip(row) {
                *value = x.widen();
            }
            let measure = Measure { codes: self.codes, query, to, keys: &mut *keys };
            isa::dispatch(Level::current(), measure);
        });
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
}
