//! Development and held-out queries.

use super::{DataError, Dataset, Qrels, random::Random};
use crinoid_quant::{Buffer, Vectors};

impl Dataset {
    /// Divides the queries at random into development and held-out ones; base rows stay. The
    /// same seed divides the same number of queries the same way, whatever they are. `held_out` is
    /// the share that is kept for the final gate; each side gets at least one query.
    ///
    /// # Errors
    /// When there are fewer than 2 queries or the share is not inside `(0, 1)`.
    pub fn split(&self, held_out: f64, seed: u64) -> Result<(Self, Self), DataError> {
        let fail = |reason: String| DataError::Inconsistent { name: self.name.clone(), reason };
        let count = self.queries.len();
        if count < 2 {
            return Err(fail(format!("{count} queries cannot be divided")));
        }
        if !(held_out > 0.0 && held_out < 1.0) {
            return Err(fail(format!("a held-out share of {held_out} (known range: (0, 1))")));
        }
        let mut order: Vec<u32> = (0..count as u32).collect();
        Random::stream(seed, 0x5911, count as u64).shuffle(&mut order);
        let kept = ((count as f64 * held_out).round() as usize).clamp(1, count - 1);
        let (mut held, mut dev) = (order.split_off(count - kept), order);
        held.sort_unstable();
        dev.sort_unstable();
        let named = |part: &str, queries: &[u32]| {
            let mut half = self.with_queries(queries);
            half.name = format!("{}:{part}", self.name);
            half
        };
        Ok((named("dev", &dev), named("held-out", &held)))
    }

    /// The same base rows with some of the queries, in the given order.
    ///
    /// # Panics
    /// When a query is out of range.
    pub fn with_queries(&self, queries: &[u32]) -> Self {
        let dim = self.queries.dim();
        let mut values = Buffer::<f32>::zeroed(queries.len() * dim);
        for (out, &query) in values.make_mut().chunks_exact_mut(dim).zip(queries) {
            out.copy_from_slice(self.queries.row(query as usize));
        }
        Self {
            name: self.name.clone(),
            metric: self.metric,
            base: self.base.clone(),
            // The rows come from a checked set, whole.
            queries: Vectors::new(values, dim).unwrap_or_else(|_| Vectors::empty(dim)),
            truth: self.truth.as_ref().map(|truth| truth.select(queries)),
            relevance: self.relevance.as_ref().map(|qrels| qrels.select(queries)),
            sample: self.sample.clone(),
        }
    }
}

impl Qrels {
    /// The judgments of some of the queries, in the given order.
    ///
    /// # Panics
    /// When a query is out of range.
    pub fn select(&self, queries: &[u32]) -> Self {
        Self::gather(queries.iter().map(|&query| self.of(query as usize)))
    }
}
