//! ann-benchmarks HDF5 files.
//!
//! Data sets `train` and `test` (floats or integers, `n x d`), optionally `neighbors` and
//! `distances` (`queries x k`); attributes `distance` and, in newer files, `type`, which must be
//! `dense`, and `dimension`. Other people's layouts are refused by name: sparse sets, Hamming and
//! Jaccard distances.

use super::{DataError, Dataset};
use crate::{
    exact::{distance, norm},
    truth::Truth,
};
use bytemuck::Pod;
use crinoid_quant::{Buffer, Metric, Vectors};
use hdf5_reader::{Datatype, Hdf5File};
use rayon::prelude::*;
use std::path::Path;

/// Deflate cannot shrink anything by more than this.
const DEFLATE_LIMIT: u64 = 1_032;

/// Reads a file, with its truth where it has one.
///
/// Distances are converted from the file's units (Euclidean distance, `1 - cos`) into Crinoid's and
/// compared with the vectors, so that a file whose truth belongs to something else is found out.
/// `f64` values are rounded to `f32`.
///
/// # Errors
/// When the file is damaged, of another layout, or its parts do not fit together. Nothing larger
/// than the file can account for is allocated.
pub fn open(path: &Path) -> Result<Dataset, DataError> {
    let length = std::fs::metadata(path)
        .map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    let file = Hdf5File::open(path).map_err(|error| damaged(path, error))?;
    let end = file.superblock().eof_address;
    if end > length.len() {
        let (needs, has) = (end.into(), length.len());
        return Err(DataError::Length { path: path.to_owned(), needs, has });
    }
    let file = File { path, length: length.len(), file };

    if let Some(kind) = file.text("type")?.filter(|kind| kind != "dense") {
        return Err(field(path, "attribute `type`", kind, "but only dense sets can be read"));
    }
    let metric = match file.text("distance")? {
        Some(name) => Distance::parse(path, &name)?,
        None => return Err(field(path, "attribute `distance`", "missing", "no metric is known")),
    };
    let (base, queries) = (file.vectors("train")?, file.vectors("test")?);
    if let Some(dimension) = file.number("dimension")?.filter(|&d| d != base.dim() as f64) {
        let reason = format!("but `train` has {} columns", base.dim());
        return Err(field(path, "attribute `dimension`", dimension, reason));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let data = Dataset::new(name, metric.metric, base, queries)?;
    match file.has("neighbors")? {
        true => {
            let truth = file.truth(&metric, &data)?;
            data.with_truth(truth)
        }
        false => Ok(data),
    }
}

/// What a file calls a distance.
struct Distance {
    metric: Metric,
    /// From the file's unit to Crinoid's, where the unit is known.
    convert: Option<fn(f64) -> f64>,
}

impl Distance {
    fn parse(path: &Path, name: &str) -> Result<Self, DataError> {
        match name {
            "hamming" | "jaccard" => Err(field(
                path,
                "attribute `distance`",
                name,
                "and neither bit vectors nor sets can be searched",
            )),
            // Unit vectors, as some newer collections declare them.
            "normalized" => Ok(Self { metric: Metric::Cosine, convert: None }),
            _ => {
                let metric = name
                    .parse()
                    .map_err(|source| DataError::Metric { path: path.to_owned(), source })?;
                let convert: Option<fn(f64) -> f64> = match name {
                    "euclidean" => Some(|far| far * far),
                    "angular" => Some(|far| 2.0 * far),
                    _ => None,
                };
                Ok(Self { metric, convert })
            }
        }
    }
}

struct File<'a> {
    path: &'a Path,
    length: u64,
    file: Hdf5File,
}

impl File<'_> {
    fn damaged(&self, error: hdf5_reader::error::Error) -> DataError {
        damaged(self.path, error)
    }

    fn has(&self, name: &str) -> Result<bool, DataError> {
        let root = self.file.root_group().map_err(|error| self.damaged(error))?;
        let (_, datasets) = root.member_names().map_err(|error| self.damaged(error))?;
        Ok(datasets.iter().any(|dataset| dataset == name))
    }

    fn attribute(&self, name: &str) -> Result<Option<hdf5_reader::Attribute>, DataError> {
        let root = self.file.root_group().map_err(|error| self.damaged(error))?;
        let attributes = root.attributes().map_err(|error| self.damaged(error))?;
        Ok(attributes.into_iter().find(|attribute| attribute.name == name))
    }

    fn text(&self, name: &str) -> Result<Option<String>, DataError> {
        let text = |attribute: hdf5_reader::Attribute| attribute.read_string();
        self.attribute(name)?.map(text).transpose().map_err(|error| self.damaged(error))
    }

    fn number(&self, name: &str) -> Result<Option<f64>, DataError> {
        let number = |attribute: hdf5_reader::Attribute| attribute.read_as_f64();
        self.attribute(name)?.map(number).transpose().map_err(|error| self.damaged(error))
    }

    /// Opens a matrix and checks that its size is one that the file can hold.
    fn matrix(&self, name: &str) -> Result<(hdf5_reader::Dataset, usize, usize), DataError> {
        if !self.has(name)? {
            let reason = "is this an ann-benchmarks file?";
            return Err(field(self.path, &format!("data set `{name}`"), "missing", reason));
        }
        let dataset = self.file.dataset(name).map_err(|error| self.damaged(error))?;
        let shape = dataset.shape();
        let &[rows, columns] = shape else {
            let (field_name, value) = (format!("shape of `{name}`"), format!("{shape:?}"));
            return Err(field(self.path, &field_name, value, "not rows x columns"));
        };
        let width = dataset.raw_element_size().map_err(|error| self.damaged(error))?;
        let needs = u128::from(rows) * u128::from(columns) * width as u128;
        let ratio = if dataset.chunks().is_some() { DEFLATE_LIMIT } else { 1 };
        if needs > u128::from(self.length) * u128::from(ratio) {
            return Err(DataError::Length { path: self.path.to_owned(), needs, has: self.length });
        }
        Ok((dataset, rows as usize, columns as usize))
    }

    fn values<T: Pod>(&self, dataset: &hdf5_reader::Dataset) -> Result<Buffer<T>, DataError> {
        let bytes = dataset.raw_byte_len().map_err(|error| self.damaged(error))?;
        let mut values = Buffer::<T>::zeroed(bytes / size_of::<T>());
        let destination = bytemuck::cast_slice_mut(values.make_mut());
        dataset.read_native_bytes_into(destination).map_err(|error| self.damaged(error))?;
        Ok(values)
    }

    fn vectors(&self, name: &str) -> Result<Vectors, DataError> {
        let (dataset, rows, dim) = self.matrix(name)?;
        let floats = match dataset.dtype() {
            Datatype::FloatingPoint { size: 4, .. } => self.values::<f32>(&dataset)?,
            Datatype::FloatingPoint { size: 8, .. } => {
                self.values::<f64>(&dataset)?.iter().map(|&value| value as f32).collect()
            }
            _ => {
                let exact = |(index, value): (usize, i64)| match value as f32 {
                    float if float as i64 == value => Ok(float),
                    _ => Err(DataError::Row {
                        path: self.path.to_owned(),
                        row: index / dim.max(1),
                        field: format!("`{name}` column {}", index % dim.max(1)),
                        value: value.to_string(),
                        reason: "which no f32 holds exactly".to_owned(),
                    }),
                };
                let integers = self.integers(name, &dataset)?;
                let floats: Result<Vec<f32>, _> =
                    integers.into_iter().enumerate().map(exact).collect();
                Buffer::from_slice(&floats?)
            }
        };
        let set = format!("`{name}`, {rows} x {dim}");
        Vectors::new(floats, dim).map_err(|source| DataError::Vectors {
            path: self.path.to_owned(),
            set,
            source,
        })
    }

    fn integers(&self, name: &str, dataset: &hdf5_reader::Dataset) -> Result<Vec<i64>, DataError> {
        fn widen<T: Pod + Into<i64>>(values: Buffer<T>) -> Vec<i64> {
            values.iter().map(|&value| value.into()).collect()
        }
        Ok(match dataset.dtype() {
            Datatype::FixedPoint { size: 1, signed: true, .. } => {
                widen(self.values::<i8>(dataset)?)
            }
            Datatype::FixedPoint { size: 1, .. } => widen(self.values::<u8>(dataset)?),
            Datatype::FixedPoint { size: 2, signed: true, .. } => {
                widen(self.values::<i16>(dataset)?)
            }
            Datatype::FixedPoint { size: 2, .. } => widen(self.values::<u16>(dataset)?),
            Datatype::FixedPoint { size: 4, signed: true, .. } => {
                widen(self.values::<i32>(dataset)?)
            }
            Datatype::FixedPoint { size: 4, .. } => widen(self.values::<u32>(dataset)?),
            // Unsigned 64-bit values that do not fit become negative, which nothing accepts.
            Datatype::FixedPoint { size: 8, .. } => widen(self.values::<i64>(dataset)?),
            other => {
                let value = format!("{other:?}");
                let reason = "and only f32, f64 and integers can be read";
                return Err(field(self.path, &format!("type of `{name}`"), value, reason));
            }
        })
    }

    fn truth(&self, unit: &Distance, data: &Dataset) -> Result<Truth, DataError> {
        let (dataset, rows, k) = self.matrix("neighbors")?;
        // An id that does not fit becomes the largest one, which names no row.
        let ids: Vec<u32> = self
            .integers("neighbors", &dataset)?
            .into_iter()
            .map(|id| u32::try_from(id).unwrap_or(u32::MAX))
            .collect();
        let (metric, base, queries) = (data.metric, &data.base, &data.queries);
        let computed = Truth::from_file_ids(self.path, metric, base, queries, k, &ids)?;
        let Some(convert) = unit.convert.filter(|_| rows > 0) else { return Ok(computed) };
        if !self.has("distances")? {
            return Ok(computed);
        }
        let (dataset, far_rows, far_k) = self.matrix("distances")?;
        if (far_rows, far_k) != (rows, k) {
            let value = format!("{far_rows} x {far_k}");
            let reason = format!("but `neighbors` is {rows} x {k}");
            return Err(field(self.path, "shape of `distances`", value, reason));
        }
        let distances: Vec<f64> = match dataset.dtype() {
            Datatype::FloatingPoint { size: 4, .. } => {
                self.values::<f32>(&dataset)?.iter().map(|&far| convert(far.into())).collect()
            }
            Datatype::FloatingPoint { size: 8, .. } => {
                self.values::<f64>(&dataset)?.iter().map(|&far| convert(far)).collect()
            }
            other => {
                let value = format!("{other:?}");
                return Err(field(self.path, "type of `distances`", value, "not f32 or f64"));
            }
        };
        self.compare(data, k, &ids, &distances)?;
        Truth::new(k, ids, distances).map_err(|error| error.in_file(self.path))
    }

    /// Refuses distances that are not those of the vectors.
    fn compare(
        &self,
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
            Some((at, exact)) => Err(DataError::Row {
                path: self.path.to_owned(),
                row: at / k,
                field: format!("`distances` column {}", at % k),
                value: format!("{} (as {})", distances[at], data.metric),
                reason: format!("but the vectors are at {exact}"),
            }),
        }
    }
}

fn damaged(path: &Path, error: hdf5_reader::error::Error) -> DataError {
    DataError::Damaged { path: path.to_owned(), reason: error.to_string() }
}

fn field(path: &Path, field: &str, value: impl ToString, reason: impl Into<String>) -> DataError {
    DataError::Field {
        path: path.to_owned(),
        field: field.to_owned(),
        value: value.to_string(),
        reason: reason.into(),
    }
}
