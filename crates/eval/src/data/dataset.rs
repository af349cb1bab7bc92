//! A data set in memory.

use super::{DataError, Qrels};
use crate::truth::{Cache, Truth, TruthError};
use crinoid_files::Rows;
use crinoid_graph::Progress;
use crinoid_quant::{Metric, Vectors};
use std::path::Path;

/// What is searched, what is asked, and what the right answers are.
///
/// Vectors are as they came: not truncated, not normalised.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Name for tables: the file's stem or the generator's preset.
    pub name: String,
    /// What "close" means here.
    pub metric: Metric,
    /// The rows that are searched, `n x d`.
    pub base: Vectors,
    /// The queries, `q x d`.
    pub queries: Vectors,
    /// Exact nearest neighbours of every query, where they are known.
    pub truth: Option<Truth>,
    /// Judgments by people or by construction, where there are some.
    pub relevance: Option<Qrels>,
    /// Queries like those that will be asked, which an index may learn from.
    pub sample: Option<Sample>,
}

/// Queries to learn from; none of them is asked when something is measured.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The queries, `s x d`.
    pub queries: Vectors,
    /// The rows nearest to each, nearest first, where they are known.
    pub neighbors: Option<Rows<u32>>,
}

impl Dataset {
    /// A data set without truth or relevance.
    ///
    /// # Errors
    /// When a set is empty or the dimensions differ.
    pub fn new(
        name: impl Into<String>,
        metric: Metric,
        base: Vectors,
        queries: Vectors,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let fail = |reason: String| Err(DataError::Inconsistent { name: name.clone(), reason });
        for (set, vectors) in [("base", &base), ("query", &queries)] {
            if vectors.is_empty() {
                return fail(format!("the {set} set is empty"));
            }
        }
        if base.dim() != queries.dim() {
            let (base, queries) = (base.dim(), queries.dim());
            return fail(format!("base rows have {base} dimensions, queries {queries}"));
        }
        Ok(Self { name, metric, base, queries, truth: None, relevance: None, sample: None })
    }

    /// The same with truth.
    ///
    /// # Errors
    /// When the truth is of another number of queries or names a row that does not exist.
    pub fn with_truth(mut self, truth: Truth) -> Result<Self, DataError> {
        let fail = |reason| DataError::Inconsistent { name: self.name.clone(), reason };
        if truth.len() != self.queries.len() {
            let (truth, queries) = (truth.len(), self.queries.len());
            return Err(fail(format!("truth for {truth} of {queries} queries")));
        }
        if let Some(id) = truth.ids().iter().find(|&&id| id as usize >= self.base.len()) {
            return Err(fail(format!("truth names row {id} of {}", self.base.len())));
        }
        self.truth = Some(truth);
        Ok(self)
    }

    /// The same with relevance.
    ///
    /// # Errors
    /// When the judgments are of another number of queries or name a row that does not exist.
    pub fn with_relevance(mut self, relevance: Qrels) -> Result<Self, DataError> {
        let fail = |reason| DataError::Inconsistent { name: self.name.clone(), reason };
        if relevance.len() != self.queries.len() {
            let (judged, queries) = (relevance.len(), self.queries.len());
            return Err(fail(format!("judgments for {judged} of {queries} queries")));
        }
        if let Some((query, j)) = relevance.iter().find(|(_, j)| j.id as usize >= self.base.len()) {
            let rows = self.base.len();
            return Err(fail(format!("query {query} is judged against row {} of {rows}", j.id)));
        }
        self.relevance = Some(relevance);
        Ok(self)
    }

    /// The exact `k` nearest of every query: the set's own truth where it reaches that far, else that of
    /// `cache`, where it is computed if need be.
    ///
    /// # Errors
    /// As [`exact`](crate::truth::exact), and when the cache's folder cannot be written.
    pub fn nearest(
        &self,
        k: usize,
        cache: &Cache,
        progress: &dyn Progress,
    ) -> Result<Truth, TruthError> {
        match &self.truth {
            Some(truth) if truth.k() >= k && k > 0 => Ok(truth.clone()),
            _ => cache.exact(self.metric, &self.base, &self.queries, k, progress),
        }
    }

    /// Dimension of base rows and queries.
    pub fn dim(&self) -> usize {
        self.base.dim()
    }

    /// Picks up `NAME.qrels.tsv` beside `path`, where there is one.
    pub(super) fn with_sibling_relevance(self, path: &Path) -> Result<Self, DataError> {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(".qrels.tsv");
        let sibling = path.with_file_name(name);
        match sibling.is_file() {
            true => {
                let qrels = Qrels::read(&sibling, self.queries.len(), self.base.len())?;
                self.with_relevance(qrels)
            }
            false => Ok(self),
        }
    }
}
