//! Popcounts.

use super::reduce;
use crate::isa::lengths;
use std::arch::x86_64::*;

/// Words of a register.
const LANES: usize = 8;

/// Numbers of differing bits by VPOPCNTQ. A `u64` lane counts at most 64 per word: no overflow;
/// the total fits a `u32` below 2^26 words.
#[target_feature(enable = "avx512f,avx512vl,avx512vpopcntdq,bmi2")]
#[inline]
pub(super) fn hamming<const N: usize>(rows: [&[u64]; N], query: &[u64]) -> [u32; N] {
    let len = lengths(&rows, query.len());
    let mut sums = [_mm512_setzero_si512(); N];
    let mut at = 0;
    while at + LANES <= len {
        // SAFETY: all slices have `len` words and `at + LANES <= len`.
        unsafe {
            let y = _mm512_loadu_epi64(query.as_ptr().add(at).cast());
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let x = _mm512_loadu_epi64(row.as_ptr().add(at).cast());
                *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
            }
        }
        at += LANES;
    }
    if at < len {
        let mask = _bzhi_u32(0xFF, (len - at) as u32) as __mmask8;
        // SAFETY: all slices have `len` words and `len - at` lanes are read.
        unsafe {
            let y = _mm512_maskz_loadu_epi64(mask, query.as_ptr().add(at).cast());
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let x = _mm512_maskz_loadu_epi64(mask, row.as_ptr().add(at).cast());
                *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
            }
        }
    }
    reduce::sums_u64(sums)
}
