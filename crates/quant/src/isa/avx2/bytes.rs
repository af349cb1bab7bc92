//! Dot products of bytes.

use super::{Avx2, reduce};
use crate::isa::lengths;
use std::arch::x86_64::*;

/// Bytes that are widened into one register.
const LANES: usize = 16;

/// `sum u_i w_i`. VPMADDUBSW would saturate (two products of `255 * 128` exceed an `i16`), so bytes
/// are widened to `i16` and multiplied by VPMADDWD: two products, at most 65,280 in magnitude, per
/// `i32` lane and step. Exact modulo 2^32.
#[inline(always)]
pub(super) fn dot_u8_i8<const N: usize>(isa: Avx2, rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    let len = lengths(&rows, query.len());
    let whole = len / LANES * LANES;
    // SAFETY: the token is proof of the features. Every slice has `len` bytes and 16 are read at
    // offsets that are multiples of 16 below `whole <= len`.
    let mut sums = unsafe {
        let mut sums = [_mm256_setzero_si256(); N];
        let mut at = 0;
        while at < whole {
            let w = _mm256_cvtepi8_epi16(_mm_loadu_si128(query.as_ptr().add(at).cast()));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let u = _mm256_cvtepu8_epi16(_mm_loadu_si128(row.as_ptr().add(at).cast()));
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(u, w));
            }
            at += LANES;
        }
        reduce::sums_i32(isa, sums)
    };
    for (sum, row) in sums.iter_mut().zip(&rows) {
        let tail = row[whole..].iter().zip(&query[whole..]);
        *sum = tail.fold(*sum, |sum, (&u, &w)| sum.wrapping_add(i32::from(u) * i32::from(w)));
    }
    sums
}
