//! Which earlier implementations a prompt shows (section 3.2, equation 1).

use crate::random::Stream;

/// The probability of each score: `exp((s_i - mean) / tau)` over the sum of all (equation 1).
///
/// Scores that are not finite get 0. A temperature that is not positive puts everything on the
/// best score (the limit), ties shared.
pub(crate) fn probabilities(scores: &[f64], temperature: f64) -> Vec<f64> {
    // The mean cancels in the quotient; the maximum does the same without overflow.
    let best = scores.iter().copied().filter(|s| s.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scores
        .iter()
        .map(|&score| match () {
            () if !score.is_finite() => 0.0,
            () if temperature > 0.0 => ((score - best) / temperature).exp(),
            () => f64::from(u8::from(score == best)),
        })
        .collect();
    let total: f64 = weights.iter().sum();
    if total > 0.0 { weights.iter().map(|weight| weight / total).collect() } else { weights }
}

/// Draws `count` different positions of `scores` one after the other, each by its probability
/// among those that are left; fewer when fewer have a finite score. Best score first.
pub fn sample(scores: &[f64], temperature: f64, count: usize, stream: Stream) -> Vec<usize> {
    let mut left: Vec<f64> = scores.to_vec();
    let mut drawn = Vec::with_capacity(count.min(scores.len()));
    for index in 0..count {
        // Recomputed each time: with everything of high score taken, the rest must not underflow.
        let weights = probabilities(&left, temperature);
        if weights.iter().all(|&weight| weight == 0.0) {
            break;
        }
        let chosen = stream.choose(index as u64, &weights);
        left[chosen] = f64::NAN;
        drawn.push(chosen);
    }
    drawn.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equation_one() {
        let scores = [1.0, 1.5, 0.5];
        let tau = 0.4;
        let mean = 1.0;
        let parts: Vec<f64> = scores.iter().map(|s| f64::exp((s - mean) / tau)).collect();
        let total: f64 = parts.iter().sum();
        for (found, part) in probabilities(&scores, tau).iter().zip(&parts) {
            assert!((found - part / total).abs() < 1e-12);
        }
    }

    #[test]
    fn extremes_are_defined() {
        assert_eq!(probabilities(&[2.0, 1e300, f64::NAN], 1e-3), [0.0, 1.0, 0.0]);
        assert_eq!(probabilities(&[1.0, 3.0, 3.0], 0.0), [0.0, 0.5, 0.5]);
        assert!(probabilities(&[], 1.0).is_empty());
        assert_eq!(sample(&[f64::NAN], 1.0, 3, Stream::new(1)), Vec::<usize>::new());
        assert_eq!(sample(&[0.0, 1e6, -1e6], 1.0, 9, Stream::new(1)), [1, 0, 2]);
    }

    #[test]
    fn draws_match_the_probabilities_and_never_repeat() {
        let scores = [1.0, 1.2, 0.8, 1.1];
        let expected = probabilities(&scores, 0.2);
        let mut counts = [0usize; 4];
        for seed in 0..20_000 {
            counts[sample(&scores, 0.2, 1, Stream::new(seed))[0]] += 1;
            let mut three = sample(&scores, 0.2, 3, Stream::new(seed));
            assert!(three.windows(2).all(|pair| scores[pair[0]] >= scores[pair[1]]));
            three.sort_unstable();
            three.dedup();
            assert_eq!(three.len(), 3);
        }
        for (count, p) in counts.iter().zip(expected) {
            assert!((*count as f64 / 20_000.0 - p).abs() < 0.012);
        }
    }
}
