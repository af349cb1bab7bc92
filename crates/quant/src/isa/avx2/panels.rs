//! Products of sixteen byte rows with sixteen others.

use crate::isa::{PANEL, PANEL_BYTES};
use std::arch::x86_64::*;

/// Rows of `left` whose sums stand in registers at once.
const ROWS: usize = 8;

/// Even and odd bytes apart, each widened to `i16` by a mask or a shift, and multiplied by VPMADDWD: two products, at
/// most 65,280 in magnitude together, per `i32` lane and step (VPMADDUBSW would saturate). Exact modulo 2^32.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn dot_panels(
    left: &[[i8; PANEL_BYTES]],
    right: &[[u8; PANEL_BYTES]],
) -> [[i32; PANEL]; PANEL] {
    assert_eq!(left.len(), right.len(), "panels differ in length");
    let mut products = [[0; PANEL]; PANEL];
    let low = _mm256_set1_epi16(0xFF);
    for (block, rows) in products.chunks_exact_mut(ROWS).enumerate() {
        for half in 0..2 {
            let mut sums = [_mm256_setzero_si256(); ROWS];
            for (w, u) in left.iter().zip(right) {
                // SAFETY: an element has 64 bytes, its half 32.
                let u = unsafe { _mm256_loadu_si256(u.as_ptr().add(32 * half).cast()) };
                let (even, odd) = (_mm256_and_si256(u, low), _mm256_srli_epi16::<8>(u));
                let words = w.as_chunks::<4>().0[ROWS * block..].iter();
                for (sum, w) in sums.iter_mut().zip(words) {
                    let w = _mm256_set1_epi32(i32::from_le_bytes(w.map(|w| w as u8)));
                    let (w0, w1) = (
                        _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w)),
                        _mm256_srai_epi16::<8>(w),
                    );
                    let pair =
                        _mm256_add_epi32(_mm256_madd_epi16(even, w0), _mm256_madd_epi16(odd, w1));
                    *sum = _mm256_add_epi32(*sum, pair);
                }
            }
            for (row, sum) in rows.iter_mut().zip(sums) {
                // SAFETY: a row has sixteen `i32`, its half eight.
                unsafe { _mm256_storeu_si256(row.as_mut_ptr().add(8 * half).cast(), sum) };
            }
        }
    }
    products
}

/// Signed comparisons of values whose top bit is flipped.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn below(values: &[u32; PANEL], limit: u32) -> u32 {
    let flip = _mm256_set1_epi32(i32::MIN);
    let limit = _mm256_xor_si256(_mm256_set1_epi32(limit as i32), flip);
    let mut mask = 0;
    for half in 0..2 {
        // SAFETY: there are sixteen values, eight in each half.
        let values = unsafe { _mm256_loadu_si256(values.as_ptr().add(8 * half).cast()) };
        let less = _mm256_cmpgt_epi32(limit, _mm256_xor_si256(values, flip));
        mask |= (_mm256_movemask_ps(_mm256_castsi256_ps(less)) as u32) << (8 * half);
    }
    mask
}
