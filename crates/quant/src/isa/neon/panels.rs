//! Products of sixteen byte rows with sixteen others.

use super::sdot;
use crate::isa::{PANEL, PANEL_BYTES, portable};
use std::arch::aarch64::*;

/// Rows of `left` whose sums stand in registers at once.
const ROWS: usize = 4;

/// `sum u_i w_i` as `sum (u_i - 128) w_i + 128 sum w_i`, since SDOT takes signed bytes only. A lane gains at most
/// `4 * 128 * 128` in magnitude per element and nothing saturates: exact modulo 2^32.
#[target_feature(enable = "neon,dotprod")]
#[inline]
pub(super) fn dot_panels(
    left: &[[i8; PANEL_BYTES]],
    right: &[[u8; PANEL_BYTES]],
) -> [[i32; PANEL]; PANEL] {
    assert_eq!(left.len(), right.len(), "panels differ in length");
    let mut products = [[0; PANEL]; PANEL];
    let (flip, ones) = (vdupq_n_u8(0x80), vdupq_n_s8(1));
    for (block, rows) in products.chunks_exact_mut(ROWS).enumerate() {
        let mut sums = [[vdupq_n_s32(0); 4]; ROWS];
        let mut weights = [vdupq_n_s32(0); ROWS];
        for (w, u) in left.iter().zip(right) {
            let mut v = [vdupq_n_s8(0); 4];
            for (quarter, v) in v.iter_mut().enumerate() {
                // SAFETY: an element has 64 bytes, its quarter 16.
                let u = unsafe { vld1q_u8(u.as_ptr().add(16 * quarter)) };
                *v = vreinterpretq_s8_u8(veorq_u8(u, flip));
            }
            let words = w.as_chunks::<4>().0[ROWS * block..].iter();
            for ((sums, weights), w) in sums.iter_mut().zip(&mut weights).zip(words) {
                let w = vdupq_n_s32(i32::from_le_bytes(w.map(|w| w as u8)));
                let w = vreinterpretq_s8_s32(w);
                *weights = sdot(*weights, w, ones);
                for (sum, v) in sums.iter_mut().zip(v) {
                    *sum = sdot(*sum, v, w);
                }
            }
        }
        for ((row, sums), weights) in rows.iter_mut().zip(sums).zip(weights) {
            let weights = vshlq_n_s32::<7>(weights);
            for (four, sum) in row.chunks_exact_mut(4).zip(sums) {
                // SAFETY: the group is four `i32`.
                unsafe { vst1q_s32(four.as_mut_ptr(), vaddq_s32(sum, weights)) };
            }
        }
    }
    products
}

/// As the portable level: a comparison of four lanes gives no mask of bits.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn below(values: &[u32; PANEL], limit: u32) -> u32 {
    portable::below(values, limit)
}
