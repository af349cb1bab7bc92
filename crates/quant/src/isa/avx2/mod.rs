//! x86-64 with AVX2 and FMA: 32 bytes per instruction.

mod bits;
mod bytes;
mod float;
mod reduce;
mod scan;

use super::{BLOCK, Isa, Level, OnIsa};
use half::f16;
use std::{
    arch::x86_64::{_MM_HINT_T0, _mm_prefetch},
    sync::OnceLock,
};

/// The token of the AVX2 level: AVX2, FMA, F16C, BMI and POPCNT. Haswell, Zen and later.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The token, where the CPU has the level. Detected once.
    #[inline]
    pub fn new() -> Option<Self> {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        let available = *AVAILABLE.get_or_init(|| {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt")
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

#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
fn enter<W: OnIsa>(isa: Avx2, work: W) -> W::Output {
    work.on(isa)
}

#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
fn call<R>(work: impl FnOnce() -> R) -> R {
    work()
}

impl Isa for Avx2 {
    const LEVEL: Level = Level::Avx2;

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
        // SAFETY: a prefetch is a hint: it does not fault, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(slice.as_ptr().wrapping_add(index).cast()) }
    }
}
