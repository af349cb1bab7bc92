//! aarch64 with NEON and dot products: 16 bytes per instruction.

mod bits;
mod bytes;
mod float;
mod scan;

use super::{BLOCK, Isa, Level, OnIsa};
use half::f16;
use std::{
    arch::{aarch64::*, asm, is_aarch64_feature_detected},
    sync::OnceLock,
};

/// The token of the NEON level: NEON and dot products. Armv8.4 and most of Armv8.2: Graviton 2,
/// Apple M1, Cortex-A76 and later.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The token, where the CPU has the level. Detected once.
    #[inline]
    pub fn new() -> Option<Self> {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        let available = *AVAILABLE.get_or_init(|| {
            is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod")
        });
        available.then_some(Self(()))
    }

    /// Does `work` compiled for this level.
    #[inline]
    pub(super) fn dispatch<W: OnIsa>(self, work: W) -> W::Output {
        // SAFETY: the token is proof that the CPU has every feature that `enter` enables.
        unsafe { enter(self, work) }
    }
}

#[target_feature(enable = "neon,dotprod")]
fn enter<W: OnIsa>(isa: Neon, work: W) -> W::Output {
    work.on(isa)
}

#[target_feature(enable = "neon,dotprod")]
fn call<R>(work: impl FnOnce() -> R) -> R {
    work()
}

impl Isa for Neon {
    const LEVEL: Level = Level::Neon;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        // SAFETY: the token is proof that the CPU has every feature that `call` enables.
        unsafe { call(work) }
    }

    #[inline(always)]
    fn l2_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { float::rows::<N, true, f32>(rows, query) }
    }

    #[inline(always)]
    fn dot_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { float::rows::<N, false, f32>(rows, query) }
    }

    #[inline(always)]
    fn l2_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { float::rows::<N, true, f16>(rows, query) }
    }

    #[inline(always)]
    fn dot_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { float::rows::<N, false, f16>(rows, query) }
    }

    #[inline(always)]
    fn dot_u8_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { bytes::dot_u8_i8(rows, query) }
    }

    #[inline(always)]
    fn dot_u4_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { bytes::dot_u4_i8(rows, query) }
    }

    #[inline(always)]
    fn hamming_rows<const N: usize>(self, rows: [&[u64]; N], query: &[u64]) -> [u32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { bits::hamming(rows, query) }
    }

    #[inline(always)]
    fn bit_dot_rows<const N: usize>(self, rows: [&[u64]; N], planes: &[u64]) -> [i32; N] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { bits::bit_dot(rows, planes) }
    }

    #[inline(always)]
    fn scan_block(self, codes: &[u8], tables: &[u8]) -> [u32; BLOCK] {
        // SAFETY: the token is proof that the CPU has the features.
        unsafe { scan::scan_block(codes, tables) }
    }

    #[inline(always)]
    fn prefetch<T>(self, slice: &[T], index: usize) {
        super::prefetch(slice, index);
    }
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
