//! What can become [`Vectors`]: rows, flat values, matrices, of any of the usual numbers.
//!
//! One mechanism for every door that takes vectors. [`IntoVectors`] is implemented for
//!
//! | what | example | copied |
//! |---|---|---|
//! | vectors | `&vectors`, `vectors` | no |
//! | rows of a slice, array, `Vec` or iterator | `&vec_of_vecs`, `rows.iter()` | once |
//! | flat values and a dimension | `(values, 128)` | a `Vec<f32>` not, everything else once |
//! | a matrix (feature `ndarray`) | `&array`, `array.view()` | an owned `Array2<f32>` in row order not, else once |
//!
//! Values are `f32`, `f64`, `f16`, `i8` or `u8`, and become `f32`: an `f64` is rounded, the others
//! are kept exactly. An `f64` beyond the range of `f32` is refused as infinite. A borrowed `&[f32]` is
//! copied because what is built from it (an index that keeps floats) outlives the borrow.

use crate::{
    buffer::Buffer,
    vectors::{VectorError, Vectors},
};
use half::f16;

/// A number that vectors may consist of.
pub trait Number: Copy + Send + Sync + 'static {
    /// The value as `f32`, rounded to nearest where it has more digits.
    fn to_f32(self) -> f32;

    /// Many values at once.
    fn buffer(values: Vec<Self>) -> Buffer<f32> {
        Self::copied(&values)
    }

    /// A copy of many values.
    fn copied(values: &[Self]) -> Buffer<f32> {
        let mut buffer = Buffer::zeroed(values.len());
        for (out, value) in buffer.make_mut().iter_mut().zip(values) {
            *out = value.to_f32();
        }
        buffer
    }
}

impl Number for f32 {
    fn to_f32(self) -> f32 {
        self
    }

    /// Without a copy.
    fn buffer(values: Vec<Self>) -> Buffer<f32> {
        values.into()
    }
}

impl Number for f64 {
    fn to_f32(self) -> f32 {
        self as f32
    }
}

impl Number for f16 {
    fn to_f32(self) -> f32 {
        self.to_f32()
    }
}

impl Number for i8 {
    fn to_f32(self) -> f32 {
        self.into()
    }
}

impl Number for u8 {
    fn to_f32(self) -> f32 {
        self.into()
    }
}

/// Values of rows that lie one after the other.
pub trait Values {
    /// The values, in order.
    fn into_buffer(self) -> Buffer<f32>;
}

impl Values for Buffer<f32> {
    fn into_buffer(self) -> Buffer<f32> {
        self
    }
}

impl<T: Number> Values for Vec<T> {
    fn into_buffer(self) -> Buffer<f32> {
        T::buffer(self)
    }
}

impl<T: Number> Values for &Vec<T> {
    fn into_buffer(self) -> Buffer<f32> {
        T::copied(self)
    }
}

impl<T: Number> Values for &[T] {
    fn into_buffer(self) -> Buffer<f32> {
        T::copied(self)
    }
}

impl<T: Number, const N: usize> Values for [T; N] {
    fn into_buffer(self) -> Buffer<f32> {
        T::copied(&self)
    }
}

impl<T: Number, const N: usize> Values for &[T; N] {
    fn into_buffer(self) -> Buffer<f32> {
        T::copied(self)
    }
}

/// One vector.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no row of numbers",
    note = "a row is a slice, an array or a `Vec` of f32, f64, f16, i8 or u8; for flat values write `(values, dimension)`"
)]
pub trait Row {
    /// How many values.
    fn dim(&self) -> usize;

    /// Appends the values.
    fn append_to(&self, values: &mut Vec<f32>);
}

impl<T: Number> Row for [T] {
    fn dim(&self) -> usize {
        self.len()
    }

    fn append_to(&self, values: &mut Vec<f32>) {
        values.extend(self.iter().map(|value| value.to_f32()));
    }
}

/// Rows that are slices in some wrapping.
macro_rules! rows_as_slices {
    ($([$($generics:tt)*] $row:ty),+ $(,)?) => {
        $(impl<T: Number, $($generics)*> Row for $row {
            fn dim(&self) -> usize {
                self.len()
            }

            fn append_to(&self, values: &mut Vec<f32>) {
                self[..].append_to(values);
            }
        })+
    };
}

rows_as_slices!([] Vec<T>, [const N: usize] [T; N], [] Box<[T]>, [] std::sync::Arc<[T]>);

impl<R: Row + ?Sized> Row for &R {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn append_to(&self, values: &mut Vec<f32>) {
        (**self).append_to(values);
    }
}

/// The form of [`Vectors`] themselves.
pub enum Ready {}

/// The form of a sequence of rows.
pub enum ByRow {}

/// The form of flat values with a dimension.
pub enum Flat {}

/// What can become [`Vectors`]; the module says what that is. `Form` tells the kinds apart and is
/// always inferred.
///
/// ```
/// use crinoid_quant::{IntoVectors, VectorError, Vectors};
///
/// let rows = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
/// let vectors = (&rows).into_vectors()?;
/// assert_eq!(vectors, (vec![1.0f32, 2.0, 3.0, 4.0], 2).into_vectors()?); // no copy
/// assert_eq!(vectors, ([1u8, 2, 3, 4], 2).into_vectors()?);
/// assert_eq!(vectors, rows.iter().into_vectors()?);
/// # Ok::<(), VectorError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become vectors",
    note = "give `&Vectors`, a sequence of rows (`&Vec<Vec<f32>>`, `&[[f32; 3]]`, an iterator), or `(values, dimension)`",
    note = "matrices of the ndarray crate need the feature `ndarray`"
)]
pub trait IntoVectors<Form> {
    /// The vectors, checked.
    ///
    /// # Errors
    /// When a row has another dimension than the first one, there is no dimension, or a value is
    /// NaN or infinite; row and dimension are named.
    fn into_vectors(self) -> Result<Vectors, VectorError>;
}

impl Vectors {
    /// Takes `data` as rows of `dim` floats: a `Vec<f32>` or a `Buffer<f32>` as it is, slices and
    /// other numbers (`f64`, `f16`, `i8`, `u8`) as a copy.
    ///
    /// ```
    /// use crinoid_quant::Vectors;
    ///
    /// let vectors = Vectors::new(vec![1.0f32, 2.0, 3.0, 4.0], 2)?;
    /// assert_eq!((vectors.len(), vectors.row(1)), (2, &[3.0, 4.0][..]));
    /// # Ok::<(), crinoid_quant::VectorError>(())
    /// ```
    ///
    /// # Errors
    /// When `dim` is 0 or beyond [`MAX_DIM`](crate::vectors::MAX_DIM), `data` is not a whole number of rows, there are more
    /// than `u32::MAX - 1` rows, or a value is NaN or infinite (the row and dimension are named).
    pub fn new(data: impl Values, dim: usize) -> Result<Self, VectorError> {
        Self::checked(data.into_buffer(), dim)
    }

    /// Takes one row per inner slice, array, `Vec` or matrix row; see
    /// the module for what can be rows.
    ///
    /// # Errors
    /// As [`Vectors::new`], and when a row's dimension differs from the first one's.
    pub fn from_rows<F>(rows: impl IntoVectors<F>) -> Result<Self, VectorError> {
        rows.into_vectors()
    }
}

impl IntoVectors<Ready> for Vectors {
    fn into_vectors(self) -> Result<Vectors, VectorError> {
        Ok(self)
    }
}

impl IntoVectors<Ready> for &Vectors {
    fn into_vectors(self) -> Result<Vectors, VectorError> {
        Ok(self.clone())
    }
}

impl<V: Values> IntoVectors<Flat> for (V, usize) {
    fn into_vectors(self) -> Result<Vectors, VectorError> {
        Vectors::new(self.0, self.1)
    }
}

impl<I: IntoIterator<Item: Row>> IntoVectors<ByRow> for I {
    fn into_vectors(self) -> Result<Vectors, VectorError> {
        let (mut values, mut want) = (Vec::new(), 0);
        let rows = self.into_iter();
        let (expected, _) = rows.size_hint();
        for (row, one) in rows.enumerate() {
            let got = one.dim();
            if row == 0 {
                want = got;
                values.reserve(expected.saturating_mul(want));
            }
            if got != want {
                return Err(VectorError::Dimension { row, got, want });
            }
            one.append_to(&mut values);
        }
        Vectors::new(values, want)
    }
}

#[cfg(feature = "ndarray")]
mod matrix {
    use super::{IntoVectors, Number, Row};
    use crate::{
        buffer::Buffer,
        vectors::{VectorError, Vectors},
    };
    use ndarray::{Array2, ArrayBase, ArrayView2, Data, Ix1, Ix2};

    /// The form of a matrix.
    pub enum Matrix {}

    fn copied<T: Number>(matrix: &ArrayView2<'_, T>) -> Result<Vectors, VectorError> {
        let values = match matrix.as_slice() {
            Some(values) => T::copied(values),
            None => matrix.iter().map(|value| value.to_f32()).collect::<Buffer<f32>>(),
        };
        Vectors::new(values, matrix.ncols())
    }

    impl<T: Number, S: Data<Elem = T>> IntoVectors<Matrix> for &ArrayBase<S, Ix2> {
        fn into_vectors(self) -> Result<Vectors, VectorError> {
            copied(&self.view())
        }
    }

    impl<T: Number> IntoVectors<Matrix> for Array2<T> {
        fn into_vectors(self) -> Result<Vectors, VectorError> {
            if !self.is_standard_layout() {
                return copied(&self.view());
            }
            let (len, dim) = (self.len(), self.ncols());
            let (mut values, start) = self.into_raw_vec_and_offset();
            let start = start.unwrap_or(0);
            values.truncate(start + len);
            values.drain(..start);
            Vectors::new(values, dim)
        }
    }

    impl<T: Number> IntoVectors<Matrix> for ArrayView2<'_, T> {
        fn into_vectors(self) -> Result<Vectors, VectorError> {
            copied(&self)
        }
    }

    impl<T: Number, S: Data<Elem = T>> Row for ArrayBase<S, Ix1> {
        fn dim(&self) -> usize {
            self.len()
        }

        fn append_to(&self, values: &mut Vec<f32>) {
            values.extend(self.iter().map(|value| value.to_f32()));
        }
    }
}

#[cfg(feature = "ndarray")]
pub use matrix::Matrix;

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Vectors {
        Vectors::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0][..], 2).unwrap()
    }

    #[test]
    fn every_kind_of_rows_becomes_the_same_vectors() {
        let lists = vec![vec![1.0f32, 2.0], vec![3.0, 4.0], vec![5.0, 6.0]];
        let arrays = [[1u8, 2], [3, 4], [5, 6]];
        let wide: Vec<&[f64]> = vec![&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0]];
        let boxed: Vec<Box<[i8]>> = arrays.iter().map(|row| row.map(|x| x as i8).into()).collect();
        for vectors in [
            (&lists).into_vectors(),
            lists.clone().into_vectors(),
            lists[..].iter().into_vectors(),
            lists.iter().filter(|row| row[0] > 0.0).into_vectors(),
            arrays.into_vectors(),
            (&arrays).into_vectors(),
            (&wide).into_vectors(),
            boxed.into_vectors(),
            (&expected()).into_vectors(),
            expected().into_vectors(),
            (lists.concat(), 2).into_vectors(),
            (&lists.concat(), 2).into_vectors(),
            (&lists.concat()[..], 2).into_vectors(),
            (arrays.concat(), 2).into_vectors(),
            (lists.concat().into_iter().map(f16::from_f32).collect::<Vec<_>>(), 2).into_vectors(),
        ] {
            assert_eq!(vectors, Ok(expected()));
        }
    }

    #[test]
    fn owned_floats_are_not_copied() {
        let values = vec![0.5f32; 64];
        let place = values.as_ptr();
        let vectors = Vectors::new(values, 8).unwrap();
        assert_eq!(vectors.as_slice().as_ptr(), place);
        assert_eq!(vectors.clone().as_slice().as_ptr(), place);
    }

    #[test]
    fn rows_that_cannot_be_vectors_are_refused_by_name() {
        let ragged = [&[1.0f32, 2.0][..], &[3.0]];
        let (row, got, want) = (1, 1, 2);
        assert_eq!(ragged.into_vectors(), Err(VectorError::Dimension { row, got, want }));
        let none: [[f32; 0]; 3] = [[]; 3];
        assert_eq!(none.into_vectors(), Err(VectorError::NoDimensions));
        assert_eq!(Vec::<Vec<f32>>::new().into_vectors(), Err(VectorError::NoDimensions));
        let (row, dim, value) = (1, 0, f32::INFINITY);
        let far = [[0.0f64], [1e300]];
        assert_eq!(far.into_vectors(), Err(VectorError::NotFinite { row, dim, value }));
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn matrices_of_any_layout_become_the_same_vectors() {
        use ndarray::{Array2, s};
        let matrix = Array2::from_shape_fn((3, 2), |(row, at)| (2 * row + at + 1) as f32);
        let wide = Array2::from_shape_fn((6, 5), |(row, at)| (row + at) as f64);
        let columns = matrix.t().to_owned();
        for vectors in [
            (&matrix).into_vectors(),
            matrix.view().into_vectors(),
            matrix.clone().into_vectors(),
            columns.t().into_vectors(),
            columns.reversed_axes().into_vectors(),
            matrix.rows().into_iter().into_vectors(),
            matrix.mapv(|x| x as u8).into_vectors(),
        ] {
            assert_eq!(vectors, Ok(expected()));
        }
        let cut = wide.slice_move(s![1..4;2, 1..3]);
        assert_eq!(cut.into_vectors(), Vectors::new([2.0f32, 3.0, 4.0, 5.0], 2));
        let place = matrix.as_ptr();
        assert_eq!(matrix.into_vectors().unwrap().as_slice().as_ptr(), place);
    }
}
