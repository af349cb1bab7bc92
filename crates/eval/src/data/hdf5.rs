//! HDF5 files as ann-benchmarks and VIBE lay them out.
//!
//! Data sets `train` and `test` (`n x d`), optionally `neighbors` and `distances` (`queries x k`), `learn`
//! and `learn_neighbors` (sample queries); attributes `distance` and, in some files, `type` and
//! `dimension` ([`crinoid_files::hdf5`]).

use super::{DataError, Dataset, Sample, open::in_file};
use crate::{
    exact::{distance, norm},
    truth::Truth,
};
use crinoid_files::{
    FileError,
    hdf5::{File, Unit},
};
use crinoid_quant::Metric;
use rayon::prelude::*;
use std::path::Path;

/// Reads a file, with its truth and sample queries where it has some.
///
/// Distances are converted from the file's units (Euclidean distance, `1 - cos`) into Crinoid's and
/// compared with the vectors, so that a file whose truth belongs to something else is found out.
/// `f64` values are rounded to `f32`. A file of bits under the Hamming distance becomes one of zeroes
/// and ones under L2, whose square it is.
///
/// # Errors
/// When the file is damaged, of another layout, or its parts do not fit together. Nothing larger
/// than the file can account for is allocated.
pub(super) fn open(path: &Path) -> Result<Dataset, DataError> {
    let file = File::open(path)?;
    let (train, test) = (file.vectors("train")?, file.vectors("test")?);
    let Some(declared) = file.distance()? else {
        let reason = "and without it no metric is known: set it to euclidean, cosine or ip";
        return Err(FileError::field(path, "attribute `distance`", "missing", reason).into());
    };
    let (base, queries) = (train.rest()?, test.rest()?);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut data = Dataset::new(name, declared.metric, base, queries)?;
    if file.has("learn")? {
        data.sample = Some(sample(path, &file, &data)?);
    }
    match file.has("neighbors")? {
        true => {
            let truth = truth(path, &file, declared.unit, &data)?;
            data.with_truth(truth)
        }
        false => Ok(data),
    }
}

fn sample(path: &Path, file: &File, data: &Dataset) -> Result<Sample, DataError> {
    let queries = file.vectors("learn")?.rest()?;
    if queries.dim() != data.dim() {
        let reason = format!("but `train` has {}", data.dim());
        return Err(FileError::field(path, "columns of `learn`", queries.dim(), reason).into());
    }
    let known = file.has("learn_neighbors")?;
    let neighbors = known.then(|| file.matrix("learn_neighbors")?.ids()).transpose()?;
    if let Some(neighbors) = &neighbors {
        if neighbors.len() != queries.len() {
            let reason = format!("but `learn` has {}", queries.len());
            let (field, rows) = ("rows of `learn_neighbors`", neighbors.len());
            return Err(FileError::field(path, field, rows, reason).into());
        }
        if let Some(at) = neighbors.values.iter().position(|&id| id as usize >= data.base.len()) {
            let (row, reason) =
                (at / neighbors.dim, format!("and `train` has {}", data.base.len()));
            let (field, id) = ("`learn_neighbors`", neighbors.values[at]);
            return Err(FileError::row(path, row as u64, field, id, reason).into());
        }
    }
    Ok(Sample { queries, neighbors })
}

fn truth(path: &Path, file: &File, unit: Unit, data: &Dataset) -> Result<Truth, DataError> {
    let neighbors = file.matrix("neighbors")?.ids()?;
    let (k, ids) = (neighbors.dim, neighbors.values);
    let (metric, base, queries) = (data.metric, &data.base, &data.queries);
    let computed = Truth::from_ids(metric, base, queries, k, &ids);
    let computed = computed.map_err(|error| in_file(path, error))?;
    if unit == Unit::Unknown || !file.has("distances")? {
        return Ok(computed);
    }
    let far = file.matrix("distances")?.rest()?;
    if (far.len(), far.dim()) != (queries.len(), k) {
        let (value, rows) = (format!("{} x {}", far.len(), far.dim()), queries.len());
        let reason = format!("but `neighbors` is {rows} x {k}");
        return Err(FileError::field(path, "shape of `distances`", value, reason).into());
    }
    let convert = |&far: &f32| unit.convert(far.into()).unwrap_or(f64::NAN);
    let distances: Vec<f64> = far.as_slice().iter().map(convert).collect();
    compare(path, data, k, &ids, &distances)?;
    Truth::new(k, ids.to_vec(), distances).map_err(|error| in_file(path, error))
}

/// Refuses distances that are not those of the vectors.
fn compare(
    path: &Path,
    data: &Dataset,
    k: usize,
    ids: &[u32],
    distances: &[f64],
) -> Result<(), DataError> {
    let offender = (0..ids.len()).into_par_iter().find_map_first(|at| {
        let (base, query) = (data.base.row(ids[at] as usize), data.queries.row(at / k));
        let exact = distance(data.metric, base, query);
        // Files hold f32 and many were computed as `a^2 - 2ab + b^2` or `1 - cos`, which loses
        // up to a millionth of the squares to cancellation.
        let squares = match data.metric {
            Metric::Cosine => 1.0,
            _ => norm(base).powi(2) + norm(query).powi(2),
        };
        let slack = 1e-3 * exact.abs() + 1e-5 * squares;
        // Not `>`: NaN is no distance either.
        let agrees = (distances[at] - exact).abs() <= slack;
        (!agrees).then_some((at, exact))
    });
    match offender {
        None => Ok(()),
        Some((at, exact)) => {
            let field = format!("`distances` column {}", at % k);
            let value = format!("{} (as {})", distances[at], data.metric);
            let reason =
                format!("but the vectors are at {exact}: are these other vectors' distances?");
            Err(FileError::row(path, (at / k) as u64, field, value, reason).into())
        }
    }
}
