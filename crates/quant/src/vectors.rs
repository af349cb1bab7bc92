//! The base set: `n` rows of `d` floats.

use crate::buffer::Buffer;
use rayon::prelude::*;

/// The most dimensions a vector may have, wherever it comes from: memory, a file, an option.
///
/// Far beyond any embedding; so that integer distances of bytes fit 32 bits
/// (`255 * 127 * 65,536 < 2^31`), and a number from a damaged file cannot ask for all memory.
pub const MAX_DIM: usize = 65_536;

/// `n x d` floats, row-major, 64-byte aligned at the start, rows adjacent.
///
/// Every value is finite: construction checks it and names the first offender.
///
/// ```
/// use crinoid_quant::Vectors;
///
/// let vectors = Vectors::from_rows(&[[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!((vectors.len(), vectors.dim(), vectors.row(1)), (2, 2, &[3.0, 4.0][..]));
/// let error = Vectors::from_rows(&[[1.0, f32::NAN]]).unwrap_err();
/// assert_eq!(error.to_string(), "row 0, dimension 1: NaN is not a finite number");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    data: Buffer<f32>,
    dim: usize,
}

/// A vector, or a set of them, that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// The dimension is 0.
    #[error("vectors need at least one dimension")]
    NoDimensions,
    /// More than [`MAX_DIM`] dimensions.
    #[error("{dim} dimensions are more than the {MAX_DIM} that a vector may have")]
    TooWide {
        /// How many there are.
        dim: usize,
    },
    /// The values do not fill whole rows.
    #[error("{values} values are no whole number of {dim}-dimensional rows")]
    Ragged {
        /// How many values there are.
        values: usize,
        /// Dimension of a row.
        dim: usize,
    },
    /// More rows than a `u32` id can name.
    #[error("{rows} rows are more than 32-bit ids can name")]
    TooMany {
        /// How many rows there are.
        rows: usize,
    },
    /// A vector has another dimension than the set it is used with.
    #[error("row {row}: {got} dimensions where {want} are expected")]
    Dimension {
        /// The offending row (0 for a single query).
        row: usize,
        /// Its dimension.
        got: usize,
        /// The dimension of the set.
        want: usize,
    },
    /// Vectors cannot be cut to this length.
    #[error(
        "cannot keep the first {kept} of {dim} dimensions: truncate to 1..={dim}, or not at all"
    )]
    Truncation {
        /// How many dimensions should be kept.
        kept: usize,
        /// How many there are.
        dim: usize,
    },
    /// NaN or an infinity.
    #[error("row {row}, dimension {dim}: {value} is not a finite number")]
    NotFinite {
        /// The offending row (0 for a single query).
        row: usize,
        /// The offending dimension.
        dim: usize,
        /// The value found there.
        value: f32,
    },
    /// A value so large beside the rest of the data that distances to it are no numbers.
    #[error(
        "row {row}, dimension {dim}: {value} is too large to be compared with the data: divide all vectors \
         by the same number, or leave it out"
    )]
    TooFar {
        /// The offending row (0 for a single query).
        row: usize,
        /// The offending dimension.
        dim: usize,
        /// The value found there.
        value: f32,
    },
    /// A vector of length zero (or one whose length over- or underflows), which has no direction
    /// and therefore no cosine.
    #[error("row {row}: a vector of length {norm} cannot be normalised for the cosine")]
    ZeroNorm {
        /// The offending row (0 for a single query).
        row: usize,
        /// Its length.
        norm: f32,
    },
}

impl Vectors {
    /// Rows of `dim` floats, after checking them.
    pub(crate) fn checked(data: Buffer<f32>, dim: usize) -> Result<Self, VectorError> {
        check_dim(dim)?;
        if !data.len().is_multiple_of(dim) {
            return Err(VectorError::Ragged { values: data.len(), dim });
        }
        let rows = data.len() / dim;
        if rows >= u32::MAX as usize {
            return Err(VectorError::TooMany { rows });
        }
        let offender = data
            .par_chunks(dim)
            .enumerate()
            .find_map_first(|(row, values)| check_finite(row, values).err());
        match offender {
            Some(error) => Err(error),
            None => Ok(Self { data, dim }),
        }
    }

    /// No rows of `dim` dimensions.
    pub fn empty(dim: usize) -> Self {
        Self { data: Buffer::default(), dim }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Dimension of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Row `id`.
    ///
    /// # Panics
    /// When `id >= len()`.
    #[inline]
    pub fn row(&self, id: usize) -> &[f32] {
        &self.data.as_slice()[id * self.dim..(id + 1) * self.dim]
    }

    /// All rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> + Clone {
        self.data.as_slice().chunks_exact(self.dim.max(1))
    }

    /// All values, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// The buffer the values live in.
    pub fn buffer(&self) -> &Buffer<f32> {
        &self.data
    }
}

/// Checks that vectors may have `dim` dimensions.
///
/// # Errors
/// When `dim` is 0 or beyond [`MAX_DIM`].
pub const fn check_dim(dim: usize) -> Result<(), VectorError> {
    match dim {
        0 => Err(VectorError::NoDimensions),
        1..=MAX_DIM => Ok(()),
        _ => Err(VectorError::TooWide { dim }),
    }
}

/// Checks that every value is finite.
///
/// # Errors
/// [`VectorError::NotFinite`] names `row` and the first offending dimension.
pub fn check_finite(row: usize, values: &[f32]) -> Result<(), VectorError> {
    // A sum of products with zero is NaN exactly when some value is not finite, and it vectorises;
    // the search for the culprit runs only when there is one.
    if values.iter().fold(0.0f32, |sum, value| sum + value * 0.0) == 0.0 {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(dim) => Err(VectorError::NotFinite { row, dim, value: values[dim] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_sets_are_refused_by_name() {
        assert_eq!(Vectors::new(&[1.0][..], 0), Err(VectorError::NoDimensions));
        for dim in [MAX_DIM + 1, usize::MAX - 1, usize::MAX] {
            assert_eq!(Vectors::new(Vec::<f32>::new(), dim), Err(VectorError::TooWide { dim }));
        }
        assert_eq!(Vectors::new(Vec::<f32>::new(), MAX_DIM).map(|none| none.len()), Ok(0));
        assert_eq!(
            Vectors::new(&[1.0, 2.0, 3.0][..], 2),
            Err(VectorError::Ragged { values: 3, dim: 2 })
        );
        assert!(matches!(
            Vectors::new(&[1.0, 2.0, 3.0, f32::NAN][..], 2),
            Err(VectorError::NotFinite { row: 1, dim: 1, .. })
        ));
        assert!(matches!(
            Vectors::new(&[1.0, f32::INFINITY][..], 1),
            Err(VectorError::NotFinite { row: 1, dim: 0, .. })
        ));
        assert_eq!(
            Vectors::from_rows(&[vec![1.0, 2.0], vec![1.0]]),
            Err(VectorError::Dimension { row: 1, got: 1, want: 2 })
        );
    }

    #[test]
    fn an_empty_set_has_rows_of_its_dimension() {
        let empty = Vectors::new(&[0f32; 0], 5).unwrap();
        assert_eq!((empty.len(), empty.dim(), empty.rows().count()), (0, 5, 0));
    }
}
