//! The build space of codecs whose codes have no distance of their own: that of the decoded vectors.

use super::float::{Float, FloatSpace};
use crate::{
    buffer::Buffer,
    codes::{Codes, Space},
    metric::Metric,
    vectors::Vectors,
};
use rayon::prelude::*;

/// Decoded vectors as points, held as floats while the space lives.
pub(super) struct DecodedSpace {
    codes: Float,
}

impl DecodedSpace {
    /// Decodes all of `codes`.
    pub(super) fn new(codes: &impl Codes, metric: Metric) -> Self {
        let dim = codes.dim();
        let mut values = Buffer::<f32>::zeroed(codes.len() * dim);
        values
            .make_mut()
            .par_chunks_mut(dim)
            .enumerate()
            .for_each(|(id, out)| codes.decode(id as u32, out));
        let decoded = Vectors::new(values, dim).unwrap_or_else(|_| Vectors::empty(dim));
        Self { codes: Float::train(&decoded, metric) }
    }
}

impl Space for DecodedSpace {
    fn len(&self) -> usize {
        self.codes.len()
    }

    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]) {
        FloatSpace { codes: &self.codes }.keys(from, to, keys);
    }

    fn value(&self, key: u32) -> f64 {
        FloatSpace { codes: &self.codes }.value(key)
    }
}
