//! A matrix of numbers in a file, read in blocks of rows.

use crate::{Element, FileError, Rows, Scalar, scalar::Misfit, source::Source};
use crinoid_quant::{Buffer, Vectors};
use std::path::{Path, PathBuf};

/// Rows of raw bytes, wherever they lie.
pub(crate) trait RawRows: Send {
    /// Fills `out` with `rows` rows from row `first` on, row-major. Rows are asked for in order.
    fn read(&mut self, first: u64, rows: usize, out: &mut [u8]) -> Result<(), FileError>;
}

/// `rows x dim` numbers of one type. Nothing of them is in memory until it is asked for.
pub struct Matrix {
    path: PathBuf,
    raw: Box<dyn RawRows>,
    scalar: Scalar,
    rows: u64,
    dim: usize,
    /// Which part of the file it is, for messages; empty where the file holds one.
    name: String,
    next: u64,
}

impl Matrix {
    pub(crate) fn new(
        path: &Path,
        name: &str,
        (rows, dim): (u64, u64),
        scalar: Scalar,
        raw: Box<dyn RawRows>,
    ) -> Result<Self, FileError> {
        let of = |field: &str| match name {
            "" => field.to_owned(),
            name => format!("{field} of `{name}`"),
        };
        if dim == 0 {
            let reason = "but a vector needs at least one value";
            return Err(FileError::field(path, of("dimension"), dim, reason));
        }
        if rows >= u64::from(u32::MAX) {
            let reason = "more than 32-bit ids can name: split the file";
            return Err(FileError::field(path, of("rows"), rows, reason));
        }
        let dim = dim as usize;
        Ok(Self { path: path.to_owned(), raw, scalar, rows, dim, name: name.to_owned(), next: 0 })
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Values per row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The type of the values.
    pub fn scalar(&self) -> Scalar {
        self.scalar
    }

    /// The next rows, at most `most` of them, as vectors; `None` after the last. Wider floats are
    /// rounded to the nearest `f32`, integers must be exact in it.
    ///
    /// # Errors
    /// When the file cannot be read or a value has no `f32`; the row and the dimension are named.
    pub fn next_vectors(&mut self, most: usize) -> Result<Option<Vectors>, FileError> {
        let rows = self.claim(most);
        if rows == 0 {
            return Ok(None);
        }
        self.vectors(rows).map(Some)
    }

    /// All rows that have not been read yet, as vectors.
    ///
    /// # Errors
    /// As [`next_vectors`](Self::next_vectors).
    pub fn rest(mut self) -> Result<Vectors, FileError> {
        match self.claim(usize::MAX) {
            0 => Ok(Vectors::empty(self.dim)),
            rows => self.vectors(rows),
        }
    }

    fn claim(&self, most: usize) -> usize {
        // At most 2^32 rows.
        ((self.rows - self.next) as usize).min(most)
    }

    fn vectors(&mut self, rows: usize) -> Result<Vectors, FileError> {
        let mut values = Buffer::<f32>::zeroed(rows * self.dim);
        let out = values.make_mut();
        if self.scalar == Scalar::little(f32::KIND) {
            self.raw.read(self.next, rows, bytemuck::cast_slice_mut(out))?;
            crate::scalar::finite(out).map_err(|misfit| self.misfit(0, misfit))?;
        } else {
            // The bytes of another type need room of their own; a part at a time.
            let part = (1 << 18) / self.dim + 1;
            let mut bytes = vec![0; part.min(rows) * self.dim * self.scalar.width()];
            for (index, out) in out.chunks_mut(part * self.dim).enumerate() {
                let (at, count) = (index * part, out.len() / self.dim);
                let bytes = &mut bytes[..out.len() * self.scalar.width()];
                self.raw.read(self.next + at as u64, count, bytes)?;
                self.scalar.floats(bytes, out).map_err(|misfit| self.misfit(at, misfit))?;
            }
        }
        self.next += rows as u64;
        self.checked(values)
    }

    fn checked(&self, values: Buffer<f32>) -> Result<Vectors, FileError> {
        Vectors::new(values, self.dim).map_err(|error| FileError::damaged(&self.path, error))
    }

    /// The matrix as row numbers, such as those of neighbours; -1 becomes `u32::MAX`, which stands
    /// for none.
    ///
    /// # Errors
    /// When the file cannot be read, its values are no integers, or one of them is no row number.
    pub fn ids(mut self) -> Result<Rows<u32>, FileError> {
        if !self.scalar.is_integer() {
            let field = format!("type of {}", self.called("the neighbours"));
            let reason = "but neighbours are row numbers: is this the file of distances?";
            return Err(FileError::field(&self.path, field, self.scalar.name(), reason));
        }
        let rows = self.claim(usize::MAX);
        let mut values = Buffer::<u32>::zeroed(rows * self.dim);
        let part = (1 << 18) / self.dim + 1;
        let mut bytes = vec![0; part.min(rows) * self.dim * self.scalar.width()];
        for (index, out) in values.make_mut().chunks_mut(part * self.dim).enumerate() {
            let (at, count) = (index * part, out.len() / self.dim);
            let bytes = &mut bytes[..out.len() * self.scalar.width()];
            self.raw.read(self.next + at as u64, count, bytes)?;
            self.scalar.ids(bytes, out).map_err(|misfit| self.misfit(at, misfit))?;
        }
        Ok(Rows { dim: self.dim, values })
    }

    /// The matrix as values of its own type.
    ///
    /// # Errors
    /// When the file cannot be read or holds another type.
    pub fn typed<T: Element>(mut self) -> Result<Rows<T>, FileError> {
        let want = Scalar::little(T::KIND);
        if self.scalar != want {
            let (value, reason) = (self.scalar.name(), format!("not {}", want.name()));
            return Err(FileError::field(&self.path, "type", value, reason));
        }
        let rows = self.claim(usize::MAX);
        let mut values = Buffer::<T>::zeroed(rows * self.dim);
        self.raw.read(self.next, rows, bytemuck::cast_slice_mut(values.make_mut()))?;
        Ok(Rows { dim: self.dim, values })
    }

    fn called(&self, other: &str) -> String {
        if self.name.is_empty() { other.to_owned() } else { format!("`{}`", self.name) }
    }

    /// An error about a value of the rows from `at` after the next one on.
    fn misfit(&self, at: usize, misfit: Misfit) -> FileError {
        let row = self.next + (at + misfit.index / self.dim) as u64;
        let field = match self.name.as_str() {
            "" => format!("dimension {}", misfit.index % self.dim),
            name => format!("`{name}` dimension {}", misfit.index % self.dim),
        };
        FileError::row(&self.path, row, field, misfit.value, misfit.reason)
    }
}

/// Rows one after the other.
pub(crate) struct Plain(pub(crate) Source);

impl RawRows for Plain {
    fn read(&mut self, _: u64, _: usize, out: &mut [u8]) -> Result<(), FileError> {
        self.0.fill(out)
    }
}

/// Columns one after the other, `rows` values each.
pub(crate) struct Columns {
    pub(crate) source: Source,
    /// Offset of the first value.
    pub(crate) start: u64,
    pub(crate) rows: u64,
    pub(crate) width: usize,
    /// All columns, where the source goes one way only.
    pub(crate) all: Option<Vec<u8>>,
}

impl RawRows for Columns {
    fn read(&mut self, first: u64, rows: usize, out: &mut [u8]) -> Result<(), FileError> {
        let (width, length) = (self.width, rows * self.width);
        let stride = out.len() / rows.max(1);
        if !self.source.seekable() && self.all.is_none() {
            let mut all = vec![0; self.rows as usize * stride];
            self.source.fill(&mut all)?;
            self.all = Some(all);
        }
        let mut column = vec![0; length];
        for at in 0..stride / width {
            let start = at as u64 * self.rows * width as u64 + first * width as u64;
            match &self.all {
                Some(all) => column.copy_from_slice(&all[start as usize..][..length]),
                None => {
                    self.source.seek(self.start + start)?;
                    self.source.fill(&mut column)?;
                }
            }
            for (row, value) in out.chunks_exact_mut(stride).zip(column.chunks_exact(width)) {
                row[at * width..][..width].copy_from_slice(value);
            }
        }
        Ok(())
    }
}
