//! What may be wrong with a data set although it could be read.

use super::Dataset;
use crate::{exact::norm, truth::Truth};
use crinoid_quant::Metric;
use serde::Serialize;
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_64;

/// What was found. All zeroes and `None`s is a clean bill, except that duplicates are common and
/// need not be errors.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Integrity {
    /// Base rows that repeat an earlier row value for value.
    pub duplicate_rows: usize,
    /// The largest number of rows that are all the same; 1 where all differ.
    pub largest_group: usize,
    /// Base rows of length 0, which the cosine cannot measure.
    pub zero_rows: usize,
    /// Queries of length 0.
    pub zero_queries: usize,
    /// Queries that are base rows themselves: a search for them tests recall of copies.
    pub queries_in_base: usize,
    /// Whether all values are integers in 0..=255, which a byte codec stores without loss.
    pub bytes: bool,
    /// Smallest and largest length of a base row.
    pub norms: (f64, f64),
    /// Judged queries, and those of them without any relevant document.
    pub judged: Option<(usize, usize)>,
    /// The first query whose known truth is not the exact truth, with the first rank that differs
    /// in distance (by more than a millionth).
    pub false_truth: Option<(usize, usize)>,
}

impl Dataset {
    /// Looks for duplicates, zero vectors, queries that are base rows, judgments without
    /// relevant documents; with `exact`, also for known truth that differs from it in distance (ties may
    /// name other ids).
    pub fn integrity(&self, exact: Option<&Truth>) -> Integrity {
        let key = |row: &[f32]| xxh3_64(bytemuck::cast_slice(row));
        let mut groups: HashMap<u64, Vec<u32>> = HashMap::new();
        let (mut duplicate_rows, mut largest_group) = (0, usize::from(!self.base.is_empty()));
        // Rows with equal hashes are compared: a collision is no duplicate.
        let mut firsts: HashMap<u32, usize> = HashMap::new();
        for (id, row) in self.base.rows().enumerate() {
            let group = groups.entry(key(row)).or_default();
            match group.iter().find(|&&first| self.base.row(first as usize) == row) {
                Some(first) => {
                    duplicate_rows += 1;
                    let size = firsts.entry(*first).or_insert(1);
                    *size += 1;
                    largest_group = largest_group.max(*size);
                }
                None => group.push(id as u32),
            }
        }
        let in_base = |row: &&[f32]| {
            let group = groups.get(&key(row)).map_or(&[][..], Vec::as_slice);
            group.iter().any(|&id| self.base.row(id as usize) == *row)
        };
        let norms = self.base.rows().map(norm).fold((f64::INFINITY, 0.0), |(low, high), norm| {
            (f64::min(low, norm), f64::max(high, norm))
        });
        let zeros = |rows: &crinoid_quant::Vectors| rows.rows().filter(|r| norm(r) == 0.0).count();
        Integrity {
            duplicate_rows,
            largest_group,
            zero_rows: zeros(&self.base),
            zero_queries: zeros(&self.queries),
            queries_in_base: self.queries.rows().filter(in_base).count(),
            bytes: self
                .base
                .as_slice()
                .iter()
                .all(|value| value.fract() == 0.0 && (0.0..=255.0).contains(value)),
            norms: if self.base.is_empty() { (0.0, 0.0) } else { norms },
            judged: self.relevance.as_ref().map(|qrels| {
                let judged = (0..qrels.len()).filter(|&query| !qrels.of(query).is_empty());
                let barren = judged
                    .clone()
                    .filter(|&query| qrels.of(query).iter().all(|judgment| judgment.grade == 0));
                (judged.count(), barren.count())
            }),
            false_truth: exact.and_then(|exact| self.compare_truth(exact)),
        }
    }

    fn compare_truth(&self, exact: &Truth) -> Option<(usize, usize)> {
        let known = self.truth.as_ref()?;
        // Files hold distances in f32, and `1 - cos` of f32 loses more.
        let floor = if self.metric == Metric::Cosine { 1e-5 } else { 1e-9 };
        let k = known.k().min(exact.k());
        (0..known.len().min(exact.len())).find_map(|query| {
            let pairs = known.distances_of(query).iter().zip(exact.distances_of(query)).take(k);
            let differs =
                |(known, exact): (&f64, &f64)| (known - exact).abs() > 1e-6 * exact.abs() + floor;
            pairs.map(differs).position(|differs| differs).map(|rank| (query, rank))
        })
    }
}
