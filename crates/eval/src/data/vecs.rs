//! fvecs, bvecs, ivecs: the TEXMEX formats, in which every row carries its dimension.
//!
//! A row is `i32 dimension`, then that many values (f32, u8 or i32), little-endian.

use super::{DataError, Element, Rows, source::Source, source::write_file};
use crinoid_quant::Buffer;
use std::{io::Write, path::Path};

/// Reads the whole file as values of type `T` (f32 for fvecs, u8 for bvecs, i32 for ivecs).
///
/// # Errors
/// When the file cannot be read, is not a whole number of rows of the first row's dimension, or a
/// row says that it has another dimension. Nothing is allocated before the sizes agree. A file of
/// 0 bytes has no dimension and is refused.
pub fn read<T: Element>(path: &Path) -> Result<Rows<T>, DataError> {
    let mut source = Source::open(path)?;
    if source.length() < 4 {
        source.expect_length(4)?;
    }
    let first = source.u32()?;
    // The format's dimension is signed; the largest that any collection uses is far below 2^24.
    if first == 0 || first > i32::MAX as u32 {
        return Err(source.field("dimension of row 0", first as i32, "not a dimension"));
    }
    let dim = first as usize;
    let stride = 4 + u128::from(first) * size_of::<T>() as u128;
    let rows = u128::from(source.length()) / stride;
    source.expect_length(stride * rows.max(1))?;
    if rows >= u128::from(u32::MAX) {
        return Err(source.field("rows", rows, "more than 32-bit ids can name"));
    }
    let mut values = Buffer::<T>::zeroed(rows as usize * dim);
    for (row, out) in values.make_mut().chunks_exact_mut(dim).enumerate() {
        let got = if row == 0 { first } else { source.u32()? };
        if got != first {
            let reason = format!("row 0 has {first}");
            return Err(source.row(row, "dimension", got as i32, reason));
        }
        source.fill(bytemuck::cast_slice_mut(out))?;
    }
    Ok(Rows { dim, values })
}

/// Writes `rows`.
///
/// # Errors
/// When the file cannot be written or the dimension exceeds 31 bits.
pub fn write<T: Element>(path: &Path, rows: &Rows<T>) -> Result<(), DataError> {
    let dim = i32::try_from(rows.dim).map_err(|_| DataError::Field {
        path: path.to_owned(),
        field: "dimension".to_owned(),
        value: rows.dim.to_string(),
        reason: "more than the format's 31 bits hold".to_owned(),
    })?;
    write_file(path, |file| {
        rows.values.chunks_exact(rows.dim.max(1)).try_for_each(|row| {
            file.write_all(&dim.to_le_bytes())?;
            file.write_all(bytemuck::cast_slice(row))
        })
    })
}
