//! Dot products of bytes and of 4-bit codes.

use super::reduce;
use crate::isa::lengths;
use std::arch::x86_64::*;

/// `sum u_i w_i`. VPMADDUBSW would saturate (two products of `255 * 128` exceed an `i16`), so bytes
/// are widened to `i16` and multiplied by VPMADDWD: two products, at most 65,280 in magnitude, per
/// `i32` lane and step. Exact modulo 2^32.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn dot_u8_i8<const N: usize>(rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    const LANES: usize = 16;
    let len = lengths(&rows, query.len());
    let whole = len / LANES * LANES;
    let mut sums = [_mm256_setzero_si256(); N];
    let mut at = 0;
    while at < whole {
        // SAFETY: all slices have `len` bytes and `at + LANES <= whole <= len`.
        unsafe {
            let w = _mm256_cvtepi8_epi16(_mm_loadu_si128(query.as_ptr().add(at).cast()));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let u = _mm256_cvtepu8_epi16(_mm_loadu_si128(row.as_ptr().add(at).cast()));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(u, w));
            }
        }
        at += LANES;
    }
    let mut totals = reduce::sums_i32(sums);
    for (total, row) in totals.iter_mut().zip(&rows) {
        for (&u, &w) in row[whole..].iter().zip(&query[whole..]) {
            *total = total.wrapping_add(i32::from(u) * i32::from(w));
        }
    }
    totals
}

/// `sum (u & 15) w_low + (u >> 4) w_high`. Here VPMADDUBSW is safe: a pair of products is at most
/// `2 * 15 * 128 = 3,840` in magnitude, the sum of both nibbles 7,680, far from an `i16`'s limit.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn dot_u4_i8<const N: usize>(rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    const LANES: usize = 32;
    let len = lengths(&rows, query.len() / 2);
    assert_eq!(2 * len, query.len(), "kernel operands differ in length");
    let (low, high) = query.split_at(len);
    let whole = len / LANES * LANES;
    let (nibble, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
    let mut sums = [_mm256_setzero_si256(); N];
    let mut at = 0;
    while at < whole {
        // SAFETY: rows and halves of the query have `len` bytes, `at + LANES <= whole <= len`.
        unsafe {
            let w0 = _mm256_loadu_si256(low.as_ptr().add(at).cast());
            let w1 = _mm256_loadu_si256(high.as_ptr().add(at).cast());
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let u = _mm256_loadu_si256(row.as_ptr().add(at).cast());
                let u0 = _mm256_and_si256(u, nibble);
                let u1 = _mm256_and_si256(_mm256_srli_epi16::<4>(u), nibble);
                let pairs =
                    _mm256_add_epi16(_mm256_maddubs_epi16(u0, w0), _mm256_maddubs_epi16(u1, w1));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
            }
        }
        at += LANES;
    }
    let mut totals = reduce::sums_i32(sums);
    for (total, row) in totals.iter_mut().zip(&rows) {
        for ((&u, &l), &h) in row[whole..].iter().zip(&low[whole..]).zip(&high[whole..]) {
            let pair = i32::from(u & 15) * i32::from(l) + i32::from(u >> 4) * i32::from(h);
            *total = total.wrapping_add(pair);
        }
    }
    totals
}
