//! Distances of `f32` and `f16` rows.

use super::reduce;
use crate::isa::{Element, SUMS, lengths};
use std::arch::x86_64::*;

/// Floats of a register.
const LANES: usize = 8;

/// Registers of the partial sums of a row.
const PARTS: usize = SUMS / LANES;

/// `sum (x - y)^2` when `L2`, else `sum x y`, in the order that [`Isa`](crate::Isa) states. A row takes four
/// of the sixteen registers, so rows are taken two at a time.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn rows<const N: usize, const L2: bool, T: Element>(
    rows: [&[T]; N],
    query: &[f32],
) -> [f32; N] {
    lengths(&rows, query.len());
    let mut totals = [_mm256_setzero_ps(); N];
    let (pairs, rest) = rows.as_chunks::<2>();
    let (pair_totals, rest_totals) = totals.as_chunks_mut::<2>();
    for (rows, totals) in pairs.iter().zip(pair_totals) {
        *totals = lanes::<2, L2, T>(*rows, query);
    }
    for (row, total) in rest.iter().zip(rest_totals) {
        [*total] = lanes::<1, L2, T>([*row], query);
    }
    reduce::sums_f32(totals)
}

/// The 32 partial sums of each row, brought together to eight.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn lanes<const N: usize, const L2: bool, T: Element>(
    rows: [&[T]; N],
    query: &[f32],
) -> [__m256; N] {
    let len = lengths(&rows, query.len());
    let mut sums = [[_mm256_setzero_ps(); PARTS]; N];
    let mut at = 0;
    while at + SUMS <= len {
        for part in 0..PARTS {
            let at = at + part * LANES;
            // SAFETY: all slices have `len` values and `at + LANES` is at most `len` for every part.
            unsafe {
                let y = _mm256_loadu_ps(query.as_ptr().add(at));
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    sum[part] = add::<L2>(sum[part], load(row.as_ptr().add(at)), y);
                }
            }
        }
        at += SUMS;
    }
    // Whole and begun sixteens: at most a whole one and one that is filled up with zeroes.
    while at < len {
        let count = (len - at).min(SUMS / 2);
        let mut y = [0.0f32; SUMS / 2];
        y[..count].copy_from_slice(&query[at..][..count]);
        for (sum, row) in sums.iter_mut().zip(&rows) {
            let mut x = [0.0f32; SUMS / 2];
            for (x, value) in x.iter_mut().zip(&row[at..][..count]) {
                *x = value.widen();
            }
            for (part, sum) in sum[..PARTS / 2].iter_mut().enumerate() {
                // SAFETY: both arrays have two registers of values.
                unsafe {
                    let x = _mm256_loadu_ps(x.as_ptr().add(part * LANES));
                    let y = _mm256_loadu_ps(y.as_ptr().add(part * LANES));
                    *sum = add::<L2>(*sum, x, y);
                }
            }
        }
        at += count;
    }
    let mut totals = [_mm256_setzero_ps(); N];
    for (total, [a, b, c, d]) in totals.iter_mut().zip(sums) {
        *total = _mm256_add_ps(_mm256_add_ps(a, c), _mm256_add_ps(b, d));
    }
    totals
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn add<const L2: bool>(sum: __m256, x: __m256, y: __m256) -> __m256 {
    if L2 {
        let apart = _mm256_sub_ps(x, y);
        _mm256_fmadd_ps(apart, apart, sum)
    } else {
        _mm256_fmadd_ps(x, y, sum)
    }
}

/// Eight elements.
///
/// # Safety
/// Eight elements can be read.
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn load<T: Element>(at: *const T) -> __m256 {
    // SAFETY: the caller's promise; an element of two bytes is an `f16`, else it is an `f32`.
    unsafe {
        if size_of::<T>() == 2 {
            _mm256_cvtph_ps(_mm_loadu_si128(at.cast()))
        } else {
            _mm256_loadu_ps(at.cast())
        }
    }
}
