//! fbin, u8bin, i8bin, ibin: the format of the billion-scale benchmarks.
//!
//! A file is `u32 rows`, `u32 dimension`, then all values, row-major, little-endian. Files of
//! neighbours come in two forms: `ibin` holds ids only; the other appends `f32` distances to them.

use crate::{
    Element, FileError, Kind, Matrix, Rows, Scalar, matrix::Plain, source::Source,
    source::write_file,
};
use crinoid_quant::Vectors;
use std::{io::Write, path::Path};

const HEADER: u128 = 8;

/// Opens the file as values of type `kind`.
///
/// # Errors
/// When the file cannot be read, its size is not exactly what its header says, or the rows are
/// more than ids can name.
pub fn open(path: &Path, kind: Kind) -> Result<Matrix, FileError> {
    let mut source = Source::open(path)?;
    let (rows, dim) = header(&mut source)?;
    let scalar = Scalar::little(kind);
    let needs = HEADER + u128::from(rows) * u128::from(dim) * scalar.width() as u128;
    if u128::from(source.length()) != needs {
        return Err(misfit(&source, (rows, dim), needs));
    }
    Matrix::new(path, "", (rows.into(), dim.into()), scalar, Box::new(Plain(source)))
}

/// Reads the whole file as values of type `T`.
///
/// # Errors
/// As [`open`].
pub fn read<T: Element>(path: &Path) -> Result<Rows<T>, FileError> {
    open(path, T::KIND)?.typed()
}

/// Reads the ids of a file of neighbours, with or without distances behind them; -1 becomes
/// `u32::MAX`, which stands for none.
///
/// # Errors
/// As [`open`].
pub fn read_ids(path: &Path) -> Result<Rows<u32>, FileError> {
    let mut source = Source::open(path)?;
    let (rows, k) = header(&mut source)?;
    let count = u128::from(rows) * u128::from(k);
    if u128::from(source.length()) != HEADER + 8 * count {
        let needs = HEADER + 4 * count;
        if u128::from(source.length()) != needs {
            return Err(misfit(&source, (rows, k), needs));
        }
    }
    let shape = (rows.into(), k.into());
    Matrix::new(path, "", shape, Scalar::little(Kind::U32), Box::new(Plain(source)))?.ids()
}

/// Writes `rows`.
///
/// # Errors
/// When the file cannot be written, or the rows or dimensions exceed 32 bits.
pub fn write<T: Element>(path: &Path, rows: &Rows<T>) -> Result<(), FileError> {
    write_parts(path, rows.len(), rows.dim, &[bytemuck::cast_slice(&rows.values)])
}

/// Writes vectors as fbin.
///
/// # Errors
/// As [`write()`].
pub fn write_vectors(path: &Path, vectors: &Vectors) -> Result<(), FileError> {
    write_parts(path, vectors.len(), vectors.dim(), &[vectors.buffer().as_bytes()])
}

/// Writes `k` ids per query and the `f32` distances that belong to them.
///
/// # Errors
/// As [`write()`], and when there are not as many distances as ids.
pub fn write_neighbors(
    path: &Path,
    k: usize,
    ids: &[u32],
    distances: &[f32],
) -> Result<(), FileError> {
    if ids.len() != distances.len() {
        let reason = format!("but there are {} ids", ids.len());
        return Err(FileError::field(path, "number of distances", distances.len(), reason));
    }
    let Some(rows) = ids.len().checked_div(k).filter(|rows| rows * k == ids.len()) else {
        let reason = format!("and {} ids are no whole rows of them", ids.len());
        return Err(FileError::field(path, "neighbours per row", k, reason));
    };
    write_parts(path, rows, k, &[bytemuck::cast_slice(ids), bytemuck::cast_slice(distances)])
}

fn write_parts(path: &Path, rows: usize, dim: usize, parts: &[&[u8]]) -> Result<(), FileError> {
    let narrow = |field: &str, value: usize| {
        u32::try_from(value)
            .map_err(|_| FileError::field(path, field, value, "more than 32 bits hold"))
    };
    let (rows, dim) = (narrow("rows", rows)?, narrow("dimension", dim)?);
    write_file(path, |file| {
        file.write_all(&rows.to_le_bytes())?;
        file.write_all(&dim.to_le_bytes())?;
        parts.iter().try_for_each(|part| file.write_all(part))
    })
}

fn header(source: &mut Source) -> Result<(u32, u32), FileError> {
    if u128::from(source.length()) < HEADER {
        return Err(source.too_short(HEADER));
    }
    let (rows, dim) = (source.u32()?, source.u32()?);
    if rows == u32::MAX {
        return Err(source.field("rows", rows, "more than 32-bit ids can name"));
    }
    if dim == 0 {
        let reason = "but a row needs at least one value: is this a file of another format?";
        return Err(source.field("dimension", dim, reason));
    }
    Ok((rows, dim))
}

/// Whether the size of a file of `length` bytes is what its first bytes say of values of `kind`.
pub(crate) fn agrees(first: &[u8], length: u64, kind: Kind) -> bool {
    let width = Scalar::little(kind).width() as u128;
    match *first {
        [a, b, c, d, e, f, g, h, ..] => {
            let rows = u128::from(u32::from_le_bytes([a, b, c, d]));
            let dim = u128::from(u32::from_le_bytes([e, f, g, h]));
            dim > 0 && u128::from(length) == HEADER + rows * dim * width
        }
        _ => false,
    }
}

/// What else a file of another size than its header says might be.
fn misfit(source: &Source, (rows, dim): (u32, u32), needs: u128) -> FileError {
    let length = u128::from(source.length());
    let count = |rows: u32, dim: u32| u128::from(rows) * u128::from(dim);
    for (width, guess) in [
        (1, "it fits values of one byte: is it u8bin or i8bin?"),
        (2, "it fits values of two bytes, which this format cannot hold: convert them to f32"),
        (4, "it fits values of four bytes: is it fbin or ibin?"),
        (8, "it fits values of eight bytes: is it a file of neighbours and distances?"),
    ] {
        if length == HEADER + count(rows, dim) * width {
            return source.length_error(needs, guess);
        }
    }
    for width in [1, 4] {
        if length == HEADER + count(rows.swap_bytes(), dim.swap_bytes()) * width {
            return source.length_error(needs, "its numbers are big-endian: write them again");
        }
        let row = 4 + u128::from(rows) * width;
        if rows > 0 && rows < 1 << 20 && length.is_multiple_of(row) {
            return source.length_error(needs, "it fits rows with a dimension each: is it fvecs?");
        }
    }
    match length < needs {
        true => source.too_short(needs),
        false => source.length_error(needs, "bytes follow that belong to nothing"),
    }
}
