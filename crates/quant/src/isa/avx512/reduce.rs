//! Sums of the lanes of several accumulators at once.
//!
//! Reducing `N` accumulators one by one costs about `7 N` instructions; transposing while adding
//! costs about `3 N`, because each step halves the number of registers.

use std::arch::x86_64::*;

/// The sum of the sixteen `i32` lanes of each accumulator, modulo 2^32.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
pub(super) fn sums_i32<const N: usize>(accumulators: [__m512i; N]) -> [i32; N] {
    let mut sums = [0; N];
    let (eights, rest) = accumulators.as_chunks::<8>();
    let (eight_sums, rest_sums) = sums.as_chunks_mut::<8>();
    for (a, sums) in eights.iter().zip(eight_sums) {
        let low = fold_i64(fold_i32(a[0], a[1]), fold_i32(a[2], a[3]));
        let high = fold_i64(fold_i32(a[4], a[5]), fold_i32(a[6], a[7]));
        let eight = meet_i32(low, high);
        // SAFETY: the group is eight `i32`.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), eight) };
    }
    let (fours, rest) = rest.as_chunks::<4>();
    let (four_sums, rest_sums) = rest_sums.as_chunks_mut::<4>();
    for (a, sums) in fours.iter().zip(four_sums) {
        // Every 128-bit block holds one partial sum of each of the four.
        let blocks = fold_i64(fold_i32(a[0], a[1]), fold_i32(a[2], a[3]));
        let (x, y) = (_mm512_castsi512_si256(blocks), _mm512_extracti64x4_epi64::<1>(blocks));
        let half = _mm256_add_epi32(x, y);
        let four = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
        // SAFETY: the group is four `i32`.
        unsafe { _mm_storeu_si128(sums.as_mut_ptr().cast(), four) };
    }
    for (a, sum) in rest.iter().zip(rest_sums) {
        *sum = _mm512_reduce_add_epi32(*a);
    }
    sums
}

/// Lane pairs of two accumulators added: `[a0+a2, b0+b2, a1+a3, b1+b3]` of each 128-bit block.
#[target_feature(enable = "avx512f")]
#[inline]
fn fold_i32(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b))
}

/// As [`fold_i32`] for 64-bit halves of each 128-bit block, the lanes still being `i32`.
#[target_feature(enable = "avx512f")]
#[inline]
fn fold_i64(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b))
}

/// The four blocks of `low` added, then those of `high`.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn meet_i32(low: __m512i, high: __m512i) -> __m256i {
    // [l0 l2 h0 h2] + [l1 l3 h1 h3], then the two blocks of each half meet.
    let blocks = _mm512_add_epi32(
        _mm512_shuffle_i64x2::<0b10_00_10_00>(low, high),
        _mm512_shuffle_i64x2::<0b11_01_11_01>(low, high),
    );
    let (x, y) = (_mm512_castsi512_si256(blocks), _mm512_extracti64x4_epi64::<1>(blocks));
    _mm256_add_epi32(
        _mm256_permute2x128_si256::<0x20>(x, y),
        _mm256_permute2x128_si256::<0x31>(x, y),
    )
}

/// The sum of the eight `u64` lanes of each accumulator, each below 2^32.
#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
pub(super) fn sums_u64<const N: usize>(accumulators: [__m512i; N]) -> [u32; N] {
    let mut sums = [0; N];
    let (eights, rest) = accumulators.as_chunks::<8>();
    let (eight_sums, rest_sums) = sums.as_chunks_mut::<8>();
    for (a, sums) in eights.iter().zip(eight_sums) {
        // Odd-numbered rows move into the idle upper halves: eight registers of u64 become four
        // of u32 before the first addition.
        let p = _mm512_or_si512(a[0], _mm512_slli_epi64::<32>(a[1]));
        let q = _mm512_or_si512(a[2], _mm512_slli_epi64::<32>(a[3]));
        let r = _mm512_or_si512(a[4], _mm512_slli_epi64::<32>(a[5]));
        let s = _mm512_or_si512(a[6], _mm512_slli_epi64::<32>(a[7]));
        let eight = meet_i32(fold_i64(p, q), fold_i64(r, s));
        // SAFETY: the group is eight `u32`.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), eight) };
    }
    for (a, sum) in rest.iter().zip(rest_sums) {
        *sum = _mm512_reduce_add_epi64(*a) as u32;
    }
    sums
}

/// The sum of the sixteen `f32` lanes of each accumulator, by the tree that [`Isa`](crate::Isa) states, the same
/// for every `N`.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
pub(super) fn sums_f32<const N: usize>(accumulators: [__m512; N]) -> [f32; N] {
    let mut sums = [0.0; N];
    let (fours, rest) = accumulators.as_chunks::<4>();
    let (four_sums, rest_sums) = sums.as_chunks_mut::<4>();
    for (a, sums) in fours.iter().zip(four_sums) {
        let (p, q, r, s) = (quarter(a[0]), quarter(a[1]), quarter(a[2]), quarter(a[3]));
        let pq = _mm_add_ps(_mm_unpacklo_ps(p, q), _mm_unpackhi_ps(p, q));
        let rs = _mm_add_ps(_mm_unpacklo_ps(r, s), _mm_unpackhi_ps(r, s));
        let four = _mm_add_ps(_mm_movelh_ps(pq, rs), _mm_movehl_ps(rs, pq));
        // SAFETY: the group is four `f32`.
        unsafe { _mm_storeu_ps(sums.as_mut_ptr(), four) };
    }
    for (a, sum) in rest.iter().zip(rest_sums) {
        let a = quarter(*a);
        let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
        *sum = _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
    }
    sums
}

/// Sixteen lanes folded to four.
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[inline]
fn quarter(a: __m512) -> __m128 {
    let a = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
    _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a))
}
