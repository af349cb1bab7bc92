//! BEIR folders: text collections with judged queries.
//!
//! `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and
//! `qrels/SPLIT.tsv`. There are no vectors in them: [`Collection::dataset`] joins them with embeddings
//! made elsewhere, row by row.

use super::{DataError, Dataset, Names, Qrels, trec};
use crinoid_files::{FileError, text::Lines, write_file};
use crinoid_quant::{Metric, Vectors};
use serde::{Deserialize, Serialize};
use std::{io::Write, path::Path};

/// A document or a query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Its name, unique in its file.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its title; queries have none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Its words.
    pub text: String,
}

/// Documents, the queries of one split, and which documents answer them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// Documents; their order is that of base rows.
    pub documents: Vec<Text>,
    /// Queries that the split judges; their order is that of query rows.
    pub queries: Vec<Text>,
    /// Judgments by row.
    pub qrels: Qrels,
}

impl Collection {
    /// Reads the folder with the judgments of `split` (`test`, `dev`, `train`). Queries that the
    /// split does not judge are left out; the others keep the order of `queries.jsonl`.
    ///
    /// # Errors
    /// When a file is missing or damaged, two rows share an id (one would overwrite the other), or
    /// a judgment names a document that is not in the corpus.
    pub fn open(folder: &Path, split: &str) -> Result<Self, DataError> {
        let (corpus, asked) = (folder.join("corpus.jsonl"), folder.join("queries.jsonl"));
        let judged = folder.join("qrels").join(format!("{split}.tsv"));
        let documents = read_texts(&corpus)?;
        let names = names(&documents, &corpus)?;
        let all = read_texts(&asked)?;
        let all_names = self::names(&all, &asked)?;
        // Read once over all queries to learn which of them the split judges.
        let every = trec::read_beir_qrels(&judged, &all_names, &names)?;
        let kept: Vec<u32> =
            (0..all.len() as u32).filter(|&query| !every.of(query as usize).is_empty()).collect();
        let queries = kept.iter().map(|&query| all[query as usize].clone()).collect();
        Ok(Self { documents, queries, qrels: every.select(&kept) })
    }

    /// Writes the folder, which is created, with the judgments as `split`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path, split: &str) -> Result<(), DataError> {
        let qrels = folder.join("qrels");
        std::fs::create_dir_all(&qrels).map_err(|error| FileError::io(&qrels, error))?;
        for (name, texts) in [("corpus.jsonl", &self.documents), ("queries.jsonl", &self.queries)] {
            write_file(&folder.join(name), |file| {
                texts.iter().try_for_each(|text| {
                    serde_json::to_writer(&mut *file, text)?;
                    file.write_all(b"\n")
                })
            })?;
        }
        write_file(&qrels.join(format!("{split}.tsv")), |file| {
            writeln!(file, "query-id\tcorpus-id\tscore")?;
            self.qrels.iter().try_for_each(|(query, judgment)| {
                let document = &self.documents[judgment.id as usize].id;
                writeln!(file, "{}\t{document}\t{}", self.queries[query].id, judgment.grade)
            })
        })?;
        Ok(())
    }

    /// Joins the texts with their embeddings, row by row.
    ///
    /// # Errors
    /// When there are not as many vectors as texts, or base and queries do not fit together.
    pub fn dataset(
        &self,
        name: &str,
        metric: Metric,
        base: Vectors,
        queries: Vectors,
    ) -> Result<Dataset, DataError> {
        for (set, texts, vectors) in [
            ("documents", self.documents.len(), base.len()),
            ("queries", self.queries.len(), queries.len()),
        ] {
            if texts != vectors {
                let reason = format!("{texts} {set} and {vectors} vectors of them");
                return Err(DataError::Inconsistent { name: name.to_owned(), reason });
            }
        }
        Dataset::new(name, metric, base, queries)?.with_relevance(self.qrels.clone())
    }

    /// The names of documents and queries, for TREC files.
    ///
    /// # Errors
    /// When two rows share an id.
    pub fn names(&self) -> Result<(Names, Names), DataError> {
        let documents = names(&self.documents, Path::new("corpus.jsonl"))?;
        Ok((documents, names(&self.queries, Path::new("queries.jsonl"))?))
    }
}

fn names(texts: &[Text], path: &Path) -> Result<Names, DataError> {
    Names::new(texts.iter().map(|text| text.id.clone()).collect(), path)
}

/// Reads one JSON object a line; empty lines are skipped.
fn read_texts(path: &Path) -> Result<Vec<Text>, DataError> {
    let mut lines = Lines::open(path)?;
    let mut texts = Vec::new();
    while let Some((number, line)) = lines.next_line()? {
        if line.trim().is_empty() {
            continue;
        }
        texts.push(serde_json::from_str(line).map_err(|error| {
            let reason = format!("{error}: lines are objects with `_id` and `text`");
            FileError::line(path, number, "text", "damaged", reason)
        })?);
    }
    Ok(texts)
}
