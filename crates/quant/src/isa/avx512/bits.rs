//! Popcounts.

use super::{Avx512, reduce};
use crate::isa::lengths;
use std::arch::x86_64::*;

/// Words of a register.
const LANES: usize = 8;

/// Numbers of differing bits by VPOPCNTQ. A `u64` lane counts at most 64 per word: no overflow;
/// the total fits a `u32` below 2^26 words.
#[inline(always)]
pub(super) fn hamming<const N: usize>(isa: Avx512, rows: [&[u64]; N], query: &[u64]) -> [u32; N] {
    let len = lengths(&rows, query.len());
    // SAFETY: the token is proof of the features. Every slice has `len` words; whole registers
    // are read at offsets `at` with `at + LANES <= len`, the rest under a mask of `len - at` words.
    unsafe {
        let mut sums = [_mm512_setzero_si512(); N];
        let mut at = 0;
        while at + LANES <= len {
            let y = _mm512_loadu_epi64(query.as_ptr().add(at).cast());
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let x = _mm512_loadu_epi64(row.as_ptr().add(at).cast());
                *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
            }
            at += LANES;
        }
        if at < len {
            let mask = _bzhi_u32(0xFF, (len - at) as u32) as __mmask8;
            let y = _mm512_maskz_loadu_epi64(mask, query.as_ptr().add(at).cast());
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let x = _mm512_maskz_loadu_epi64(mask, row.as_ptr().add(at).cast());
                *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
            }
        }
        reduce::sums_u64(isa, sums)
    }
}
