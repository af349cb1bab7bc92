//! A matrix as it lies in a file.

use super::DataError;
use bytemuck::Pod;
use crinoid_quant::{Buffer, VectorError, Vectors};
use rayon::prelude::*;
use std::path::Path;

/// A value type of the matrix formats.
pub trait Element: Pod + Send + Sync {
    /// Its name in messages.
    const NAME: &'static str;

    /// All values as `f32`; the index of the first that would be rounded otherwise.
    fn to_floats(values: Buffer<Self>) -> Result<Buffer<f32>, usize>;

    /// `value` in this type, or `None` where that is another number.
    fn from_f32(value: f32) -> Option<Self>;
}

impl Element for f32 {
    const NAME: &'static str = "f32";

    fn to_floats(values: Buffer<Self>) -> Result<Buffer<f32>, usize> {
        Ok(values)
    }

    fn from_f32(value: f32) -> Option<Self> {
        Some(value)
    }
}

macro_rules! integers {
    ($($type:ident)*) => {$(
        impl Element for $type {
            const NAME: &'static str = stringify!($type);

            fn to_floats(values: Buffer<Self>) -> Result<Buffer<f32>, usize> {
                let mut floats = Buffer::<f32>::zeroed(values.len());
                let offender = floats
                    .make_mut()
                    .par_iter_mut()
                    .zip(values.as_slice())
                    .enumerate()
                    .find_map_first(|(index, (float, &value))| {
                        *float = value as f32;
                        // f64 holds every one of these integers exactly.
                        (f64::from(*float) != f64::from(value)).then_some(index)
                    });
                offender.map_or(Ok(floats), Err)
            }

            fn from_f32(value: f32) -> Option<Self> {
                // `as` truncates and saturates; only exact values survive the way back.
                let integer = value as $type;
                (f64::from(integer) == f64::from(value)).then_some(integer)
            }
        }
    )*};
}
integers!(u8 i8 u32 i32);

/// `len x dim` values of one type, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<T: Element> {
    /// Values per row.
    pub dim: usize,
    /// All values; a whole number of rows.
    pub values: Buffer<T>,
}

impl<T: Element> Rows<T> {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows as vectors: `f32` values are moved, integers converted exactly.
    ///
    /// # Errors
    /// When a value is not finite, an integer has no exact `f32`, or a row no dimension; `path`
    /// and `set` (`base`, `queries`) name the offender.
    pub fn into_vectors(self, path: &Path, set: &str) -> Result<Vectors, DataError> {
        let dim = self.dim;
        let vectors =
            |source| DataError::Vectors { path: path.to_owned(), set: set.to_owned(), source };
        if dim == 0 {
            return Err(vectors(VectorError::NoDimensions));
        }
        let floats = T::to_floats(self.values).map_err(|index| DataError::Row {
            path: path.to_owned(),
            row: index / dim,
            field: format!("{set} dimension {}", index % dim),
            value: format!("a large {}", T::NAME),
            reason: "which no f32 holds exactly".to_owned(),
        })?;
        Vectors::new(floats, dim).map_err(vectors)
    }

    /// The vectors as rows of another type, for writing.
    ///
    /// # Errors
    /// When a value is another number in that type; `path` and the row are named.
    pub fn from_vectors(vectors: &Vectors, path: &Path) -> Result<Self, DataError> {
        let dim = vectors.dim();
        let mut values = Buffer::<T>::zeroed(vectors.as_slice().len());
        let out = values.make_mut();
        for (index, &value) in vectors.as_slice().iter().enumerate() {
            out[index] = T::from_f32(value).ok_or_else(|| DataError::Row {
                path: path.to_owned(),
                row: index / dim,
                field: format!("dimension {}", index % dim),
                value: value.to_string(),
                reason: format!("which is not a {}", T::NAME),
            })?;
        }
        Ok(Self { dim, values })
    }
}
