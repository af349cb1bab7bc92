//! x86-64 with AVX2 and FMA: 32 bytes per instruction.

mod bits;
mod bytes;
mod float;
mod panels;
mod reduce;
mod scan;

use super::{BLOCK, Isa, Level, OnIsa, PANEL, PANEL_BYTES, token::token};
use half::f16;

token! {
    /// The token of the AVX2 level: AVX2, FMA, F16C, BMI and POPCNT. Haswell, Zen and later.
    Avx2, Avx2, is_x86_feature_detected,
    ["avx2", "fma", "f16c", "bmi1", "bmi2", "lzcnt", "popcnt"]
}
