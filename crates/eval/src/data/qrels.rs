//! Relevance: which documents answer a query, and how well.

use super::DataError;
use crinoid_files::{FileError, text::Lines, write_file};
use std::{io::Write, path::Path};

/// One document's worth for one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Judgment {
    /// Row of the base set.
    pub id: u32,
    /// How relevant it is; 0 says judged and not relevant.
    pub grade: u32,
}

/// The judgments of all queries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Qrels {
    /// `starts[q]..starts[q + 1]` are the judgments of query `q`.
    starts: Vec<usize>,
    judgments: Vec<Judgment>,
}

impl Qrels {
    /// From `(query row, judgment)` pairs in any order, for `queries` queries.
    ///
    /// # Errors
    /// The first pair (by query, then id) whose query is out of range, or which judges a document
    /// of the same query a second time.
    pub fn new(
        queries: usize,
        mut pairs: Vec<(u32, Judgment)>,
    ) -> Result<Self, (u32, Judgment, &'static str)> {
        pairs.sort_unstable();
        if let Some(&(query, judgment)) = pairs.last().filter(|pair| pair.0 as usize >= queries) {
            return Err((query, judgment, "there is no such query"));
        }
        let twice =
            |pair: &&[(u32, Judgment)]| (pair[0].0, pair[0].1.id) == (pair[1].0, pair[1].1.id);
        if let Some((query, judgment)) = pairs.windows(2).find(twice).map(|pair| pair[1]) {
            return Err((query, judgment, "judged twice"));
        }
        let starts = (0..=queries).map(|q| pairs.partition_point(|pair| (pair.0 as usize) < q));
        Ok(Self { starts: starts.collect(), judgments: pairs.iter().map(|pair| pair.1).collect() })
    }

    /// How many queries there are, judged or not.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The judgments of `query`, by ascending id.
    ///
    /// # Panics
    /// When `query >= len()`.
    pub fn of(&self, query: usize) -> &[Judgment] {
        &self.judgments[self.starts[query]..self.starts[query + 1]]
    }

    /// Judgments from lists that are sorted already.
    pub(super) fn gather<'a>(lists: impl Iterator<Item = &'a [Judgment]>) -> Self {
        let mut gathered = Self { starts: vec![0], judgments: Vec::new() };
        for list in lists {
            gathered.judgments.extend_from_slice(list);
            gathered.starts.push(gathered.judgments.len());
        }
        gathered
    }

    /// All judgments with their query.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Judgment)> + '_ {
        (0..self.len()).flat_map(|query| self.of(query).iter().map(move |&j| (query, j)))
    }

    /// Reads tab-separated lines: query row, base row and, optionally, a grade (1 where absent).
    /// Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// When the file cannot be read, a field is missing or no number, an id names no row, or a
    /// pair is judged twice; the line is named, counted from 1.
    pub fn read(path: &Path, queries: usize, base: usize) -> Result<Self, DataError> {
        let mut lines = Lines::open(path)?;
        let mut pairs = Vec::new();
        while let Some((line, content)) = lines.next_line()? {
            if content.trim().is_empty() || content.starts_with('#') {
                continue;
            }
            let bad = |field: &str, value: &str, reason: &str| {
                FileError::line(path, line, field, value, reason)
            };
            let mut fields = content.split('\t').map(str::trim);
            let mut number = |field: &str, absent: Option<u32>| match fields.next() {
                Some(value) => value.parse::<u32>().map_err(|_| {
                    let reason = "not a row number (a line of names begins with `#`)";
                    bad(field, &format!("`{value}`"), reason)
                }),
                None => absent.ok_or_else(|| bad(field, "missing", "lines are query, tab, row")),
            };
            let (query, id) = (number("query", None)?, number("base row", None)?);
            let grade = number("grade", Some(1))?;
            if query as usize >= queries {
                let reason = format!("there is no such query (0 to {queries}, exclusive)");
                return Err(bad("query", &query.to_string(), &reason).into());
            }
            if id as usize >= base {
                let reason = format!("there is no such row (0 to {base}, exclusive)");
                return Err(bad("base row", &id.to_string(), &reason).into());
            }
            pairs.push((query, Judgment { id, grade }));
        }
        Self::new(queries, pairs).map_err(|(query, judgment, reason)| DataError::Inconsistent {
            name: path.display().to_string(),
            reason: format!("query {query}, base row {}: {reason}", judgment.id),
        })
    }

    /// Writes the form that [`read`](Self::read) reads, grades included.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), DataError> {
        write_file(path, |file| {
            self.iter().try_for_each(|(query, j)| writeln!(file, "{query}\t{}\t{}", j.id, j.grade))
        })?;
        Ok(())
    }
}
