//! Refiners against a naive re-scoring.

use crinoid_quant::{
    Codes, Metric, Neighbor, Preparation, Vectors,
    codec::{Float, Half, Int8MaxAbs},
};
use crinoid_refine::{
    NoRefiner, Reason, Refiner, RefinerQuery, RerankError, Reranker, Rescore, Scratch,
    ScriptedReranker, rerank::checked_scores,
};
use proptest::prelude::*;

fn naive(metric: Metric, q: &[f32], x: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    match metric {
        Metric::L2 => dot(q, q) + dot(x, x) - 2.0 * dot(q, x),
        Metric::InnerProduct => -dot(q, x),
        Metric::Cosine => 2.0 - 2.0 * dot(q, x) / (dot(q, q) * dot(x, x)).sqrt(),
    }
}

fn metric() -> impl Strategy<Value = Metric> {
    prop_oneof![Just(Metric::L2), Just(Metric::InnerProduct), Just(Metric::Cosine)]
}

proptest! {
    #[test]
    fn float_gives_the_true_distances_in_order(
        metric in metric(),
        seed in 0u32..1000,
        dim in 1usize..70,
        keep in 0usize..40,
    ) {
        let n = 30;
        let value = |i: usize| {
            (((i as u32).wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)) % 1999) as f32 / 999.0 - 1.0001
        };
        let rows: Vec<f32> = (0..n * dim).map(value).collect();
        let raw = Vectors::new(rows.as_slice(), dim).unwrap();
        let raw_query: Vec<f32> = (0..dim).map(|i| value(i * 7 + 13)).collect();
        let preparation = Preparation::new(metric, dim);
        let full = preparation.apply_all(&raw).unwrap();
        let mut query = Vec::new();
        preparation.apply(0, &raw_query, &mut query).unwrap();
        let refiner = Rescore::<Float>::new(&full, preparation.prepared_metric());

        // Every other row and one that does not exist.
        let ids: Vec<u32> = (0..n as u32).step_by(2).chain([77]).collect();
        let mut candidates: Vec<_> = ids.iter().map(|&id| Neighbor::new(id, 0.0)).collect();
        let query = RefinerQuery { full: &query, prepared: &query };
        let report = refiner.refine(&query, keep, &mut Scratch::default(), &mut candidates);

        prop_assert_eq!(report.entered, ids.len());
        prop_assert_eq!(report.missing, 1);
        prop_assert_eq!(report.left, keep.min(ids.len()));
        prop_assert_eq!(candidates.len(), report.left);
        prop_assert!(candidates.is_sorted());
        for answer in candidates.iter().filter(|answer| answer.id != 77) {
            let truth = naive(metric, &raw_query, raw.row(answer.id as usize));
            prop_assert!((f64::from(answer.distance) - truth).abs() < 1e-4 * dim as f64);
        }

        // Half the bytes: the same of rows that are rounded to 11 bits.
        let half = Rescore::<Half>::new(&full, preparation.prepared_metric());
        prop_assert!(half.bytes() <= refiner.bytes() / 2 + 4 * n);
        let mut candidates: Vec<_> = ids.iter().map(|&id| Neighbor::new(id, 0.0)).collect();
        let report = half.refine(&query, keep, &mut Scratch::default(), &mut candidates);
        prop_assert_eq!((report.missing, report.left), (1, keep.min(ids.len())));
        prop_assert!(candidates.is_sorted());
        let mut rounded = vec![0.0; dim];
        for answer in candidates.iter().filter(|answer| answer.id != 77) {
            half.codes().decode(answer.id, &mut rounded);
            let row = full.row(answer.id as usize);
            prop_assert!(row.iter().zip(&rounded).all(|(x, r)| (x - r).abs() <= x.abs() / 2048.0 + 6e-8));
            let truth = naive(preparation.prepared_metric(), query.full, &rounded);
            prop_assert!((f64::from(answer.distance) - truth).abs() < 1e-4 * dim as f64);
        }
    }
}

#[test]
fn equal_fine_scores_are_ordered_by_id_and_missing_rows_come_last() {
    let vectors = Vectors::from_rows(&[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [5.0, 5.0]]).unwrap();
    let query = RefinerQuery { full: &[0.0, 0.0], prepared: &[0.0, 0.0] };
    let mut scratch = Scratch::default();
    for refiner in [
        Box::new(Rescore::<Float>::new(&vectors, Metric::L2)) as Box<dyn Refiner>,
        Box::new(Rescore::<Half>::new(&vectors, Metric::L2)),
        Box::new(Rescore::<Int8MaxAbs>::new(&vectors, Metric::L2)),
    ] {
        let mut candidates: Vec<_> =
            [9, 2, 3, 0, 8, 1].map(|id| Neighbor::new(id, id as f32)).into();
        let report = refiner.refine(&query, 5, &mut scratch, &mut candidates);
        let ids: Vec<u32> = candidates.iter().map(|answer| answer.id).collect();
        assert_eq!(ids, [0, 1, 2, 3, 9]);
        assert_eq!(candidates[4].distance, f32::INFINITY);
        assert_eq!((report.missing, report.left), (2, 5));
        assert!(refiner.bytes() > 0);
    }
}

#[test]
fn none_keeps_the_order_and_says_so() {
    let mut candidates = vec![Neighbor::new(5, 2.0), Neighbor::new(1, 3.0)];
    let query = RefinerQuery { full: &[], prepared: &[] };
    let report = NoRefiner.refine(&query, 1, &mut Scratch::default(), &mut candidates);
    assert_eq!(candidates, [Neighbor::new(5, 2.0)]);
    assert_eq!((report.entered, report.left, report.reason), (2, 1, Reason::Skipped));
}

struct Broken(Vec<f32>);

impl Reranker for Broken {
    fn version(&self) -> &'static str {
        "broken@1"
    }

    fn score(&self, _: &str, _: &[&str], scores: &mut Vec<f32>) -> Result<(), RerankError> {
        scores.extend(&self.0);
        Ok(())
    }
}

#[test]
fn rerankers_that_leave_texts_out_or_give_no_number_are_caught() {
    let mut scores = Vec::new();
    let scripted = ScriptedReranker::new().with("q", "a", 0.5);
    checked_scores(&scripted, "q", &["b", "a"], &mut scores).unwrap();
    assert_eq!(scores, [0.0, 0.5]);
    assert!(matches!(
        checked_scores(&Broken(vec![1.0]), "q", &["a", "b"], &mut scores),
        Err(RerankError::Count { got: 1, want: 2, .. })
    ));
    assert!(matches!(
        checked_scores(&Broken(vec![1.0, f32::NAN]), "q", &["a", "b"], &mut scores),
        Err(RerankError::NotANumber { text: 1, .. })
    ));
}
