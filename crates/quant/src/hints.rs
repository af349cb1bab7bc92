//! Conversions that newcomers try and that cannot be: rows may be ragged or hold NaN, so making
//! [`Vectors`] of them can fail. The compiler's message names the call that says so.

use crate::vectors::Vectors;

/// Implemented by nothing.
#[diagnostic::on_unimplemented(
    message = "rows can be ragged or hold NaN, so `into` and `collect` cannot make `Vectors`",
    note = "use `Vectors::from_rows(rows)?`: it takes what `into` and `collect` were tried on"
)]
pub trait AlwaysVectors: Sized {
    /// Nothing is.
    fn never(self) -> Vectors;
}

impl<T: AlwaysVectors> From<T> for Vectors {
    fn from(rows: T) -> Self {
        rows.never()
    }
}

impl<T: AlwaysVectors> FromIterator<T> for Vectors {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        rows.into_iter().next().map(T::never).unwrap_or_default()
    }
}
