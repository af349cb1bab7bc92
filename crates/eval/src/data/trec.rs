//! TREC runs and relevance judgments, as trec_eval and its kin read them.
//!
//! * run: `query Q0 document rank score tag`, blank-separated. Readers go by the score and, where
//!   scores tie, by the document's name in descending order, as trec_eval does; the rank is ignored.
//! * qrels: `query 0 document grade`. Negative grades count as 0.

use super::{DataError, Judgment, Names, Qrels};
use crate::answers::Answers;
use crinoid_files::{FileError, text::Lines, write_file};
use std::{io::Write, path::Path};

/// Writes answers as a run, best first, with scores that descend by one from the number of
/// answers.
///
/// # Errors
/// When an answer has no name or the file cannot be written.
pub fn write_run(
    path: &Path,
    queries: &Names,
    documents: &Names,
    answers: &Answers,
    tag: &str,
) -> Result<(), DataError> {
    let mut lines = String::new();
    for (row, ids) in answers.iter().enumerate() {
        let query = named(path, row, "query", row, queries)?;
        for (rank, &id) in ids.iter().enumerate() {
            let document = named(path, row, "document", id as usize, documents)?;
            let (place, score) = (rank + 1, ids.len() - rank);
            lines.push_str(&format!("{query} Q0 {document} {place} {score} {tag}\n"));
        }
    }
    Ok(write_file(path, |file| file.write_all(lines.as_bytes()))?)
}

/// Reads a run into answers, one list per query of `queries`; a query that the run leaves out
/// has none.
///
/// # Errors
/// When a line has another form or names a query or document that does not exist, or names a
/// document twice for a query; the line is named, counted from 1.
pub fn read_run(path: &Path, queries: &Names, documents: &Names) -> Result<Answers, DataError> {
    let mut scored: Vec<Vec<(f64, u32)>> = vec![Vec::new(); queries.len()];
    each_line(path, |line, fields| {
        let &[query, _, document, _, score, _] = fields else {
            return Err(line.bad(
                "fields",
                fields.len(),
                "a run has query Q0 document rank score tag",
            ));
        };
        let query = line.row_of("query", query, queries)?;
        let id = line.row_of("document", document, documents)?;
        let value = score.parse().ok().filter(|score: &f64| !score.is_nan());
        let score = value.ok_or_else(|| line.bad("score", score, "not a number"))?;
        let list = &mut scored[query as usize];
        if list.iter().any(|entry| entry.1 == id) {
            return Err(line.bad("document", document, "twice for this query"));
        }
        list.push((score, id));
        Ok(())
    })?;
    let mut answers = Answers::with_capacity(scored.len(), 0);
    for mut list in scored {
        let name = |id: u32| documents.name(id as usize);
        list.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| name(b.1).cmp(&name(a.1))));
        answers.push(list.into_iter().map(|entry| entry.1));
    }
    Ok(answers)
}

/// Writes judgments.
///
/// # Errors
/// When a row has no name or the file cannot be written.
pub fn write_qrels(
    path: &Path,
    queries: &Names,
    documents: &Names,
    qrels: &Qrels,
) -> Result<(), DataError> {
    let mut lines = String::new();
    for (row, judgment) in qrels.iter() {
        let query = named(path, row, "query", row, queries)?;
        let document = named(path, row, "document", judgment.id as usize, documents)?;
        lines.push_str(&format!("{query} 0 {document} {}\n", judgment.grade));
    }
    Ok(write_file(path, |file| file.write_all(lines.as_bytes()))?)
}

/// Reads judgments.
///
/// # Errors
/// When a line has another form, names a query or document that does not exist (the gold is
/// missing from the corpus), or judges a pair a second time.
pub fn read_qrels(path: &Path, queries: &Names, documents: &Names) -> Result<Qrels, DataError> {
    let mut pairs = Vec::new();
    each_line(path, |line, fields| {
        let &[query, _, document, grade] = fields else {
            return Err(line.bad("fields", fields.len(), "qrels have query 0 document grade"));
        };
        pairs.push(line.judgment(query, document, grade, queries, documents)?);
        Ok(())
    })?;
    collect(path, queries, pairs)
}

/// Reads the qrels of a BEIR folder: `query`, `document`, `grade`, separated by blanks, below a line
/// of names where there is one. Such a line is one whose grade is no number and whose query and document
/// are none; anything else on the first line is a judgment, or an error.
pub(super) fn read_beir_qrels(
    path: &Path,
    queries: &Names,
    documents: &Names,
) -> Result<Qrels, DataError> {
    let mut pairs = Vec::new();
    each_line(path, |line, fields| {
        let &[query, document, grade] = fields else {
            return Err(line.bad("fields", fields.len(), "lines have query-id corpus-id score"));
        };
        let unknown = queries.row(query).is_none() && documents.row(document).is_none();
        if line.number == 1 && unknown && grade.parse::<f64>().is_err() {
            return Ok(());
        }
        pairs.push(line.judgment(query, document, grade, queries, documents)?);
        Ok(())
    })?;
    collect(path, queries, pairs)
}

fn collect(path: &Path, queries: &Names, pairs: Vec<(u32, Judgment)>) -> Result<Qrels, DataError> {
    Qrels::new(queries.len(), pairs).map_err(|(query, judgment, reason)| DataError::Inconsistent {
        name: path.display().to_string(),
        reason: format!("query row {query}, document row {}: {reason}", judgment.id),
    })
}

fn named<'a>(
    path: &Path,
    row: usize,
    field: &str,
    of: usize,
    names: &'a Names,
) -> Result<&'a str, DataError> {
    names.name(of).ok_or_else(|| {
        let reason = format!("and only {} rows have names", names.len());
        FileError::row(path, row as u64, field, of, reason).into()
    })
}

/// A place in a file, for errors.
struct Line<'a> {
    path: &'a Path,
    number: u64,
}

impl Line<'_> {
    fn bad(&self, field: &str, value: impl ToString, reason: &str) -> DataError {
        FileError::line(self.path, self.number, field, value, reason).into()
    }

    fn row_of(&self, field: &str, name: &str, names: &Names) -> Result<u32, DataError> {
        names.row(name).ok_or_else(|| self.bad(field, format!("`{name}`"), "which does not exist"))
    }

    fn judgment(
        &self,
        query: &str,
        document: &str,
        grade: &str,
        queries: &Names,
        documents: &Names,
    ) -> Result<(u32, Judgment), DataError> {
        let query = self.row_of("query", query, queries)?;
        let id = self.row_of("document", document, documents)?;
        let value: i64 =
            grade.parse().map_err(|_| self.bad("grade", format!("`{grade}`"), "not an integer"))?;
        let grade =
            u32::try_from(value.max(0)).map_err(|_| self.bad("grade", value, "too large"))?;
        Ok((query, Judgment { id, grade }))
    }
}

/// Calls `visit` with the blank-separated fields of each line that has any.
fn each_line(
    path: &Path,
    mut visit: impl FnMut(&Line<'_>, &[&str]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut lines = Lines::open(path)?;
    while let Some((number, content)) = lines.next_line()? {
        let fields: Vec<&str> = content.split_whitespace().collect();
        if !fields.is_empty() {
            visit(&Line { path, number }, &fields)?;
        }
    }
    Ok(())
}
