//! How good answers are, and how fast they came.
//!
//! | file | what is in it |
//! |---|---|
//! | `answers.rs` | [`Answers`]: the ids that a subject returned |
//! | `recall.rs` | [`RecallMetric`]: recall against exact truth |
//! | `ranking.rs` | nDCG, MRR and hit rate against relevance |
//! | `latency.rs` | [`Latency`]: percentiles |
//!
//! Every quality metric comes per query, because intervals are computed from pairs of queries.
//! Defined answers: fewer than `k` ids count as misses, an id that repeats counts once, where it
//! stands first, and only the first `k` ids count. An id that names no row is an error.

mod answers;
mod latency;
mod ranking;
mod recall;

pub use answers::Answers;
pub use latency::Latency;
pub use ranking::{hit, mrr, ndcg};
pub use recall::{RecallMetric, Tolerance};

/// Answers that cannot be judged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// There are answers to another number of queries.
    #[error("answers to {got} queries where {want} were asked")]
    Queries {
        /// How many there are.
        got: usize,
        /// How many there should be.
        want: usize,
    },
    /// An id names no base row.
    #[error("query {query}, answer {position}: there is no row {id} (the base set has {rows})")]
    Id {
        /// The query.
        query: usize,
        /// Place of the answer, counted from 0.
        position: usize,
        /// The id.
        id: u32,
        /// How many rows there are.
        rows: usize,
    },
    /// `k` is 0 or more than the truth knows.
    #[error("k = {k} where the truth holds {known} neighbours (known range: 1..={known})")]
    K {
        /// The `k` asked for.
        k: usize,
        /// How many neighbours are known.
        known: usize,
    },
    /// An array of answers does not have `k` ids per query.
    #[error("{ids} ids are no whole number of rows of {k}")]
    Ragged {
        /// How many ids.
        ids: usize,
        /// Ids per query.
        k: usize,
    },
}

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
