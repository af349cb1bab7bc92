//! Distances of `f32` and `f16` rows.

use super::reduce;
use crate::isa::{Element, lengths};
use std::arch::x86_64::*;

/// Floats of a register.
const LANES: usize = 16;

/// `sum (x - y)^2` when `L2`, else `sum x y`, in the order that [`Isa`](crate::Isa) states.
///
/// Two registers of partial sums per row hide the latency of the additions where `N` is small and still
/// leave eight rows in registers.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma,bmi2")]
#[inline]
pub(super) fn rows<const N: usize, const L2: bool, T: Element>(
    rows: [&[T]; N],
    query: &[f32],
) -> [f32; N] {
    let len = lengths(&rows, query.len());
    let mut sums = [[_mm512_setzero_ps(); 2]; N];
    let mut at = 0;
    while at + 2 * LANES <= len {
        // SAFETY: all slices have `len` values and `at + 2 * LANES <= len`.
        unsafe {
            let low = _mm512_loadu_ps(query.as_ptr().add(at));
            let high = _mm512_loadu_ps(query.as_ptr().add(at + LANES));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let row = row.as_ptr().add(at);
                sum[0] = add::<L2>(sum[0], load(0xFFFF, row), low);
                sum[1] = add::<L2>(sum[1], load(0xFFFF, row.add(LANES)), high);
            }
        }
        at += 2 * LANES;
    }
    while at < len {
        let mask = _bzhi_u32(0xFFFF, (len - at).min(LANES) as u32) as __mmask16;
        // SAFETY: all slices have `len` values and at most `len - at` lanes are read.
        unsafe {
            let low = _mm512_maskz_loadu_ps(mask, query.as_ptr().add(at));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let row = load(mask, row.as_ptr().add(at));
                sum[0] = add::<L2>(sum[0], row, low);
            }
        }
        at += LANES;
    }
    let mut totals = [_mm512_setzero_ps(); N];
    for (total, [low, high]) in totals.iter_mut().zip(sums) {
        *total = _mm512_add_ps(low, high);
    }
    reduce::sums_f32(totals)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn add<const L2: bool>(sum: __m512, x: __m512, y: __m512) -> __m512 {
    if L2 {
        let apart = _mm512_sub_ps(x, y);
        _mm512_fmadd_ps(apart, apart, sum)
    } else {
        _mm512_fmadd_ps(x, y, sum)
    }
}

/// Sixteen elements, those outside the mask zero.
///
/// # Safety
/// The elements in the mask can be read.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
unsafe fn load<T: Element>(mask: __mmask16, at: *const T) -> __m512 {
    // SAFETY: the caller's promise; an element of two bytes is an `f16`, else it is an `f32`.
    unsafe {
        if size_of::<T>() == 2 {
            _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, at.cast()))
        } else {
            _mm512_maskz_loadu_ps(mask, at.cast())
        }
    }
}
