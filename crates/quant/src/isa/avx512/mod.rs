//! x86-64 with AVX-512: 64 bytes per instruction, VNNI dot products, vector popcounts, masked tails.

mod bits;
mod bytes;
mod float;
mod panels;
mod reduce;
mod scan;

use super::{BLOCK, Isa, Level, OnIsa, PANEL, PANEL_BYTES, token::token};
use half::f16;

token! {
    /// The token of the AVX-512 level: F, BW, VL, DQ, CD, VNNI, VPOPCNTDQ, BITALG, VBMI and GFNI, and what
    /// comes with them (AVX2, FMA, F16C, BMI, POPCNT). Ice Lake, Zen 4 and later.
    Avx512, Avx512, is_x86_feature_detected,
    [
        "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512cd", "avx512vnni", "avx512vpopcntdq",
        "avx512bitalg", "avx512vbmi", "gfni", "avx2", "fma", "f16c", "bmi1", "bmi2", "lzcnt", "popcnt",
    ]
}
