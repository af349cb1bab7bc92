//! HDF5: any matrix of a file, and what ann-benchmarks and VIBE say beside it.
//!
//! | attribute | values |
//! |---|---|
//! | `distance` | `euclidean`, `angular`, `cosine`, `normalized`, `ip`, `dot`, `hamming` |
//! | `type` | `dense`; `sparse` sets are refused |
//! | `dimension` | columns, or bits where rows are packed bits |

use crate::{FileError, Format, Kind, Matrix, Scalar, matrix::RawRows, source::DEFLATE_LIMIT};
use crinoid_quant::Metric;
use hdf5_reader::{
    Datatype, Hdf5File, SliceInfo, SliceInfoElem,
    error::{ByteOrder, Error},
};
use std::path::{Path, PathBuf};

/// An open file.
pub struct File {
    path: PathBuf,
    length: u64,
    file: Hdf5File,
}

/// What a file means by a distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// The metric with the same order of neighbours. Hamming distances are squared L2 distances of
    /// zeroes and ones.
    pub metric: Metric,
    /// What its `distances` are in.
    pub unit: Unit,
    /// Whether rows are bits.
    pub bits: bool,
}

/// The unit of a file's distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Euclidean, not squared.
    Euclidean,
    /// `1 - cos`.
    Cosine,
    /// Writers differ.
    Unknown,
}

impl Unit {
    /// From the unit to Crinoid's (squared L2, `2 - 2 cos`), where that is known.
    pub fn convert(self, far: f64) -> Option<f64> {
        match self {
            Self::Euclidean => Some(far * far),
            Self::Cosine => Some(2.0 * far),
            Self::Unknown => None,
        }
    }
}

impl File {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be read, is no HDF5 file or was cut short.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let metadata = std::fs::metadata(path).map_err(|source| FileError::io(path, source))?;
        let length = metadata.len();
        if !matches!(Format::of(path), Ok(Format::Hdf5)) {
            let reason = "its first bytes are not those of an HDF5 file";
            return Err(crate::format::unknown(path, reason));
        }
        let file = Hdf5File::open(path).map_err(|error| FileError::damaged(path, error))?;
        let end = file.superblock().eof_address;
        if end > length {
            let reason = "it was cut short; copy it again".to_owned();
            let (path, needs, has) = (path.to_owned(), end.into(), length);
            return Err(FileError::Length { path, needs, has, reason });
        }
        Ok(Self { path: path.to_owned(), length, file })
    }

    /// The names of the data sets that do not lie in groups, sorted.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let root = self.file.root_group().map_err(|error| self.damaged(error))?;
        let (_, mut names) = root.member_names().map_err(|error| self.damaged(error))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Whether there is such a data set.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn has(&self, name: &str) -> Result<bool, FileError> {
        Ok(self.names()?.iter().any(|known| known == name))
    }

    /// An attribute of the file that is a text.
    ///
    /// # Errors
    /// When the file is damaged or the attribute is no text.
    pub fn text(&self, name: &str) -> Result<Option<String>, FileError> {
        let text = |attribute: hdf5_reader::Attribute| attribute.read_string();
        self.attribute(name)?.map(text).transpose().map_err(|error| self.damaged(error))
    }

    /// An attribute of the file that is a number.
    ///
    /// # Errors
    /// When the file is damaged or the attribute is no number.
    pub fn number(&self, name: &str) -> Result<Option<f64>, FileError> {
        let number = |attribute: hdf5_reader::Attribute| attribute.read_as_f64();
        self.attribute(name)?.map(number).transpose().map_err(|error| self.damaged(error))
    }

    /// What the attribute `distance` says.
    ///
    /// # Errors
    /// When the file is damaged or the distance is one that nothing here searches by.
    pub fn distance(&self) -> Result<Option<Distance>, FileError> {
        let Some(name) = self.text("distance")? else { return Ok(None) };
        let of = |metric, unit| Ok(Some(Distance { metric, unit, bits: false }));
        match name.as_str() {
            "euclidean" => of(Metric::L2, Unit::Euclidean),
            "angular" | "cosine" => of(Metric::Cosine, Unit::Cosine),
            // Unit vectors, whose `1 - <x, y>` is exact only as far as their lengths are 1.
            "normalized" => of(Metric::Cosine, Unit::Unknown),
            "hamming" => {
                let (metric, unit) = (Metric::L2, Unit::Unknown);
                Ok(Some(Distance { metric, unit, bits: true }))
            }
            "jaccard" => Err(FileError::field(
                &self.path,
                "attribute `distance`",
                name,
                "and sets cannot be searched",
            )),
            other => match other.parse() {
                Ok(metric) => of(metric, Unit::Unknown),
                Err(source) => Err(FileError::Metric { path: self.path.clone(), source }),
            },
        }
    }

    /// Opens a matrix of numbers.
    ///
    /// # Errors
    /// When there is none of this name, or it is damaged, no matrix or larger than the file can
    /// hold.
    pub fn matrix(&self, name: &str) -> Result<Matrix, FileError> {
        let (dataset, rows, columns) = self.dataset(name)?;
        let scalar = self.scalar(name, dataset.dtype())?;
        self.opened(name, dataset, (rows, columns), scalar)
    }

    /// Opens a matrix of vectors: [`matrix`](Self::matrix), or the bits of rows that are packed bits, the
    /// most significant first.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), and when the set is declared to be sparse.
    pub fn vectors(&self, name: &str) -> Result<Matrix, FileError> {
        if let Some(kind) = self.text("type")?.filter(|kind| kind != "dense") {
            let reason = "but only dense sets can be read";
            return Err(FileError::field(&self.path, "attribute `type`", kind, reason));
        }
        let bits = self.text("distance")?.is_some_and(|name| name == "hamming");
        let dimension = self.number("dimension")?;
        let (dataset, rows, columns) = self.dataset(name)?;
        let mut scalar = self.scalar(name, dataset.dtype())?;
        let packed = columns.saturating_mul(8);
        if bits && scalar.kind == Kind::U8 && dimension == Some(packed as f64) {
            let scalar = Scalar::little(Kind::Bit);
            let raw = Slices::new(&self.path, name, dataset, columns as usize, 1);
            return Matrix::new(&self.path, name, (rows, packed), scalar, Box::new(Bits(raw)));
        }
        if let Some(dimension) = dimension.filter(|&dimension| dimension != columns as f64) {
            let reason = format!("but `{name}` has {columns} columns");
            return Err(FileError::field(&self.path, "attribute `dimension`", dimension, reason));
        }
        if bits && scalar.width() == 1 {
            scalar.kind = Kind::Bit;
        }
        self.opened(name, dataset, (rows, columns), scalar)
    }

    fn opened(
        &self,
        name: &str,
        dataset: hdf5_reader::Dataset,
        (rows, columns): (u64, u64),
        scalar: Scalar,
    ) -> Result<Matrix, FileError> {
        let raw = Slices::new(&self.path, name, dataset, columns as usize, scalar.width());
        Matrix::new(&self.path, name, (rows, columns), scalar, Box::new(raw))
    }

    /// Finds a matrix and checks that its size is one that the file can hold.
    fn dataset(&self, name: &str) -> Result<(hdf5_reader::Dataset, u64, u64), FileError> {
        let nested = name.contains('/');
        if !nested && !self.has(name)? {
            let reason = format!("there are: {}", self.names()?.join(", "));
            let field = format!("data set `{name}`");
            return Err(FileError::field(&self.path, field, "missing", reason));
        }
        let dataset = self.file.dataset(name).map_err(|error| self.damaged(error))?;
        let &[rows, columns] = dataset.shape() else {
            let (field, value) = (format!("shape of `{name}`"), format!("{:?}", dataset.shape()));
            return Err(FileError::field(&self.path, field, value, "not rows x columns"));
        };
        let width = dataset.raw_element_size().map_err(|error| self.damaged(error))?;
        let needs = u128::from(rows).saturating_mul(columns.into()).saturating_mul(width as u128);
        let ratio = if dataset.chunks().is_some() { DEFLATE_LIMIT } else { 1 };
        if needs > u128::from(self.length) * u128::from(ratio) {
            let reason = format!("`{name}` is larger than the file can hold: it is damaged");
            let (path, has) = (self.path.clone(), self.length);
            return Err(FileError::Length { path, needs, has, reason });
        }
        Ok((dataset, rows, columns))
    }

    fn scalar(&self, name: &str, datatype: &Datatype) -> Result<Scalar, FileError> {
        let (kind, order) = match datatype {
            // h5py keeps booleans as an enumeration of bytes.
            Datatype::Enum { base, .. } => return self.scalar(name, base),
            Datatype::FloatingPoint { size: 2, byte_order } => (Kind::F16, byte_order),
            Datatype::FloatingPoint { size: 4, byte_order } => (Kind::F32, byte_order),
            Datatype::FloatingPoint { size: 8, byte_order } => (Kind::F64, byte_order),
            Datatype::FixedPoint { size, signed, byte_order } => match (size, signed) {
                (1, true) => (Kind::I8, byte_order),
                (1, false) => (Kind::U8, byte_order),
                (2, true) => (Kind::I16, byte_order),
                (2, false) => (Kind::U16, byte_order),
                (4, true) => (Kind::I32, byte_order),
                (4, false) => (Kind::U32, byte_order),
                (8, true) => (Kind::I64, byte_order),
                (8, false) => (Kind::U64, byte_order),
                _ => return Err(self.unknown(name, datatype)),
            },
            _ => return Err(self.unknown(name, datatype)),
        };
        Ok(Scalar { kind, big_endian: *order == ByteOrder::BigEndian })
    }

    fn unknown(&self, name: &str, datatype: &Datatype) -> FileError {
        let (field, value) = (format!("type of `{name}`"), format!("{datatype:?}"));
        let reason = "and only floats of 16, 32, 64 bits and integers can be read";
        FileError::field(&self.path, field, value, reason)
    }

    fn attribute(&self, name: &str) -> Result<Option<hdf5_reader::Attribute>, FileError> {
        let root = self.file.root_group().map_err(|error| self.damaged(error))?;
        let attributes = root.attributes().map_err(|error| self.damaged(error))?;
        Ok(attributes.into_iter().find(|attribute| attribute.name == name))
    }

    fn damaged(&self, error: Error) -> FileError {
        FileError::damaged(&self.path, error)
    }
}

/// One number as it lies in the file.
#[derive(Clone)]
struct Raw<const N: usize>([u8; N]);

impl<const N: usize> hdf5_reader::H5Type for Raw<N> {
    fn hdf5_type() -> Datatype {
        Datatype::Opaque { size: N as u32, tag: String::new() }
    }

    fn from_bytes(bytes: &[u8], _: &Datatype) -> Result<Self, Error> {
        match bytes.first_chunk() {
            Some(&bytes) => Ok(Self(bytes)),
            None => Err(Error::InvalidData(format!("{} of {N} bytes", bytes.len()))),
        }
    }

    fn element_size(_: &Datatype) -> usize {
        N
    }

    fn decode_vec(raw: &[u8], _: &Datatype, count: usize) -> Option<Result<Vec<Self>, Error>> {
        let (numbers, _) = raw.as_chunks();
        Some(Ok(numbers.get(..count)?.iter().map(|&bytes| Self(bytes)).collect()))
    }
}

/// Rows of a data set, block by block.
struct Slices {
    path: PathBuf,
    name: String,
    dataset: hdf5_reader::Dataset,
    columns: usize,
    width: usize,
}

impl Slices {
    fn new(
        path: &Path,
        name: &str,
        dataset: hdf5_reader::Dataset,
        columns: usize,
        width: usize,
    ) -> Self {
        Self { path: path.to_owned(), name: name.to_owned(), dataset, columns, width }
    }

    fn copy<const N: usize>(&self, first: u64, rows: usize, out: &mut [u8]) -> Result<(), Error> {
        let slice = |start, end| SliceInfoElem::Slice { start, end, step: 1 };
        let selections = vec![slice(first, first + rows as u64), slice(0, self.columns as u64)];
        let array = self.dataset.read_slice::<Raw<N>>(&SliceInfo { selections })?;
        let got = array.len();
        if got * N != out.len() {
            let text = format!("`{}` gave {got} numbers for {rows} rows", self.name);
            return Err(Error::InvalidData(text));
        }
        let (out, _) = out.as_chunks_mut::<N>();
        out.iter_mut().zip(array.iter()).for_each(|(out, number)| *out = number.0);
        Ok(())
    }
}

impl RawRows for Slices {
    fn read(&mut self, first: u64, rows: usize, out: &mut [u8]) -> Result<(), FileError> {
        if rows == 0 {
            return Ok(());
        }
        // A slice is decoded into memory of its own; whole files are read a part at a time.
        let stride = self.columns * self.width;
        let part = ((1 << 24) / stride.max(1)).max(1);
        for (index, out) in out.chunks_mut(part * stride).enumerate() {
            let (at, count) = (first + (index * part) as u64, out.len() / stride);
            match self.width {
                1 => self.copy::<1>(at, count, out),
                2 => self.copy::<2>(at, count, out),
                4 => self.copy::<4>(at, count, out),
                _ => self.copy::<8>(at, count, out),
            }
            .map_err(|error| FileError::damaged(&self.path, error))?;
        }
        Ok(())
    }
}

/// Packed bits as one byte each, the most significant first.
struct Bits(Slices);

impl RawRows for Bits {
    fn read(&mut self, first: u64, rows: usize, out: &mut [u8]) -> Result<(), FileError> {
        let mut packed = vec![0; rows * self.0.columns];
        self.0.read(first, rows, &mut packed)?;
        for (bits, byte) in out.chunks_exact_mut(8).zip(packed) {
            bits.iter_mut().enumerate().for_each(|(at, bit)| *bit = byte >> (7 - at) & 1);
        }
        Ok(())
    }
}
