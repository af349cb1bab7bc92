//! Sums of the lanes of several accumulators at once.
//!
//! Reducing `N` accumulators one by one costs about `7 N` instructions; transposing while adding
//! costs about `3 N`, because each step halves the number of registers.
//!
//! No closures over registers here and in the kernels: a closure has no target features, so what
//! it calls counts as expensive and it is not inlined (an `array::map` over the accumulators spilled
//! all of them and made the batch of eight three times slower than single calls).

use super::Avx512;
use std::arch::x86_64::*;

/// The sum of the sixteen `i32` lanes of each accumulator, modulo 2^32.
#[inline(always)]
pub(super) fn sums_i32<const N: usize>(_: Avx512, accumulators: [__m512i; N]) -> [i32; N] {
    let mut sums = [0; N];
    // SAFETY: the token is proof of the features; nothing here touches memory but `sums`, whose
    // groups are exactly as long as what is stored to them.
    unsafe {
        let (eights, rest) = accumulators.as_chunks::<8>();
        let (eight_sums, rest_sums) = sums.as_chunks_mut::<8>();
        for (a, sums) in eights.iter().zip(eight_sums) {
            _mm256_storeu_si256(sums.as_mut_ptr().cast(), eight_i32(*a));
        }
        let (fours, rest) = rest.as_chunks::<4>();
        let (four_sums, rest_sums) = rest_sums.as_chunks_mut::<4>();
        for (a, sums) in fours.iter().zip(four_sums) {
            _mm_storeu_si128(sums.as_mut_ptr().cast(), four_i32(*a));
        }
        for (a, sum) in rest.iter().zip(rest_sums) {
            *sum = _mm512_reduce_add_epi32(*a);
        }
    }
    sums
}

/// Lane pairs of two accumulators added: `[a0+a2, b0+b2, a1+a3, b1+b3]` of each 128-bit block.
#[inline(always)]
unsafe fn fold_i32(a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: register arithmetic only; the caller has the features.
    unsafe { _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b)) }
}

/// As [`fold_i32`] for 64-bit halves of each 128-bit block, the lanes still being `i32`.
#[inline(always)]
unsafe fn fold_i64(a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: register arithmetic only; the caller has the features.
    unsafe { _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)) }
}

#[inline(always)]
unsafe fn four_i32(a: [__m512i; 4]) -> __m128i {
    // SAFETY: register arithmetic only; the caller has the features.
    unsafe {
        // Every 128-bit block holds one partial sum of each of the four.
        let blocks = fold_i64(fold_i32(a[0], a[1]), fold_i32(a[2], a[3]));
        let halves = _mm256_add_epi32(
            _mm512_castsi512_si256(blocks),
            _mm512_extracti64x4_epi64::<1>(blocks),
        );
        _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
    }
}

#[inline(always)]
unsafe fn eight_i32(a: [__m512i; 8]) -> __m256i {
    // SAFETY: register arithmetic only; the caller has the features.
    unsafe {
        let low = fold_i64(fold_i32(a[0], a[1]), fold_i32(a[2], a[3]));
        let high = fold_i64(fold_i32(a[4], a[5]), fold_i32(a[6], a[7]));
        // Blocks [l0 l2 h0 h2] + [l1 l3 h1 h3], then the two blocks of each half meet.
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
}

/// The sum of the eight `u64` lanes of each accumulator, as `u32`.
#[inline(always)]
pub(super) fn sums_u64<const N: usize>(_: Avx512, accumulators: [__m512i; N]) -> [u32; N] {
    let mut sums = [0; N];
    // SAFETY: the token is proof of the features; nothing here touches memory but `sums`, whose
    // groups are exactly as long as what is stored to them.
    unsafe {
        let (eights, rest) = accumulators.as_chunks::<8>();
        let (eight_sums, rest_sums) = sums.as_chunks_mut::<8>();
        for (a, sums) in eights.iter().zip(eight_sums) {
            _mm256_storeu_si256(sums.as_mut_ptr().cast(), eight_u64(*a));
        }
        for (a, sum) in rest.iter().zip(rest_sums) {
            *sum = _mm512_reduce_add_epi64(*a) as u32;
        }
    }
    sums
}

#[inline(always)]
unsafe fn eight_u64(a: [__m512i; 8]) -> __m256i {
    // SAFETY: register arithmetic only; the caller has the features.
    unsafe {
        // Counts stay far below 2^32, so odd-numbered rows move into the idle upper halves and
        // eight registers of u64 become four of u32 before the first addition.
        let p = _mm512_or_si512(a[0], _mm512_slli_epi64::<32>(a[1]));
        let q = _mm512_or_si512(a[2], _mm512_slli_epi64::<32>(a[3]));
        let r = _mm512_or_si512(a[4], _mm512_slli_epi64::<32>(a[5]));
        let s = _mm512_or_si512(a[6], _mm512_slli_epi64::<32>(a[7]));
        // Blocks [0 1 2 3] and [4 5 6 7].
        let (low, high) = (fold_i64(p, q), fold_i64(r, s));
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
}

/// The sum of the sixteen `f32` lanes of each accumulator. One tree for every `N`: eighths, fours,
/// twos, ones, so that a batch gives what single calls give.
#[inline(always)]
pub(super) fn sums_f32<const N: usize>(_: Avx512, accumulators: [__m512; N]) -> [f32; N] {
    let mut sums = [0.0; N];
    // SAFETY: the token is proof of the features; nothing here touches memory but `sums`, whose
    // groups are exactly as long as what is stored to them.
    unsafe {
        let (fours, rest) = accumulators.as_chunks::<4>();
        let (four_sums, rest_sums) = sums.as_chunks_mut::<4>();
        for (a, sums) in fours.iter().zip(four_sums) {
            let (a, b, c, d) = (quarter(a[0]), quarter(a[1]), quarter(a[2]), quarter(a[3]));
            let ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            let total = _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
            _mm_storeu_ps(sums.as_mut_ptr(), total);
        }
        for (a, sum) in rest.iter().zip(rest_sums) {
            let a = quarter(*a);
            let a = _mm_add_ps(a, _mm_movehl_ps(a, a));
            *sum = _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
        }
    }
    sums
}

/// Sixteen lanes folded to four.
#[inline(always)]
unsafe fn quarter(a: __m512) -> __m128 {
    // SAFETY: register arithmetic only; the caller has the features.
    unsafe {
        let a = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
        _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a))
    }
}
