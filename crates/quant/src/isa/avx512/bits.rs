//! Popcounts.

use super::reduce;
use crate::isa::{lengths, planes};
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

/// `sum_j w_j popcount(row & plane_j)`: VPOPCNTB counts bytes and VPDPBUSD weighs them, so that a
/// plane costs three instructions per 512 bits. A count is at most 8 and a weight at most 128 in
/// magnitude: a lane gains at most 4,096 per step.
///
/// Rows of 1, 2 or 4 words are repeated to fill a register and meet several planes at once: 128
/// dimensions against four planes are one step.
#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bitalg,avx512vnni,avx512vpopcntdq,bmi2"
)]
#[inline]
pub(super) fn bit_dot<const N: usize>(rows: [&[u64]; N], query: &[u64]) -> [i32; N] {
    let len = rows.first().map_or(0, |row| row.len());
    lengths(&rows, len);
    let count = planes(len, query.len());
    let mut sums = [_mm512_setzero_si512(); N];
    if matches!(len, 1 | 2 | 4) {
        let mut at = 0;
        while at < query.len() {
            let mask = _bzhi_u32(0xFF, (query.len() - at).min(LANES) as u32) as __mmask8;
            let weights = &WEIGHTS[len.ilog2() as usize][count][at / LANES];
            // SAFETY: the masked load reads the query's words from `at` on, at most to its end;
            // the weights are eight words; a row has exactly the `len` words that are broadcast.
            unsafe {
                let w = _mm512_loadu_epi64(weights.as_ptr());
                let y = _mm512_maskz_loadu_epi64(mask, query.as_ptr().add(at).cast());
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    let x = match len {
                        1 => _mm512_set1_epi64(row[0] as i64),
                        2 => _mm512_broadcast_i64x2(_mm_loadu_si128(row.as_ptr().cast())),
                        _ => _mm512_broadcast_i64x4(_mm256_loadu_si256(row.as_ptr().cast())),
                    };
                    let counts = _mm512_popcnt_epi8(_mm512_and_si512(x, y));
                    *sum = _mm512_dpbusd_epi32(*sum, counts, w);
                }
            }
            at += LANES;
        }
        return reduce::sums_i32(sums);
    }
    let mut at = 0;
    while at < len {
        let mask = _bzhi_u32(0xFF, (len - at).min(LANES) as u32) as __mmask8;
        let mut xs = [_mm512_setzero_si512(); N];
        for (x, row) in xs.iter_mut().zip(&rows) {
            // SAFETY: rows have `len` words and at most `len - at` are read.
            *x = unsafe { _mm512_maskz_loadu_epi64(mask, row.as_ptr().add(at).cast()) };
        }
        for plane in 0..count {
            let w = _mm512_set1_epi8(weight(plane, count));
            // SAFETY: every plane has `len` words and at most `len - at` are read.
            let y = unsafe {
                _mm512_maskz_loadu_epi64(mask, query.as_ptr().add(plane * len + at).cast())
            };
            for (sum, x) in sums.iter_mut().zip(xs) {
                let counts = _mm512_popcnt_epi8(_mm512_and_si512(x, y));
                *sum = _mm512_dpbusd_epi32(*sum, counts, w);
            }
        }
        at += LANES;
    }
    reduce::sums_i32(sums)
}

/// The weight of a plane in two's complement of `count` planes.
const fn weight(plane: usize, count: usize) -> i8 {
    let size = 1u8 << plane;
    if plane + 1 == count { size.wrapping_neg() as i8 } else { size as i8 }
}

/// Weights of eight words in a row, by the logarithm of the plane's words, the number of planes and
/// the position in the query.
static WEIGHTS: [[[[i64; LANES]; 4]; 9]; 3] = {
    let mut table = [[[[0; LANES]; 4]; 9]; 3];
    let mut log = 0;
    while log < 3 {
        let mut count = 1;
        while count < 9 {
            let mut word = 0;
            while word < count << log {
                let byte = weight(word >> log, count) as u8;
                table[log][count][word / LANES][word % LANES] = i64::from_ne_bytes([byte; 8]);
                word += 1;
            }
            count += 1;
        }
        log += 1;
    }
    table
};
