//! The reward: the area under the curve of speed over recall (CRINN, section 3.3).
//!
//! A sweep gives points of recall and speed. Their Pareto front, joined by lines on which the
//! logarithm of the speed is linear in recall, is the curve. The reward is the area under it over
//! recall 0.85 to 0.95, divided by that width: a mean speed, in queries per second.

use serde::{Deserialize, Serialize};

/// Where the reward is taken, `[0.85, 0.95]`.
pub const REWARD: (f64, f64) = (0.85, 0.95);

/// The region that the reward leaves out and that is reported beside it, `[0.95, 0.999]`.
pub const HIGH: (f64, f64) = (0.95, 0.999);

/// The recalls of Table 3.
pub const LEVELS: [f64; 4] = [0.90, 0.95, 0.99, 0.999];

/// What one setting reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Mean recall, `0..=1`.
    pub recall: f64,
    /// Queries per second, or anything else of which more is better and which is positive.
    pub speed: f64,
}

/// A Pareto front: recall strictly ascending, speed strictly descending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve(Vec<Point>);

/// An area under a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// The area divided by the width of the whole range, whether or not the curve covers it.
    pub value: f64,
    /// The largest recall up to which there is a curve, within the range.
    pub reaches: f64,
    /// Whether the curve reaches the end of the range; if not, `value` is only a part.
    pub complete: bool,
}

impl Curve {
    /// The Pareto front of `points`: those than which none has at least the recall and more speed,
    /// or more recall and at least the speed. Points without a positive finite speed are left out.
    pub fn new(points: impl IntoIterator<Item = Point>) -> Self {
        let usable = |point: &Point| point.speed.is_finite() && point.speed > 0.0;
        let mut points: Vec<Point> = points.into_iter().filter(usable).collect();
        points.sort_by(|a, b| b.recall.total_cmp(&a.recall).then(b.speed.total_cmp(&a.speed)));
        let mut front: Vec<Point> = Vec::with_capacity(points.len());
        for point in points {
            if front.last().is_none_or(|last| point.speed > last.speed) {
                front.push(point);
            }
        }
        front.reverse();
        Self(front)
    }

    /// Its corners by ascending recall.
    pub fn points(&self) -> &[Point] {
        &self.0
    }

    /// The speed at `recall`; `None` beyond the curve's end.
    ///
    /// Left of its beginning it is flat: who delivers more recall than asked for, at that speed,
    /// also delivers what was asked for.
    pub fn at(&self, recall: f64) -> Option<f64> {
        let next = self.0.partition_point(|point| point.recall < recall);
        let right = self.0.get(next)?;
        match next.checked_sub(1).map(|left| self.0[left]) {
            None => Some(right.speed),
            Some(left) => {
                let share = (recall - left.recall) / (right.recall - left.recall);
                Some((left.speed.ln() + share * (right.speed.ln() - left.speed.ln())).exp())
            }
        }
    }

    /// The area over the recalls `low..=high`; none, and never complete, where that is no range.
    pub fn area(&self, (low, high): (f64, f64)) -> Area {
        if low.is_nan() || high.is_nan() || low >= high {
            return Area { value: 0.0, reaches: low, complete: false };
        }
        let end = self.0.last().map_or(low, |point| point.recall);
        let reaches = end.clamp(low, high);
        let inside = self.0.iter().map(|point| point.recall).filter(|r| (low..reaches).contains(r));
        let mut stops = vec![low];
        stops.extend(inside.filter(|&recall| recall > low));
        stops.push(reaches);
        let piece = |pair: &[f64]| {
            let (Some(a), Some(b)) = (self.at(pair[0]), self.at(pair[1])) else { return 0.0 };
            log_mean(a, b) * (pair[1] - pair[0])
        };
        let area: f64 = stops.windows(2).map(piece).sum();
        Area { value: area / (high - low), reaches, complete: end >= high }
    }
}

/// The mean of the exponential that runs from `a` to `b`: their logarithmic mean.
fn log_mean(a: f64, b: f64) -> f64 {
    let ratio = (b / a).ln();
    // (b - a) / ln(b / a) loses its digits where the two are close; the series does not.
    if ratio.abs() < 1e-6 { (a + b) / 2.0 } else { (b - a) / ratio }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(points: &[(f64, f64)]) -> Curve {
        Curve::new(points.iter().map(|&(recall, speed)| Point { recall, speed }))
    }

    #[test]
    fn the_front_keeps_what_nothing_beats() {
        let all = curve(&[(0.9, 50.0), (0.8, 100.0), (0.85, 40.0), (0.9, 60.0), (0.95, 60.0)]);
        assert_eq!(all, curve(&[(0.8, 100.0), (0.95, 60.0)]));
        assert_eq!(curve(&[(0.9, 0.0), (0.9, f64::NAN), (0.9, f64::INFINITY)]), Curve::default());
    }

    #[test]
    fn a_constant_speed_is_its_own_reward() {
        let flat = curve(&[(0.99, 1000.0)]);
        let area = flat.area(REWARD);
        assert!((area.value - 1000.0).abs() < 1e-9);
        assert_eq!((area.reaches, area.complete), (0.95, true));
        assert_eq!(flat.at(0.5), Some(1000.0));
        assert_eq!(flat.at(0.999), None);
    }

    #[test]
    fn an_exponential_has_its_analytic_area_however_it_is_sampled() {
        // speed = exp(a - b r): area = (speed(low) - speed(high)) / b.
        let (a, b) = (20.0, 12.0);
        let speed = |recall: f64| (a - b * recall).exp();
        let want = (speed(0.85) - speed(0.95)) / b / 0.1;
        for recalls in [&[0.8, 0.97][..], &[0.85, 0.95], &[0.7, 0.86, 0.91, 0.949, 0.96]] {
            let sampled: Vec<_> = recalls.iter().map(|&r| (r, speed(r))).collect();
            let area = curve(&sampled).area(REWARD);
            assert!((area.value / want - 1.0).abs() < 1e-9, "{recalls:?}: {area:?} {want}");
            assert!(area.complete);
            let at = curve(&sampled).at(0.9).unwrap();
            assert!((at / speed(0.9) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_curve_that_ends_early_gets_its_part_and_says_so() {
        let area = curve(&[(0.5, 1000.0), (0.90, 999.999_999)]).area(REWARD);
        assert!((area.value - 500.0).abs() < 1e-3);
        assert_eq!((area.reaches, area.complete), (0.90, false));
        let none = curve(&[(0.5, 10.0)]).area(REWARD);
        assert_eq!(none, Area { value: 0.0, reaches: 0.85, complete: false });
        assert_eq!(Curve::default().area(REWARD), none);
    }

    proptest! {
        #[test]
        fn more_speed_never_gives_less_reward(
            points in proptest::collection::vec((0.5f64..1.0, 1.0f64..1e5), 1..12),
            factor in 1.0f64..3.0,
        ) {
            let slow = curve(&points).area(REWARD);
            let fast: Vec<_> = points.iter().map(|&(r, s)| (r, s * factor)).collect();
            let fast = curve(&fast).area(REWARD);
            prop_assert!((fast.value / slow.value - factor).abs() < 1e-9 || slow.value == 0.0);
            let front = curve(&points);
            let top = front.points().first().unwrap().speed;
            prop_assert!(slow.value <= top * (1.0 + 1e-12));
        }
    }
}
