//! `int8-maxabs@1`: int8 with a step per vector, as the record's baseline has it; `int8-fixed@1`: with
//! the fixed step 1/127 that it shipped.
//!
//! `v_i = round(127 x_i / max |x|)`, decoded as `s v` with `s = max |x| / 127`; documents and queries
//! alike. The dot product of the codes is an exact integer; distances are
//! `(s^2 |v|^2 + t^2 |w|^2) - 2 s t <v, w>` or `-s t <v, w>` for a query `t w`.
//!
//! The fixed step suits vectors of unit length and clips values beyond 1; a 384-dimensional unit vector
//! has values around 0.05 and so uses some 13 of the 255 codes.

use super::{
    augmentation,
    batch::{Batched, float_keys, in_batches_ahead, keys_in_batches},
    bytes::{ByteQuery, ByteRows, ByteScorer},
    check_size, max_abs, to_i8,
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
use std::cell::RefCell;

/// How many rows one kernel call measures.
const BATCH: usize = 8;

/// The largest code.
const LIMIT: f32 = 127.0;

/// Vectors as bytes, each with its own step.
pub type Int8MaxAbs = Int8<false>;

/// Vectors as bytes with the step 1/127.
pub type Int8Fixed = Int8<true>;

/// Vectors as bytes with a step for each, or the step 1/127 for all when `FIXED`.
pub struct Int8<const FIXED: bool> {
    meta: Int8MaxAbsMeta,
    rows: ByteRows,
    /// The step of each row.
    scales: Buffer<f32>,
    /// Under the inner product, each row's extra coordinate; else empty.
    augment: Buffer<f32>,
}

/// What [`Int8MaxAbs`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Int8MaxAbsMeta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
}

/// A query of [`Int8MaxAbs`].
#[derive(Debug, Default)]
pub struct Int8MaxAbsQuery {
    bytes: ByteQuery,
    scale: f32,
}

/// The step of a vector; 1 for a vector of zeroes.
fn step<const FIXED: bool>(values: &[f32]) -> f32 {
    if FIXED {
        return 1.0 / LIMIT;
    }
    let step = max_abs(values.iter().copied()) / LIMIT;
    if step.is_normal() { step } else { 1.0 }
}

fn quantise(values: &[f32], step: f32, out: &mut [i8]) {
    for (code, &value) in out.iter_mut().zip(values) {
        *code = to_i8(value / step, LIMIT);
    }
}

impl<const FIXED: bool> Int8<FIXED> {
    #[inline(always)]
    fn measure<'a, I: Isa>(
        &'a self,
        isa: I,
        bytes: &'a ByteQuery,
        scale: f32,
        metric: Metric,
    ) -> Int8MaxAbsScorer<'a, I> {
        // The inner scorer's integer is -<v, w>; norms and steps are applied here.
        let norm = bytes.norm() as f32 * (scale * scale);
        let l2 = if metric == Metric::InnerProduct { 0.0 } else { 1.0 };
        Int8MaxAbsScorer {
            dots: self.rows.dot_scorer(isa, bytes, 1.0, 0.0),
            norms: self.rows.norms(),
            scales: &self.scales,
            scale,
            norm: norm * l2,
            l2,
        }
    }
}

impl<const FIXED: bool> Codes for Int8<FIXED> {
    type Query = Int8MaxAbsQuery;
    type Scorer<'a, I: Isa> = Int8MaxAbsScorer<'a, I>;
    type Meta = Int8MaxAbsMeta;
    const VERSION: &'static str = if FIXED { "int8-fixed@1" } else { "int8-maxabs@1" };

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let mut scales = Buffer::<f32>::zeroed(len);
        scales
            .make_mut()
            .par_iter_mut()
            .zip(vectors.as_slice().par_chunks(dim))
            .for_each(|(scale, row)| *scale = step::<FIXED>(row));
        let rows = ByteRows::encode(len, dim, |row, out| {
            quantise(vectors.row(row), scales[row], out);
        });
        let augment = match metric {
            Metric::InnerProduct => augmentation(vectors).as_slice().into(),
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Self { meta: Int8MaxAbsMeta { metric, len, dim }, rows, scales, augment }
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        self.rows.stride() + size_of::<i32>() + size_of::<f32>()
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        debug_assert_eq!(query.len(), self.meta.dim, "query dimension");
        out.scale = step::<FIXED>(query);
        out.bytes.encode(self.meta.dim, |codes| quantise(query, out.scale, codes));
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        self.measure(isa, &query.bytes, query.scale, self.meta.metric)
    }

    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(Int8MaxAbsSpace { codes: self })
    }

    fn decode(&self, id: u32, out: &mut [f32]) {
        let scale = self.scales[id as usize];
        for (out, &byte) in out.iter_mut().zip(self.rows.row(id)) {
            *out = f32::from(i16::from(byte) - 128) * scale;
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        let mut arrays = self.rows.arrays();
        arrays.push(("scales", self.scales.as_bytes()));
        if self.meta.metric == Metric::InnerProduct {
            arrays.push(("augment", self.augment.as_bytes()));
        }
        (self.meta, arrays)
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let Int8MaxAbsMeta { metric, len, dim } = meta;
        check_size(len, dim)?;
        let rows = ByteRows::from_arrays(len, dim, arrays)?;
        let scales = arrays.take("scales", len)?;
        let augment = match metric {
            Metric::InnerProduct => arrays.take("augment", len)?,
            Metric::L2 | Metric::Cosine => Buffer::default(),
        };
        Ok(Self { meta, rows, scales, augment })
    }
}

/// An int8 query against int8 rows, each with its own step.
#[derive(Clone, Copy, Debug)]
pub struct Int8MaxAbsScorer<'a, I> {
    dots: ByteScorer<'a, I>,
    norms: &'a [i32],
    scales: &'a [f32],
    /// Step of the query.
    scale: f32,
    /// Squared norm of the decoded query under L2, else 0.
    norm: f32,
    /// 1 under L2, 0 under the inner product.
    l2: f32,
}

impl<I: Isa> Batched for Int8MaxAbsScorer<'_, I> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut keys = self.dots.measure(ids);
        for (key, id) in keys.iter_mut().zip(ids) {
            let (step, dot) = (self.scales[id as usize], key::to_i32(*key) as f32);
            let cross = (1.0 + self.l2) * (self.scale * step) * dot;
            let norm = self.l2 * (step * step) * self.norms[id as usize] as f32;
            *key = key::from_f32((self.norm + norm) + cross);
        }
        keys
    }
}

impl<I: Isa> Scorer for Int8MaxAbsScorer<'_, I> {
    keys_in_batches!(BATCH);

    #[inline(always)]
    fn prefetch(&self, id: u32, lines: usize) {
        self.dots.prefetch(id, lines);
    }

    #[inline(always)]
    fn lines(&self) -> usize {
        self.dots.lines()
    }

    float_keys!();
}

struct Int8MaxAbsSpace<'a, const FIXED: bool> {
    codes: &'a Int8<FIXED>,
}

/// One row measured against many.
struct Measure<'a, const FIXED: bool> {
    codes: &'a Int8<FIXED>,
    from: u32,
    query: &'a mut ByteQuery,
    to: &'a [u32],
    keys: &'a mut [u32],
}

impl<const FIXED: bool> OnIsa for Measure<'_, FIXED> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        self.codes.rows.row_as_query(self.from, self.query);
        let scale = self.codes.scales[self.from as usize];
        let scorer = self.codes.measure(isa, self.query, scale, Metric::L2);
        in_batches_ahead::<BATCH>(&scorer, self.to, self.keys);
    }
}

impl<const FIXED: bool> Space for Int8MaxAbsSpace<'_, FIXED> {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]) {
        thread_local! {
            static QUERY: RefCell<ByteQuery> = RefCell::default();
        }
        let codes = self.codes;
        QUERY.with_borrow_mut(|query| {
            let measure = Measure { codes, from, query, to, keys: &mut *keys };
            isa::dispatch(Level::current(), measure);
        });
        if let Some(&own) = codes.augment.get(from as usize) {
            for (key, &id) in keys.iter_mut().zip(to) {
                let apart = codes.augment[id as usize] - own;
                *key = key::from_f32(key::to_f32(*key) + apart * apart);
            }
        }
    }

    fn value(&self, key: u32) -> f64 {
        f64::from(key::to_f32(key))
    }
}
