//! How hard a data set is: local intrinsic dimension and hubs.

use super::Truth;
use crinoid_quant::Metric;

impl Truth {
    /// The local intrinsic dimension at the queries: the maximum-likelihood estimate (Levina and
    /// Bickel 2005) from all `k` distances of each query, averaged over the queries.
    ///
    /// On distances, not squared ones (on which it would be half); under the cosine on the chord.
    /// Neighbours at distance 0 are left out. NaN under the inner product, which is no distance,
    /// or where no query has two neighbours at different distances.
    pub fn local_dimension(&self, metric: Metric) -> f64 {
        if metric == Metric::InnerProduct || self.k < 2 {
            return f64::NAN;
        }
        let of = |squared: &[f64]| {
            let (last, rest) = squared.split_last()?;
            let logs = rest.iter().filter(|far| **far > 0.0).map(|far| 0.5 * (last / far).ln());
            let (count, sum) = logs.fold((0.0, 0.0), |(n, sum), log| (n + 1.0, sum + log));
            (sum > 0.0).then_some(count / sum)
        };
        let estimates: Vec<f64> = self.distances.chunks_exact(self.k).filter_map(of).collect();
        match estimates.is_empty() {
            true => f64::NAN,
            false => estimates.iter().sum::<f64>() / estimates.len() as f64,
        }
    }

    /// How uneven the answers are spread: the share of all `queries x k` answers that the most
    /// popular hundredth of the `rows` base rows make up. 0.01 where all rows are as popular.
    pub fn hubs(&self, rows: usize) -> f64 {
        let mut ids: Vec<u32> = self.ids.clone();
        ids.retain(|&id| (id as usize) < rows);
        ids.sort_unstable();
        let mut popularity: Vec<usize> = ids.chunk_by(|a, b| a == b).map(<[u32]>::len).collect();
        popularity.sort_unstable_by_key(|&count| std::cmp::Reverse(count));
        let top: usize = popularity.iter().take(rows.div_ceil(100)).sum();
        top as f64 / self.ids.len().max(1) as f64
    }
}
