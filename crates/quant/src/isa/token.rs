//! What the tokens of `std::arch` have in common: how they are made, and how they reach their kernels.

/// A token of a level, its detection and its [`Isa`](crate::Isa): each method calls the function of the same
/// purpose in the modules `float`, `bytes`, `bits`, `scan` and `panels` beside the call of this macro.
///
/// The features are named once, for detection and for compilation: that makes the `unsafe` sound.
macro_rules! token {
    ($(#[$doc:meta])* $token:ident, $level:ident, $detected:ident, [$($feature:tt),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $token(());

        impl $token {
            /// The token, where the CPU has the level. Detected once.
            #[inline]
            pub fn new() -> Option<Self> {
                static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
                let available = *AVAILABLE.get_or_init(|| $($detected!($feature))&&*);
                available.then_some(Self(()))
            }

            /// Does `work` compiled for this level.
            #[inline]
            pub(super) fn dispatch<W: OnIsa>(self, work: W) -> W::Output {
                // SAFETY: the token is proof that the CPU has every feature that `enter` enables.
                unsafe { enter(self, work) }
            }
        }

        #[target_feature($(enable = $feature),*)]
        fn enter<W: OnIsa>(isa: $token, work: W) -> W::Output {
            work.on(isa)
        }

        #[target_feature($(enable = $feature),*)]
        fn call<R>(work: impl FnOnce() -> R) -> R {
            work()
        }

        impl Isa for $token {
            const LEVEL: Level = Level::$level;

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
            fn dot_panels(
                self,
                left: &[[i8; PANEL_BYTES]],
                right: &[[u8; PANEL_BYTES]],
            ) -> [[i32; PANEL]; PANEL] {
                // SAFETY: the token is proof that the CPU has the features.
                unsafe { panels::dot_panels(left, right) }
            }

            #[inline(always)]
            fn below(self, values: &[u32; PANEL], limit: u32) -> u32 {
                // SAFETY: the token is proof that the CPU has the features.
                unsafe { panels::below(values, limit) }
            }

            #[inline(always)]
            fn prefetch<T>(self, slice: &[T], index: usize) {
                super::prefetch(slice, index);
            }
        }
    };
}

pub(super) use token;
