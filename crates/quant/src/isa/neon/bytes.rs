//! Dot products of bytes and of 4-bit codes.

use super::sdot;
use crate::isa::lengths;
use std::arch::aarch64::*;

/// Bytes of a register.
const LANES: usize = 16;

/// `sum u_i w_i`. SDOT takes signed bytes only, so `u - 128` is multiplied (a flip of the top bit) and
/// `128 sum w` added, which all rows share. A lane gains at most `4 * 128 * 128` in magnitude per step and
/// nothing saturates: exact modulo 2^32.
#[target_feature(enable = "neon,dotprod")]
#[inline]
pub(super) fn dot_u8_i8<const N: usize>(rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    let len = lengths(&rows, query.len());
    let whole = len / LANES * LANES;
    let (flip, ones) = (vdupq_n_u8(0x80), vdupq_n_s8(1));
    let mut sums = [vdupq_n_s32(0); N];
    let mut weights = vdupq_n_s32(0);
    let mut at = 0;
    while at < whole {
        // SAFETY: all slices have `len` bytes and `at + LANES <= whole <= len`.
        unsafe {
            let w = vld1q_s8(query.as_ptr().add(at));
            weights = sdot(weights, w, ones);
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let u = veorq_u8(vld1q_u8(row.as_ptr().add(at)), flip);
                *sum = sdot(*sum, vreinterpretq_s8_u8(u), w);
            }
        }
        at += LANES;
    }
    let weights = vaddvq_s32(weights) << 7;
    let mut totals = [0i32; N];
    for ((total, row), sum) in totals.iter_mut().zip(&rows).zip(sums) {
        *total = vaddvq_s32(sum).wrapping_add(weights);
        for (&u, &w) in row[whole..].iter().zip(&query[whole..]) {
            *total = total.wrapping_add(i32::from(u) * i32::from(w));
        }
    }
    totals
}

/// `sum (u & 15) w_low + (u >> 4) w_high` by SDOT: nibbles are signed bytes as they are. A lane gains at
/// most `8 * 15 * 128` in magnitude per step and nothing saturates.
#[target_feature(enable = "neon,dotprod")]
#[inline]
pub(super) fn dot_u4_i8<const N: usize>(rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    let len = lengths(&rows, query.len() / 2);
    assert_eq!(2 * len, query.len(), "kernel operands differ in length");
    let (low, high) = query.split_at(len);
    let whole = len / LANES * LANES;
    let nibble = vdupq_n_u8(15);
    let mut sums = [[vdupq_n_s32(0); 2]; N];
    let mut at = 0;
    while at < whole {
        // SAFETY: rows and halves of the query have `len` bytes, `at + LANES <= whole <= len`.
        unsafe {
            let w0 = vld1q_s8(low.as_ptr().add(at));
            let w1 = vld1q_s8(high.as_ptr().add(at));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let u = vld1q_u8(row.as_ptr().add(at));
                sum[0] = sdot(sum[0], vreinterpretq_s8_u8(vandq_u8(u, nibble)), w0);
                sum[1] = sdot(sum[1], vreinterpretq_s8_u8(vshrq_n_u8::<4>(u)), w1);
            }
        }
        at += LANES;
    }
    let mut totals = [0i32; N];
    for ((total, row), [a, b]) in totals.iter_mut().zip(&rows).zip(sums) {
        *total = vaddvq_s32(vaddq_s32(a, b));
        for ((&u, &l), &h) in row[whole..].iter().zip(&low[whole..]).zip(&high[whole..]) {
            let pair = i32::from(u & 15) * i32::from(l) + i32::from(u >> 4) * i32::from(h);
            *total = total.wrapping_add(pair);
        }
    }
    totals
}
