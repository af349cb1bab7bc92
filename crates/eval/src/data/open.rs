//! Which file is read how.

use super::{DataError, Dataset, Preset};
use crate::truth::{Truth, TruthError};
use crinoid_files::{FileError, Format, Options, read, read_ids};
use crinoid_quant::{Metric, Vectors};
use std::path::{Path, PathBuf};

/// A data set whose parts lie in files of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Base vectors, in any format of [`crinoid_files`].
    pub base: PathBuf,
    /// Queries, in any of the same formats.
    pub queries: PathBuf,
    /// Ground truth: ibin, ivecs, npy, npz or HDF5 (`neighbors`).
    pub truth: Option<PathBuf>,
    /// The metric; such files do not say.
    pub metric: Metric,
}

impl Dataset {
    /// Opens a data set that is one file or a folder with a `dataset.json`; `NAME.qrels.tsv` beside a
    /// file is picked up.
    ///
    /// # Errors
    /// When the file is damaged or of no known format, or holds vectors alone. Every error names
    /// the file.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        if path.is_dir() {
            return super::folder::open(path);
        }
        match Format::of(path)? {
            #[cfg(feature = "hdf5")]
            Format::Hdf5 => super::hdf5::open(path)?.with_sibling_relevance(path),
            #[cfg(not(feature = "hdf5"))]
            Format::Hdf5 => alone(path, "was built without the feature `hdf5`, which reads it"),
            Format::Ibin | Format::Ivecs => {
                alone(path, "holds ground truth: --base, --queries and --metric are missing")
            }
            _ => alone(path, "holds vectors alone: --queries and --metric are missing"),
        }
    }

    /// Opens a data set in separate files; `NAME.qrels.tsv` beside the base file is picked up.
    ///
    /// # Errors
    /// When a file is damaged or of no known format, or the files do not fit together.
    pub fn open_parts(parts: &Parts) -> Result<Self, DataError> {
        let base = crinoid_files::read_vectors(&parts.base)?;
        let options = Options { queries: true, ..Options::default() };
        let queries = read(&parts.queries, &options)?.vectors;
        let name = parts.base.file_stem().unwrap_or_default().to_string_lossy();
        let data = Self::new(name, parts.metric, base, queries)?;
        let data = match &parts.truth {
            Some(path) => {
                let truth = read_truth(path, parts.metric, &data.base, &data.queries)?;
                data.with_truth(truth)?
            }
            None => data,
        };
        data.with_sibling_relevance(&parts.base)
    }

    /// Generates a preset or opens a file: what a `--data` argument means.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when there is neither such a preset nor such a file.
    pub fn load(name_or_path: &str) -> Result<Self, DataError> {
        if let Some(preset) = Preset::find(name_or_path) {
            return preset.generate();
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            let presets: Vec<&str> = super::PRESETS.iter().map(|preset| preset.name).collect();
            let reason = format!("no such file, and no generated set ({})", presets.join(", "));
            return Err(DataError::Inconsistent { name: name_or_path.to_owned(), reason });
        }
        Self::open(path)
    }
}

/// An error about a file that is no data set by itself.
fn alone(path: &Path, reason: &str) -> Result<Dataset, DataError> {
    let how =
        "`cargo xtask data convert --base FILE --queries FILE --metric METRIC` makes a data set";
    let (name, reason) = (path.display().to_string(), format!("{reason} ({how})"));
    Err(DataError::Inconsistent { name, reason })
}

/// Reads a file of exact neighbours: ibin, ivecs, npy, npz or HDF5. Distances are computed from the
/// vectors: files differ in their units.
///
/// # Errors
/// When the file is damaged, of no such format, or not of these vectors.
pub fn read_truth(
    path: &Path,
    metric: Metric,
    base: &Vectors,
    queries: &Vectors,
) -> Result<Truth, DataError> {
    let ids = read_ids(path, None)?;
    Truth::from_ids(metric, base, queries, ids.dim, &ids.values)
        .map_err(|error| in_file(path, error))
}

/// What is wrong with truth, said of the file that it came from.
pub(super) fn in_file(path: &Path, error: TruthError) -> DataError {
    match error {
        TruthError::File(error) => error.into(),
        TruthError::Row { query, reason } => {
            FileError::row(path, query as u64, "neighbors", "wrong", reason).into()
        }
        other => {
            let (name, reason) = (path.display().to_string(), other.to_string());
            DataError::Inconsistent { name, reason }
        }
    }
}

/// Writes truth as ibin: ids, and `f32` distances in Crinoid's units.
///
/// # Errors
/// When the file cannot be written, or the rows exceed 32 bits.
pub fn write_truth(path: &Path, truth: &Truth) -> Result<(), DataError> {
    let distances: Vec<f32> = truth.distances().iter().map(|&d| d as f32).collect();
    Ok(crinoid_files::bin::write_neighbors(path, truth.k(), truth.ids(), &distances)?)
}
