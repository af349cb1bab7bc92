//! Metrics of a ranking against relevance judgments, per query.
//!
//! Grades are gains; the discount of rank `r` (from 1) is `1 / log2(r + 1)`, as in trec_eval.
//! Queries that nobody judged relevant have no value: they are left out, and the index of each
//! remaining query comes with its value.

use super::{Answers, MetricError, check, distinct};
use crate::data::Qrels;

/// nDCG@k: discounted gains of the first `k` answers over those of the best possible order.
///
/// # Errors
/// When there are answers to another number of queries, an id is `>= rows`, or `k` is 0.
pub fn ndcg(
    qrels: &Qrels,
    answers: &Answers,
    rows: usize,
    k: usize,
) -> Result<Vec<(usize, f64)>, MetricError> {
    let discount = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    per_query(qrels, answers, rows, k, |query, ids| {
        let mut ideal: Vec<u32> = qrels.of(query).iter().map(|judgment| judgment.grade).collect();
        ideal.sort_unstable_by_key(|&grade| std::cmp::Reverse(grade));
        let gains = |(place, grade): (usize, u32)| f64::from(grade) * discount(place);
        let best: f64 = ideal.into_iter().take(k).enumerate().map(gains).sum();
        let got: f64 =
            distinct(ids, k).map(|(place, id)| gains((place, grade(qrels, query, id)))).sum();
        got / best
    })
}

/// MRR@k: one over the rank of the first relevant answer, 0 where there is none among `k`.
///
/// # Errors
/// As [`ndcg`].
pub fn mrr(
    qrels: &Qrels,
    answers: &Answers,
    rows: usize,
    k: usize,
) -> Result<Vec<(usize, f64)>, MetricError> {
    per_query(qrels, answers, rows, k, |query, ids| {
        let first = distinct(ids, k).find(|&(_, id)| grade(qrels, query, id) > 0);
        first.map_or(0.0, |(place, _)| 1.0 / (place as f64 + 1.0))
    })
}

/// hit@k: 1 where some relevant document is among the first `k` answers, else 0.
///
/// # Errors
/// As [`ndcg`].
pub fn hit(
    qrels: &Qrels,
    answers: &Answers,
    rows: usize,
    k: usize,
) -> Result<Vec<(usize, f64)>, MetricError> {
    let mut values = mrr(qrels, answers, rows, k)?;
    values.iter_mut().for_each(|(_, value)| *value = f64::from(u8::from(*value > 0.0)));
    Ok(values)
}

fn grade(qrels: &Qrels, query: usize, id: u32) -> u32 {
    let judgments = qrels.of(query);
    let found = judgments.binary_search_by_key(&id, |judgment| judgment.id);
    found.map_or(0, |at| judgments[at].grade)
}

fn per_query(
    qrels: &Qrels,
    answers: &Answers,
    rows: usize,
    k: usize,
    value: impl Fn(usize, &[u32]) -> f64,
) -> Result<Vec<(usize, f64)>, MetricError> {
    if k == 0 {
        return Err(MetricError::K { k, known: rows });
    }
    check(answers, qrels.len(), rows)?;
    let judged = |query: &usize| qrels.of(*query).iter().any(|judgment| judgment.grade > 0);
    let queries = (0..qrels.len()).filter(judged);
    Ok(queries.map(|query| (query, value(query, answers.of(query)))).collect())
}
