//! Products of sixteen byte rows with sixteen others.

use crate::isa::{PANEL, PANEL_BYTES};
use std::arch::x86_64::*;

/// Sixteen registers of sums, one per row of `left`; an element of `right` stands in a register while four values of
/// each row are broadcast against it (VPDPBUSD takes them from memory): 16 VPDPBUSD for 17 loads. Nothing saturates: a
/// lane gains at most `4 * 255 * 128` in magnitude per element.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
pub(super) fn dot_panels(
    left: &[[i8; PANEL_BYTES]],
    right: &[[u8; PANEL_BYTES]],
) -> [[i32; PANEL]; PANEL] {
    assert_eq!(left.len(), right.len(), "panels differ in length");
    let mut sums = [_mm512_setzero_si512(); PANEL];
    for (w, u) in left.iter().zip(right) {
        // SAFETY: an element has 64 bytes.
        let u = unsafe { _mm512_loadu_epi8(u.as_ptr().cast()) };
        for (sum, w) in sums.iter_mut().zip(w.as_chunks::<4>().0) {
            let w = _mm512_set1_epi32(i32::from_le_bytes(w.map(|w| w as u8)));
            *sum = _mm512_dpbusd_epi32(*sum, u, w);
        }
    }
    let mut products = [[0; PANEL]; PANEL];
    for (row, sum) in products.iter_mut().zip(sums) {
        // SAFETY: a row has sixteen `i32`.
        unsafe { _mm512_storeu_epi32(row.as_mut_ptr(), sum) };
    }
    products
}

/// One comparison, whose mask is the answer.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) fn below(values: &[u32; PANEL], limit: u32) -> u32 {
    // SAFETY: there are sixteen values.
    let values = unsafe { _mm512_loadu_epi32(values.as_ptr().cast()) };
    u32::from(_mm512_cmplt_epu32_mask(values, _mm512_set1_epi32(limit as i32)))
}
