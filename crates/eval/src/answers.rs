//! What a subject said, and what can be wrong with it.

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

/// The most that is asked for in advance; lists grow beyond it as they need to.
const ROOM: usize = 1 << 23;

/// The ids returned for each query, best first; queries may have different numbers of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// End of each query's ids in `ids`.
    ends: Vec<usize>,
    ids: Vec<u32>,
}

impl Answers {
    /// No answers yet, with room for `queries` lists of `k`, or as many as 64 MB hold.
    pub fn with_capacity(queries: usize, k: usize) -> Self {
        let ids = Vec::with_capacity(queries.saturating_mul(k).min(ROOM));
        Self { ends: Vec::with_capacity(queries.min(ROOM)), ids }
    }

    /// From `queries x k` ids, row-major, where `u32::MAX` (also -1 as `i32`) pads lists that are
    /// shorter than `k`.
    ///
    /// # Errors
    /// When `k` is 0 or the ids are no whole number of rows.
    pub fn from_padded(ids: &[u32], k: usize) -> Result<Self, MetricError> {
        if k == 0 || !ids.len().is_multiple_of(k) {
            return Err(MetricError::Ragged { ids: ids.len(), k });
        }
        let mut answers = Self::with_capacity(ids.len() / k, k);
        for row in ids.chunks_exact(k) {
            answers.ids.extend(row.iter().filter(|&&id| id != u32::MAX));
            answers.ends.push(answers.ids.len());
        }
        Ok(answers)
    }

    /// Adds the answers to the next query.
    pub fn push(&mut self, ids: impl IntoIterator<Item = u32>) {
        self.ids.extend(ids);
        self.ends.push(self.ids.len());
    }

    /// How many queries.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The answers to `query`, best first.
    ///
    /// # Panics
    /// When `query >= len()`.
    pub fn of(&self, query: usize) -> &[u32] {
        let start = if query == 0 { 0 } else { self.ends[query - 1] };
        &self.ids[start..self.ends[query]]
    }

    /// The answers to each query in turn.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> + '_ {
        (0..self.len()).map(|query| self.of(query))
    }
}
