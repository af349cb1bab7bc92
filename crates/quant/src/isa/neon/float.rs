//! Distances of `f32` and `f16` rows.

use crate::isa::Element;
use std::arch::{aarch64::*, asm};

/// Floats of a register.
const LANES: usize = 4;

/// `sum (x - y)^2` when `L2`, else `sum x y`. Four partial sums per row; the order of summation is
/// the same for every `N`.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn rows<const N: usize, const L2: bool, T: Element>(
    rows: [&[T]; N],
    query: &[f32],
) -> [f32; N] {
    const STEP: usize = 4 * LANES;
    let len = query.len();
    for row in &rows {
        assert_eq!(row.len(), len, "kernel operands differ in length");
    }
    let whole = len / STEP * STEP;
    let mut sums = [[vdupq_n_f32(0.0); 4]; N];
    let mut at = 0;
    while at < whole {
        for part in 0..4 {
            let at = at + part * LANES;
            // SAFETY: all slices have `len` values and `at + LANES <= whole <= len`.
            unsafe {
                let y = vld1q_f32(query.as_ptr().add(at));
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    sum[part] = add::<L2>(sum[part], load(row.as_ptr().add(at)), y);
                }
            }
        }
        at += STEP;
    }
    let mut totals = [0.0; N];
    for ((total, row), [a, b, c, d]) in totals.iter_mut().zip(&rows).zip(sums) {
        *total = vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d)));
        let mut tail = 0.0;
        for (x, y) in row[whole..].iter().zip(&query[whole..]) {
            let x = x.widen();
            tail += if L2 { (x - y) * (x - y) } else { x * y };
        }
        *total += tail;
    }
    totals
}

#[target_feature(enable = "neon")]
#[inline]
fn add<const L2: bool>(sum: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
    if L2 {
        let apart = vsubq_f32(x, y);
        vfmaq_f32(sum, apart, apart)
    } else {
        vfmaq_f32(sum, x, y)
    }
}

/// Four elements.
///
/// # Safety
/// Four elements can be read.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn load<T: Element>(at: *const T) -> float32x4_t {
    if size_of::<T>() == 2 {
        // SAFETY: the caller's promise: an element of two bytes is an `f16`. FCVTL, which every
        // CPU with NEON has, reads and writes registers only.
        unsafe {
            let halves = vld1_u16(at.cast());
            let wide: float32x4_t;
            asm!("fcvtl {0:v}.4s, {1:v}.4h", out(vreg) wide, in(vreg) halves,
                options(pure, nomem, nostack, preserves_flags));
            wide
        }
    } else {
        // SAFETY: the caller's promise; the element is an `f32`.
        unsafe { vld1q_f32(at.cast()) }
    }
}
