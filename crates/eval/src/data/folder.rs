//! A data set as a folder: plain files that any tool reads, and a `dataset.json` that says which.

use super::{DataError, Dataset, Qrels, read_truth, write_truth};
use crinoid_files::{FileError, read_vectors, write_file, write_vectors};
use crinoid_quant::Metric;
use serde::{Deserialize, Serialize};
use std::{io::Write, path::Path};

/// Name of the file that describes a folder.
pub const FOLDER_FILE: &str = "dataset.json";

/// What lies where; paths are relative to the folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    metric: Metric,
    base: String,
    queries: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    truth: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    qrels: Option<String>,
}

pub(super) fn open(folder: &Path) -> Result<Dataset, DataError> {
    let path = folder.join(FOLDER_FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| FileError::io(&path, error))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let parts: Description =
        serde_json::from_str(text).map_err(|error| FileError::damaged(&path, error))?;
    for part in [&parts.base, &parts.queries].into_iter().chain(&parts.truth).chain(&parts.qrels) {
        let relative = Path::new(part).components();
        if !relative.into_iter().all(|c| matches!(c, std::path::Component::Normal(_))) {
            let reason = format!("`{part}` is not a file inside the folder");
            return Err(FileError::damaged(&path, reason).into());
        }
    }
    let base = read_vectors(&folder.join(&parts.base))?;
    let queries = read_vectors(&folder.join(&parts.queries))?;
    let mut data = Dataset::new(parts.name, parts.metric, base, queries)?;
    if let Some(truth) = &parts.truth {
        let truth = read_truth(&folder.join(truth), data.metric, &data.base, &data.queries)?;
        data = data.with_truth(truth)?;
    }
    if let Some(qrels) = &parts.qrels {
        let qrels = Qrels::read(&folder.join(qrels), data.queries.len(), data.base.len())?;
        data = data.with_relevance(qrels)?;
    }
    Ok(data)
}

impl Dataset {
    /// Writes the set into `folder`, which is created: `base` and `queries` in `format` (`fbin`,
    /// `u8bin`, `i8bin`, `fvecs`, `bvecs`, `npy`; queries as the float format of the same family
    /// where an integer one cannot hold them), `truth.ibin`, `qrels.tsv` and the [`FOLDER_FILE`],
    /// which is written last.
    ///
    /// # Errors
    /// When a file cannot be written, or base values have no exact counterpart in the format.
    pub fn write(&self, folder: &Path, format: &str) -> Result<(), DataError> {
        std::fs::create_dir_all(folder).map_err(|error| FileError::io(folder, error))?;
        let base = format!("base.{format}");
        write_vectors(&folder.join(&base), &self.base)?;
        let floats = if format == "bvecs" { "fvecs" } else { "fbin" };
        let mut queries = format!("queries.{format}");
        if let Err(error) = write_vectors(&folder.join(&queries), &self.queries) {
            if !matches!(error, FileError::Row { .. }) {
                return Err(error.into());
            }
            queries = format!("queries.{floats}");
            write_vectors(&folder.join(&queries), &self.queries)?;
        }
        let truth = self.truth.as_ref().map(|truth| {
            let name = "truth.ibin".to_owned();
            write_truth(&folder.join(&name), truth).map(|()| name)
        });
        let qrels = self.relevance.as_ref().map(|qrels| {
            let name = "qrels.tsv".to_owned();
            qrels.write(&folder.join(&name)).map(|()| name)
        });
        let description = Description {
            name: self.name.clone(),
            metric: self.metric,
            base,
            queries,
            truth: truth.transpose()?,
            qrels: qrels.transpose()?,
        };
        write_file(&folder.join(FOLDER_FILE), |file| {
            serde_json::to_writer_pretty(&mut *file, &description)?;
            file.write_all(b"\n")
        })?;
        Ok(())
    }
}
