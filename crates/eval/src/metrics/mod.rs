//! How good answers are, and how fast they came.
//!
//! | file | what is in it |
//! |---|---|
//! | `recall.rs` | [`RecallMetric`]: recall against exact truth |
//! | `ranking.rs` | nDCG, MRR and hit rate against relevance |
//! | `latency.rs` | [`Latency`]: percentiles |
//!
//! Every quality metric comes per query, because intervals are computed from pairs of queries.
//! Defined answers: fewer than `k` ids count as misses, an id that repeats counts once, where it
//! stands first, and only the first `k` ids count. An id that names no row is an error.

mod latency;
mod ranking;
mod recall;

pub use crate::answers::{Answers, MetricError};
pub use latency::Latency;
pub use ranking::{hit, mrr, ndcg};
pub use recall::{RecallMetric, Tolerance};

/// The mean of values per query, in a fixed order; 0 where there are none.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Checks that answers belong to `queries` queries and name only rows below `rows`.
fn check(answers: &Answers, queries: usize, rows: usize) -> Result<(), MetricError> {
    if answers.len() != queries {
        return Err(MetricError::Queries { got: answers.len(), want: queries });
    }
    for (query, ids) in answers.iter().enumerate() {
        if let Some(position) = ids.iter().position(|&id| id as usize >= rows) {
            return Err(MetricError::Id { query, position, id: ids[position], rows });
        }
    }
    Ok(())
}

/// The first `k` ids that are not repetitions, with their place in the list.
///
/// Repetitions keep their place: a list that says one row twice has one answer fewer.
fn distinct(ids: &[u32], k: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
    let ids = &ids[..k.min(ids.len())];
    let mut seen: Vec<u32> = Vec::new();
    ids.iter().enumerate().filter_map(move |(place, &id)| match seen.binary_search(&id) {
        Ok(_) => None,
        Err(at) => {
            seen.insert(at, id);
            Some((place, id))
        }
    })
}

#[cfg(test)]
mod tests;
