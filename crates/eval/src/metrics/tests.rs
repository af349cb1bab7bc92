use super::*;
use crate::{data::Dataset, truth::exact};
use crinoid_quant::{Metric, Vectors};

/// Base rows at 1, 2, 3, 4 and 4 on a line, one query at 0 and one at 5.
fn line() -> Dataset {
    let base = Vectors::from_rows(&[[1.0f32], [2.0], [3.0], [4.0], [4.0]]).unwrap();
    let queries = Vectors::from_rows(&[[0.0f32], [5.0]]).unwrap();
    Dataset::new("line", Metric::L2, base, queries).unwrap()
}

fn answers(lists: &[&[u32]]) -> Answers {
    let mut answers = Answers::default();
    lists.iter().for_each(|list| answers.push(list.iter().copied()));
    answers
}

#[test]
fn ties_count_by_distance_and_not_by_id() {
    let data = line();
    let truth = exact(data.metric, &data.base, &data.queries, 3, &()).unwrap();
    assert_eq!(truth.ids_of(1), [3, 4, 2]);
    let judge = RecallMetric::new(&data, &truth).unwrap();
    let found = answers(&[&[0], &[4]]);
    assert_eq!(judge.recall(&found, 1).unwrap(), [1.0, 1.0]);
    assert_eq!(judge.recall_by_id(&found, 1).unwrap(), [1.0, 0.0]);
}

#[test]
fn short_long_and_repeating_answers_have_defined_recall() {
    let data = line();
    let truth = exact(data.metric, &data.base, &data.queries, 3, &()).unwrap();
    let judge = RecallMetric::new(&data, &truth).unwrap();
    for recall in [RecallMetric::recall, RecallMetric::recall_by_id] {
        assert_eq!(recall(&judge, &answers(&[&[], &[3]]), 2).unwrap(), [0.0, 0.5]);
        assert_eq!(recall(&judge, &answers(&[&[0, 0], &[3, 3]]), 2).unwrap(), [0.5, 0.5]);
        // What comes after the first k is not looked at.
        assert_eq!(recall(&judge, &answers(&[&[4, 3, 0, 1], &[3, 4]]), 2).unwrap(), [0.0, 1.0]);
    }
}

#[test]
fn impossible_answers_are_errors() {
    let data = line();
    let truth = exact(data.metric, &data.base, &data.queries, 3, &()).unwrap();
    let judge = RecallMetric::new(&data, &truth).unwrap();
    assert_eq!(
        judge.recall(&answers(&[&[0, 5], &[]]), 2),
        Err(MetricError::Id { query: 0, position: 1, id: 5, rows: 5 })
    );
    assert_eq!(judge.recall(&answers(&[&[0]]), 2), Err(MetricError::Queries { got: 1, want: 2 }));
    assert_eq!(judge.recall(&answers(&[&[], &[]]), 4), Err(MetricError::K { k: 4, known: 3 }));
    assert!(judge.recall(&answers(&[&[], &[]]), 0).is_err());
    assert!(Answers::from_padded(&[1, 2, 3], 2).is_err());
    assert!(Answers::from_padded(&[], 0).is_err());
}

#[test]
fn the_tolerance_is_a_thousandth() {
    let base = Vectors::from_rows(&[[1.0f32], [1.0009], [1.0011], [100.0], [100.05]]).unwrap();
    let queries = Vectors::from_rows(&[[0.0f32], [200.0]]).unwrap();
    let data = Dataset::new("near", Metric::L2, base, queries).unwrap();
    let truth = exact(data.metric, &data.base, &data.queries, 1, &()).unwrap();
    let judge = RecallMetric::new(&data, &truth).unwrap();
    let second = answers(&[&[1], &[3]]);
    assert_eq!(judge.recall(&second, 1).unwrap(), [1.0, 1.0]);
    assert_eq!(judge.recall(&answers(&[&[2], &[3]]), 1).unwrap(), [0.0, 1.0]);
    // Added instead of multiplied: 100 is 0.05 farther from 200 than 100.05 is.
    let judge = judge.with_tolerance(Tolerance::AnnBenchmarks);
    assert_eq!(judge.recall(&second, 1).unwrap(), [1.0, 0.0]);
}

#[test]
fn copies_count_under_every_metric() {
    let base = Vectors::from_rows(&[[0.3f32, 0.7], [0.6, 1.4], [0.3, 0.7], [-1.0, 0.0]]).unwrap();
    let queries = Vectors::from_rows(&[[0.3f32, 0.7]]).unwrap();
    for metric in [Metric::L2, Metric::Cosine] {
        let data = Dataset::new("copies", metric, base.clone(), queries.clone()).unwrap();
        let truth = exact(metric, &data.base, &data.queries, 1, &()).unwrap();
        let judge = RecallMetric::new(&data, &truth).unwrap();
        assert_eq!(judge.recall(&answers(&[&[2]]), 1).unwrap(), [1.0], "{metric}");
        let scaled = f64::from(u8::from(metric == Metric::Cosine));
        assert_eq!(judge.recall(&answers(&[&[1]]), 1).unwrap(), [scaled], "{metric}");
    }
}

#[test]
fn padding_is_no_answer() {
    let padded = Answers::from_padded(&[1, u32::MAX, 2, 3], 2).unwrap();
    assert_eq!(padded, answers(&[&[1], &[2, 3]]));
}

#[test]
fn percentiles_are_nearest_ranks() {
    let mut nanos: Vec<u64> = (1..=100).rev().collect();
    let latency = Latency::of(&mut nanos);
    assert_eq!((latency.p50, latency.p95, latency.p99, latency.max), (50, 95, 99, 100));
    assert_eq!((latency.count, latency.mean), (100, 50.5));
    assert_eq!(Latency::of(&mut [7]).p99, 7);
    assert_eq!(Latency::of(&mut []), Latency::default());
}
