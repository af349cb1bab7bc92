//! aarch64 with NEON and dot products: 16 bytes per instruction.

mod bits;
mod bytes;
mod float;
mod panels;
mod scan;

use super::{BLOCK, Isa, Level, OnIsa, PANEL, PANEL_BYTES, token::token};
use half::f16;
use std::arch::{aarch64::*, asm, is_aarch64_feature_detected};

token! {
    /// The token of the NEON level: NEON and dot products. Armv8.4 and most of Armv8.2: Graviton 2,
    /// Apple M1, Cortex-A76 and later.
    Neon, Neon, is_aarch64_feature_detected, ["neon", "dotprod"]
}

/// Four `i32` lanes, each gaining four products of signed bytes (SDOT). Instructions instead of an intrinsic, which
/// Rust has from 1.98 on.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: SDOT reads and writes registers only; the function has the feature.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}
