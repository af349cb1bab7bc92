//! Every number that a caller can give the laboratory, at its extremes: a result or a typed error.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

use crinoid_eval::{
    Truth,
    data::{Judgment, Qrels, Synthetic},
    gate::{Looks, ratio},
    measure::{QuerySplit, Sweep},
    metrics::{Answers, Latency, RecallMetric, hit, mean, mrr, ndcg},
    reward::{Curve, Point},
    stats::{Resampling, bca_mean, differences, permutation_p, student_mean, wilson},
    subject::{Parameters, integer},
    truth::exact,
};

/// 0, 1, and one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

/// Shares, recalls and levels that are, and that are none.
const REALS: [f64; 12] = [
    0.0,
    -0.0,
    f64::MIN_POSITIVE,
    0.05,
    0.95,
    1.0,
    1.0 + f64::EPSILON,
    -1.0,
    f64::MAX,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

fn small() -> Synthetic {
    Synthetic { rows: 40, queries: 25, dim: 6, intrinsic: 3, clusters: 2, ..Synthetic::default() }
}

#[test]
fn generated_sets_have_sizes_that_fit_into_memory() {
    assert_eq!(small().generate("small").unwrap().base.len(), 40);
    let with = |change: fn(&mut Synthetic, usize), size| {
        let mut asked = small();
        change(&mut asked, size);
        asked.generate("odd")
    };
    for size in [0, u32::MAX as usize, usize::MAX / 4, usize::MAX] {
        for (field, change) in [
            ("rows", (|it, size| it.rows = size) as fn(&mut Synthetic, usize)),
            ("queries", |it, size| it.queries = size),
            ("dim", |it, size| it.dim = size),
            ("intrinsic", |it, size| it.intrinsic = size),
            ("clusters", |it, size| it.clusters = size),
        ] {
            let error = with(change, size).unwrap_err().to_string();
            assert!(error.contains(field), "{field} {size}: {error}");
        }
    }
    // Each size is one that fits, all together are none.
    let odd = Synthetic { rows: 3_000_000_000, dim: 60_000, ..small() };
    assert!(odd.generate("odd").unwrap_err().to_string().contains("2^33"));
    for value in REALS {
        let real = value as f32;
        for odd in [
            Synthetic { spread: real, ..small() },
            Synthetic { noise: real, ..small() },
            Synthetic { hubs: real, ..small() },
            Synthetic { duplicates: value, ..small() },
        ] {
            if let Ok(set) = odd.generate("odd") {
                assert!(set.base.as_slice().iter().all(|value| value.is_finite()), "{odd:?}");
            }
        }
    }
}

#[test]
fn truth_and_recall_take_any_k() {
    let data = small().generate("small").unwrap();
    let (rows, queries) = (data.base.len(), data.queries.len());
    let truth = exact(data.metric, &data.base, &data.queries, 5, &()).unwrap();
    let judge = RecallMetric::new(&data, &truth).unwrap();
    let mut answers = Answers::with_capacity(usize::MAX, usize::MAX);
    (0..queries).for_each(|query| answers.push(truth.ids_of(query).iter().copied()));
    let judged = (0..queries).map(|query| (query as u32, Judgment { id: 3, grade: u32::MAX }));
    let qrels = Qrels::new(queries, judged.collect()).unwrap();
    for k in extremes(5) {
        for recall in [judge.recall(&answers, k), judge.recall_by_id(&answers, k)] {
            match recall {
                Ok(recall) => {
                    assert!((1..=5).contains(&k) && recall.iter().all(|&it| it == 1.0), "{k}")
                }
                Err(error) => assert!(k == 0 || k > 5, "{k}: {error}"),
            }
        }
        for metric in [ndcg, mrr, hit] {
            match metric(&qrels, &answers, rows, k) {
                Ok(values) => assert!(values.iter().all(|(_, it)| (0.0..=1.0).contains(it)), "{k}"),
                Err(error) => assert!(k == 0, "{k}: {error}"),
            }
        }
        assert!((0.0..=1.0).contains(&truth.hubs(k)), "{k} rows");
        let padded = Answers::from_padded(truth.ids(), k);
        assert_eq!(padded.is_ok(), k > 0 && truth.ids().len().is_multiple_of(k), "{k}");
    }
    for k in extremes(rows) {
        let found = exact(data.metric, &data.base, &data.queries, k, &());
        assert_eq!(found.is_ok(), (1..=rows).contains(&k), "{k}");
        let ids = truth.ids();
        let made = Truth::new(k, ids.to_vec(), truth.distances().to_vec());
        assert_eq!(made.is_ok(), k == 1 || k == 5, "{k}");
        let from = Truth::from_ids(data.metric, &data.base, &data.queries, k, ids);
        assert_eq!(from.is_ok(), k == 5, "{k}");
    }
}

#[test]
fn statistics_refuse_what_says_nothing() {
    let values = [0.1, -0.2, 0.3, 0.05, -0.1];
    for value in REALS {
        let sound = |level: f64| level > 0.0 && level < 1.0;
        let resampling = Resampling { resamples: 50, level: value, seed: u64::MAX };
        assert_eq!(bca_mean(&values, &resampling).is_ok(), sound(value), "{value}");
        assert_eq!(student_mean(&values, value).is_ok(), sound(value), "{value}");
        assert_eq!(ratio(&values, value).is_ok(), sound(value), "{value}");
        for (successes, trials) in [(0, 0), (0, 1), (1, 1), (2, 1), (u64::MAX, u64::MAX)] {
            let interval = wilson(successes, trials, value);
            let right = sound(value) && trials > 0 && successes <= trials;
            assert_eq!(interval.is_ok(), right, "{successes} of {trials} at {value}");
            if let Ok(interval) = interval {
                assert!(interval.low >= 0.0 && interval.high <= 1.0, "{interval:?}");
            }
        }
        let odd = [value, 1.0, 2.0];
        let resampling = Resampling { resamples: 50, ..Resampling::default() };
        assert_eq!(bca_mean(&odd, &resampling).is_ok(), value.is_finite(), "{value}");
        assert_eq!(permutation_p(&odd, &resampling).is_ok(), value.is_finite(), "{value}");
        assert!(value.is_nan() || !mean(&[value]).is_nan());
    }
    for resamples in extremes(7) {
        let resampling = Resampling { resamples, ..Resampling::default() };
        let sensible = (1..=10_000_000).contains(&resamples);
        assert_eq!(bca_mean(&values, &resampling).is_ok(), sensible, "{resamples}");
        assert_eq!(permutation_p(&values, &resampling).is_ok(), sensible, "{resamples}");
    }
    assert!(differences(&values, &values[1..]).is_err());
    assert_eq!(Latency::of(&mut []), Latency::default());
    assert_eq!(Latency::of(&mut [u64::MAX; 3]).p99, u64::MAX);
}

#[test]
fn sweeps_and_looks_come_to_an_end() {
    for k in extremes(10) {
        for rows in extremes(100) {
            let plan = Sweep::new(k, rows);
            // A search that finds nothing, and one whose recall rises with every step.
            for rises in [false, true] {
                let mut seen: Vec<(usize, f64)> = Vec::new();
                while let Some(ef) = plan.next(&seen) {
                    let recall = if rises { 1.0 - 1.0 / (ef as f64 + 1.0) } else { 0.0 };
                    let at = seen.partition_point(|&(other, _)| other < ef);
                    assert!(seen.get(at).is_none_or(|&(other, _)| other != ef), "{ef} twice");
                    seen.insert(at, (ef, recall));
                    assert!(seen.len() < 200, "k {k}, {rows} rows: no end");
                }
                assert!(plan.worth_timing(&seen).len() <= seen.len());
            }
        }
    }
    for count in extremes(4) {
        for rounds in extremes(6).into_iter().take(5).chain([usize::MAX]) {
            // As many looks as rounds are a list as long: that is for small numbers only.
            if count > 100 && rounds > 100 {
                continue;
            }
            let looks = Looks { count, error: 0.05 }.of(rounds);
            assert_eq!(looks.last().unwrap().after, rounds, "{count} looks, {rounds} rounds");
        }
    }
    for low in REALS {
        for high in REALS {
            let curve = Curve::new([Point { recall: 0.9, speed: 10.0 }]);
            let area = curve.area((low, high));
            assert!(!area.value.is_nan() || !(high - low).is_finite(), "{low} to {high}");
        }
        for speed in REALS {
            let curve = Curve::new([Point { recall: low, speed }]);
            assert!(curve.points().iter().all(|point| point.speed.is_finite()), "{low} {speed}");
        }
    }
}

#[test]
fn splits_keep_enough_queries_on_both_sides() {
    let data = small().generate("small").unwrap();
    for share in REALS {
        assert!(QuerySplit::split(&data, share, u64::MAX).is_err(), "{share}: 25 queries");
        assert_eq!(data.split(share, 0).is_ok(), share > 0.0 && share < 1.0, "{share}");
    }
    let (practice, held_out) = QuerySplit::split(&data, 0.5, 0).unwrap();
    assert_eq!(practice.len() + held_out.len(), 25);
    assert_eq!(practice.order(u64::MAX, u64::MAX).len(), practice.len());
}

#[test]
fn parameters_of_subjects_are_integers_or_refused() {
    for value in REALS {
        let params = Parameters::from([("ef".to_owned(), value.into())]);
        assert!(integer(&params, "ef", 7).is_err(), "{value}");
    }
    for value in extremes(10) {
        let params = Parameters::from([("ef".to_owned(), value.into())]);
        assert_eq!(integer(&params, "ef", 7), Ok(value));
    }
    assert_eq!(integer(&Parameters::new(), "ef", usize::MAX), Ok(usize::MAX));
}
