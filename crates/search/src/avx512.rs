//! AVX-512 forms of the small steps of [`pipelined`](crate::pipelined) and [`Visited`](crate::Visited).
//!
//! The scalar forms beside their callers define the result; these return the same. They do not
//! depend on the codec, so each is compiled once.

#![expect(
    unsafe_code,
    reason = "intrinsics on slices whose bounds each function checks or is told"
)]

use crate::block::{BLOCK, Block, NARROW};
use crinoid_graph::NONE;
use std::arch::x86_64::*;

/// Writes the slots of those of the first `count` candidates that are below `limit` to `out`; how many
/// there are.
///
/// # Safety
/// The CPU has AVX-512 F, VL and POPCNT.
#[target_feature(enable = "avx512f,avx512vl,popcnt,bmi2")]
pub(crate) unsafe fn newcomers(
    limit: u64,
    keys: &[u32],
    ids: &[u32],
    count: usize,
    out: &mut [u64],
) -> usize {
    let groups = count.div_ceil(BLOCK);
    let (keys, ids) = (&keys[..groups * BLOCK], &ids[..groups * BLOCK]);
    assert!(groups * BLOCK <= out.len(), "newcomers fit");
    let limit = _mm512_set1_epi64(limit as i64);
    let mut found = 0;
    for at in (0..count).step_by(BLOCK) {
        // SAFETY: both slices have a whole group from `at` on; `found <= at`, and `out` is as long.
        unsafe {
            let keys = _mm512_cvtepu32_epi64(_mm256_loadu_epi32(keys.as_ptr().add(at).cast()));
            let ids = _mm512_cvtepu32_epi64(_mm256_loadu_epi32(ids.as_ptr().add(at).cast()));
            let slots = _mm512_or_epi64(_mm512_slli_epi64::<32>(keys), _mm512_slli_epi64::<1>(ids));
            let below = u32::from(_mm512_cmplt_epu64_mask(slots, limit));
            let below = _bzhi_u32(below, (count - at).min(BLOCK) as u32);
            let packed = _mm512_maskz_compress_epi64(below as u8, slots);
            _mm512_storeu_epi64(out.as_mut_ptr().add(found).cast(), packed);
            found += below.count_ones() as usize;
        }
    }
    found
}

/// Inserts `newcomers`, the largest slots falling off the end; the first block that may have changed.
///
/// # Safety
/// The CPU has AVX-512 F.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn insert(blocks: &mut [Block], newcomers: &[u64]) -> usize {
    // SAFETY: the feature is the caller's promise.
    unsafe {
        match blocks.len() {
            1 => narrow::<1>(blocks, newcomers),
            2 => narrow::<2>(blocks, newcomers),
            3 => narrow::<3>(blocks, newcomers),
            4 => narrow::<4>(blocks, newcomers),
            5 => narrow::<5>(blocks, newcomers),
            6 => narrow::<6>(blocks, newcomers),
            7 => narrow::<7>(blocks, newcomers),
            NARROW => narrow::<NARROW>(blocks, newcomers),
            _ => wide(blocks, newcomers),
        }
    }
}

/// [`insert`] with all blocks in registers.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn narrow<const N: usize>(blocks: &mut [Block], newcomers: &[u64]) -> usize {
    assert_eq!(blocks.len(), N);
    let mut registers = [_mm512_setzero_si512(); N];
    for (register, block) in registers.iter_mut().zip(&*blocks) {
        // SAFETY: a block has the eight slots that are loaded, and is aligned to its size.
        *register = unsafe { _mm512_load_epi64(block.0.as_ptr().cast()) };
    }
    for &x in newcomers {
        let x = _mm512_set1_epi64(x as i64);
        for i in (0..N).rev() {
            let lower = if i > 0 { registers[i - 1] } else { _mm512_setzero_si512() };
            let before = _mm512_alignr_epi64::<7>(registers[i], lower);
            registers[i] = _mm512_max_epu64(before, _mm512_min_epu64(x, registers[i]));
        }
    }
    for (register, block) in registers.iter().zip(blocks) {
        // SAFETY: as above.
        unsafe { _mm512_store_epi64(block.0.as_mut_ptr().cast(), *register) };
    }
    // So few blocks are searched from the first on.
    0
}

/// [`insert`] in memory, one candidate after the other, from the end down to its block.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn wide(blocks: &mut [Block], newcomers: &[u64]) -> usize {
    let mut first = blocks.len();
    for &slot in newcomers {
        let x = _mm512_set1_epi64(slot as i64);
        let mut index = blocks.len() - 1;
        loop {
            let lower = index.checked_sub(1);
            let goes_below = lower.is_some_and(|lower| slot < blocks[lower].0[BLOCK - 1]);
            // SAFETY: every load and store is of a whole block, aligned to its size.
            unsafe {
                let here = _mm512_load_epi64(blocks[index].0.as_ptr().cast());
                let lower = match lower {
                    Some(lower) => _mm512_load_epi64(blocks[lower].0.as_ptr().cast()),
                    None => _mm512_setzero_si512(),
                };
                let before = _mm512_alignr_epi64::<7>(here, lower);
                let moved = _mm512_max_epu64(before, _mm512_min_epu64(x, here));
                _mm512_store_epi64(blocks[index].0.as_mut_ptr().cast(), moved);
            }
            if !goes_below {
                break;
            }
            index -= 1;
        }
        first = first.min(index);
    }
    first
}

/// Marks the first unexpanded slot from block `cursor` on; its place, or the number of slots.
///
/// # Safety
/// The CPU has AVX-512 F.
#[target_feature(enable = "avx512f,bmi1")]
pub(crate) unsafe fn pop(blocks: &mut [Block], cursor: usize) -> usize {
    let slots = blocks.len() * BLOCK;
    let one = _mm512_set1_epi64(1);
    let mut index = cursor;
    if blocks.len() <= NARROW {
        let mut unexpanded = 0u64;
        for (index, block) in blocks.iter().enumerate() {
            // SAFETY: a block has the eight slots that are loaded, and is aligned to its size.
            let here = unsafe { _mm512_load_epi64(block.0.as_ptr().cast()) };
            unexpanded |= u64::from(_mm512_testn_epi64_mask(here, one)) << (BLOCK * index);
        }
        index = unexpanded.trailing_zeros() as usize / BLOCK;
    }
    while let Some(block) = blocks.get_mut(index) {
        // SAFETY: as above.
        let here = unsafe { _mm512_load_epi64(block.0.as_ptr().cast()) };
        let unexpanded = _mm512_testn_epi64_mask(here, one);
        if unexpanded != 0 {
            let lowest = unexpanded & unexpanded.wrapping_neg();
            // A whole block is stored, since a whole block is loaded next.
            let marked = _mm512_mask_or_epi64(here, lowest, here, one);
            // SAFETY: as above.
            unsafe { _mm512_store_epi64(block.0.as_mut_ptr().cast(), marked) };
            return index * BLOCK + lowest.trailing_zeros() as usize;
        }
        index += 1;
    }
    slots
}

/// Writes the ids of `row` whose bits are not set to `out`; how many there are. An id that has no bit
/// counts as one whose bit is not set, so that the caller meets it where bounds are checked.
///
/// # Safety
/// The CPU has AVX-512 F.
#[target_feature(enable = "avx512f,popcnt")]
pub(crate) unsafe fn unseen(row: &[u32], bits: &[u32], out: &mut [u32]) -> usize {
    let (groups, rest) = row.as_chunks::<16>();
    assert!(rest.is_empty() && out.len() >= row.len(), "rows are whole lines, and fit");
    let known = _mm512_set1_epi32(i32::try_from(bits.len()).unwrap_or(i32::MAX));
    let mut count = 0;
    for group in groups {
        // SAFETY: a group has sixteen ids; words are read for ids whose words there are;
        // `count <= 16 * groups before`, so sixteen values fit from there on.
        let used = unsafe {
            let ids = _mm512_loadu_epi32(group.as_ptr().cast());
            let used = _mm512_cmpneq_epi32_mask(ids, _mm512_set1_epi32(NONE as i32));
            let word = _mm512_srli_epi32::<5>(ids);
            let words = _mm512_mask_i32gather_epi32::<4>(
                _mm512_setzero_si512(),
                _mm512_cmplt_epu32_mask(word, known),
                word,
                bits.as_ptr().cast(),
            );
            let bit = _mm512_sllv_epi32(
                _mm512_set1_epi32(1),
                _mm512_and_si512(ids, _mm512_set1_epi32(31)),
            );
            let new = _mm512_mask_testn_epi32_mask(used, words, bit);
            let packed = _mm512_maskz_compress_epi32(new, ids);
            _mm512_storeu_epi32(out.as_mut_ptr().add(count).cast(), packed);
            count += new.count_ones() as usize;
            used
        };
        if used != u16::MAX {
            break;
        }
    }
    count
}
