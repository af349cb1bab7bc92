//! Dot products of bytes and of 4-bit codes.

use super::reduce;
use crate::isa::lengths;
use std::arch::x86_64::*;

/// Bytes of a register.
const LANES: usize = 64;

/// `sum u_i w_i` by VPDPBUSD, which multiplies unsigned by signed bytes and adds four products to
/// each `i32` lane without saturation: a lane holds `len / 16` products of magnitude at most
/// `255 * 128`, so nothing wraps while `len <= 16 * 65_793`, and the total is exact modulo 2^32.
///
/// Several partial sums per row hide the latency of the chain where rows are few.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi2")]
#[inline]
pub(super) fn dot_u8_i8<const N: usize>(rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    match N {
        1 => unrolled::<N, 4>(rows, query),
        2 | 3 => unrolled::<N, 2>(rows, query),
        _ => unrolled::<N, 1>(rows, query),
    }
}

/// [`dot_u8_i8`] with `UNROLL` partial sums per row.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi2")]
#[inline]
fn unrolled<const N: usize, const UNROLL: usize>(rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    let len = lengths(&rows, query.len());
    let mut sums = [[_mm512_setzero_si512(); UNROLL]; N];
    let mut at = 0;
    while at + UNROLL * LANES <= len {
        for part in 0..UNROLL {
            let at = at + part * LANES;
            // SAFETY: all slices have `len` bytes and `at + LANES <= len`.
            unsafe {
                let w = _mm512_loadu_epi8(query.as_ptr().add(at));
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    let u = _mm512_loadu_epi8(row.as_ptr().add(at).cast());
                    sum[part] = _mm512_dpbusd_epi32(sum[part], u, w);
                }
            }
        }
        at += UNROLL * LANES;
    }
    while at < len {
        let mask = _bzhi_u64(u64::MAX, (len - at).min(LANES) as u32);
        // SAFETY: all slices have `len` bytes and at most `len - at` are read.
        unsafe {
            let w = _mm512_maskz_loadu_epi8(mask, query.as_ptr().add(at));
            for (sum, row) in sums.iter_mut().zip(&rows) {
                let u = _mm512_maskz_loadu_epi8(mask, row.as_ptr().add(at).cast());
                sum[0] = _mm512_dpbusd_epi32(sum[0], u, w);
            }
        }
        at += LANES;
    }
    let mut totals = [_mm512_setzero_si512(); N];
    for (total, parts) in totals.iter_mut().zip(&sums) {
        for part in parts {
            *total = _mm512_add_epi32(*total, *part);
        }
    }
    reduce::sums_i32(totals)
}

/// `sum (u & 15) w_low + (u >> 4) w_high`. The shift of each byte is one GF2P8AFFINEQB, where a
/// 16-bit shift would need a mask as well. Saturation: none, as in [`dot_u8_i8`]; a lane gains at
/// most `8 * 15 * 128` in magnitude per 64 bytes of a row.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,gfni,bmi2")]
#[inline]
pub(super) fn dot_u4_i8<const N: usize>(rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
    let len = lengths(&rows, query.len() / 2);
    assert_eq!(2 * len, query.len(), "kernel operands differ in length");
    let (low, high) = query.split_at(len);
    let mut lows = [_mm512_setzero_si512(); N];
    let mut highs = [_mm512_setzero_si512(); N];
    let mut at = 0;
    while at + LANES <= len {
        // SAFETY: rows and halves of the query have `len` bytes and `at + LANES <= len`.
        unsafe {
            let w0 = _mm512_loadu_epi8(low.as_ptr().add(at));
            let w1 = _mm512_loadu_epi8(high.as_ptr().add(at));
            for i in 0..N {
                let [u0, u1] = nibbles(_mm512_loadu_epi8(rows[i].as_ptr().add(at).cast()));
                lows[i] = _mm512_dpbusd_epi32(lows[i], u0, w0);
                highs[i] = _mm512_dpbusd_epi32(highs[i], u1, w1);
            }
        }
        at += LANES;
    }
    if at < len {
        let mask = _bzhi_u64(u64::MAX, (len - at) as u32);
        // SAFETY: rows and halves of the query have `len` bytes and `len - at` are read.
        unsafe {
            let w0 = _mm512_maskz_loadu_epi8(mask, low.as_ptr().add(at));
            let w1 = _mm512_maskz_loadu_epi8(mask, high.as_ptr().add(at));
            for i in 0..N {
                let u = _mm512_maskz_loadu_epi8(mask, rows[i].as_ptr().add(at).cast());
                let [u0, u1] = nibbles(u);
                lows[i] = _mm512_dpbusd_epi32(lows[i], u0, w0);
                highs[i] = _mm512_dpbusd_epi32(highs[i], u1, w1);
            }
        }
    }
    for (low, high) in lows.iter_mut().zip(highs) {
        *low = _mm512_add_epi32(*low, high);
    }
    reduce::sums_i32(lows)
}

/// The low and the high nibble of each byte.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
#[inline]
fn nibbles(u: __m512i) -> [__m512i; 2] {
    // The bit matrix that moves the upper nibble down.
    let down = _mm512_set1_epi64(0x1020_4080_0000_0000);
    let low = _mm512_and_si512(u, _mm512_set1_epi8(15));
    [low, _mm512_gf2p8affine_epi64_epi8::<0>(u, down)]
}
