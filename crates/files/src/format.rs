//! Which file is of which format.

use crate::{FileError, Kind, bin, npy, vecs};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// A file format of vectors or neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "FORMATS says what they are")]
pub enum Format {
    Fbin,
    U8bin,
    I8bin,
    Ibin,
    Fvecs,
    Bvecs,
    Ivecs,
    Npy,
    Npz,
    Hdf5,
    Parquet,
    Arrow,
    Safetensors,
    JsonLines,
}

/// All formats, for help texts: extensions, the first of which is the format's name, and meaning.
pub const FORMATS: &[(Format, &[&str], &str)] = &[
    (Format::Hdf5, &["hdf5", "h5"], "ann-benchmarks and VIBE: train, test, neighbors, distances"),
    (Format::Parquet, &["parquet", "pq"], "a column of lists, with columns of ids and attributes"),
    (Format::Arrow, &["arrow", "feather", "ipc"], "the same as Arrow IPC or Feather"),
    (Format::Npy, &["npy"], "NumPy: a matrix of floats or integers"),
    (Format::Npz, &["npz"], "NumPy: several arrays, named"),
    (Format::Safetensors, &["safetensors"], "named tensors"),
    (Format::JsonLines, &["jsonl", "ndjson"], "a row a line: an array, or an object with fields"),
    (Format::Fbin, &["fbin"], "u32 rows, u32 dimension, f32 values"),
    (Format::U8bin, &["u8bin"], "the same of u8"),
    (Format::I8bin, &["i8bin"], "the same of i8"),
    (Format::Ibin, &["ibin"], "neighbours: u32 queries, u32 k, u32 ids (and f32 distances)"),
    (Format::Fvecs, &["fvecs"], "TEXMEX: rows of i32 dimension, f32 values"),
    (Format::Bvecs, &["bvecs"], "the same of u8"),
    (Format::Ivecs, &["ivecs"], "neighbours: rows of i32 k, i32 ids"),
];

/// First bytes of what is none of ours, what it is, and what to do.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "is packed with gzip: unpack it first (gunzip)"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd: unpack it first (unzstd)"),
    (b"BZh", "is packed with bzip2: unpack it first (bunzip2)"),
    (b"\xfd7zXZ\0", "is packed with xz: unpack it first (unxz)"),
    (b"FEA1", "is of Feather version 1: write it with version 2"),
    (b"ORC", "is an ORC file: write it as Parquet"),
    (b"Obj\x01", "is an Avro file: write it as Parquet"),
    (b"SQLite format 3\0", "is an SQLite database: write the vectors as Parquet or npy"),
    (b"CRINO\x1a\r\n", "is an index of Crinoid already, not a file of vectors"),
    (b"\x80\x02", "is a Python pickle: write it with numpy.save"),
    (b"\x80\x03", "is a Python pickle: write it with numpy.save"),
    (b"\x80\x04", "is a Python pickle: write it with numpy.save"),
    (b"\x80\x05", "is a Python pickle: write it with numpy.save"),
    (b"%PDF", "is a PDF document"),
    (b"\x89PNG", "is a picture"),
];

impl Format {
    /// The format of a file: by its first bytes where they tell, else by its extension. A name that
    /// promises another format than the bytes show does not mislead.
    ///
    /// # Errors
    /// When the file cannot be read or is of no known format; what it is instead is said where
    /// that is known.
    pub fn of(path: &Path) -> Result<Self, FileError> {
        let mut file = File::open(path).map_err(|source| FileError::io(path, source))?;
        let io = |source| FileError::io(path, source);
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(unknown(path, "is a folder, where a file of vectors is expected"));
        }
        let mut first = Vec::with_capacity(512);
        (&mut file).take(512).read_to_end(&mut first).map_err(io)?;
        let length = metadata.len();
        let named = Self::by_extension(path);
        if named.is_some_and(|format| format.agrees(&first, length)) {
            return named.ok_or_else(|| io(io::ErrorKind::Other.into()));
        }
        if let Some(format) = Self::by_content(&first, length) {
            return Ok(format);
        }
        if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| first.starts_with(magic)) {
            return Err(unknown(path, what));
        }
        match named {
            Some(format) => Ok(format),
            None if first.is_empty() => Err(unknown(path, "is empty")),
            None => Err(unknown(path, "neither its first bytes nor its extension are known")),
        }
    }

    /// The format that the extension promises.
    pub fn by_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let known = |(_, extensions, _): &&(_, &[&str], _)| extensions.contains(&&*extension);
        FORMATS.iter().find(known).map(|format| format.0)
    }

    /// Its name: the usual extension.
    pub fn name(self) -> &'static str {
        let find = FORMATS.iter().find(|format| format.0 == self);
        find.and_then(|format| format.1.first()).copied().unwrap_or_default()
    }

    /// Whether a format without a magic looks like the file: its size is what its header says.
    fn agrees(self, first: &[u8], length: u64) -> bool {
        match self {
            Self::Fbin => bin::agrees(first, length, Kind::F32),
            Self::U8bin => bin::agrees(first, length, Kind::U8),
            Self::I8bin => bin::agrees(first, length, Kind::I8),
            Self::Ibin => bin::agrees(first, length, Kind::U32),
            Self::Fvecs => vecs::agrees(first, length, Kind::F32),
            Self::Bvecs => vecs::agrees(first, length, Kind::U8),
            Self::Ivecs => vecs::agrees(first, length, Kind::I32),
            _ => false,
        }
    }

    fn by_content(first: &[u8], length: u64) -> Option<Self> {
        let begins = |magic: &[u8]| first.starts_with(magic);
        if begins(b"\x89HDF\r\n\x1a\n") {
            Some(Self::Hdf5)
        } else if begins(npy::MAGIC) {
            Some(Self::Npy)
        } else if begins(b"PK\x03\x04") {
            Some(Self::Npz)
        } else if begins(b"PAR1") {
            Some(Self::Parquet)
        } else if begins(b"ARROW1") || begins(b"\xff\xff\xff\xff\x10\x01\0\0") {
            Some(Self::Arrow)
        } else if first.get(8) == Some(&b'{') && header_fits(first, length) {
            Some(Self::Safetensors)
        } else {
            let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
            // A header of numbers may begin with the same byte, but has zeroes in it.
            let opens = matches!(text.first(), Some(b'[' | b'{')) && !first.contains(&0);
            opens.then_some(Self::JsonLines)
        }
    }
}

/// Whether the first eight bytes are a length that fits the file.
fn header_fits(first: &[u8], length: u64) -> bool {
    let header = first.first_chunk().map(|&bytes| u64::from_le_bytes(bytes));
    header.and_then(|header| header.checked_add(8)).is_some_and(|end| end <= length)
}

/// An error about a file of no known format.
pub(crate) fn unknown(path: &Path, reason: &str) -> FileError {
    let known: Vec<&str> = FORMATS.iter().filter_map(|format| format.1.first()).copied().collect();
    FileError::Format { path: path.to_owned(), reason: reason.to_owned(), known: known.join(", ") }
}
