//! Every number that a caller can give the loop, at its extremes.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_evolve::{
    Score,
    exemplar::Value,
    knobs::{Grpo, Knob, Policy, Space, advantages},
    random::Stream,
    reward::{Smoother, fitness, median, score},
    sampling::sample,
};
use std::collections::BTreeMap;

const REALS: [f64; 9] = [
    0.0,
    -1.0,
    1.0,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

#[test]
fn scores_and_samples_take_any_number() {
    for a in REALS {
        assert_eq!(score(&[a, 0.1], 1.0).is_some(), a.is_finite(), "{a}");
        let one = BTreeMap::from([("set".to_owned(), Score { ratio: a, lower: a, reward: a })]);
        assert!(fitness(&one) >= 0.0, "{a}");
        let _ = Smoother::new(a);
        for temperature in REALS {
            for count in [0, 1, 3, 4, usize::MAX] {
                let drawn = sample(&[a, 1.0, 2.0], temperature, count, Stream::new(u64::MAX));
                assert!(drawn.len() <= count.min(3) && drawn.iter().all(|&at| at < 3));
            }
        }
        let weights = [a, 1.0];
        assert!(Stream::new(0).choose(u64::MAX, &weights) < 2, "{a}");
    }
    assert_eq!((median(&[]), fitness(&BTreeMap::new())), (None, 0.0));
    assert_eq!(Stream::new(u64::MAX).below(u64::MAX, 0), 0);
    assert!(Stream::new(u64::MAX).below(u64::MAX, u64::MAX) < u64::MAX);
    assert!(advantages(&[]).is_empty());
    assert_eq!(advantages(&[f64::MAX, f64::MAX]).len(), 2);
}

#[test]
fn policies_stay_distributions() {
    let knob = |current| {
        Knob::new(
            "width",
            "",
            vec![Value::Whole(1), Value::Real(0.5), Value::Switch(true)],
            current,
        )
    };
    for current in [3, usize::MAX] {
        assert!(Space::new(vec![knob(current)]).is_err());
    }
    let space = Space::new(vec![knob(2)]).unwrap();
    for far in [0, 2, 3, usize::MAX] {
        assert_eq!(space.values(&[far]).len(), 1);
    }
    let uniform = Policy::uniform(&space);
    for number in REALS.into_iter().filter(|it| it.is_finite()) {
        for policy in [
            Policy::around(&space, number),
            Grpo { rate: number, ..Grpo::default() }.update(
                &uniform,
                &uniform,
                &[vec![0], vec![2]],
                &[number, 1.0],
            ),
        ] {
            let sum: f64 = policy.table()[0].iter().sum();
            assert!((sum - 1.0).abs() < 1e-9, "{number}: {:?}", policy.table());
            assert!(policy.draw(Stream::new(1))[0] < 3 && policy.mode()[0] < 3);
        }
    }
}
