//! The first steps that documents and queries share: check, truncate, normalise.
//!
//! There is one path for both sides, so that they cannot drift apart: a vector is checked (length,
//! finite values), cut to its leading dimensions (Matryoshka truncation) and, under the cosine,
//! scaled to unit length *after* the cut. Centring, rotation and quantisation follow inside the
//! codec, which learns them from the prepared documents.

use crate::{
    metric::Metric,
    vectors::{VectorError, Vectors, check_finite},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How raw vectors become the vectors that codecs see.
///
/// ```
/// use crinoid_quant::{Metric, Preparation};
///
/// let mut prepared = Vec::new();
/// // Cut to two dimensions, then brought to unit length.
/// Preparation::new(Metric::Cosine, 3).truncated(2)?.apply(0, &[3.0, 4.0, 9.0], &mut prepared)?;
/// assert_eq!(prepared, [0.6, 0.8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// The metric of the index.
    pub metric: Metric,
    /// Dimension of the vectors that come in.
    pub input_dim: usize,
    /// How many leading dimensions are kept, `1..=input_dim`.
    pub dim: usize,
    /// Values are divided by two to this power, so that their squares are numbers. 0 for all but huge and
    /// tiny data, and under the cosine.
    #[serde(default)]
    pub exponent: i32,
}

/// The longest vector whose squared distance to another as long is an `f32`: `(2 |x|)^2 < 2^128`.
const LONGEST: f64 = 0.99 * (1u64 << 63) as f64;

/// A value below which every vector is short enough, of 2^26 dimensions as well.
const HARMLESS: f32 = (1u64 << 49) as f32;

/// Data whose largest value lies beyond this are scaled: there is room for queries from farther away.
const HUGE: f32 = (1u64 << 50) as f32;

/// Data whose largest value lies below this are scaled: squares of differences must not vanish.
const TINY: f32 = 1.0 / (1u64 << 40) as f32;

impl Preparation {
    /// Keeps all dimensions.
    pub const fn new(metric: Metric, dim: usize) -> Self {
        Self { metric, input_dim: dim, dim, exponent: 0 }
    }

    /// The same for all dimensions.
    pub const fn whole(self) -> Self {
        Self { dim: self.input_dim, ..self }
    }

    /// The same with the scale that brings `vectors` into the range in which squares are numbers: a power
    /// of two, so that nothing is rounded.
    pub fn fitted(self, vectors: &Vectors) -> Self {
        let sizes = vectors.as_slice().par_iter().map(|x| x.abs());
        let largest = sizes.reduce(|| 0.0, f32::max);
        let fits = (TINY..=HUGE).contains(&largest) || largest == 0.0;
        if self.metric.normalises() || fits || !largest.is_finite() {
            return Self { exponent: 0, ..self };
        }
        // The exponent of the largest value; subnormal numbers are counted as the least normal one.
        let exponent = (largest.max(f32::MIN_POSITIVE).to_bits() >> 23) as i32 - 127;
        Self { exponent, ..self }
    }

    /// A distance between prepared vectors, in the units of those that came in. What `f32` cannot hold
    /// becomes its largest number.
    pub fn distance(&self, prepared: f32) -> f32 {
        match self.exponent {
            0 => prepared,
            exponent => {
                let distance = f64::from(prepared) * f64::powi(2.0, 2 * exponent);
                distance.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
            }
        }
    }

    /// Takes the scale back out of a prepared vector.
    pub fn unscale(&self, vector: &mut [f32]) {
        if self.exponent != 0 {
            let factor = f64::powi(2.0, self.exponent);
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
        }
    }

    /// Keeps the first `dim` dimensions.
    ///
    /// # Errors
    /// When `dim` is 0 or exceeds the input dimension.
    pub fn truncated(self, dim: usize) -> Result<Self, VectorError> {
        if !(1..=self.input_dim).contains(&dim) {
            return Err(VectorError::Truncation { kept: dim, dim: self.input_dim });
        }
        Ok(Self { dim, ..self })
    }

    /// The metric between prepared vectors: the cosine has become L2.
    pub const fn prepared_metric(&self) -> Metric {
        match self.metric {
            Metric::InnerProduct => Metric::InnerProduct,
            Metric::L2 | Metric::Cosine => Metric::L2,
        }
    }

    /// Prepares one vector into `out` (length [`dim`](Self::dim) afterwards). `row` is only used
    /// to name the vector in errors.
    ///
    /// # Errors
    /// Wrong dimension, a value that is not finite, or length zero under the cosine.
    pub fn apply(&self, row: usize, input: &[f32], out: &mut Vec<f32>) -> Result<(), VectorError> {
        // First of all: memory is asked for in the measure of what came in, never on the word of
        // a number that nothing backs.
        self.check_len(row, input)?;
        out.clear();
        out.resize(self.dim, 0.0);
        self.write(row, input, out)
    }

    /// Prepares a whole set.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), for the first offending row.
    pub fn apply_all(&self, input: &Vectors) -> Result<Vectors, VectorError> {
        if input.dim() != self.input_dim {
            let (got, want) = (input.dim(), self.input_dim);
            return Err(VectorError::Dimension { row: 0, got, want });
        }
        let is_same = self.dim == self.input_dim && self.exponent == 0;
        if !self.metric.normalises() && is_same {
            self.check_all(input)?;
            return Ok(input.clone());
        }
        let mut data = crate::Buffer::<f32>::zeroed(input.len() * self.dim);
        let offender = data
            .make_mut()
            .par_chunks_mut(self.dim)
            .enumerate()
            .find_map_first(|(row, out)| self.write(row, input.row(row), out).err());
        match offender {
            Some(error) => Err(error),
            None => Vectors::new(data, self.dim),
        }
    }

    fn check_len(&self, row: usize, input: &[f32]) -> Result<(), VectorError> {
        let (got, want) = (input.len(), self.input_dim);
        if got == want { Ok(()) } else { Err(VectorError::Dimension { row, got, want }) }
    }

    fn write(&self, row: usize, input: &[f32], out: &mut [f32]) -> Result<(), VectorError> {
        self.check_len(row, input)?;
        check_finite(row, input)?;
        out.copy_from_slice(&input[..self.dim]);
        if self.metric.normalises() {
            return normalise(row, out);
        }
        if self.exponent != 0 {
            let factor = f64::powi(2.0, -self.exponent);
            out.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
        }
        check_size(row, input, out)
    }

    /// Checks the sizes of vectors that are left as they are.
    fn check_all(&self, input: &Vectors) -> Result<(), VectorError> {
        let rows = input.as_slice().par_chunks(self.dim).enumerate();
        match rows.find_map_first(|(row, values)| check_size(row, values, values).err()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Checks that squared distances to the `prepared` vector are numbers.
fn check_size(row: usize, input: &[f32], prepared: &[f32]) -> Result<(), VectorError> {
    // As integers, so that the loop becomes vector code.
    let bits = |x: &f32| x.to_bits() & 0x7FFF_FFFF;
    let largest = prepared.iter().map(bits).fold(0, u32::max);
    if largest <= HARMLESS.to_bits() {
        return Ok(());
    }
    let norm = prepared.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if norm <= LONGEST {
        return Ok(());
    }
    let dim = prepared.iter().position(|x| bits(x) == largest).unwrap_or(0);
    Err(VectorError::TooFar { row, dim, value: input[dim] })
}

/// Scales `vector` to unit length.
///
/// Idempotent: a vector that is of unit length already (to within 1e-6) is left bit for bit as
/// it is, so that preparing twice changes nothing. The norm is summed in f64.
///
/// # Errors
/// [`VectorError::ZeroNorm`] when the length is 0.
pub fn normalise(row: usize, vector: &mut [f32]) -> Result<(), VectorError> {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if norm == 0.0 {
        return Err(VectorError::ZeroNorm { row, norm: norm as f32 });
    }
    if (norm - 1.0).abs() > 1e-6 {
        for value in vector {
            *value = (f64::from(*value) / norm) as f32;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prepare(p: Preparation, input: &[f32]) -> Result<Vec<f32>, VectorError> {
        let mut out = Vec::new();
        p.apply(3, input, &mut out).map(|()| out)
    }

    #[test]
    fn bad_vectors_are_refused_by_row() {
        let cosine = Preparation::new(Metric::Cosine, 2);
        assert_eq!(
            prepare(cosine, &[1.0]),
            Err(VectorError::Dimension { row: 3, got: 1, want: 2 })
        );
        assert_eq!(prepare(cosine, &[0.0, 0.0]), Err(VectorError::ZeroNorm { row: 3, norm: 0.0 }));
        assert!(matches!(
            prepare(cosine, &[0.0, f32::NAN]),
            Err(VectorError::NotFinite { row: 3, dim: 1, .. })
        ));
        assert_eq!(prepare(Preparation::new(Metric::L2, 2), &[0.0, 0.0]), Ok(vec![0.0, 0.0]));
        for kept in [0, 3] {
            assert_eq!(cosine.truncated(kept), Err(VectorError::Truncation { kept, dim: 2 }));
        }
    }

    #[test]
    fn truncation_renormalises_afterwards() {
        let cut = Preparation::new(Metric::Cosine, 3).truncated(2).unwrap();
        assert_eq!(prepare(cut, &[3.0, 4.0, 100.0]), Ok(vec![0.6, 0.8]));
    }

    proptest! {
        #[test]
        fn preparing_twice_changes_nothing(v in proptest::collection::vec(-1e3f32..1e3, 1..64)) {
            prop_assume!(v.iter().any(|x| x.abs() > 1e-3));
            let p = Preparation::new(Metric::Cosine, v.len());
            let once = prepare(p, &v).unwrap();
            prop_assert_eq!(prepare(p, &once).unwrap(), once);
        }
    }
}
