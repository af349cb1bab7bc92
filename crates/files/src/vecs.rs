//! fvecs, bvecs, ivecs: the TEXMEX formats, in which every row carries its dimension.
//!
//! A row is `i32 dimension`, then that many values (f32, u8 or i32), little-endian.

use crate::{
    Element, FileError, Kind, Matrix, Rows, Scalar, matrix::RawRows, source::Source,
    source::write_file,
};
use std::{io::Write, path::Path};

/// Opens the file as values of type `kind` (f32 for fvecs, u8 for bvecs, i32 for ivecs).
///
/// # Errors
/// When the file cannot be read or is not a whole number of rows of the first row's dimension. A
/// file of 0 bytes has no dimension and is refused. A row that says that it has another dimension is
/// found when it is read.
pub fn open(path: &Path, kind: Kind) -> Result<Matrix, FileError> {
    let mut source = Source::open(path)?;
    if source.length() < 4 {
        return Err(source.too_short(4));
    }
    let first = source.u32()?;
    let scalar = Scalar::little(kind);
    if first == 0 || first > i32::MAX as u32 {
        let reason = "not a dimension: is this a file of another format?";
        return Err(source.field("dimension of row 0", first as i32, reason));
    }
    let stride = 4 + u128::from(first) * scalar.width() as u128;
    let rows = u128::from(source.length()) / stride;
    let needs = stride * rows.max(1);
    if u128::from(source.length()) != needs {
        for (width, guess) in [
            (1, "it fits values of one byte: is it bvecs?"),
            (4, "it fits values of four bytes: is it fvecs or ivecs?"),
        ] {
            if u128::from(source.length()).is_multiple_of(4 + u128::from(first) * width) {
                return Err(source.length_error(needs, guess));
            }
        }
        let reason = "rows have the dimension of the first, and the last is cut short";
        return Err(source.length_error(needs, reason));
    }
    source.seek(0)?;
    // Fewer rows than bytes, which fit 64 bits.
    let shape = (rows as u64, first.into());
    Matrix::new(path, "", shape, scalar, Box::new(Prefixed { source, dim: first }))
}

/// Reads the whole file as values of type `T`.
///
/// # Errors
/// As [`open`], and when a row has another dimension than the first.
pub fn read<T: Element>(path: &Path) -> Result<Rows<T>, FileError> {
    open(path, T::KIND)?.typed()
}

/// Writes `rows`.
///
/// # Errors
/// When the file cannot be written or the dimension exceeds 31 bits.
pub fn write<T: Element>(path: &Path, rows: &Rows<T>) -> Result<(), FileError> {
    let dim = i32::try_from(rows.dim).map_err(|_| {
        FileError::field(path, "dimension", rows.dim, "more than the format's 31 bits hold")
    })?;
    write_file(path, |file| {
        rows.values.chunks_exact(rows.dim.max(1)).try_for_each(|row| {
            file.write_all(&dim.to_le_bytes())?;
            file.write_all(bytemuck::cast_slice(row))
        })
    })
}

/// Whether a file of `length` bytes may be a whole number of rows like the first.
pub(crate) fn agrees(first: &[u8], length: u64, kind: Kind) -> bool {
    let width = Scalar::little(kind).width() as u64;
    match *first {
        [a, b, c, d, ..] => {
            let dim = u32::from_le_bytes([a, b, c, d]);
            dim > 0 && dim <= i32::MAX as u32 && length.is_multiple_of(4 + u64::from(dim) * width)
        }
        _ => false,
    }
}

/// Rows with their dimension before each.
struct Prefixed {
    source: Source,
    dim: u32,
}

impl RawRows for Prefixed {
    fn read(&mut self, first: u64, rows: usize, out: &mut [u8]) -> Result<(), FileError> {
        for (row, out) in out.chunks_exact_mut(out.len().max(1) / rows.max(1)).enumerate() {
            let got = self.source.u32()?;
            if got != self.dim {
                let reason = format!("but row 0 has {}: rows must be alike", self.dim);
                let (path, row) = (self.source.path(), first + row as u64);
                return Err(FileError::row(path, row, "dimension", got as i32, reason));
            }
            self.source.fill(out)?;
        }
        Ok(())
    }
}
