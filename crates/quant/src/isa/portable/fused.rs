//! Fused multiply-add where the target may have none.
//!
//! The levels above round `x y + sum` once. Where the compiler cannot count on such an instruction, the same
//! bits come from doubles: the product of two floats is exact in a double; the sum is rounded to odd (Boldo
//! and Melquiond, "Emulation of FMA and correctly rounded sums", 2008), and a double rounded to odd has
//! enough bits beyond a float's 24 that rounding it again is as if there had been one rounding. Vector code
//! of some fifteen instructions; a call of the C library for each element takes several times as long.

use wide::{f32x16, f64x8, i64x8};

/// `x y + sum`, rounded once.
#[inline(always)]
pub(super) fn mul_add(x: f32x16, y: f32x16, sum: f32x16) -> f32x16 {
    const NATIVE: bool = cfg!(any(
        all(target_feature = "avx", target_feature = "fma"),
        all(target_arch = "aarch64", target_feature = "neon")
    ));
    if NATIVE {
        return x.mul_add(y, sum);
    }
    let (x, y, sum) = (x.to_array(), y.to_array(), sum.to_array());
    let mut out = [0.0; 16];
    for half in [0, 8] {
        let widen = |values: &[f32; 16]| -> f64x8 {
            f64x8::from(std::array::from_fn::<f64, 8, _>(|i| f64::from(values[half + i])))
        };
        let total = add_to_odd(widen(&x) * widen(&y), widen(&sum)).to_array();
        for (out, total) in out[half..].iter_mut().zip(total) {
            *out = total as f32;
        }
    }
    f32x16::from(out)
}

/// `a + b`, rounded to odd: of the two doubles around a sum that is none, the one whose last bit is set.
#[inline(always)]
fn add_to_odd(a: f64x8, b: f64x8) -> f64x8 {
    let sum = a + b;
    // What rounding took away, exactly (Knuth, TAOCP 4.2.2, theorem B).
    let virtual_b = sum - a;
    let error = (a - (sum - virtual_b)) + (b - virtual_b);
    let bits: i64x8 = bytemuck::cast(sum);
    // Comparisons are false for the NaN that an infinite sum leaves as error: it stays as it is.
    let inexact: i64x8 = bytemuck::cast(error.simd_lt(f64x8::ZERO) | error.simd_gt(f64x8::ZERO));
    let even = (bits & i64x8::splat(1)) - i64x8::splat(1);
    // The other neighbour is one bit pattern further from zero where error and sum agree in sign, else one
    // nearer: -1 or 0, made odd.
    let signs: i64x8 = bits ^ bytemuck::cast::<_, i64x8>(error);
    let step = (signs >> 63u32) | i64x8::splat(1);
    bytemuck::cast(bits + (step & inexact & even))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any float; exponents from a narrow range half of the time, so that sums cancel and round.
    fn float() -> impl Strategy<Value = f32> {
        prop_oneof![
            any::<u32>().prop_map(f32::from_bits).prop_filter("NaN", |x| !x.is_nan()),
            (any::<u32>(), 120u32..135)
                .prop_map(|(bits, exponent)| f32::from_bits(bits & 0x807F_FFFF | exponent << 23)),
            (0u32..64).prop_map(f32::from_bits),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn the_sum_is_rounded_once(
            x in proptest::array::uniform16(float()),
            y in proptest::array::uniform16(float()),
            sum in proptest::array::uniform16(float()),
            cancel: bool,
        ) {
            // A sum near the product's negative, which leaves nothing but what rounding loses.
            let near = |i: usize| -(x[i] * y[i]) * (1.0 + f32::EPSILON * (i % 3) as f32);
            let sum: [f32; 16] = std::array::from_fn(|i| if cancel { near(i) } else { sum[i] });
            let got = mul_add(x.into(), y.into(), sum.into()).to_array();
            for i in 0..16 {
                let want = x[i].mul_add(y[i], sum[i]);
                let same = got[i].to_bits() == want.to_bits() || got[i].is_nan() && want.is_nan();
                prop_assert!(same, "{} {} {}: {} {want}", x[i], y[i], sum[i], got[i]);
            }
        }
    }
}
