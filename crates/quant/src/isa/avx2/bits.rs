//! Popcounts.

use crate::isa::{lengths, portable};
use std::arch::x86_64::*;

/// Words of a register.
const LANES: usize = 4;

/// Up to this many words the scalar POPCNT, several per cycle, wins.
const SCALAR: usize = 7;

/// Numbers of differing bits: popcounts of nibbles by table look-up (VPSHUFB), summed per 8 bytes by
/// VPSADBW. A byte counts at most 8, so nothing overflows before the `u64` lanes.
#[target_feature(enable = "avx2,popcnt")]
#[inline]
pub(super) fn hamming<const N: usize>(rows: [&[u64]; N], query: &[u64]) -> [u32; N] {
    let len = lengths(&rows, query.len());
    let whole = if len <= SCALAR { 0 } else { len / LANES * LANES };
    let mut counts = [0; N];
    if whole > 0 {
        let mut sums = [_mm256_setzero_si256(); N];
        let mut at = 0;
        while at < whole {
            // SAFETY: all slices have `len` words and `at + LANES <= whole <= len`.
            unsafe {
                let y = _mm256_loadu_si256(query.as_ptr().add(at).cast());
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    let x = _mm256_loadu_si256(row.as_ptr().add(at).cast());
                    *sum = _mm256_add_epi64(*sum, popcounts(_mm256_xor_si256(x, y)));
                }
            }
            at += LANES;
        }
        for (count, sum) in counts.iter_mut().zip(sums) {
            let half =
                _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let total = _mm_add_epi64(half, _mm_unpackhi_epi64(half, half));
            *count = _mm_cvtsi128_si32(total) as u32;
        }
    }
    for (count, row) in counts.iter_mut().zip(&rows) {
        for (x, y) in row[whole..].iter().zip(&query[whole..]) {
            *count += (x ^ y).count_ones();
        }
    }
    counts
}

/// The number of set bits of each 64-bit lane.
#[target_feature(enable = "avx2")]
#[inline]
fn popcounts(x: __m256i) -> __m256i {
    let table =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    let nibble = _mm256_set1_epi8(0x0F);
    let low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble));
    let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(x), nibble));
    _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256())
}

/// Inner products with bit planes by scalar POPCNT, of which several run per cycle: the rows are
/// short and the nibble look-up gains nothing on them.
#[target_feature(enable = "popcnt")]
#[inline]
pub(super) fn bit_dot<const N: usize>(rows: [&[u64]; N], query: &[u64]) -> [i32; N] {
    let mut sums = [0; N];
    for (sum, row) in sums.iter_mut().zip(rows) {
        *sum = portable::bit_dot(row, query);
    }
    sums
}
