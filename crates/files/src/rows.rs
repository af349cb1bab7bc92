//! A matrix of one type, as it lies in a file.

use crate::{FileError, Kind};
use bytemuck::Pod;
use crinoid_quant::{Buffer, Vectors};
use std::path::Path;

/// A value type of the matrix formats.
pub trait Element: Pod + Send + Sync {
    /// What files call it.
    const KIND: Kind;

    /// `value` in this type, or `None` where that is another number.
    fn from_f32(value: f32) -> Option<Self>;
}

impl Element for f32 {
    const KIND: Kind = Kind::F32;

    fn from_f32(value: f32) -> Option<Self> {
        Some(value)
    }
}

macro_rules! integers {
    ($($kind:ident $type:ident)*) => {$(
        impl Element for $type {
            const KIND: Kind = Kind::$kind;

            fn from_f32(value: f32) -> Option<Self> {
                // `as` truncates and saturates; only exact values survive the way back.
                let integer = value as $type;
                (f64::from(integer) == f64::from(value)).then_some(integer)
            }
        }
    )*};
}
integers!(U8 u8 I8 i8 U32 u32 I32 i32);

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

    /// The vectors as rows of another type, for writing.
    ///
    /// # Errors
    /// When a value is another number in that type; `path` and the row are named.
    pub fn from_vectors(vectors: &Vectors, path: &Path) -> Result<Self, FileError> {
        let dim = vectors.dim();
        let mut values = Buffer::<T>::zeroed(vectors.as_slice().len());
        let out = values.make_mut();
        for (index, &value) in vectors.as_slice().iter().enumerate() {
            out[index] = T::from_f32(value).ok_or_else(|| {
                let kind = crate::Scalar::little(T::KIND).name();
                let reason = format!("which is not a {kind}: write a format of floats");
                let field = format!("dimension {}", index % dim);
                FileError::row(path, (index / dim) as u64, field, value, reason)
            })?;
        }
        Ok(Self { dim, values })
    }
}
