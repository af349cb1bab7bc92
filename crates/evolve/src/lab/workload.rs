//! What is measured on.

use super::lab_error;
use crate::judge::JudgeError;
use crinoid_eval::data::Dataset;
use crinoid_eval::measure::{Grader, QuerySplit};
use crinoid_eval::truth::{self, Truth};
use crinoid_files::bin;
use std::path::{Path, PathBuf};

/// A data set to measure on.
pub struct Workload {
    pub(super) name: String,
    pub(super) data: Dataset,
    pub(super) truth: Truth,
    pub(super) practice: QuerySplit,
    pub(super) held_out: QuerySplit,
    pub(super) vectors: PathBuf,
    pub(super) rewarded: bool,
    /// Of the vectors and queries.
    pub(super) digest: u128,
}

impl Workload {
    /// Gets a data set ready: exact truth of `k` neighbours (cached in `folder`), queries split in
    /// halves, and the base vectors written out without the truth. `rewarded`: whether it counts
    /// for the reward, or only for the gate.
    ///
    /// # Errors
    /// When the truth cannot be computed, the files not written, or there are too few queries.
    pub fn new(
        name: &str,
        data: Dataset,
        rewarded: bool,
        k: usize,
        folder: &Path,
    ) -> Result<Self, JudgeError> {
        let cache = truth::Cache::new(folder.join("truth"));
        let truth = data.nearest(k, &cache, &()).map_err(lab_error)?;
        let (practice, held_out) = QuerySplit::split(&data, 0.5, 7).map_err(lab_error)?;
        let vectors = folder.join(format!("{name}.base.fbin"));
        std::fs::create_dir_all(folder).map_err(lab_error)?;
        bin::write_vectors(&vectors, &data.base).map_err(lab_error)?;
        let vectors = std::fs::canonicalize(&vectors).map_err(lab_error)?;
        let digest = truth::digest(data.metric, &data.base, &data.queries);
        let name = name.to_owned();
        Ok(Self { name, data, truth, practice, held_out, vectors, rewarded, digest })
    }

    /// Its name in scores.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn grader(&self) -> Result<Grader<'_>, JudgeError> {
        Grader::new(&self.data, &self.truth).map_err(lab_error)
    }
}
