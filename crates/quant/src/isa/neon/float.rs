//! Distances of `f32` and `f16` rows.

use crate::isa::{Element, SUMS, lengths};
use std::arch::{aarch64::*, asm};

/// Floats of a register.
const LANES: usize = 4;

/// Registers of the partial sums of a row.
const PARTS: usize = SUMS / LANES;

/// `sum (x - y)^2` when `L2`, else `sum x y`, in the order that [`Isa`](crate::Isa) states. A row takes
/// eight of the thirty-two registers, so rows are taken two at a time.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn rows<const N: usize, const L2: bool, T: Element>(
    rows: [&[T]; N],
    query: &[f32],
) -> [f32; N] {
    lengths(&rows, query.len());
    let mut totals = [0.0; N];
    let (pairs, rest) = rows.as_chunks::<2>();
    let (pair_totals, rest_totals) = totals.as_chunks_mut::<2>();
    for (rows, totals) in pairs.iter().zip(pair_totals) {
        *totals = few::<2, L2, T>(*rows, query);
    }
    for (row, total) in rest.iter().zip(rest_totals) {
        [*total] = few::<1, L2, T>([*row], query);
    }
    totals
}

#[target_feature(enable = "neon")]
#[inline]
fn few<const N: usize, const L2: bool, T: Element>(rows: [&[T]; N], query: &[f32]) -> [f32; N] {
    let len = lengths(&rows, query.len());
    let mut sums = [[vdupq_n_f32(0.0); PARTS]; N];
    let mut at = 0;
    while at + SUMS <= len {
        for part in 0..PARTS {
            let at = at + part * LANES;
            // SAFETY: all slices have `len` values and `at + LANES` is at most `len` for every part.
            unsafe {
                let y = vld1q_f32(query.as_ptr().add(at));
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
                // SAFETY: both arrays have four registers of values.
                unsafe {
                    let x = vld1q_f32(x.as_ptr().add(part * LANES));
                    let y = vld1q_f32(y.as_ptr().add(part * LANES));
                    *sum = add::<L2>(*sum, x, y);
                }
            }
        }
        at += count;
    }
    let mut totals = [0.0; N];
    for (total, sums) in totals.iter_mut().zip(sums) {
        // Sixteen partial sums, then eight, four, two and one.
        let [a, b, c, d] = [0, 1, 2, 3].map(|part| vaddq_f32(sums[part], sums[part + 4]));
        let four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
        let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
        *total = vpadds_f32(two);
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
