//! Distances of `f32` and `f16` rows.

use super::reduce;
use crate::isa::Element;
use std::arch::x86_64::*;

/// Floats of a register.
const LANES: usize = 8;

/// `sum (x - y)^2` when `L2`, else `sum x y`. Two partial sums per row; the order of summation is
/// the same for every `N`.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn rows<const N: usize, const L2: bool, T: Element>(
    rows: [&[T]; N],
    query: &[f32],
) -> [f32; N] {
    let len = query.len();
    for row in &rows {
        assert_eq!(row.len(), len, "kernel operands differ in length");
    }
    let whole = len / (2 * LANES) * (2 * LANES);
    let mut sums = [[_mm256_setzero_ps(); 2]; N];
    let mut at = 0;
    while at < whole {
        // SAFETY: all slices have `len` values and `at + 2 * LANES <= whole <= len`.
        unsafe {
            let low = _mm256_loadu_ps(query.as_ptr().add(at));
            let high = _mm256_loadu_ps(query.as_ptr().add(at + LANES));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let row = row.as_ptr().add(at);
                sum[0] = add::<L2>(sum[0], load(row), low);
                sum[1] = add::<L2>(sum[1], load(row.add(LANES)), high);
            }
        }
        at += 2 * LANES;
    }
    let mut totals = [_mm256_setzero_ps(); N];
    for (total, [low, high]) in totals.iter_mut().zip(sums) {
        *total = _mm256_add_ps(low, high);
    }
    let mut totals = reduce::sums_f32(totals);
    for (total, row) in totals.iter_mut().zip(&rows) {
        let mut tail = 0.0;
        for (x, y) in row[whole..].iter().zip(&query[whole..]) {
            let x = x.widen();
            tail += if L2 { (x - y) * (x - y) } else { x * y };
        }
        *total += tail;
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
