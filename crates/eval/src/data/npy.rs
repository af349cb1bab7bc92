//! npy: NumPy's format for one array.
//!
//! The magic, a version, the length of a header and the header: a Python dictionary of type, order
//! and shape, then the values. Matrices of f32, f64 and integers in C order are read; vectors are
//! written as little-endian f32.

use super::{DataError, Element, Rows, source::Source, source::write_file};
use crinoid_quant::{Buffer, Vectors};
use std::{io::Write, path::Path};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longer headers describe structured arrays, which are no matrices.
const LONGEST_HEADER: u64 = 4096;

/// Reads a matrix as vectors. `f64` values are rounded to `f32`, integers must be exact in it.
///
/// # Errors
/// When the file cannot be read, its size is not what its header says, or the array is of another
/// shape, order or type. Nothing is allocated before the sizes agree.
pub fn read_vectors(path: &Path, set: &str) -> Result<Vectors, DataError> {
    let (mut source, header) = open(path)?;
    let rows = match header.kind.as_str() {
        "<f4" => return header.rows::<f32>(&mut source)?.into_vectors(path, set),
        "<f8" => header.rows_of(&mut source, |bytes| Some(f64::from_le_bytes(bytes) as f32))?,
        "|u1" => return header.rows::<u8>(&mut source)?.into_vectors(path, set),
        "|i1" => return header.rows::<i8>(&mut source)?.into_vectors(path, set),
        "<i4" => return header.rows::<i32>(&mut source)?.into_vectors(path, set),
        "<u4" => return header.rows::<u32>(&mut source)?.into_vectors(path, set),
        "<i8" => header.rows_of(&mut source, |bytes| {
            let value = i64::from_le_bytes(bytes);
            (value as f32 as i64 == value).then_some(value as f32)
        })?,
        _ => return Err(header.unknown(&source)),
    };
    rows.into_vectors(path, set)
}

/// Reads a matrix of row ids (32- or 64-bit integers). Negative ids and ids past 32 bits become
/// `u32::MAX`, which names no row.
///
/// # Errors
/// As [`read_vectors`].
pub fn read_ids(path: &Path) -> Result<Rows<u32>, DataError> {
    let (mut source, header) = open(path)?;
    let id = |id: i64| Some(u32::try_from(id).unwrap_or(u32::MAX));
    match header.kind.as_str() {
        "<u4" => header.rows::<u32>(&mut source),
        "<i4" => header.rows_of(&mut source, |bytes| id(i32::from_le_bytes(bytes).into())),
        "<i8" | "<u8" => header.rows_of(&mut source, |bytes| id(i64::from_le_bytes(bytes))),
        _ => Err(header.unknown(&source)),
    }
}

/// Writes vectors as a matrix of f32.
///
/// # Errors
/// When the file cannot be written.
pub fn write_vectors(path: &Path, vectors: &Vectors) -> Result<(), DataError> {
    let (rows, dim) = (vectors.len(), vectors.dim());
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    // Ten bytes stand before the header; the values begin at a multiple of 64.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    write_file(path, |file| {
        file.write_all(MAGIC)?;
        file.write_all(&[1, 0])?;
        file.write_all(&(header.len() as u16).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        file.write_all(vectors.buffer().as_bytes())
    })
}

struct Header {
    kind: String,
    rows: u64,
    dim: u64,
    /// Offset of the values.
    start: u64,
}

fn open(path: &Path) -> Result<(Source, Header), DataError> {
    let mut source = Source::open(path)?;
    let mut fixed = [0; 8];
    if source.length() < 12 {
        source.expect_length(12)?;
    }
    source.fill(&mut fixed)?;
    if &fixed[..6] != MAGIC {
        return Err(source.field("magic", format!("{:?}", &fixed[..6]), "not that of an npy file"));
    }
    let (length, start) = match fixed[6] {
        1 => {
            let mut length = [0; 2];
            source.fill(&mut length)?;
            (u64::from(u16::from_le_bytes(length)), 10)
        }
        2 | 3 => (u64::from(source.u32()?), 12),
        version => return Err(source.field("version", version, "known versions: 1, 2, 3")),
    };
    if length > LONGEST_HEADER {
        return Err(source.field("header length", length, "too long for a matrix"));
    }
    if source.length() < start + length {
        source.expect_length((start + length).into())?;
    }
    let mut text = vec![0; length as usize];
    source.fill(&mut text)?;
    let text = String::from_utf8_lossy(&text).into_owned();

    let kind = value_of(&text, "descr").unwrap_or_default().trim_matches(['\'', '"']).to_owned();
    if value_of(&text, "fortran_order") != Some("False") {
        return Err(source.field(
            "fortran_order",
            "not False",
            "only row-major arrays can be read",
        ));
    }
    let shape = value_of(&text, "shape").unwrap_or_default();
    let inner = shape.trim_matches(['(', ')']).split(',').map(str::trim);
    let sizes: Option<Vec<u64>> =
        inner.filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect();
    let Some(&[rows, dim]) = sizes.as_deref() else {
        return Err(source.field("shape", shape, "not a matrix (rows, columns)"));
    };
    if dim == 0 || rows >= u64::from(u32::MAX) {
        return Err(source.field("shape", shape, "no dimension, or more rows than ids can name"));
    }
    Ok((source, Header { kind, rows, dim, start: start + length }))
}

/// The text of a key's value in the header's dictionary: up to the next comma outside brackets.
fn value_of<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = header[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start();
    let mut depth = 0usize;
    let end = rest.find(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(character, ',' | '}')
    })?;
    Some(rest[..end].trim())
}

impl Header {
    /// The number of values, after the size of the file has been checked against it.
    fn count(&self, source: &Source, width: usize) -> Result<usize, DataError> {
        let count = u128::from(self.rows) * u128::from(self.dim);
        source.expect_length(u128::from(self.start) + count * width as u128)?;
        Ok(count as usize)
    }

    fn rows<T: Element>(&self, source: &mut Source) -> Result<Rows<T>, DataError> {
        let mut values = Buffer::<T>::zeroed(self.count(source, size_of::<T>())?);
        source.fill(bytemuck::cast_slice_mut(values.make_mut()))?;
        Ok(Rows { dim: self.dim as usize, values })
    }

    /// Values of `N` bytes, each through `convert`.
    fn rows_of<T: Element, const N: usize>(
        &self,
        source: &mut Source,
        convert: impl Fn([u8; N]) -> Option<T>,
    ) -> Result<Rows<T>, DataError> {
        let dim = self.dim as usize;
        let mut values = Buffer::<T>::zeroed(self.count(source, N)?);
        for (index, value) in values.make_mut().iter_mut().enumerate() {
            let mut bytes = [0; N];
            source.fill(&mut bytes)?;
            *value = convert(bytes).ok_or_else(|| {
                let column = format!("column {}", index % dim);
                source.row(index / dim, &column, "a large integer", "which no f32 holds exactly")
            })?;
        }
        Ok(Rows { dim, values })
    }

    fn unknown(&self, source: &Source) -> DataError {
        source.field("descr", &self.kind, "known types: <f4, <f8, |u1, |i1, <i4, <u4, <i8")
    }
}
