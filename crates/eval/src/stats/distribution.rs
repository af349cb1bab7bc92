//! The normal and Student's t distribution, to about twelve digits.

use std::f64::consts::PI;

/// The probability that a standard normal variable does not exceed `x`.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    if x <= 0.0 { upper_tail(-x) } else { 1.0 - upper_tail(x) }
}

/// The `x` that a standard normal variable does not exceed with probability `p`; infinite for 0
/// and 1, NaN outside.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if normal_cdf(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The `x` that Student's t with `freedom` degrees of freedom (at least 1) does not exceed with
/// probability `p`; infinite for 0 and 1, NaN outside.
pub(crate) fn student_quantile(p: f64, freedom: f64) -> f64 {
    if p < 0.5 {
        return -student_quantile(1.0 - p, freedom);
    }
    // Above its median the distribution function is concave, and the normal quantile lies below
    // the root: Newton's method ascends to the root without overshooting.
    let student = Student::new(freedom);
    let mut x = normal_quantile(p);
    for _ in 0..200 {
        let step = (p - student.cdf(x)) / student.density(x);
        if !step.is_finite() || step <= 1e-14 * x {
            break;
        }
        x += step;
    }
    x
}

/// Student's t: with `x = sqrt(freedom) tan(angle)` its density is a power of the cosine.
pub(super) struct Student {
    freedom: f64,
    /// The integral of that power from 0 to a right angle.
    half: f64,
}

impl Student {
    pub(super) fn new(freedom: f64) -> Self {
        let power = |angle: f64| angle.cos().powf(freedom - 1.0);
        Self { freedom, half: simpson(0.0, PI / 2.0, power) }
    }

    pub(super) fn cdf(&self, x: f64) -> f64 {
        let power = |angle: f64| angle.cos().powf(self.freedom - 1.0);
        let part = simpson(0.0, (x.abs() / self.freedom.sqrt()).atan(), power);
        0.5 + x.signum() * 0.5 * (part / self.half).min(1.0)
    }

    fn density(&self, x: f64) -> f64 {
        let power = (1.0 + x * x / self.freedom).powf(-0.5 * (self.freedom + 1.0));
        power / (2.0 * self.half * self.freedom.sqrt())
    }
}

/// `P(X > x)` for `x >= 0`.
fn upper_tail(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    if x < 2.5 {
        // P(0 < X < x) = density * (x + x^3/3 + x^5/(3 5) + ...): all terms positive.
        let (mut term, mut sum) = (x, x);
        for odd in (3..).step_by(2) {
            term *= x * x / f64::from(odd);
            sum += term;
            if term < 1e-17 * sum || term == 0.0 {
                break;
            }
        }
        0.5 - density * sum
    } else {
        // Laplace's continued fraction: density / (x + 1/(x + 2/(x + 3/(x + ...)))).
        let fraction = (1..=120).rev().fold(x, |tail, n| x + f64::from(n) / tail);
        density / fraction
    }
}

fn simpson(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    const PIECES: u32 = 2_000;
    let step = (to - from) / f64::from(PIECES);
    let weighted = |i: u32| if i % 2 == 1 { 4.0 } else { 2.0 } * f(from + f64::from(i) * step);
    let inner: f64 = (1..PIECES).map(weighted).sum();
    (f(from) + inner + f(to)) * step / 3.0
}
