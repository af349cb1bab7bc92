//! Distances as exact as f64 makes them: what truth and metrics rest on.

use crinoid_quant::Metric;

/// Partial sums that a reduction keeps, so that it vectorises in a fixed order.
const LANES: usize = 8;

/// The distance of two raw vectors under `metric`, in Crinoid's units: squared L2, the negated
/// inner product, or `2 - 2 cos`, each from f32 values in f64 arithmetic. Identical vectors have
/// distance exactly 0 under L2 and cosine. The cosine with a zero vector is 0 (distance 2).
///
/// # Panics
/// When the lengths differ.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    match metric {
        Metric::L2 => sum(a, b, |x, y| (x - y) * (x - y)),
        Metric::InnerProduct => -sum(a, b, |x, y| x * y),
        Metric::Cosine => {
            let squares = sum(a, a, |x, y| x * y) * sum(b, b, |x, y| x * y);
            // One root of the product, not two: the product of equal sums is a square whose root
            // is exact, which makes the cosine of a vector with itself exactly 1.
            let cosine = if squares > 0.0 { sum(a, b, |x, y| x * y) / squares.sqrt() } else { 0.0 };
            2.0 - 2.0 * cosine.clamp(-1.0, 1.0)
        }
    }
}

/// The L2 norm.
pub(crate) fn norm(a: &[f32]) -> f64 {
    sum(a, a, |x, y| x * y).sqrt()
}

fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    assert_eq!(a.len(), b.len(), "vectors differ in length");
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f64 = tail.map(|(&x, &y)| term(x.into(), y.into())).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(x[lane].into(), y[lane].into());
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_those_of_the_documentation() {
        let (a, b) = ([3.0, 4.0], [4.0, -3.0]);
        assert_eq!(distance(Metric::L2, &a, &b), 50.0);
        assert_eq!(distance(Metric::InnerProduct, &a, &a), -25.0);
        assert_eq!(distance(Metric::Cosine, &a, &b), 2.0);
        assert_eq!(distance(Metric::Cosine, &a, &[-6.0, -8.0]), 4.0);
        assert_eq!(distance(Metric::Cosine, &a, &[0.0, 0.0]), 2.0);
    }

    proptest! {
        #[test]
        fn a_vector_is_at_distance_zero_from_itself(v in proptest::collection::vec(-1e3f32..1e3, 1..80)) {
            prop_assert_eq!(distance(Metric::L2, &v, &v), 0.0);
            prop_assume!(v.iter().any(|&x| x != 0.0));
            prop_assert_eq!(distance(Metric::Cosine, &v, &v), 0.0);
        }
    }
}
