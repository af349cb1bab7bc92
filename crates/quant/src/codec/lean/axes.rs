//! Principal axes: the directions along which centred vectors spread most, widest first.
//!
//! The covariance of a sample, multiplied into as many random directions as axes are wanted, which are made orthogonal
//! after each multiplication (orthogonal iteration; Golub and Van Loan, *Matrix Computations*, 7.3.2). Neighbouring axes
//! of nearly the same spread may stay mixed, which costs nothing: what counts is the space of the first few.
//!
//! An axis is kept as bytes with a step of its own. Rows and queries go through the same bytes, so that rounding bends
//! the space a little instead of moving queries against rows; and reading them takes a query a quarter of what floats
//! would.

use crate::{
    buffer::Buffer,
    codec::{LINE, invalid, max_abs, to_i8},
    codes::{Arrays, PartsError},
    isa::{self, Isa, Level, OnIsa},
    random::{self, Random},
    vectors::Vectors,
};
use rayon::prelude::*;

/// Seed of the sample and of the first directions.
const SEED: u64 = 0x1EA7;

/// Rows that the covariance is learnt from.
const SAMPLE: usize = 8192;

/// How often directions are multiplied by the covariance.
const ROUNDS: usize = 10;

/// A direction of which so little of its size is left by those before it is none.
const VANISHED: f32 = 1e-5;

/// The byte that stands for zero.
const ZERO: u8 = 128;

/// Axes as bytes.
pub(super) struct Axes {
    dim: usize,
    /// One axis after the other, each padded to whole lines; 128 is zero.
    bytes: Buffer<u8>,
    /// The step of each axis.
    steps: Buffer<f32>,
}

/// A vector as bytes, to be projected.
#[derive(Debug, Default)]
pub(super) struct Projected {
    codes: Buffer<i8>,
    /// The coordinates.
    pub(super) values: Vec<f32>,
}

impl Axes {
    /// The `count` widest axes of `vectors` around `center`.
    pub(super) fn fit(vectors: &Vectors, center: &[f32], count: usize) -> Self {
        let dim = vectors.dim();
        let covariance = covariance(vectors, center);
        let mut axes: Vec<f32> = (0..count)
            .flat_map(|axis| {
                let mut random = Random::stream(SEED, 1, axis as u64);
                (0..dim).map(move |_| random.normal())
            })
            .collect();
        orthogonal(&mut axes, dim);
        for _ in 0..ROUNDS {
            axes = turned(&covariance, &axes, dim);
            orthogonal(&mut axes, dim);
        }
        // What rounding left in common.
        orthogonal(&mut axes, dim);
        let turned = turned(&covariance, &axes, dim);
        let spread: Vec<f32> = axes.chunks(dim).zip(turned.chunks(dim)).map(dot).collect();
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| spread[b].total_cmp(&spread[a]));
        Self::of(order.iter().map(|&axis| &axes[axis * dim..][..dim]), dim)
    }

    fn of<'a>(axes: impl ExactSizeIterator<Item = &'a [f32]>, dim: usize) -> Self {
        let stride = dim.next_multiple_of(LINE);
        let mut bytes = Buffer::<u8>::zeroed(axes.len() * stride);
        bytes.make_mut().fill(ZERO);
        let mut steps = Buffer::<f32>::zeroed(axes.len());
        let each = bytes.make_mut().chunks_mut(stride).zip(steps.make_mut());
        for (axis, (bytes, step)) in axes.zip(each) {
            *step = step_of(max_abs(axis.iter().copied()));
            for (byte, x) in bytes.iter_mut().zip(axis) {
                *byte = to_i8(x / *step, 127.0) as u8 ^ ZERO;
            }
        }
        Self { dim, bytes, steps }
    }

    /// The first `count` of them.
    pub(super) fn first(&self, count: usize) -> Self {
        let stride = self.dim.next_multiple_of(LINE);
        let bytes = Buffer::from_slice(&self.bytes[..count * stride]);
        Self { dim: self.dim, bytes, steps: Buffer::from_slice(&self.steps[..count]) }
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// How many bytes a projection reads.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// As floats, one after the other.
    pub(super) fn floats(&self) -> Vec<f32> {
        let stride = self.dim.next_multiple_of(LINE);
        let axes = self.bytes.chunks(stride).zip(&*self.steps);
        axes.flat_map(|(bytes, step)| {
            bytes[..self.dim].iter().map(move |&byte| f32::from((byte ^ ZERO) as i8) * step)
        })
        .collect()
    }

    /// The coordinates of `vector - center`: the vector goes through bytes as well, with a step of its own.
    pub(super) fn project(&self, vector: &[f32], center: &[f32], out: &mut Projected) {
        let stride = self.dim.next_multiple_of(LINE);
        if out.codes.len() != stride {
            out.codes = Buffer::zeroed(stride);
        }
        let apart = |(&x, &c): (&f32, &f32)| x - c;
        let step = step_of(max_abs(vector.iter().zip(center).map(apart)));
        let (codes, per_step) = (out.codes.make_mut(), 1.0 / step);
        for (code, pair) in codes.iter_mut().zip(vector.iter().zip(center)) {
            *code = to_i8(apart(pair) * per_step, 127.0);
        }
        let sum: i32 = codes.iter().map(|&code| i32::from(code)).sum();
        out.values.resize(self.len(), 0.0);
        let bytes = ByteProducts { rows: &self.bytes, query: codes, sum, out: &mut out.values };
        isa::dispatch(Level::current(), bytes);
        for (value, axis) in out.values.iter_mut().zip(&*self.steps) {
            *value *= axis * step;
        }
    }

    pub(super) fn arrays(&self) -> [(&'static str, &[u8]); 2] {
        [("axes", self.bytes.as_bytes()), ("steps", self.steps.as_bytes())]
    }

    pub(super) fn from_arrays(
        count: usize,
        dim: usize,
        arrays: &mut Arrays<'_>,
    ) -> Result<Self, PartsError> {
        let bytes = arrays.take("axes", count * dim.next_multiple_of(LINE))?;
        let steps: Buffer<f32> = arrays.take("steps", count)?;
        if steps.iter().any(|step| !(step.is_normal() && *step > 0.0)) {
            return Err(invalid("steps", "a step that is no positive number"));
        }
        Ok(Self { dim, bytes, steps })
    }
}

/// The step of bytes that hold `-max ..= max`.
fn step_of(max: f32) -> f32 {
    let step = max.min(f32::MAX) / 127.0;
    if step.is_normal() { step } else { 1.0 }
}

/// A row of values measured against each of many rows; the same bits at every level.
struct Measured<'a, const PRODUCTS: bool> {
    rows: &'a [f32],
    query: &'a [f32],
    out: &'a mut [f32],
}

/// How many rows one kernel call measures.
const BATCH: usize = 8;

impl<const PRODUCTS: bool> OnIsa for Measured<'_, PRODUCTS> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let len = self.query.len();
        let row = |at: usize| &self.rows[at * len..][..len];
        let (groups, rest) = self.out.as_chunks_mut::<BATCH>();
        let whole = BATCH * groups.len();
        for (group, out) in groups.iter_mut().enumerate() {
            let mut rows = [self.query; BATCH];
            for (i, one) in rows.iter_mut().enumerate() {
                *one = row(BATCH * group + i);
            }
            *out = match PRODUCTS {
                true => isa.dot_f32_rows(rows, self.query),
                false => isa.l2_f32_rows(rows, self.query),
            };
        }
        for (i, out) in rest.iter_mut().enumerate() {
            *out = match PRODUCTS {
                true => isa.dot_f32(row(whole + i), self.query),
                false => isa.l2_f32(row(whole + i), self.query),
            };
        }
    }
}

/// Products of bytes with each of many rows of bytes, 128 of which is zero.
struct ByteProducts<'a> {
    rows: &'a [u8],
    query: &'a [i8],
    sum: i32,
    out: &'a mut [f32],
}

impl OnIsa for ByteProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let len = self.query.len();
        let row = |at: usize| &self.rows[at * len..][..len];
        let product = |dot: i32| (dot - i32::from(ZERO) * self.sum) as f32;
        let (groups, rest) = self.out.as_chunks_mut::<BATCH>();
        let whole = BATCH * groups.len();
        for (group, out) in groups.iter_mut().enumerate() {
            let mut rows = [self.rows; BATCH];
            for (i, one) in rows.iter_mut().enumerate() {
                *one = row(BATCH * group + i);
            }
            for (out, dot) in out.iter_mut().zip(isa.dot_u8_i8_rows(rows, self.query)) {
                *out = product(dot);
            }
        }
        for (i, out) in rest.iter_mut().enumerate() {
            *out = product(isa.dot_u8_i8(row(whole + i), self.query));
        }
    }
}

/// The product of each of `rows` with `query`, which is as long as each of them.
pub(super) fn products(rows: &[f32], query: &[f32], out: &mut [f32]) {
    isa::dispatch(Level::current(), Measured::<true> { rows, query, out });
}

/// The squared distance of each of `rows` to `query`, which is as long as each of them.
pub(super) fn distances(rows: &[f32], query: &[f32], out: &mut [f32]) {
    isa::dispatch(Level::current(), Measured::<false> { rows, query, out });
}

fn dot((a, b): (&[f32], &[f32])) -> f32 {
    let mut product = [0.0];
    products(a, b, &mut product);
    product[0]
}

/// The covariance of a sample of `vectors` around `center`, up to a factor.
fn covariance(vectors: &Vectors, center: &[f32]) -> Vec<f32> {
    let dim = vectors.dim();
    let sample = random::sample(SEED, vectors.len(), SAMPLE);
    let rows: Vec<&[f32]> = sample.iter().map(|&id| vectors.row(id as usize)).collect();
    let apart = |row: &[f32], axis: usize| row[axis] - center[axis];
    let sizes = |row: &&[f32]| max_abs((0..dim).map(|axis| apart(row, axis)));
    // Whatever the size of the values is, their squares are in range.
    let largest = rows.par_iter().map(sizes).reduce(|| 0.0, f32::max).min(f32::MAX);
    let scale = if largest.is_normal() { largest } else { 1.0 };
    let len = rows.len();
    let mut columns = vec![0.0; dim * len];
    columns.par_chunks_mut(len.max(1)).enumerate().for_each(|(axis, column)| {
        for (value, row) in column.iter_mut().zip(&rows) {
            *value = apart(row, axis) / scale;
        }
    });
    let mut covariance = vec![0.0; dim * dim];
    if len == 0 {
        return covariance;
    }
    covariance.par_chunks_mut(dim).enumerate().for_each(|(axis, out)| {
        let column = &columns[axis * len..][..len];
        products(&columns[..(axis + 1) * len], column, &mut out[..=axis]);
    });
    for axis in 0..dim {
        for other in 0..axis {
            covariance[other * dim + axis] = covariance[axis * dim + other];
        }
    }
    covariance
}

/// Each of `axes` multiplied by the covariance.
fn turned(covariance: &[f32], axes: &[f32], dim: usize) -> Vec<f32> {
    let mut turned = vec![0.0; axes.len()];
    turned
        .par_chunks_mut(dim)
        .zip(axes.par_chunks(dim))
        .for_each(|(out, axis)| products(covariance, axis, out));
    turned
}

/// Makes rows of `axes` orthogonal to those before them, and of length 1; rows that lie among those before become zero.
fn orthogonal(axes: &mut [f32], dim: usize) {
    let mut rest = axes;
    let mut sizes: Vec<f32> = rest.par_chunks(dim).map(|row| dot((row, row)).sqrt()).collect();
    for size in &mut sizes {
        let (axis, others) = rest.split_at_mut(dim);
        let left = dot((axis, axis)).sqrt();
        let scale = if left > VANISHED * *size { 1.0 / left } else { 0.0 };
        axis.iter_mut().for_each(|x| *x *= scale);
        others.par_chunks_mut(dim).with_min_len(16).for_each(|other| {
            let shared = dot((axis, other));
            for (x, a) in other.iter_mut().zip(&*axis) {
                *x -= shared * a;
            }
        });
        rest = others;
    }
}
