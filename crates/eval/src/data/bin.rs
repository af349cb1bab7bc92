//! fbin, u8bin, i8bin, ibin: the format of the billion-scale benchmarks.
//!
//! A file is `u32 rows`, `u32 dimension`, then all values, row-major, little-endian. Ground-truth
//! files come in two forms: `ibin` holds ids only; the other appends `f32` distances to the ids.

use super::{DataError, Element, Rows, source::Source, source::write_file};
use crate::truth::Truth;
use crinoid_quant::{Buffer, Metric, Vectors};
use std::{io::Write, path::Path};

const HEADER: u128 = 8;

/// Reads the whole file as values of type `T`.
///
/// # Errors
/// When the file cannot be read, its size is not exactly what its header says, or the rows are
/// more than ids can name. Nothing is allocated before the sizes agree.
pub fn read<T: Element>(path: &Path) -> Result<Rows<T>, DataError> {
    let mut source = Source::open(path)?;
    let (rows, dim) = header(&mut source)?;
    source.expect_length(HEADER + values(rows, dim) * size_of::<T>() as u128)?;
    let values = fill(&mut source, rows as usize * dim as usize)?;
    Ok(Rows { dim: dim as usize, values })
}

/// Reads a ground-truth file for `base` and `queries`, with or without distances. Distances are
/// computed from the vectors in any case: files differ in their units.
///
/// # Errors
/// As [`read`], and when an id names no base row, one query has an id twice, or the file is of
/// another number of queries.
pub fn read_truth(
    path: &Path,
    metric: Metric,
    base: &Vectors,
    queries: &Vectors,
) -> Result<Truth, DataError> {
    let mut source = Source::open(path)?;
    let (rows, k) = header(&mut source)?;
    let count = values(rows, k);
    if u128::from(source.length()) != HEADER + 8 * count {
        source.expect_length(HEADER + 4 * count)?;
    }
    let ids: Buffer<u32> = fill(&mut source, rows as usize * k as usize)?;
    Truth::from_file_ids(path, metric, base, queries, k as usize, &ids)
}

/// Writes `rows`.
///
/// # Errors
/// When the file cannot be written, or the rows or dimensions exceed 32 bits.
pub fn write<T: Element>(path: &Path, rows: &Rows<T>) -> Result<(), DataError> {
    write_parts(path, rows.len(), rows.dim, &[bytemuck::cast_slice(&rows.values)])
}

/// Writes vectors as fbin.
///
/// # Errors
/// As [`write()`].
pub fn write_vectors(path: &Path, vectors: &Vectors) -> Result<(), DataError> {
    write_parts(path, vectors.len(), vectors.dim(), &[vectors.buffer().as_bytes()])
}

/// Writes ids and `f32` distances, in Crinoid's units, as a ground-truth file.
///
/// # Errors
/// As [`write()`].
pub fn write_truth(path: &Path, truth: &Truth) -> Result<(), DataError> {
    let distances: Vec<f32> = truth.distances().iter().map(|&d| d as f32).collect();
    let parts = [bytemuck::cast_slice(truth.ids()), bytemuck::cast_slice(&distances)];
    write_parts(path, truth.len(), truth.k(), &parts)
}

fn write_parts(path: &Path, rows: usize, dim: usize, parts: &[&[u8]]) -> Result<(), DataError> {
    let narrow = |field: &str, value: usize| {
        u32::try_from(value).map_err(|_| DataError::Field {
            path: path.to_owned(),
            field: field.to_owned(),
            value: value.to_string(),
            reason: "more than 32 bits hold".to_owned(),
        })
    };
    let (rows, dim) = (narrow("rows", rows)?, narrow("dimension", dim)?);
    write_file(path, |file| {
        file.write_all(&rows.to_le_bytes())?;
        file.write_all(&dim.to_le_bytes())?;
        parts.iter().try_for_each(|part| file.write_all(part))
    })
}

fn header(source: &mut Source) -> Result<(u32, u32), DataError> {
    if u128::from(source.length()) < HEADER {
        source.expect_length(HEADER)?;
    }
    let (rows, dim) = (source.u32()?, source.u32()?);
    if rows == u32::MAX {
        return Err(source.field("rows", rows, "more than 32-bit ids can name"));
    }
    if dim == 0 {
        return Err(source.field("dimension", dim, "but a row needs at least one value"));
    }
    Ok((rows, dim))
}

fn values(rows: u32, dim: u32) -> u128 {
    u128::from(rows) * u128::from(dim)
}

/// The next `count` values; the caller has checked that the file has them.
fn fill<T: Element>(source: &mut Source, count: usize) -> Result<Buffer<T>, DataError> {
    let mut values = Buffer::<T>::zeroed(count);
    source.fill(bytemuck::cast_slice_mut(values.make_mut()))?;
    Ok(values)
}
