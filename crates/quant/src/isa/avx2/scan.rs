//! Sums of table look-ups for codes that lie side by side.

use crate::isa::{BLOCK, GROUP, groups};
use std::arch::x86_64::*;

/// Bytes of a register: two groups.
const LANES: usize = 32;

/// How many registers of codes 16-bit sums can take: a sum gains at most 255 from each, and both
/// halves of a register are added at the end: `2 * 255 * 128 < 2^16`.
const MOST: usize = 128;

/// FastScan by VPSHUFB: each half of a register looks its group up in its own table. Entries are summed
/// in 16 bits, first those of even and odd bytes together (`even + 256 odd`, which wraps) and those of odd
/// bytes alone, from which the even ones follow; every [`MOST`] registers the sums move to 32 bits.
/// Exact while there are at most 16,843,009 groups.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn scan_block(codes: &[u8], tables: &[u8]) -> [u32; BLOCK] {
    groups(codes, tables);
    let mut out = [0; BLOCK];
    for (codes, tables) in codes.chunks(MOST * LANES).zip(tables.chunks(MOST * LANES)) {
        // Even and odd bytes of the low nibbles, then of the high ones.
        let mut sums = [_mm256_setzero_si256(); 4];
        let mut add = |codes: __m256i, table: __m256i| {
            let nibble = _mm256_set1_epi8(15);
            let low = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, nibble));
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(codes), nibble);
            let high = _mm256_shuffle_epi8(table, high);
            sums[0] = _mm256_add_epi16(sums[0], low);
            sums[1] = _mm256_add_epi16(sums[1], _mm256_srli_epi16::<8>(low));
            sums[2] = _mm256_add_epi16(sums[2], high);
            sums[3] = _mm256_add_epi16(sums[3], _mm256_srli_epi16::<8>(high));
        };
        let len = codes.len();
        let mut at = 0;
        while at + LANES <= len {
            // SAFETY: both slices have `len` bytes and `at + LANES <= len`.
            unsafe {
                let table = _mm256_loadu_si256(tables.as_ptr().add(at).cast());
                add(_mm256_loadu_si256(codes.as_ptr().add(at).cast()), table);
            }
            at += LANES;
        }
        if at < len {
            // SAFETY: a group of 16 bytes is left; the upper half's table is zero.
            unsafe {
                let table = _mm_loadu_si128(tables.as_ptr().add(at).cast());
                let codes = _mm_loadu_si128(codes.as_ptr().add(at).cast());
                add(_mm256_zextsi128_si256(codes), _mm256_zextsi128_si256(table));
            }
        }
        let (lows, highs) = out.split_at_mut(GROUP);
        for (out, [both, odd]) in [(lows, [sums[0], sums[1]]), (highs, [sums[2], sums[3]])] {
            let even = _mm256_sub_epi16(both, _mm256_slli_epi16::<8>(odd));
            let (even, odd) = (halves(even), halves(odd));
            let sums = [_mm_unpacklo_epi16(even, odd), _mm_unpackhi_epi16(even, odd)];
            for (out, sums) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
                let wide = _mm256_cvtepu16_epi32(sums);
                // SAFETY: the group is eight `u32`.
                unsafe {
                    let before = _mm256_loadu_si256(out.as_ptr().cast());
                    let sum = _mm256_add_epi32(before, wide);
                    _mm256_storeu_si256(out.as_mut_ptr().cast(), sum);
                }
            }
        }
    }
    out
}

/// Both halves of a register added, as 16-bit lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn halves(x: __m256i) -> __m128i {
    _mm_add_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x))
}
