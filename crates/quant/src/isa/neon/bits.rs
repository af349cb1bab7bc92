//! Popcounts.

use super::sdot;
use crate::isa::{lengths, planes};
use std::arch::aarch64::*;

/// Words of a register.
const LANES: usize = 2;

/// Numbers of differing bits by CNT, which counts bytes, and SDOT with ones, which adds four of them to
/// each lane: at most 32 per step, no overflow below 2^26 registers.
#[target_feature(enable = "neon,dotprod")]
#[inline]
pub(super) fn hamming<const N: usize>(rows: [&[u64]; N], query: &[u64]) -> [u32; N] {
    let len = lengths(&rows, query.len());
    let whole = len / LANES * LANES;
    let ones = vdupq_n_s8(1);
    let mut sums = [vdupq_n_s32(0); N];
    let mut at = 0;
    while at < whole {
        // SAFETY: all slices have `len` words and `at + LANES <= whole <= len`.
        unsafe {
            let y = vld1q_u64(query.as_ptr().add(at));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let x = veorq_u64(vld1q_u64(row.as_ptr().add(at)), y);
                *sum = sdot(*sum, counts(x), ones);
            }
        }
        at += LANES;
    }
    let mut totals = [0; N];
    for ((total, row), sum) in totals.iter_mut().zip(&rows).zip(sums) {
        *total = vaddvq_s32(sum) as u32;
        for (x, y) in row[whole..].iter().zip(&query[whole..]) {
            *total += (x ^ y).count_ones();
        }
    }
    totals
}

/// `sum_j w_j popcount(row & plane_j)`: CNT counts bytes and SDOT weighs them. A count is at most 8 and a
/// weight at most 128 in magnitude: a lane gains at most 4,096 per step.
#[target_feature(enable = "neon,dotprod")]
#[inline]
pub(super) fn bit_dot<const N: usize>(rows: [&[u64]; N], query: &[u64]) -> [i32; N] {
    let len = rows.first().map_or(0, |row| row.len());
    lengths(&rows, len);
    let count = planes(len, query.len());
    let whole = len / LANES * LANES;
    let mut sums = [vdupq_n_s32(0); N];
    let mut totals = [0; N];
    for plane in 0..count {
        let words = &query[plane * len..][..len];
        let size = 1u8 << plane;
        let weight = if plane + 1 == count { size.wrapping_neg() } else { size } as i8;
        let weights = vdupq_n_s8(weight);
        let mut at = 0;
        while at < whole {
            // SAFETY: rows and planes have `len` words and `at + LANES <= whole <= len`.
            unsafe {
                let y = vld1q_u64(words.as_ptr().add(at));
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    let x = vandq_u64(vld1q_u64(row.as_ptr().add(at)), y);
                    *sum = sdot(*sum, counts(x), weights);
                }
            }
            at += LANES;
        }
        for (total, row) in totals.iter_mut().zip(&rows) {
            for (x, y) in row[whole..].iter().zip(&words[whole..]) {
                *total += i32::from(weight) * (x & y).count_ones() as i32;
            }
        }
    }
    for (total, sum) in totals.iter_mut().zip(sums) {
        *total += vaddvq_s32(sum);
    }
    totals
}

/// The number of set bits of each byte.
#[target_feature(enable = "neon")]
#[inline]
fn counts(x: uint64x2_t) -> int8x16_t {
    vreinterpretq_s8_u8(vcntq_u8(vreinterpretq_u8_u64(x)))
}
