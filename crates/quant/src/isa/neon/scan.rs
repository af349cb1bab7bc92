//! Sums of table look-ups for codes that lie side by side.

use crate::isa::{BLOCK, GROUP, groups};
use std::arch::aarch64::*;

/// How many groups 16-bit sums can take: `255 * 256 < 2^16`.
const MOST: usize = 256;

/// FastScan by TBL: a group's table is one register. Entries are summed in 16 bits, which move to 32 bits
/// every [`MOST`] groups. Exact while there are at most 16,843,009 groups.
#[target_feature(enable = "neon")]
#[inline]
pub(super) fn scan_block(codes: &[u8], tables: &[u8]) -> [u32; BLOCK] {
    groups(codes, tables);
    let mut out = [0; BLOCK];
    for (codes, tables) in codes.chunks(MOST * GROUP).zip(tables.chunks(MOST * GROUP)) {
        let mut sums = [vdupq_n_u16(0); 4];
        let nibble = vdupq_n_u8(15);
        let (codes, tables) = (codes.as_chunks::<GROUP>().0, tables.as_chunks::<GROUP>().0);
        for (codes, table) in codes.iter().zip(tables) {
            // SAFETY: both arrays have 16 bytes.
            let (codes, table) = unsafe { (vld1q_u8(codes.as_ptr()), vld1q_u8(table.as_ptr())) };
            let low = vqtbl1q_u8(table, vandq_u8(codes, nibble));
            let high = vqtbl1q_u8(table, vshrq_n_u8::<4>(codes));
            sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
            sums[1] = vaddw_high_u8(sums[1], low);
            sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
            sums[3] = vaddw_high_u8(sums[3], high);
        }
        for (out, sum) in out.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            let mut lanes = [0u16; 8];
            // SAFETY: the array has eight `u16`.
            unsafe { vst1q_u16(lanes.as_mut_ptr(), sum) };
            out.iter_mut().zip(lanes).for_each(|(out, lane)| *out += u32::from(lane));
        }
    }
    out
}
