//! The published codecs, one per file.
//!
//! | file | codec | row | distance |
//! |---|---|---|---|
//! | `float` | `float@1` | `f32`, zero-padded to whole cache lines | squared L2 or `-<q, x>` |
//! | `float` | `half@1` | `f16`, widened in registers | as `float@1` |
//! | `sq8` | `sq8@1` | `u8`, one step for all dimensions, centred | integer L2 or inner product |
//! | `sq8` | `sq8@2` | the same, one value in 100,000 clipped | as above |
//! | `u8_exact` | `u8-exact@1` | `u8`, lossless for integers 0..255 | exact |
//! | `int4` | `int4@1` | 4 bits, one step for all dimensions, centred | integer, int8 query |
//! | `int8_maxabs` | `int8-maxabs@1` | `u8`, a step per vector | integer dot, two floats per row |
//! | `int8_maxabs` | `int8-fixed@1` | `u8`, the step 1/127 | as above |
//! | `rabitq` | `rabitq1@1` .. `rabitq8@1` | 1 to 8 bits, rotated | unbiased estimate |
//! | `rabitq` | `record-asym@1` | 1 bit, rotated | the record's short formula |
//! | `lean` | `lean@1` | principal axes, bytes and half bytes on one step | integer, what is left out in the bias |
//! | `pq` | `pq8@1`, `pq4@1` | a codeword per 4 or 2 dimensions | table look-ups |
//! | `sign` | `sign@1` | one bit per dimension | Hamming |
//!
//! `bytes` holds what codecs with byte rows share: the rows, their scorer, their build space.

mod batch;
mod bytes;
mod decoded;
mod float;
mod int4;
mod int8_maxabs;
mod lean;
mod pq;
mod rabitq;
mod sign;
mod sq8;
mod u8_exact;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

pub use bytes::ByteScorer;
pub use float::{Float, FloatMeta, FloatQuery, FloatRows, FloatScorer, Half};
pub use int4::{Int4, Int4Meta, Int4Query, Int4Scorer};
pub use int8_maxabs::{
    Int8, Int8Fixed, Int8MaxAbs, Int8MaxAbsMeta, Int8MaxAbsQuery, Int8MaxAbsScorer,
};
pub use lean::{Lean, LeanMeta, LeanQuery, LeanScorer};
pub use pq::{Pq, PqMeta, PqOptions, PqQuery, PqScorer};
pub use rabitq::{
    Frame, Rabitq, RabitqMeta, RabitqOptions, RabitqQuery, RabitqScorer, RecordAsymmetric,
};
pub use sign::{Sign, SignMeta, SignQuery, SignScorer};
pub use sq8::{Sq, Sq8, Sq8Clipped, Sq8Meta, Sq8Query};
pub use u8_exact::{U8Exact, U8ExactMeta, U8ExactQuery};

use crate::{
    codes::PartsError,
    vectors::{Vectors, check_dim},
};
use rayon::prelude::*;

/// Bytes of a cache line, to which rows are padded.
const LINE: usize = 64;

/// Rows per task where sums of floats are taken: fixed, so that the result does not depend on the
/// number of threads.
const CHUNK: usize = 1024;

/// A contradiction in stored parts.
fn invalid(name: &str, why: impl Into<String>) -> PartsError {
    PartsError::Invalid { name: name.to_owned(), why: why.into() }
}

/// `rows * stride`, or an error where a damaged length overflows.
fn checked_area(name: &str, rows: usize, stride: usize) -> Result<usize, PartsError> {
    rows.checked_mul(stride)
        .filter(|&area| area <= isize::MAX as usize / 8)
        .ok_or_else(|| invalid(name, format!("{rows} rows of {stride} values are too many")))
}

/// Checks what every codec's meta says about its size.
fn check_size(len: usize, dim: usize) -> Result<(), PartsError> {
    check_dim(dim).map_err(|error| invalid("meta", error.to_string()))?;
    if len >= u32::MAX as usize {
        return Err(invalid("meta", format!("{len} rows are more than 32-bit ids can name")));
    }
    Ok(())
}

/// The mean vector, summed in f64 in a fixed order; zeroes when there is no row.
pub(crate) fn mean(vectors: &Vectors) -> Vec<f32> {
    let dim = vectors.dim();
    let partial: Vec<Vec<f64>> = vectors
        .as_slice()
        .par_chunks(dim * CHUNK)
        .map(|rows| {
            let mut sum = vec![0.0f64; dim];
            for row in rows.chunks_exact(dim) {
                for (total, &value) in sum.iter_mut().zip(row) {
                    *total += f64::from(value);
                }
            }
            sum
        })
        .collect();
    let count = vectors.len().max(1) as f64;
    (0..dim).map(|i| (partial.iter().map(|sum| sum[i]).sum::<f64>() / count) as f32).collect()
}

/// `sum x^2` in f64.
fn squared_norm(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

/// The largest absolute value.
fn max_abs(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |max, value| max.max(value.abs()))
}

/// The coordinate that makes inner products a metric: `sqrt(max |x|^2 - |x|^2)` of each row.
fn augmentation(vectors: &Vectors) -> Vec<f32> {
    let norms: Vec<f64> = vectors.as_slice().par_chunks(vectors.dim()).map(squared_norm).collect();
    let max = norms.iter().copied().fold(0.0, f64::max);
    norms.iter().map(|norm| (max - norm).sqrt() as f32).collect()
}

/// The most by which the step of a query can differ from that of the rows: beyond, the rows' own
/// differences are below what an `f32` distance can show.
const MAX_COARSE: u32 = 30;

/// How many times the step of a query has to be doubled for the query to fit, where `apart(limit)` is
/// the sum of the squares of what lies outside `limit` steps, in steps.
///
/// A query is not cut off at the box of the rows: one from outside would lose its direction. But what
/// sticks out by less than the next coarser step would cost all other dimensions (a quarter of a
/// squared step each) is cut off all the same.
fn coarseness(dim: usize, limit: f32, apart: impl Fn(f32) -> f32) -> u32 {
    let fits = |&coarse: &u32| {
        let times = f32::powi(2.0, coarse as i32);
        apart(limit * times) <= 0.25 * dim as f32 * times * times
    };
    (0..MAX_COARSE).find(fits).unwrap_or(MAX_COARSE)
}

/// `base^exponent` by squaring: the same bits on every machine, which `powi` does not promise.
#[inline(always)]
fn power(mut base: f32, mut exponent: u32) -> f32 {
    let mut product = 1.0;
    loop {
        if exponent & 1 == 1 {
            product *= base;
        }
        exponent >>= 1;
        if exponent == 0 {
            return product;
        }
        base *= base;
    }
}

/// The integer nearest to `value`, ties to even, clipped to `+-limit` (at most 127).
///
/// Adding 1.5 * 2^23 leaves the integer in the low mantissa bits: unlike `round_ties_even` this
/// is three plain instructions on every CPU and vectorises. NaN cannot occur (inputs are checked).
#[inline(always)]
fn to_i8(value: f32, limit: f32) -> i8 {
    const MAGIC: f32 = 12_582_912.0;
    (value.clamp(-limit, limit) + MAGIC).to_bits() as i8
}
