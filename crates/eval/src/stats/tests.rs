//! Golden values: SciPy 1.17.1. The samples are given by formulas, so that each line of
//!
//! ```text
//! x = [((i*37) % 101)**2 / 1000 - 2 for i in range(60)]
//! scipy.stats.bootstrap((x,), mean, n_resamples=400000, method="BCa", random_state=default_rng(1))
//! scipy.stats.permutation_test((d,), mean, permutation_type="samples", n_resamples=inf)
//! scipy.stats.binomtest(k, n).proportion_ci(level, method="wilson")
//! scipy.stats.norm.cdf, norm.ppf, t.cdf, t.ppf
//! ```
//!
//! can be repeated.

use super::{bootstrap::bca, distribution::*, *};
use crate::metrics::mean;
use crinoid_quant::random::Random;

fn sample() -> Vec<f64> {
    (0..60).map(|i| f64::from(((i * 37) % 101i32).pow(2)) / 1000.0 - 2.0).collect()
}

#[track_caller]
fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} is not {want}");
}

#[test]
fn distributions_agree_with_scipy() {
    for (x, want) in [
        (-8.0, 6.22096057427174e-16),
        (-3.0, 0.0013498980316300933),
        (-2.5, 0.006209665325776132),
        (-1.0, 0.15865525393145707),
        (-0.1, 0.460172162722971),
        (0.0, 0.5),
        (0.3, 0.6179114221889526),
        (1.96, 0.9750021048517795),
        (2.5, 0.9937903346742238),
        (4.0, 0.9999683287581669),
    ] {
        near(normal_cdf(x), want, 1e-12 * want);
    }
    for (p, want) in [
        (1e-9, -5.9978070150076865),
        (0.025, -1.9599639845400545),
        (0.3, -0.5244005127080409),
        (0.5, 0.0),
        (0.975, 1.959963984540054),
        (0.9999, 3.719016485455709),
    ] {
        near(normal_quantile(p), want, 1e-9);
    }
    for (freedom, quantile, cdf) in [
        (1.0, 12.706204736174694, 0.20871440016015272),
        (2.0, 4.302652729749462, 0.16162351590802015),
        (5.0, 2.5705818356363146, 0.12515031708533855),
        (9.5, 2.2441374614922958, 0.11212798337899049),
        (30.0, 2.0422724563012378, 0.10175047926905843),
        (1000.0, 1.9623390808264083, 0.09695026420772866),
    ] {
        near(student_quantile(0.975, freedom), quantile, 1e-8 * quantile);
        near(Student::new(freedom).cdf(-1.3), cdf, 1e-9);
    }
    assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
    assert!(normal_quantile(1.5).is_nan());
}

#[test]
fn wilson_agrees_with_scipy() {
    for (successes, trials, level, low, high) in [
        (0, 10, 0.95, 0.0, 0.27753279986288926),
        (10, 10, 0.95, 0.7224672001371109, 1.0),
        (3, 20, 0.95, 0.05236874589621662, 0.3604188647407569),
        (7, 200, 0.99, 0.013772550635466604, 0.08608907458103245),
        (1, 1, 0.5, 0.6873152559174167, 1.0),
    ] {
        let interval = wilson(successes, trials, level).unwrap();
        near(interval.low, low, 1e-12);
        near(interval.high, high, 1e-12);
    }
}

#[test]
fn bca_agrees_with_scipy() {
    // The formula, on a resampled distribution that both sides can write down.
    let x = sample();
    let estimate = mean(&x);
    let mut resampled: Vec<f64> =
        (0..1000).map(|i| estimate + (f64::from((i * 7919) % 1000) - 480.0) / 900.0).collect();
    let interval = bca(estimate, &mut resampled, 0.014077539455129707, 0.95);
    near(interval.low, 0.793319055789638, 1e-9);
    near(interval.high, 1.8474184347541336, 1e-9);

    // The whole, up to the Monte-Carlo error of 10,000 resamples (1 % of the width and a bit).
    let interval = bca_mean(&x, &Resampling::default()).unwrap();
    near(interval.estimate, 1.30155, 1e-12);
    near(interval.low, 0.5889833333333334, 0.03);
    near(interval.high, 2.107617205411588, 0.03);
}

#[test]
fn student_agrees_with_scipy() {
    // scipy.stats.ttest_1samp(x, 0).confidence_interval(0.99)
    let interval = student_mean(&sample(), 0.99).unwrap();
    near(interval.low, 0.2661530451165899, 1e-9);
    near(interval.high, 2.33694695488341, 1e-9);
}

#[test]
fn permutation_agrees_with_scipy() {
    let few = [0.3, -0.1, 0.5, 0.2, -0.4, 0.9, 0.05, 0.0, 0.31, -0.02];
    assert_eq!(permutation_p(&few, &Resampling::default()), Ok(0.16796875));
    let many: Vec<f64> = sample().iter().map(|x| x - 0.8).collect();
    near(permutation_p(&many, &Resampling::default()).unwrap(), 0.20159899200503997, 0.012);
    assert_eq!(permutation_p(&[0.0; 5], &Resampling::default()), Ok(1.0));
}

#[test]
fn the_same_seed_gives_the_same_interval_at_any_number_of_threads() {
    let x = sample();
    let at = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let resampling = Resampling { seed, ..Resampling::default() };
        pool.install(|| {
            (bca_mean(&x, &resampling).unwrap(), permutation_p(&x, &resampling).unwrap())
        })
    };
    assert_eq!(at(1, 7), at(3, 7));
    assert_ne!(at(1, 7), at(1, 8));
}

#[test]
fn values_that_are_all_equal_leave_no_doubt() {
    let interval = Interval { estimate: 0.25, low: 0.25, high: 0.25 };
    assert_eq!(bca_mean(&[0.25; 10], &Resampling::default()), Ok(interval));
    assert_eq!(student_mean(&[0.25; 10], 0.95), Ok(interval));
}

#[test]
fn hopeless_samples_are_refused() {
    let default = Resampling::default();
    assert_eq!(bca_mean(&[1.0], &default), Err(StatError::TooFew { got: 1, need: 2 }));
    assert_eq!(student_mean(&[1.0], 0.95), Err(StatError::TooFew { got: 1, need: 2 }));
    assert!(matches!(
        bca_mean(&[1.0, f64::NAN], &default),
        Err(StatError::NotFinite { index: 1, .. })
    ));
    assert!(bca_mean(&[1.0, 2.0], &Resampling { level: 1.0, ..default }).is_err());
    assert!(bca_mean(&[1.0, 2.0], &Resampling { resamples: 0, ..default }).is_err());
    assert!(student_mean(&[1.0, 2.0], 0.0).is_err());
    assert!(permutation_p(&[], &default).is_err());
    assert!(wilson(0, 0, 0.95).is_err());
    assert!(wilson(2, 1, 0.95).is_err());
    assert_eq!(differences(&[1.0], &[1.0, 2.0]), Err(StatError::Unpaired { left: 1, right: 2 }));
    assert_eq!(differences(&[1.0], &[3.0]), Ok(vec![2.0]));
}

/// How many of 400 intervals of samples of `n` contain the true mean.
fn covered(n: usize, interval: impl Fn(&[f64], &Resampling) -> Interval) -> f64 {
    let covers = |trial: &u64| {
        let mut random = Random::stream(11, n as u64, *trial);
        let x: Vec<f64> = (0..n).map(|_| f64::from(random.normal())).collect();
        let resampling = Resampling { resamples: 1_000, seed: *trial, ..Resampling::default() };
        interval(&x, &resampling).contains(0.0)
    };
    (0..400u64).filter(covers).count() as f64 / 400.0
}

#[test]
fn intervals_cover_as_often_as_they_say() {
    // Three standard errors of a rate of 0.95 in 400 trials are 0.033.
    for n in [6, 12, 40] {
        near(covered(n, |x, r| student_mean(x, r.level).unwrap()), 0.95, 0.033);
    }
    near(covered(60, |x, r| bca_mean(x, r).unwrap()), 0.95, 0.033);
}
