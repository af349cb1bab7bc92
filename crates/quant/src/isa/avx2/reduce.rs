//! Sums of the lanes of several accumulators at once.

use std::arch::x86_64::*;

/// The sum of the eight `i32` lanes of each accumulator, modulo 2^32.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn sums_i32<const N: usize>(accumulators: [__m256i; N]) -> [i32; N] {
    let mut sums = [0; N];
    let (fours, rest) = accumulators.as_chunks::<4>();
    let (four_sums, rest_sums) = sums.as_chunks_mut::<4>();
    for (a, sums) in fours.iter().zip(four_sums) {
        let (ab, cd) = (fold_i32(a[0], a[1]), fold_i32(a[2], a[3]));
        let blocks = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
        // SAFETY: the group is four `i32`.
        unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), half_i32(blocks)) };
    }
    for (a, sum) in rest.iter().zip(rest_sums) {
        let a = half_i32(*a);
        let a = _mm_add_epi32(a, _mm_unpackhi_epi64(a, a));
        *sum = _mm_cvtsi128_si32(_mm_add_epi32(a, _mm_shuffle_epi32::<0b01>(a)));
    }
    sums
}

/// The sum of the eight `f32` lanes of each accumulator, by the tree that [`Isa`](crate::Isa) states, the same
/// for every `N`.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn sums_f32<const N: usize>(accumulators: [__m256; N]) -> [f32; N] {
    let mut sums = [0.0; N];
    let (fours, rest) = accumulators.as_chunks::<4>();
    let (four_sums, rest_sums) = sums.as_chunks_mut::<4>();
    for (a, sums) in fours.iter().zip(four_sums) {
        let (p, q) = (half_f32(a[0]), half_f32(a[1]));
        let (r, s) = (half_f32(a[2]), half_f32(a[3]));
        let pq = _mm_add_ps(_mm_unpacklo_ps(p, q), _mm_unpackhi_ps(p, q));
        let rs = _mm_add_ps(_mm_unpacklo_ps(r, s), _mm_unpackhi_ps(r, s));
        let four = _mm_add_ps(_mm_movelh_ps(pq, rs), _mm_movehl_ps(rs, pq));
        // SAFETY: the group is four `f32`.
        unsafe { _mm_storeu_ps(sums.as_mut_ptr(), four) };
    }
    for (a, sum) in rest.iter().zip(rest_sums) {
        let a = half_f32(*a);
        let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
        *sum = _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
    }
    sums
}

/// Eight lanes folded to four.
#[target_feature(enable = "avx2")]
#[inline]
fn half_i32(a: __m256i) -> __m128i {
    _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a))
}

/// Eight lanes folded to four.
#[target_feature(enable = "avx2")]
#[inline]
fn half_f32(a: __m256) -> __m128 {
    _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a))
}

/// Lane pairs of two accumulators added: `[a0+a2, b0+b2, a1+a3, b1+b3]` of each 128-bit block.
#[target_feature(enable = "avx2")]
#[inline]
fn fold_i32(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b))
}
