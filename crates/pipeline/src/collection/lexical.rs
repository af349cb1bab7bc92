//! Searching texts by their words, alone and beside vectors.

use super::{
    part::Part,
    snapshot::Snapshot,
    types::{CollectionError, ExternalId},
    words,
};
use crate::{error::SearchError, index::SearchOptions};
use std::{cmp::Ordering, collections::HashMap};

/// An answer to a question in words.
#[derive(Clone, Debug, PartialEq)]
pub struct TextMatch {
    /// The caller's id.
    pub id: ExternalId,
    /// BM25 (`k1` 1.2, `b` 0.75) over all live texts of the collection; higher is better.
    pub score: f64,
}

/// How the answers by vector and the answers by words make one order.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// Reciprocal rank fusion: a row is worth the sum of `1 / (constant + rank)` over both lists, ranks from 1 on.
    /// The usual constant is 60.
    Reciprocal(f64),
    /// A row is worth `weight` times its closeness plus `1 - weight` times its score, each scaled to 0..1 over its
    /// list; 0 where it is not in the list.
    Weighted(f64),
}

impl Default for Fusion {
    fn default() -> Self {
        Fusion::Reciprocal(60.0)
    }
}

/// How to search by vector and by words.
///
/// ```
/// # #[cfg(feature = "text")] {
/// use crinoid_pipeline::collection::{Fusion, HybridOptions};
///
/// let options = HybridOptions::for_k(10).fusion(Fusion::Weighted(0.7)).pool(200);
/// assert_eq!((options.search.k, HybridOptions::for_k(10).pool), (10, 100));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct HybridOptions {
    /// How many answers, and how thoroughly vectors are searched.
    pub search: SearchOptions,
    /// How the two lists become one.
    pub fusion: Fusion,
    /// How long each of the two lists is, at least `k`.
    pub pool: usize,
}

impl HybridOptions {
    /// `k` answers of two lists of ten times as many, at least 100, by reciprocal rank fusion.
    pub fn for_k(k: usize) -> Self {
        let pool = k.saturating_mul(10).max(100);
        Self { search: SearchOptions::for_k(k), fusion: Fusion::default(), pool }
    }

    /// These options with another search by vector.
    #[must_use]
    pub fn search(self, search: SearchOptions) -> Self {
        Self { search, ..self }
    }

    /// These options with another fusion.
    #[must_use]
    pub fn fusion(self, fusion: Fusion) -> Self {
        Self { fusion, ..self }
    }

    /// These options with lists of another length.
    #[must_use]
    pub fn pool(self, pool: usize) -> Self {
        Self { pool, ..self }
    }
}

/// An answer by vector and by words.
#[derive(Clone, Debug, PartialEq)]
pub struct HybridMatch {
    /// The caller's id.
    pub id: ExternalId,
    /// What the row is worth by the [`Fusion`]; higher is better.
    pub score: f64,
    /// Its distance, where it was found by vector.
    pub distance: Option<f32>,
    /// Its BM25, where it was found by words.
    pub words: Option<f64>,
}

impl Snapshot {
    /// The `k` rows whose texts fit `text` best by BM25, best first, ties by id; rows that have none of its words are
    /// no answers. A filter of this snapshot holds here, too; what a word is worth is counted over all rows.
    ///
    /// Words are runs of letters and digits, in small letters; there is no stemming and no syntax.
    ///
    /// # Errors
    /// When `k` is 0.
    pub fn search_text(&self, text: &str, k: usize) -> Result<Vec<TextMatch>, CollectionError> {
        if k == 0 {
            return Err(SearchError::ZeroK.into());
        }
        let asked = words::asked(text);
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let scores = words::scores(self.parts(), &asked)?;
        let mut found: Vec<(f64, &ExternalId)> = Vec::new();
        for (part, scores) in self.parts().iter().zip(&scores) {
            found.extend(scored(part, scores));
        }
        let order =
            |a: &(f64, &ExternalId), b: &(f64, &ExternalId)| by_worth((a.0, a.1), (b.0, b.1));
        if found.len() > k {
            found.select_nth_unstable_by(k - 1, order);
            found.truncate(k);
        }
        found.sort_unstable_by(order);
        Ok(found.into_iter().map(|(score, id)| TextMatch { id: id.clone(), score }).collect())
    }

    /// The rows that are best by vector and by words together, best first, ties by id.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_hybrid(
        &self,
        query: &[f32],
        text: &str,
        options: &HybridOptions,
    ) -> Result<Vec<HybridMatch>, CollectionError> {
        let k = options.search.k;
        if k == 0 {
            return Err(SearchError::ZeroK.into());
        }
        let pool = options.pool.max(k);
        // A beam is never narrower than the answers that are wanted of it.
        let search = SearchOptions { k: pool, ef: options.search.ef.max(pool), ..options.search };
        let near: Vec<(ExternalId, f64)> = self
            .search(query, &search)?
            .into_iter()
            .map(|found| (found.id, f64::from(found.distance)))
            .collect();
        let said: Vec<(ExternalId, f64)> = self
            .search_text(text, pool)?
            .into_iter()
            .map(|found| (found.id, found.score))
            .collect();
        Ok(fuse(&near, &said, options.fusion, k))
    }
}

fn scored<'p>(part: &'p Part, scores: &'p [f64]) -> impl Iterator<Item = (f64, &'p ExternalId)> {
    let scores = scores.iter().enumerate().filter(|(_, score)| **score > 0.0);
    scores.filter_map(|(place, score)| Some((*score, part.id(place)?)))
}

/// The best first, ties by id.
fn by_worth(a: (f64, &ExternalId), b: (f64, &ExternalId)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1))
}

/// The best `k` of two lists, best first: by distance, and by score.
fn fuse(
    near: &[(ExternalId, f64)],
    said: &[(ExternalId, f64)],
    fusion: Fusion,
    k: usize,
) -> Vec<HybridMatch> {
    let mut all: HashMap<&ExternalId, (f64, Option<f64>, Option<f64>)> = HashMap::new();
    let shares = |weight: f64, list: &[(ExternalId, f64)]| -> Vec<f64> {
        match fusion {
            Fusion::Reciprocal(constant) => {
                (1..=list.len()).map(|rank| 1.0 / (constant + rank as f64)).collect()
            }
            Fusion::Weighted(_) => {
                let (best, last) = match list {
                    [first, .., last] => (first.1, last.1),
                    _ => (1.0, 0.0),
                };
                let scaled = |value: f64| match best == last {
                    true => 1.0,
                    false => (value - last) / (best - last),
                };
                list.iter().map(|(_, value)| weight * scaled(*value)).collect()
            }
        }
    };
    let weights = match fusion {
        Fusion::Weighted(weight) => (weight, 1.0 - weight),
        Fusion::Reciprocal(_) => (1.0, 1.0),
    };
    for ((id, distance), share) in near.iter().zip(shares(weights.0, near)) {
        let row = all.entry(id).or_default();
        (row.0, row.1) = (row.0 + share, Some(*distance));
    }
    for ((id, score), share) in said.iter().zip(shares(weights.1, said)) {
        let row = all.entry(id).or_default();
        (row.0, row.2) = (row.0 + share, Some(*score));
    }
    let mut found: Vec<_> = all.into_iter().collect();
    found.sort_unstable_by(|(a, x), (b, y)| by_worth((x.0, a), (y.0, b)));
    found.truncate(k);
    let one = |(id, (score, distance, words)): (&ExternalId, (f64, Option<f64>, _))| HybridMatch {
        id: id.clone(),
        score,
        distance: distance.map(|distance| distance as f32),
        words,
    };
    found.into_iter().map(one).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests report by panicking")]
mod tests {
    use super::*;

    fn list(pairs: &[(u64, f64)]) -> Vec<(ExternalId, f64)> {
        pairs.iter().map(|(id, value)| ((*id).into(), *value)).collect()
    }

    #[test]
    fn ranks_and_scores_are_fused_as_they_are_written_down() {
        let (near, said) = (list(&[(1, 0.1), (2, 0.3), (3, 0.5)]), list(&[(3, 9.0), (4, 1.0)]));
        let found = fuse(&near, &said, Fusion::Reciprocal(60.0), 3);
        let ids: Vec<_> = found.iter().map(|found| found.id.clone()).collect();
        // 3 is in both; 1 leads one list; 2 and 4 are second, and 2 comes first by its id.
        assert_eq!(ids, [3.into(), 1.into(), 2.into()]);
        assert!((found[0].score - (1.0 / 63.0 + 1.0 / 61.0)).abs() < 1e-12);
        assert_eq!((found[0].distance, found[0].words), (Some(0.5), Some(9.0)));
        assert_eq!((found[1].distance, found[1].words), (Some(0.1), None));
        let found = fuse(&near, &said, Fusion::Weighted(0.75), 10);
        let worth: Vec<_> = found.iter().map(|found| (found.id.clone(), found.score)).collect();
        let want = [(1, 0.75), (2, 0.375), (3, 0.25), (4, 0.0)];
        for ((id, score), (want, worth)) in worth.iter().zip(want) {
            assert_eq!(*id, want.into());
            assert!((score - worth).abs() < 1e-12, "{id}: {score}");
        }
        assert_eq!(worth.len(), 4);
    }

    #[test]
    fn a_list_of_equals_and_an_empty_list_fuse() {
        let found = fuse(&list(&[(2, 1.0), (1, 1.0)]), &[], Fusion::Weighted(0.5), 10);
        assert_eq!(found.iter().map(|found| found.score).collect::<Vec<_>>(), [0.5, 0.5]);
        assert_eq!(found[0].id, 1.into());
        assert!(fuse(&[], &[], Fusion::default(), 10).is_empty());
    }
}
