//! What was found out about the data when an index was built.

use super::{
    super::effort::{EffortCurve, Efforts},
    ceiling::Ceiling,
};
use crinoid_quant::Vectors;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of codes that came into question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// The cheapest that will do.
    Chosen,
    /// The caller named it.
    Named,
    /// It would do, but a query costs more.
    Dearer,
    /// It loses too many answers.
    Below,
}

/// Codes that came into question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The recipe that names them.
    pub recipe: String,
    /// How many times its default size the first refiner's pool must have.
    pub widened: f32,
    /// Bytes that a search touches for one row.
    pub bytes: usize,
    /// What is left of the answers behind that pool.
    pub ceilings: Vec<Ceiling>,
    /// The cost of a query by the model, in nanoseconds; absent where it was not worked out.
    pub cost: Option<f64>,
    /// What became of it.
    pub verdict: Verdict,
}

/// What was found out about the data when an index was built: which codes came into question, how much
/// of the exact answers each would leave to be found, what was chosen and why. Kept in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BuildReport {
    /// Distinct vectors that were looked at.
    pub rows: usize,
    /// Dimensions that are searched.
    pub dim: usize,
    /// Dimensions that the rows fill, estimated by how fast neighbours become more with the distance (in distances, not
    /// squared). `None` where there are too few rows, under the inner product, or where nothing was checked.
    pub intrinsic: Option<f64>,
    /// The candidates, the chosen one first. Empty where nothing was checked.
    pub candidates: Vec<Candidate>,
    /// How many times its default size the first refiner's pool has.
    pub widened: f32,
    /// Whether rows are all measured where that costs less than a walk: where the search was left open.
    pub scans: bool,
    /// What recall searches reach, by `k` and `ef`, for [`SearchOptions::recall`](crate::SearchOptions::recall).
    pub efforts: Efforts,
    /// The most links that a node has to rows which answer the same questions, as it was asked for.
    pub answer_links: Option<usize>,
    /// All values were divided by two to this power, so that their squares are numbers.
    pub exponent: i32,
    /// Whether rows and queries of zeros are welcome under the cosine.
    pub keeps_zeros: bool,
    /// Such rows, ascending: they are at right angles to everything.
    pub zero_rows: Vec<u32>,
}

impl Default for BuildReport {
    fn default() -> Self {
        let (candidates, zero_rows) = Default::default();
        Self {
            rows: 0,
            dim: 0,
            intrinsic: None,
            candidates,
            widened: 1.0,
            scans: false,
            efforts: Efforts::default(),
            answer_links: None,
            exponent: 0,
            keeps_zeros: false,
            zero_rows,
        }
    }
}

impl BuildReport {
    pub(super) fn new(prepared: &Vectors) -> Self {
        Self { rows: prepared.len(), dim: prepared.dim(), ..Self::default() }
    }

    /// Whether this can be the report of an index of `rows` rows; what cannot be, else.
    pub(crate) fn contradiction(&self, rows: usize) -> Option<&'static str> {
        let is_row = |&row: &u32| (row as usize) < rows;
        match self {
            Self { widened, .. } if !(1.0..=64.0).contains(widened) => Some("its pool"),
            Self { efforts, .. } if !efforts.is_sound() => Some("its curves of recall"),
            Self { exponent, .. } if !(-160..=160).contains(exponent) => Some("its exponent"),
            Self { zero_rows, .. } if !zero_rows.is_sorted_by(|a, b| a < b) => {
                Some("its zero rows")
            }
            Self { zero_rows, .. } if !zero_rows.iter().all(is_row) => Some("its zero rows"),
            _ => None,
        }
    }

    /// The ceilings of what was chosen; empty where nothing was checked.
    pub fn ceilings(&self) -> &[Ceiling] {
        self.candidates.first().map_or(&[], |chosen| &chosen.ceilings)
    }
}

impl fmt::Display for BuildReport {
    /// A table: a line per candidate, the chosen one first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} distinct vectors x {}", self.rows, self.dim)?;
        match self.intrinsic {
            Some(intrinsic) => writeln!(f, ", intrinsic dimension {intrinsic:.1}")?,
            None => writeln!(f)?,
        }
        if self.exponent != 0 {
            writeln!(f, "all values divided by 2^{}", self.exponent)?;
        }
        if !self.zero_rows.is_empty() {
            writeln!(f, "{} rows of zeros, at right angles to everything", self.zero_rows.len())?;
        }
        for candidate in &self.candidates {
            let Candidate { recipe, widened, bytes, ceilings, cost, verdict } = candidate;
            let verdict = format!("{verdict:?}").to_lowercase();
            write!(f, "{verdict:7} {recipe}: {bytes} bytes a row, pool x{widened}")?;
            if let Some(cost) = cost {
                write!(f, ", {:.1} us a query by the model", cost / 1e3)?;
            }
            writeln!(f)?;
            for Ceiling { probes, queries, at_10, at_100 } in ceilings {
                let probes = probes.to_string();
                writeln!(
                    f,
                    "        {probes:9} {queries:4} asked: {at_10:.4} @10 {at_100:.4} @100"
                )?;
            }
        }
        let Efforts { queries, elsewhere, themselves, curves, searches, .. } = &self.efforts;
        for (search, recall) in searches {
            writeln!(f, "{search}: recall@10 {recall:.4} at ef 100")?;
        }
        for EffortCurve { k, points } in curves {
            write!(f, "recall@{k} of {queries} queries by ef:")?;
            for (ef, recall) in points {
                write!(f, " {ef}: {recall:.3}")?;
            }
            writeln!(f)?;
        }
        for (probes, recall) in elsewhere {
            writeln!(f, "recall@10 of queries from {probes}: {recall:.3} at ef 100")?;
        }
        if let Some(share) = themselves {
            writeln!(f, "rows that find themselves: {share:.3} at ef 100")?;
        }
        Ok(())
    }
}
