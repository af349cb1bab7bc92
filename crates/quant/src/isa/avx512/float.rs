//! `f32` distances.

use super::{Avx512, reduce};
use crate::isa::lengths;
use std::arch::x86_64::*;

/// Floats of a register.
const LANES: usize = 16;

/// What is summed over the dimensions.
pub(super) trait Term {
    /// `sum + term(x, y)`, in one rounding.
    ///
    /// # Safety
    /// The CPU has AVX-512F.
    unsafe fn add(sum: __m512, x: __m512, y: __m512) -> __m512;
}

/// `(x - y)^2`
pub(super) struct L2;

/// `x y`
pub(super) struct Dot;

impl Term for L2 {
    #[inline(always)]
    unsafe fn add(sum: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: register arithmetic only; the caller has the features.
        unsafe {
            let apart = _mm512_sub_ps(x, y);
            _mm512_fmadd_ps(apart, apart, sum)
        }
    }
}

impl Term for Dot {
    #[inline(always)]
    unsafe fn add(sum: __m512, x: __m512, y: __m512) -> __m512 {
        // SAFETY: register arithmetic only; the caller has the features.
        unsafe { _mm512_fmadd_ps(x, y, sum) }
    }
}

/// Two partial sums per row hide the latency of the additions where `N` is small and still leave
/// eight rows in registers. The order of summation is the same for every `N`.
#[inline(always)]
pub(super) fn rows<const N: usize, T: Term>(
    isa: Avx512,
    rows: [&[f32]; N],
    query: &[f32],
) -> [f32; N] {
    let len = lengths(&rows, query.len());
    // SAFETY: the token is proof of the features. Every slice has `len` values; whole registers
    // are read at offsets `at` with `at + LANES <= len`, the rest under a mask of `len - at` lanes.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); 2]; N];
        let mut at = 0;
        while at + 2 * LANES <= len {
            let low = _mm512_loadu_ps(query.as_ptr().add(at));
            let high = _mm512_loadu_ps(query.as_ptr().add(at + LANES));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let row = row.as_ptr().add(at);
                sum[0] = T::add(sum[0], _mm512_loadu_ps(row), low);
                sum[1] = T::add(sum[1], _mm512_loadu_ps(row.add(LANES)), high);
            }
            at += 2 * LANES;
        }
        while at < len {
            let mask = _bzhi_u32(0xFFFF, (len - at).min(LANES) as u32) as __mmask16;
            let low = _mm512_maskz_loadu_ps(mask, query.as_ptr().add(at));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let row = _mm512_maskz_loadu_ps(mask, row.as_ptr().add(at));
                sum[0] = T::add(sum[0], row, low);
            }
            at += LANES;
        }
        let mut totals = [_mm512_setzero_ps(); N];
        for (total, [low, high]) in totals.iter_mut().zip(sums) {
            *total = _mm512_add_ps(low, high);
        }
        reduce::sums_f32(isa, totals)
    }
}
