//! One way to read vectors, whatever they lie in.

use crate::{
    FileError, Format, Kind, Matrix, Rows, Table, bin, format::unknown, jsonl::JsonLines, npy,
    safetensors, table::BLOCK_VALUES, text::Lines, vecs,
};
use crinoid_quant::Vectors;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// What to read of a file. The default reads the vectors that can be meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The column, field, array, tensor or data set that holds the vectors; needed where several
    /// could. Without it, HDF5 files are read from `train`, or from `test` for queries.
    pub vectors: Option<String>,
    /// The column or field that names the rows (Parquet, Arrow, JSON lines).
    pub ids: Option<String>,
    /// Further columns or fields to read (Parquet, Arrow, JSON lines).
    pub attributes: Vec<String>,
    /// Whether the rows are queries, which has a bearing on where an HDF5 file keeps them.
    pub queries: bool,
}

/// The rows of a file, in blocks of at most 16 MiB: the file may be larger than memory.
///
/// An npz array in Fortran order and deflated is the exception: it is unpacked whole.
pub struct Reader {
    path: PathBuf,
    content: Content,
    dim: usize,
    rows: Option<u64>,
    /// A block that was read to learn the dimension.
    first: Option<Table>,
    failed: bool,
}

enum Content {
    Matrix(Matrix),
    Json(JsonLines),
    #[cfg(feature = "arrow")]
    Columns(Box<crate::arrow::Batches>),
}

/// Opens a file of vectors.
///
/// # Errors
/// When the file cannot be read, is damaged or of no known format, or the options ask for what it
/// does not have.
pub fn open(path: &Path, options: &Options) -> Result<Reader, FileError> {
    let format = Format::of(path)?;
    match format {
        Format::JsonLines => return json_lines(Lines::open(path)?, options, false),
        #[cfg(feature = "arrow")]
        Format::Parquet | Format::Arrow => {
            let batches = crate::arrow::Batches::open(path, format, options)?;
            return Reader::peeked(path, batches.rows(), Content::Columns(Box::new(batches)));
        }
        #[cfg(not(feature = "arrow"))]
        Format::Parquet | Format::Arrow => {
            return Err(unknown(path, "this build reads no Parquet or Arrow (feature `arrow`)"));
        }
        _ => {}
    }
    if let Some(column) = options.ids.iter().chain(&options.attributes).next() {
        let reason = "Parquet, Arrow and JSON lines have named columns, this format has not";
        return Err(FileError::field(path, format!("column `{column}`"), "missing", reason));
    }
    let matrix = matrix(path, format, options)?;
    let (dim, rows) = (matrix.dim(), Some(matrix.rows()));
    let (path, content) = (path.to_owned(), Content::Matrix(matrix));
    Ok(Reader { path, content, dim, rows, first: None, failed: false })
}

/// Reads JSON lines from anywhere, such as standard input; messages call it `name`. A block ends where
/// more would have to be waited for, so that every line can be answered when it comes.
///
/// # Errors
/// When the first row is damaged, or there is none.
pub fn open_json_lines(
    name: &str,
    reader: Box<dyn Read + Send>,
    options: &Options,
) -> Result<Reader, FileError> {
    json_lines(Lines::new(Path::new(name), reader), options, true)
}

fn json_lines(lines: Lines, options: &Options, eager: bool) -> Result<Reader, FileError> {
    let path = lines.path().to_owned();
    Reader::peeked(&path, None, Content::Json(JsonLines::new(lines, options, eager)))
}

fn matrix(path: &Path, format: Format, options: &Options) -> Result<Matrix, FileError> {
    let name = options.vectors.as_deref();
    if let Some(name) = name
        && !matches!(format, Format::Npz | Format::Safetensors | Format::Hdf5)
    {
        let (field, reason) = (format!("name `{name}`"), "the file holds one matrix, unnamed");
        return Err(FileError::field(path, field, "of no use", reason));
    }
    match format {
        Format::Fbin => bin::open(path, Kind::F32),
        Format::U8bin => bin::open(path, Kind::U8),
        Format::I8bin => bin::open(path, Kind::I8),
        Format::Fvecs => vecs::open(path, Kind::F32),
        Format::Bvecs => vecs::open(path, Kind::U8),
        Format::Npy => npy::open(path),
        Format::Npz => npy::open_packed(path, name),
        Format::Safetensors => safetensors::open(path, name),
        #[cfg(feature = "hdf5")]
        Format::Hdf5 => {
            let usual = if options.queries { "test" } else { "train" };
            crate::hdf5::File::open(path)?.vectors(name.unwrap_or(usual))
        }
        #[cfg(not(feature = "hdf5"))]
        Format::Hdf5 => Err(unknown(path, "this build reads no HDF5 (feature `hdf5`)")),
        Format::Ibin | Format::Ivecs => {
            Err(unknown(path, "holds the neighbours of queries, not vectors"))
        }
        Format::Parquet | Format::Arrow | Format::JsonLines => {
            Err(unknown(path, "has columns, not one matrix"))
        }
    }
}

/// Reads all vectors of a file.
///
/// # Errors
/// As [`open`], and when a row is damaged.
pub fn read_vectors(path: &Path) -> Result<Vectors, FileError> {
    Ok(read(path, &Options::default())?.vectors)
}

/// Reads all rows of a file.
///
/// # Errors
/// As [`open`], and when a row is damaged.
pub fn read(path: &Path, options: &Options) -> Result<Table, FileError> {
    open(path, options)?.rest()
}

/// Reads a file of row numbers, such as the neighbours of queries: ibin, ivecs, npy, npz or HDF5
/// (`neighbors`, or the data set called `name`). -1 becomes `u32::MAX`, which stands for none.
///
/// # Errors
/// When the file is damaged, or its values are no row numbers.
pub fn read_ids(path: &Path, name: Option<&str>) -> Result<Rows<u32>, FileError> {
    match Format::of(path)? {
        // A file of ids and distances has another size than its header says of ids alone.
        Format::Ibin => bin::read_ids(path),
        Format::Ivecs => vecs::open(path, Kind::I32)?.ids(),
        Format::Npy => npy::open(path)?.ids(),
        Format::Npz => npy::open_packed(path, name)?.ids(),
        Format::Safetensors => safetensors::open(path, name)?.ids(),
        #[cfg(feature = "hdf5")]
        Format::Hdf5 => crate::hdf5::File::open(path)?.matrix(name.unwrap_or("neighbors"))?.ids(),
        format => {
            let reason = "where row numbers are expected: ibin, ivecs, npy, npz or hdf5";
            Err(FileError::field(path, "format", format.name(), reason))
        }
    }
}

/// Writes vectors in the format of the path's extension. Names of rows are kept by JSON lines,
/// Parquet and Arrow.
///
/// # Errors
/// When the file cannot be written, the format cannot be written or has no place for names, or a
/// value has no exact counterpart in an integer format.
pub fn write(path: &Path, vectors: &Vectors, ids: Option<&crate::Ids>) -> Result<(), FileError> {
    let Some(format) = Format::by_extension(path) else {
        return Err(unknown(path, "the extension says no format to write"));
    };
    let named = matches!(format, Format::JsonLines | Format::Parquet | Format::Arrow);
    if ids.is_some() && !named {
        let reason = "which has no place for ids: write jsonl, parquet or arrow";
        return Err(FileError::field(path, "format", format.name(), reason));
    }
    match format {
        Format::Fbin => bin::write_vectors(path, vectors),
        Format::U8bin => bin::write(path, &Rows::<u8>::from_vectors(vectors, path)?),
        Format::I8bin => bin::write(path, &Rows::<i8>::from_vectors(vectors, path)?),
        Format::Fvecs => vecs::write(path, &Rows::<f32>::from_vectors(vectors, path)?),
        Format::Bvecs => vecs::write(path, &Rows::<u8>::from_vectors(vectors, path)?),
        Format::Npy => npy::write_vectors(path, vectors),
        Format::Safetensors => safetensors::write_vectors(path, vectors),
        Format::JsonLines => crate::jsonl::write(path, vectors, ids),
        #[cfg(feature = "arrow")]
        Format::Parquet | Format::Arrow => crate::arrow::write(path, format, vectors, ids, &[]),
        #[cfg(not(feature = "arrow"))]
        Format::Parquet | Format::Arrow => {
            Err(unknown(path, "this build writes no Parquet or Arrow (feature `arrow`)"))
        }
        Format::Npz | Format::Hdf5 | Format::Ibin | Format::Ivecs => {
            Err(unknown(path, "not a format that vectors can be written in"))
        }
    }
}

/// Writes rows with their names and attributes in Parquet or Arrow, by the path's extension.
///
/// # Errors
/// As [`write`](fn@write); other formats have no place for attributes.
pub fn write_table(path: &Path, table: &Table) -> Result<(), FileError> {
    match Format::by_extension(path) {
        #[cfg(feature = "arrow")]
        Some(format @ (Format::Parquet | Format::Arrow)) => {
            let Table { vectors, ids, attributes } = table;
            crate::arrow::write(path, format, vectors, ids.as_ref(), attributes)
        }
        _ if table.attributes.is_empty() => write(path, &table.vectors, table.ids.as_ref()),
        format => {
            let format = format.map_or("unknown", Format::name);
            let reason = "which has no place for attributes: write parquet or arrow";
            Err(FileError::field(path, "format", format, reason))
        }
    }
}

/// Writes vectors in the format of the path's extension.
///
/// # Errors
/// As [`write`](fn@write).
pub fn write_vectors(path: &Path, vectors: &Vectors) -> Result<(), FileError> {
    write(path, vectors, None)
}

impl Reader {
    /// Reads a first block, which tells the dimension.
    fn peeked(path: &Path, rows: Option<u64>, mut content: Content) -> Result<Self, FileError> {
        let first = content.next_block(BLOCK_VALUES, 1024)?;
        let Some(first) = first else {
            let reason = "and without one the dimension is not known";
            return Err(FileError::field(path, "number of rows", 0, reason));
        };
        let (path, dim) = (path.to_owned(), first.vectors.dim());
        Ok(Self { path, content, dim, rows, first: Some(first), failed: false })
    }

    /// Values per vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows there are, where the format says so before they are read.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// All rows that were not read yet, in one table.
    ///
    /// # Errors
    /// When a row is damaged, or there are more than 32-bit ids can name.
    pub fn rest(mut self) -> Result<Table, FileError> {
        if let (Content::Matrix(_), None) = (&self.content, &self.first)
            && let Content::Matrix(matrix) = self.content
        {
            return Ok(Table { vectors: matrix.rest()?, ..Table::default() });
        }
        let (mut parts, mut rows) = (Vec::new(), 0);
        let path = self.path.clone();
        for part in &mut self {
            let part = part?;
            rows += part.vectors.len();
            if rows >= u32::MAX as usize {
                let reason = "or more, which 32-bit ids cannot name: split the file";
                return Err(FileError::field(&path, "rows", rows, reason));
            }
            parts.push(part);
        }
        Table::join(&path, self.dim, parts)
    }
}

impl Content {
    fn next_block(&mut self, values: usize, rows: usize) -> Result<Option<Table>, FileError> {
        match self {
            Self::Matrix(matrix) => {
                let rows = (values / matrix.dim()).max(1);
                let vectors = matrix.next_vectors(rows)?;
                Ok(vectors.map(|vectors| Table { vectors, ..Table::default() }))
            }
            Self::Json(json) => json.next_block(rows),
            #[cfg(feature = "arrow")]
            Self::Columns(batches) => batches.next_block(),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Table, FileError>;

    /// The next block; nothing after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let rows = (BLOCK_VALUES / self.dim).max(1);
        let block = self.content.next_block(BLOCK_VALUES, rows).transpose();
        self.failed = matches!(block, Some(Err(_)));
        block
    }
}
