//! A fast random rotation, orthogonal in every dimension.
//!
//! Each round flips random signs and applies a normalised Walsh-Hadamard transform. Where the
//! dimension is no power of two, a round transforms the first or the last `2^floor(log2 d)` coordinates
//! in turn and then mixes the two halves by a Kac butterfly, `(a, b) -> (a + b, a - b) / sqrt 2`: every step
//! is orthogonal, so lengths and angles stay what they were. (A transform padded to a power of
//! two and cut back is not orthogonal.)
//!
//! Only additions, subtractions and multiplications by constants, element by element: the result
//! is the same, bit for bit, at every SIMD level.

use crate::{
    buffer::Buffer,
    isa::{self, Isa, Level, OnIsa},
    random,
};

/// Coordinates that are transformed in registers before longer strides begin.
const BLOCK: usize = 16;

/// A seeded rotation of `d` dimensions.
#[derive(Clone, Debug)]
pub struct Rotation {
    dim: usize,
    seed: u64,
    rounds: usize,
    /// `rounds x dim`: the sign, times the norm of the transform where it reaches.
    factors: Buffer<f32>,
}

impl Rotation {
    /// A rotation of `dim` dimensions with enough rounds to look random: 3 where `dim` is a power of
    /// two, else 4 (each half of the coordinates is transformed twice).
    pub fn new(dim: usize, seed: u64) -> Self {
        Self::with_rounds(dim, seed, if dim.is_power_of_two() { 3 } else { 4 })
    }

    /// A rotation of `dim` dimensions in `rounds` rounds.
    pub fn with_rounds(dim: usize, seed: u64, rounds: usize) -> Self {
        let mut factors = Buffer::<f32>::zeroed(rounds * dim);
        if dim > 0 {
            for (round, factors) in factors.make_mut().chunks_exact_mut(dim).enumerate() {
                let span = span(dim, round);
                let norm = (1.0 / (span.len() as f64).sqrt()) as f32;
                for (i, factor) in factors.iter_mut().enumerate() {
                    let word = random::hash(seed, (round * dim.div_ceil(64) + i / 64) as u64);
                    let size = if span.contains(&i) { norm } else { 1.0 };
                    *factor = if word >> (i % 64) & 1 == 1 { -size } else { size };
                }
            }
        }
        Self { dim, seed, rounds, factors }
    }

    /// Dimension of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The seed it was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many rounds.
    pub fn rounds(&self) -> usize {
        self.rounds
    }

    /// Rotates `vector` in place, in `O(rounds d log d)`.
    ///
    /// # Panics
    /// When the length is not [`dim`](Self::dim).
    pub fn apply(&self, vector: &mut [f32]) {
        isa::dispatch(Level::current(), Turn { rotation: self, vector, inverse: false });
    }

    /// Undoes [`apply`](Self::apply).
    ///
    /// # Panics
    /// When the length is not [`dim`](Self::dim).
    pub fn invert(&self, vector: &mut [f32]) {
        isa::dispatch(Level::current(), Turn { rotation: self, vector, inverse: true });
    }
}

/// The coordinates that a round transforms: the longest power of two, at alternating ends.
fn span(dim: usize, round: usize) -> std::ops::Range<usize> {
    let len = dim.checked_ilog2().map_or(0, |bits| 1 << bits);
    if round.is_multiple_of(2) { 0..len } else { dim - len..dim }
}

struct Turn<'a> {
    rotation: &'a Rotation,
    vector: &'a mut [f32],
    inverse: bool,
}

impl OnIsa for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, _: I) {
        let Self { rotation, vector, inverse } = self;
        let dim = rotation.dim;
        assert_eq!(vector.len(), dim, "rotation of another dimension");
        for step in 0..rotation.rounds {
            if inverse {
                let round = rotation.rounds - 1 - step;
                butterfly(vector);
                transform(&mut vector[span(dim, round)]);
                scale(vector, &rotation.factors[round * dim..][..dim]);
            } else {
                scale(vector, &rotation.factors[step * dim..][..dim]);
                transform(&mut vector[span(dim, step)]);
                butterfly(vector);
            }
        }
    }
}

#[inline(always)]
fn scale(vector: &mut [f32], factors: &[f32]) {
    for (x, factor) in vector.iter_mut().zip(factors) {
        *x *= factor;
    }
}

/// Mixes the halves where the transform does not reach everything; the middle of an odd number of
/// coordinates stays.
#[inline(always)]
fn butterfly(vector: &mut [f32]) {
    let dim = vector.len();
    if dim.is_power_of_two() {
        return;
    }
    let (first, rest) = vector.split_at_mut(dim / 2);
    let second = &mut rest[dim % 2..];
    for (a, b) in first.iter_mut().zip(second) {
        (*a, *b) = (
            (*a + *b) * std::f32::consts::FRAC_1_SQRT_2,
            (*a - *b) * std::f32::consts::FRAC_1_SQRT_2,
        );
    }
}

/// The Walsh-Hadamard transform without its norm, in natural order; the length is a power of two.
#[inline(always)]
fn transform(x: &mut [f32]) {
    let (blocks, small) = x.as_chunks_mut::<BLOCK>();
    for block in blocks {
        *block = step::<1>(*block);
        *block = step::<2>(*block);
        *block = step::<4>(*block);
        *block = step::<8>(*block);
    }
    // Fewer than a block: the whole vector is small.
    let mut stride = 1;
    while stride < small.len() {
        cross(small, stride);
        stride *= 2;
    }
    let mut stride = BLOCK;
    while stride < x.len() {
        cross(x, stride);
        stride *= 2;
    }
}

#[inline(always)]
fn cross(x: &mut [f32], stride: usize) {
    for pair in x.chunks_exact_mut(2 * stride) {
        let (a, b) = pair.split_at_mut(stride);
        for (a, b) in a.iter_mut().zip(b) {
            (*a, *b) = (*a + *b, *a - *b);
        }
    }
}

/// One stride within a block, in the form that becomes one shuffle and one addition.
#[inline(always)]
fn step<const STRIDE: usize>(x: [f32; BLOCK]) -> [f32; BLOCK] {
    let mut out = [0.0; BLOCK];
    for i in 0..BLOCK {
        let sign = if i & STRIDE == 0 { 1.0 } else { -1.0 };
        out[i] = x[i ^ STRIDE] + sign * x[i];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(dim: usize, seed: u64) -> Vec<f32> {
        (0..dim as u64).map(|i| random::unit(seed, i) as f32 * 4.0 - 1.0).collect()
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    #[test]
    fn lengths_and_angles_stay_in_every_dimension() {
        for dim in 1..=1100 {
            let rotation = Rotation::new(dim, 5);
            let (a, b) = (vector(dim, 1), vector(dim, 2));
            let (mut ra, mut rb) = (a.clone(), b.clone());
            rotation.apply(&mut ra);
            rotation.apply(&mut rb);
            let norm = dot(&a, &a).sqrt();
            assert!((dot(&ra, &ra).sqrt() / norm - 1.0).abs() < 1e-5, "{dim}");
            let scale = norm * dot(&b, &b).sqrt();
            assert!((dot(&ra, &rb) - dot(&a, &b)).abs() < 1e-5 * scale, "{dim}");
            rotation.invert(&mut ra);
            assert!(a.iter().zip(&ra).all(|(x, y)| (x - y).abs() < 1e-4), "{dim}");
        }
    }

    #[test]
    fn a_spike_spreads_over_all_coordinates() {
        for dim in [25, 100, 128, 384, 960] {
            for at in [0, dim / 2, dim - 1] {
                let mut x = vec![0.0; dim];
                x[at] = 1.0;
                Rotation::new(dim, 7).apply(&mut x);
                let largest = x.iter().fold(0.0f32, |max, v| max.max(v.abs()));
                let bound = 4.5 / (dim as f32).sqrt();
                assert!(largest < bound, "{dim} {at}: {largest} {bound}");
            }
        }
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        for dim in [3, 100, 128, 960] {
            let rotation = Rotation::new(dim, 9);
            let results: Vec<Vec<f32>> = Level::available()
                .into_iter()
                .map(|level| {
                    let mut x = vector(dim, 3);
                    let turn = Turn { rotation: &rotation, vector: &mut x, inverse: false };
                    isa::dispatch(level, turn);
                    x
                })
                .collect();
            assert!(results.iter().all(|result| *result == results[0]));
        }
    }

    #[test]
    fn seeds_and_rounds_matter() {
        let turned = |rotation: Rotation| {
            let mut x = vector(64, 1);
            rotation.apply(&mut x);
            x
        };
        assert_eq!(turned(Rotation::new(64, 1)), turned(Rotation::new(64, 1)));
        assert_ne!(turned(Rotation::new(64, 1)), turned(Rotation::new(64, 2)));
        assert_ne!(turned(Rotation::new(64, 1)), turned(Rotation::with_rounds(64, 1, 1)));
        assert_eq!(turned(Rotation::with_rounds(64, 1, 0)), vector(64, 1));
    }
}
