//! npy and npz: NumPy's formats for one array and for several.
//!
//! An npy file is a magic, a version, a Python dictionary of type, order and shape, then the
//! values. Matrices of floats (16, 32, 64 bits) and integers are read in either byte order, in C and in
//! Fortran order. An npz file is a zip archive of such files, stored or deflated.

use crate::{
    FileError, Kind, Matrix, Scalar,
    matrix::{Columns, Plain},
    source::{Source, write_file},
};
use crinoid_quant::Vectors;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, WriterBuilder};
use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longer headers describe structured arrays, which are no matrices.
const LONGEST_HEADER: u64 = 4096;

/// Opens a matrix.
///
/// # Errors
/// When the file cannot be read, its size is not what its header says, or the array is of another
/// shape or type.
pub fn open(path: &Path) -> Result<Matrix, FileError> {
    matrix("", Source::open(path)?)
}

/// Opens the array called `name` of an npz file, or its only matrix.
///
/// # Errors
/// As [`open`], and when there is no such array, or several and none is named.
pub fn open_packed(path: &Path, name: Option<&str>) -> Result<Matrix, FileError> {
    let damaged = |error: zip::result::ZipError| FileError::damaged(path, error);
    let file = File::open(path).map_err(|source| FileError::io(path, source))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let mut names = Vec::new();
    for file in archive.file_names() {
        let file = file.map_err(damaged)?;
        names.extend(npyz::npz::array_name_from_file_name(&file).map(str::to_owned));
    }
    if names.is_empty() {
        let reason = "a zip archive without .npy arrays in it: write one with numpy.savez";
        return Err(FileError::damaged(path, reason));
    }
    let name = crate::table::choose(path, "array", name, &names)?;
    let entry = archive.by_name(&npyz::npz::file_name_from_array_name(name)).map_err(damaged)?;
    let Some(start) = entry.data_start() else {
        return Err(FileError::damaged(path, format!("array `{name}` has no bytes")));
    };
    let (length, crc) = (entry.size(), entry.crc32());
    let source = match entry.compression() {
        zip::CompressionMethod::Stored => Source::window(path, start, length)?,
        zip::CompressionMethod::Deflated => {
            Source::deflated(path, (start, entry.compressed_size()), length, crc)?
        }
        other => {
            let reason = "write it with numpy.savez or numpy.savez_compressed";
            return Err(FileError::field(path, "compression", other, reason));
        }
    };
    matrix(name, source)
}

/// Writes vectors as an array of little-endian f32, C order.
///
/// # Errors
/// When the file cannot be written.
pub fn write_vectors(path: &Path, vectors: &Vectors) -> Result<(), FileError> {
    write(path, vectors.as_slice(), (vectors.len(), vectors.dim()))
}

/// Writes rows of `columns` numbers as an array of their type, little-endian, C order: row numbers
/// (u32), names (u64), distances (f32).
///
/// # Errors
/// When the values are no whole rows, or the file cannot be written.
pub fn write_rows<T: Number>(path: &Path, values: &[T], columns: usize) -> Result<(), FileError> {
    let rows = values.len().checked_div(columns).filter(|rows| rows * columns == values.len());
    let Some(rows) = rows else {
        let reason = format!("and {} values are no whole rows of them", values.len());
        return Err(FileError::field(path, "columns", columns, reason));
    };
    write(path, values, (rows, columns))
}

/// A number that [`write_rows`] writes.
pub trait Number: npyz::AutoSerialize + Copy {}
impl Number for f32 {}
impl Number for u32 {}
impl Number for u64 {}

fn write<T: Number>(
    path: &Path,
    values: &[T],
    (rows, columns): (usize, usize),
) -> Result<(), FileError> {
    write_file(path, |file| {
        let options = npyz::WriteOptions::new().default_dtype();
        let shape = [rows as u64, columns as u64];
        let mut writer = options.shape(&shape).writer(file).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    })
}

/// Counts what is read, to learn where the values begin.
struct Counted<'a> {
    source: &'a mut Source,
    read: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = (LONGEST_HEADER.saturating_sub(self.read) as usize).min(bytes.len());
        if left == 0 && !bytes.is_empty() {
            let text = format!("a header of more than {LONGEST_HEADER} bytes is no matrix's");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let got = self.source.read(&mut bytes[..left])?;
        self.read += got as u64;
        Ok(got)
    }
}

fn matrix(name: &str, mut source: Source) -> Result<Matrix, FileError> {
    let path = source.path().to_owned();
    if source.length() < 12 {
        return Err(source.too_short(12));
    }
    let mut counted = Counted { source: &mut source, read: 0 };
    let header = NpyHeader::from_reader(&mut counted);
    let start = counted.read;
    let header = header.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => source.too_short(u128::from(source.length()) + 1),
        _ => source.field("header", "unusable", &format!("{error}: write it with numpy.save")),
    })?;
    let scalar = scalar(&source, &header.dtype())?;
    let &[rows, dim] = header.shape() else {
        let shape = format!("{:?}", header.shape());
        let reason = "not rows x columns: reshape the array to two dimensions";
        return Err(source.field("shape", shape, reason));
    };
    let width = scalar.width() as u128;
    let values = u128::from(rows).saturating_mul(u128::from(dim)).saturating_mul(width);
    source.expect_length(values.saturating_add(start.into()))?;
    let raw: Box<dyn crate::matrix::RawRows> = match header.order() {
        Order::C => Box::new(Plain(source)),
        Order::Fortran => {
            Box::new(Columns { source, start, rows, width: scalar.width(), all: None })
        }
    };
    Matrix::new(&path, name, (rows, dim), scalar, raw)
}

fn scalar(source: &Source, dtype: &DType) -> Result<Scalar, FileError> {
    let unknown = || {
        let reason =
            "known types: floats f2, f4, f8, integers i1 to i8, u1 to u8, bool: use astype";
        source.field("descr", dtype.descr(), reason)
    };
    let DType::Plain(plain) = dtype else { return Err(unknown()) };
    let kind = match (plain.type_char(), plain.size_field()) {
        (TypeChar::Float, 2) => Kind::F16,
        (TypeChar::Float, 4) => Kind::F32,
        (TypeChar::Float, 8) => Kind::F64,
        (TypeChar::Int, 1) => Kind::I8,
        (TypeChar::Int, 2) => Kind::I16,
        (TypeChar::Int, 4) => Kind::I32,
        (TypeChar::Int, 8) => Kind::I64,
        (TypeChar::Uint, 1) => Kind::U8,
        (TypeChar::Uint, 2) => Kind::U16,
        (TypeChar::Uint, 4) => Kind::U32,
        (TypeChar::Uint, 8) => Kind::U64,
        (TypeChar::Bool, 1) => Kind::Bit,
        _ => return Err(unknown()),
    };
    Ok(Scalar { kind, big_endian: plain.endianness() == Endianness::Big })
}
