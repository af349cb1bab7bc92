//! What is asked, and what the answers are worth.

use super::MeasureError;
use crate::{
    data::{Dataset, random::Random},
    metrics::{Answers, RecallMetric, mrr, ndcg},
    subject::NO_ANSWER,
    truth::Truth,
};
use crinoid_quant::{Buffer, Vectors};

/// Some of a data set's queries.
#[derive(Clone, Debug)]
pub struct QuerySplit {
    name: &'static str,
    rows: Vec<u32>,
    queries: Vectors,
}

impl QuerySplit {
    /// All queries.
    pub fn all(data: &Dataset) -> Self {
        let rows = (0..data.queries.len() as u32).collect();
        Self { name: "all", rows, queries: data.queries.clone() }
    }

    /// Splits the queries at random: `share` of them to practise on, the others held out for the
    /// verdict. The split is a function of the seed.
    ///
    /// # Errors
    /// When one side would have fewer than 10 queries.
    pub fn split(data: &Dataset, share: f64, seed: u64) -> Result<(Self, Self), MeasureError> {
        let queries = data.queries.len();
        let mut rows: Vec<u32> = (0..queries as u32).collect();
        Random::stream(seed, 0x5b11, 0).shuffle(&mut rows);
        let practice = ((queries as f64 * share).round() as usize).min(queries);
        if practice < 10 || queries - practice < 10 {
            return Err(MeasureError::Queries { queries, need: 20 });
        }
        let held_out = rows.split_off(practice);
        Ok((Self::of(data, "practice", rows), Self::of(data, "held-out", held_out)))
    }

    fn of(data: &Dataset, name: &'static str, mut rows: Vec<u32>) -> Self {
        rows.sort_unstable();
        let mut values = Vec::with_capacity(rows.len() * data.dim());
        for &row in &rows {
            values.extend_from_slice(data.queries.row(row as usize));
        }
        // Rows of a valid set are a valid set.
        let queries = Vectors::new(Buffer::from(values.as_slice()), data.dim())
            .unwrap_or_else(|_| Vectors::empty(data.dim()));
        Self { name, rows, queries }
    }

    /// `all`, `practice` or `held-out`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The queries.
    pub fn queries(&self) -> &Vectors {
        &self.queries
    }

    /// Which rows of the data set's queries they are.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A fresh order in which to ask them.
    pub fn order(&self, seed: u64, pass: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        Random::stream(seed, 0x0bde, pass).shuffle(&mut order);
        order
    }
}

/// What one split's answers are worth, per query of the split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grades {
    /// Distance-based recall@k.
    pub recall: Vec<f64>,
    /// nDCG@10 of the judged queries; empty where relevance is unknown.
    pub ndcg: Vec<f64>,
    /// MRR@10 of the judged queries; empty where relevance is unknown.
    pub mrr: Vec<f64>,
}

/// Knows the truth and grades answers by it.
#[derive(Clone, Copy, Debug)]
pub struct Grader<'a> {
    data: &'a Dataset,
    judge: RecallMetric<'a>,
    truth: &'a Truth,
}

impl<'a> Grader<'a> {
    /// Grades by the exact neighbours of all queries of `data`.
    ///
    /// # Errors
    /// When the truth is of another number of queries.
    pub fn new(data: &'a Dataset, truth: &'a Truth) -> Result<Self, MeasureError> {
        Ok(Self { data, judge: RecallMetric::new(data, truth)?, truth })
    }

    /// The data set.
    pub fn data(&self) -> &'a Dataset {
        self.data
    }

    /// The exact neighbours.
    pub fn truth(&self) -> &'a Truth {
        self.truth
    }

    /// Grades `k` ids per query of `split`; [`NO_ANSWER`] is a miss.
    ///
    /// # Errors
    /// When an id names no row or the truth does not reach to `k`.
    pub fn grade(&self, split: &QuerySplit, ids: &[u32], k: usize) -> Result<Grades, MeasureError> {
        // The judge wants answers to all queries; those not asked get none and are left out again.
        let mut answers = Answers::with_capacity(self.data.queries.len(), k);
        let mut asked = split.rows.iter().zip(ids.chunks_exact(k)).peekable();
        for query in 0..self.data.queries.len() as u32 {
            let row = asked.next_if(|(row, _)| **row == query).map_or(&[][..], |(_, ids)| ids);
            answers.push(row.iter().copied().filter(|&id| id != NO_ANSWER));
        }
        let recall = self.judge.recall(&answers, k)?;
        let recall = split.rows.iter().map(|&row| recall[row as usize]).collect();
        let (mut gains, mut ranks) = (Vec::new(), Vec::new());
        if let Some(qrels) = &self.data.relevance {
            let ours = |judged: Vec<(usize, f64)>| {
                let asked = |row: &usize| split.rows.binary_search(&(*row as u32)).is_ok();
                judged.into_iter().filter(move |(row, _)| asked(row)).map(|(_, value)| value)
            };
            let rows = self.data.base.len();
            gains = ours(ndcg(qrels, &answers, rows, 10)?).collect();
            ranks = ours(mrr(qrels, &answers, rows, 10)?).collect();
        }
        Ok(Grades { recall, ndcg: gains, mrr: ranks })
    }
}
