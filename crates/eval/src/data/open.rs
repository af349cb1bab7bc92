//! Which file is read how.

use super::{DataError, Dataset, Preset, bin, npy, vecs};
use crate::truth::Truth;
use crinoid_quant::{Metric, Vectors};
use std::path::{Path, PathBuf};

/// The file formats, for help texts: extension and meaning.
pub const FORMATS: &[(&str, &str)] = &[
    ("hdf5", "ann-benchmarks: train, test, neighbors, distances"),
    ("fbin", "u32 rows, u32 dimension, f32 values"),
    ("u8bin", "the same of u8"),
    ("i8bin", "the same of i8"),
    ("ibin", "ground truth: u32 queries, u32 k, u32 ids (and f32 distances)"),
    ("fvecs", "TEXMEX: rows of i32 dimension, f32 values"),
    ("bvecs", "the same of u8"),
    ("npy", "NumPy: a matrix of floats or integers"),
    ("folder", "base, queries, truth and qrels with a dataset.json"),
    ("ivecs", "ground truth: rows of i32 k, i32 ids"),
];

/// A data set whose parts lie in files of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Base vectors: fbin, u8bin, i8bin, fvecs, bvecs or npy.
    pub base: PathBuf,
    /// Queries, in any of the same formats.
    pub queries: PathBuf,
    /// Ground truth: ibin or ivecs.
    pub truth: Option<PathBuf>,
    /// The metric; such files do not say.
    pub metric: Metric,
}

impl Dataset {
    /// Opens a data set that is one file, by its extension; `NAME.qrels.tsv` beside it is picked up.
    ///
    /// # Errors
    /// When the file is damaged or of no known format. Every error names the file.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        if path.is_dir() {
            return super::folder::open(path);
        }
        match extension(path).as_str() {
            #[cfg(feature = "hdf5")]
            "hdf5" | "h5" => super::hdf5::open(path)?.with_sibling_relevance(path),
            #[cfg(not(feature = "hdf5"))]
            "hdf5" | "h5" => Err(unknown(path, "built without the feature `hdf5`")),
            "fbin" | "u8bin" | "i8bin" | "fvecs" | "bvecs" | "npy" => Err(unknown(
                path,
                "holds vectors but no queries: give base, queries and truth as separate files",
            )),
            _ => Err(unknown(path, "not a data set that can be opened by its name")),
        }
    }

    /// Opens a data set in separate files; `NAME.qrels.tsv` beside the base file is picked up.
    ///
    /// # Errors
    /// When a file is damaged or of no known format, or the files do not fit together.
    pub fn open_parts(parts: &Parts) -> Result<Self, DataError> {
        let base = read_vectors(&parts.base, "base")?;
        let queries = read_vectors(&parts.queries, "queries")?;
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
    /// As [`open`](Self::open).
    pub fn load(name_or_path: &str) -> Result<Self, DataError> {
        match Preset::find(name_or_path) {
            Some(preset) => preset.generate(),
            None => Self::open(Path::new(name_or_path)),
        }
    }
}

/// Reads a file of vectors by its extension: fbin, u8bin, i8bin, fvecs, bvecs or npy. `set` names them
/// in errors.
///
/// # Errors
/// When the file is damaged or of no such format.
pub fn read_vectors(path: &Path, set: &str) -> Result<Vectors, DataError> {
    match extension(path).as_str() {
        "fbin" => bin::read::<f32>(path)?.into_vectors(path, set),
        "u8bin" => bin::read::<u8>(path)?.into_vectors(path, set),
        "i8bin" => bin::read::<i8>(path)?.into_vectors(path, set),
        "fvecs" => vecs::read::<f32>(path)?.into_vectors(path, set),
        "bvecs" => vecs::read::<u8>(path)?.into_vectors(path, set),
        "npy" => npy::read_vectors(path, set),
        _ => Err(unknown(path, "not a file of vectors")),
    }
}

/// Reads a file of exact neighbours by its extension: ibin, ivecs or npy. Distances are computed from
/// the vectors.
///
/// # Errors
/// When the file is damaged, of no such format, or not of these vectors.
pub fn read_truth(
    path: &Path,
    metric: Metric,
    base: &Vectors,
    queries: &Vectors,
) -> Result<Truth, DataError> {
    match extension(path).as_str() {
        "ibin" => bin::read_truth(path, metric, base, queries),
        "ivecs" => {
            let rows = vecs::read::<i32>(path)?;
            // A negative id becomes a huge one, which names no row either.
            let ids: Vec<u32> = rows.values.iter().map(|&id| id as u32).collect();
            Truth::from_file_ids(path, metric, base, queries, rows.dim, &ids)
        }
        "npy" => {
            let rows = npy::read_ids(path)?;
            Truth::from_file_ids(path, metric, base, queries, rows.dim, &rows.values)
        }
        _ => Err(unknown(path, "not a file of ground truth")),
    }
}

/// Writes vectors by the extension of `path`: fbin, u8bin, i8bin, fvecs, bvecs or npy.
///
/// # Errors
/// When the file cannot be written, or a value has no exact counterpart in an integer format.
pub fn write_vectors(path: &Path, vectors: &Vectors) -> Result<(), DataError> {
    use super::Rows;
    match extension(path).as_str() {
        "fbin" => bin::write_vectors(path, vectors),
        "u8bin" => bin::write(path, &Rows::<u8>::from_vectors(vectors, path)?),
        "i8bin" => bin::write(path, &Rows::<i8>::from_vectors(vectors, path)?),
        "fvecs" => vecs::write(path, &Rows::<f32>::from_vectors(vectors, path)?),
        "bvecs" => vecs::write(path, &Rows::<u8>::from_vectors(vectors, path)?),
        "npy" => npy::write_vectors(path, vectors),
        _ => Err(unknown(path, "not a format that vectors can be written in")),
    }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

fn unknown(path: &Path, reason: &str) -> DataError {
    let known: Vec<&str> = FORMATS.iter().map(|format| format.0).collect();
    let presets: Vec<&str> = super::PRESETS.iter().map(|preset| preset.name).collect();
    DataError::Format {
        path: path.to_owned(),
        reason: reason.to_owned(),
        known: format!("{}; generated: {}", known.join(", "), presets.join(", ")),
    }
}
