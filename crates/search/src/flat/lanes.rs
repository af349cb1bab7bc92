//! AVX-512 forms of the loop's three small steps: insert, next, unseen.
//!
//! The scalar forms beside their callers define the result; these return the same.

#![expect(
    unsafe_code,
    reason = "intrinsics on slices whose bounds each function checks or is told"
)]

use super::frontier::BLOCK;
use std::arch::x86_64::*;

/// Inserts `x` into the sorted `slots[first..]`; returns how many of them are smaller.
///
/// # Safety
/// The CPU has AVX-512 F. `slots.len()` and `first` are multiples of `BLOCK`, `first >= BLOCK`.
#[target_feature(enable = "avx512f,popcnt")]
#[inline]
pub(super) unsafe fn insert(slots: &mut [u64], first: usize, x: u64) -> usize {
    debug_assert!(first >= BLOCK && first.is_multiple_of(BLOCK));
    debug_assert!(slots.len().is_multiple_of(BLOCK));
    let base = slots.as_mut_ptr().cast::<i64>();
    let wide = _mm512_set1_epi64(x as i64);
    let mut below = 0;
    let mut at = slots.len();
    while at > first {
        at -= BLOCK;
        // SAFETY: `first <= at` and `at + BLOCK <= slots.len()`, so the block lies in `slots`, and so
        // does the one that starts a slot earlier, since `at >= BLOCK`.
        unsafe {
            let here = _mm512_loadu_epi64(base.add(at));
            let before = _mm512_loadu_epi64(base.add(at - 1));
            below += _mm512_cmplt_epu64_mask(here, wide).count_ones();
            let moved = _mm512_max_epu64(before, _mm512_min_epu64(wide, here));
            _mm512_storeu_epi64(base.add(at), moved);
        }
    }
    below as usize
}

/// A bit per slot of the block that is not expanded.
///
/// # Safety
/// The CPU has AVX-512 F. `block` has `BLOCK` slots.
#[target_feature(enable = "avx512f")]
#[inline]
pub(super) unsafe fn unexpanded(block: &[u64]) -> u32 {
    assert_eq!(block.len(), BLOCK);
    // SAFETY: the block has exactly the eight slots that are loaded.
    let slots = unsafe { _mm512_loadu_epi64(block.as_ptr().cast()) };
    u32::from(_mm512_testn_epi64_mask(slots, _mm512_set1_epi64(1)))
}
