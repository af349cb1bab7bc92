//! `f32` distances.

use super::{Avx2, reduce};
use crate::isa::lengths;
use std::arch::x86_64::*;

/// Floats of a register.
const LANES: usize = 8;

/// What is summed over the dimensions.
pub(super) trait Term {
    /// `sum + term(x, y)`, in one rounding.
    ///
    /// # Safety
    /// The CPU has AVX2 and FMA.
    unsafe fn add(sum: __m256, x: __m256, y: __m256) -> __m256;

    /// `term(x, y)`
    fn term(x: f32, y: f32) -> f32;
}

/// `(x - y)^2`
pub(super) struct L2;

/// `x y`
pub(super) struct Dot;

impl Term for L2 {
    #[inline(always)]
    unsafe fn add(sum: __m256, x: __m256, y: __m256) -> __m256 {
        // SAFETY: register arithmetic only; the caller has the features.
        unsafe {
            let apart = _mm256_sub_ps(x, y);
            _mm256_fmadd_ps(apart, apart, sum)
        }
    }

    #[inline(always)]
    fn term(x: f32, y: f32) -> f32 {
        (x - y) * (x - y)
    }
}

impl Term for Dot {
    #[inline(always)]
    unsafe fn add(sum: __m256, x: __m256, y: __m256) -> __m256 {
        // SAFETY: register arithmetic only; the caller has the features.
        unsafe { _mm256_fmadd_ps(x, y, sum) }
    }

    #[inline(always)]
    fn term(x: f32, y: f32) -> f32 {
        x * y
    }
}

/// Two partial sums per row; the order of summation is the same for every `N`.
#[inline(always)]
pub(super) fn rows<const N: usize, T: Term>(
    isa: Avx2,
    rows: [&[f32]; N],
    query: &[f32],
) -> [f32; N] {
    let len = lengths(&rows, query.len());
    let whole = len / (2 * LANES) * (2 * LANES);
    // SAFETY: the token is proof of the features. Every slice has `len` values and registers are
    // read at offsets below `whole <= len`, in pairs that end at `whole` at the latest.
    let mut sums = unsafe {
        let mut sums = [[_mm256_setzero_ps(); 2]; N];
        let mut at = 0;
        while at < whole {
            let low = _mm256_loadu_ps(query.as_ptr().add(at));
            let high = _mm256_loadu_ps(query.as_ptr().add(at + LANES));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let row = row.as_ptr().add(at);
                sum[0] = T::add(sum[0], _mm256_loadu_ps(row), low);
                sum[1] = T::add(sum[1], _mm256_loadu_ps(row.add(LANES)), high);
            }
            at += 2 * LANES;
        }
        let mut totals = [_mm256_setzero_ps(); N];
        for (total, [low, high]) in totals.iter_mut().zip(sums) {
            *total = _mm256_add_ps(low, high);
        }
        reduce::sums_f32(isa, totals)
    };
    for (sum, row) in sums.iter_mut().zip(&rows) {
        let tail = row[whole..].iter().zip(&query[whole..]);
        *sum += tail.map(|(&x, &y)| T::term(x, y)).sum::<f32>();
    }
    sums
}
