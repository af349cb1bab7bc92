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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// The metric of the index.
    pub metric: Metric,
    /// Dimension of the vectors that come in.
    pub input_dim: usize,
    /// How many leading dimensions are kept, `1..=input_dim`.
    pub dim: usize,
}

impl Preparation {
    /// Keeps all dimensions.
    pub const fn new(metric: Metric, dim: usize) -> Self {
        Self { metric, input_dim: dim, dim }
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
        if !self.metric.normalises() && self.dim == self.input_dim {
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

    fn write(&self, row: usize, input: &[f32], out: &mut [f32]) -> Result<(), VectorError> {
        if input.len() != self.input_dim {
            return Err(VectorError::Dimension { row, got: input.len(), want: self.input_dim });
        }
        check_finite(row, input)?;
        out.copy_from_slice(&input[..self.dim]);
        if self.metric.normalises() { normalise(row, out) } else { Ok(()) }
    }
}

/// Scales `vector` to unit length.
///
/// Idempotent: a vector that is of unit length already (to within 1e-6) is left bit for bit as
/// it is, so that preparing twice changes nothing. The norm is summed in f64.
///
/// # Errors
/// [`VectorError::ZeroNorm`] when the length is 0 or not a normal `f32`.
pub fn normalise(row: usize, vector: &mut [f32]) -> Result<(), VectorError> {
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if !(norm as f32).is_normal() {
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
