//! One vector into one code.

use super::EPSILON;
use crate::{codec::power, metric::Metric};

/// What is stored of a vector beside its code.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Encoded {
    pub(super) add: f32,
    pub(super) rescale: f32,
    /// The error bound at `|q - c| = 1`, and the bound of what the query's rounding adds, at a
    /// step of 1.
    pub(super) errors: [f32; 2],
    /// `|r| / |xbar|`
    pub(super) scale: f32,
}

/// Codes the residual `r` into integers `0..2^B` and computes its factors.
#[inline(always)]
pub(super) fn encode<const B: u32>(
    r: &[f32],
    centroid: &[f32],
    metric: Metric,
    integers: &mut [u8],
) -> Encoded {
    let half = 1u32 << (B - 1);
    let per_step = if B == 1 { 0.0 } else { best_scale(r, half) };
    for (integer, &r) in integers.iter_mut().zip(r) {
        let size = level(r.abs(), per_step, half) as u32;
        *integer = if r > 0.0 { half + size } else { half - 1 - size } as u8;
    }
    let middle = f64::from((1u32 << B) - 1) / 2.0;
    let (mut rr, mut rx, mut xx, mut cx, mut rc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((&r, &c), &integer) in r.iter().zip(centroid).zip(&*integers) {
        let (r, c, x) = (f64::from(r), f64::from(c), f64::from(integer) - middle);
        rr += r * r;
        rx += r * x;
        xx += x * x;
        cx += c * x;
        rc += r * c;
    }
    // A vector that lies on its centroid has no direction: its distance is that of the centroid.
    let rho = if rx > 0.0 { rr / rx } else { 0.0 };
    let (add, rescale, kappa) = match metric {
        Metric::InnerProduct => (rho * cx - rc, -rho, 1.0),
        Metric::L2 | Metric::Cosine => (rr + 2.0 * rho * cx, -2.0 * rho, 2.0),
    };
    let apart = if rx > 0.0 { (rr * xx / (rx * rx) - 1.0).max(0.0) } else { 0.0 };
    let error = kappa * EPSILON * (rr * apart / (r.len().max(2) - 1) as f64).sqrt();
    // Rounding errors are uniform within half a step: variance 1/12 per dimension.
    let rounding = EPSILON * rescale.abs() * (xx / 12.0).sqrt();
    Encoded {
        add: add as f32,
        rescale: rescale as f32,
        errors: [error as f32, rounding as f32],
        scale: (rr / xx).sqrt() as f32,
    }
}

/// The level `floor(size per_step)`, at most `half - 1`: it stands for `level + 1/2`.
#[inline(always)]
fn level(size: f32, per_step: f32, half: u32) -> f32 {
    // Adding and taking away 2^23 rounds to an integer without a call.
    const MAGIC: f32 = 8_388_608.0;
    ((size * per_step - 0.5).clamp(0.0, (half - 1) as f32) + MAGIC) - MAGIC
}

/// The number of levels per unit of length that brings the code closest to the direction of `r`: the
/// largest `<r, xbar> / |xbar|` on a geometric grid from "nothing is clipped" to "clipped at 1.2
/// standard deviations". The maximum is flat; a finer grid gains nothing.
#[inline(always)]
fn best_scale(r: &[f32], half: u32) -> f32 {
    let mut max = 0.0f32;
    let mut squares = 0.0f32;
    for &x in r {
        max = max.max(x.abs());
        squares += x * x;
    }
    let rms = (squares / r.len() as f32).sqrt();
    if !(rms.is_normal() && max.is_finite()) {
        return 1.0;
    }
    const STEPS: u32 = 24;
    let low = half as f32 / max;
    let range = f64::from((max / (1.2 * rms)).max(1.0));
    // A root of this library's own, since that of the system has other last bits on other systems.
    let ratio = libm::pow(range, f64::from(1.0 / STEPS as f32)) as f32;
    let mut best = (f32::NEG_INFINITY, low);
    for step in 0..=STEPS {
        let per_step = low * power(ratio, step);
        let score = closeness(r, per_step, half);
        if score > best.0 {
            best = (score, per_step);
        }
    }
    best.1
}

/// `<r, xbar>^2 / |xbar|^2`, in interleaved partial sums of a fixed order.
#[inline(always)]
fn closeness(r: &[f32], per_step: f32, half: u32) -> f32 {
    const LANES: usize = 16;
    let (mut dots, mut norms) = ([0.0f32; LANES], [0.0f32; LANES]);
    let (chunks, rest) = r.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            let size = chunk[i].abs();
            let value = level(size, per_step, half) + 0.5;
            dots[i] += size * value;
            norms[i] += value * value;
        }
    }
    let (mut dot, mut norm) = (0.0, 0.0);
    for &x in rest {
        let value = level(x.abs(), per_step, half) + 0.5;
        dot += x.abs() * value;
        norm += value * value;
    }
    for i in 0..LANES {
        dot += dots[i];
        norm += norms[i];
    }
    dot * dot / norm
}
