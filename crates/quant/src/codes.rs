//! What a codec is: codes at rest, a scorer per query, a space to build graphs in.

use crate::{buffer::Buffer, isa::Isa, metric::Metric, tile::Tile, vectors::Vectors};
use serde::{Serialize, de::DeserializeOwned};

/// `n` encoded vectors and everything needed to measure queries against them.
///
/// Vectors and queries are *prepared* ([`Preparation`](crate::Preparation)): cosine has become
/// L2. A codec is trained on the prepared documents and serves L2 and inner product.
pub trait Codes: Send + Sync + Sized + 'static {
    /// A query in the codec's form. Reused from query to query: encoding into it allocates
    /// nothing once it has been used with this codec.
    type Query: Default + Send + Sync + 'static;

    /// One query at one SIMD level, borrowed from both sides.
    type Scorer<'a, I: Isa>: Scorer
    where
        Self: 'a;

    /// What is stored beside the arrays: scales, dimensions, anything small.
    type Meta: Serialize + DeserializeOwned;

    /// The version, `name@number`.
    const VERSION: &'static str;

    /// Whether its order is so noisy (one or two bits per dimension) that refiners should see every
    /// candidate.
    const COARSE: bool = false;

    /// Of a search's candidates, refiners should see one in so many at least, where that is more than their pool, and a
    /// third more than are wanted: codes that leave out what tells near rows apart would else end short of what a wider
    /// search finds.
    const SEEN: Option<usize> = None;

    /// Whether the codes say everything about the vectors that [`check`](Self::check) lets pass.
    const LOSSLESS: bool = false;

    /// Whether it rotates vectors, by a rotation that its [`Meta`](Self::Meta) determines.
    const ROTATES: bool = false;

    /// Whether a search loop per SIMD level is worth its compile time for this codec; else searches
    /// measure it by a virtual call per batch.
    const COMPILED: bool = true;

    /// Whether this codec can take these vectors. Most can take any.
    ///
    /// # Errors
    /// [`Unsuitable`] says what is wrong with them.
    fn check(_vectors: &Vectors, _metric: Metric) -> Result<(), Unsuitable> {
        Ok(())
    }

    /// Learns from the prepared `vectors`, which have passed [`check`](Self::check), and encodes
    /// them. The same codes at any thread count, at every SIMD level and on every machine.
    fn train(vectors: &Vectors, metric: Metric) -> Self;

    /// How many vectors.
    fn len(&self) -> usize;

    /// Whether there is no vector.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimension of the prepared vectors.
    fn dim(&self) -> usize;

    /// Bytes that a search touches for one vector (its row and its constants).
    fn bytes_per_vector(&self) -> usize;

    /// Bytes that encoding a query reads beside the query.
    fn bytes_per_query(&self) -> usize {
        0
    }

    /// Encodes a prepared query of [`dim`](Self::dim) values. Debug builds assert the length;
    /// callers check it (a typed error) in `Preparation::apply`.
    fn encode_query(&self, query: &[f32], out: &mut Self::Query);

    /// A scorer for an encoded query.
    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I>;

    /// The distances between the encoded vectors themselves, for building graphs, at the current
    /// SIMD level.
    fn space(&self) -> Box<dyn Space + '_>;

    /// Writes vector `id` as decoded floats into `out` (of length [`dim`](Self::dim)).
    fn decode(&self, id: u32, out: &mut [f32]);

    /// The small state and the bulk arrays, as they go into a container.
    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>);

    /// Puts a codec together again from what [`parts`](Self::parts) gave.
    ///
    /// # Errors
    /// When an array is missing or its length contradicts the others.
    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError>;
}

/// A query measured against stored vectors.
///
/// Distances travel as order-preserving `u32` keys ([`crate::key`]); only answers are converted.
pub trait Scorer: Copy {
    /// The key of the distance to vector `id`.
    ///
    /// # Panics
    /// When `id` is out of range.
    fn key(&self, id: u32) -> u32;

    /// The keys of `ids`, in order, into `keys` (of the same length).
    fn keys(&self, ids: &[u32], keys: &mut [u32]);

    /// Prefetches the first `lines` cache lines of row `id`.
    fn prefetch(&self, id: u32, lines: usize);

    /// [`prefetch`](Self::prefetch) for each of `ids`.
    #[inline(always)]
    fn prefetch_all(&self, ids: &[u32], lines: usize) {
        for &id in ids {
            self.prefetch(id, lines);
        }
    }

    /// How many cache lines a row spans.
    fn lines(&self) -> usize;

    /// The distance that a key stands for, in the units of the metric.
    fn distance(&self, key: u32) -> f32;

    /// The key that stands for a distance (rounded down): the inverse of
    /// [`distance`](Self::distance), for range limits and stop rules.
    fn key_of(&self, distance: f32) -> u32;
}

/// The stored vectors as points of a symmetric space in which a graph is built.
///
/// Under L2 (and the cosine) this is the distance between the codes. Under the inner product it
/// is the distance after the MIPS-to-L2 augmentation (every document gets the coordinate
/// `sqrt(max |x|^2 - |x|^2)`, queries get 0), so that builders always work with a metric: the
/// nearest document of a query is the one of largest inner product.
///
/// Distances are the same bits at every SIMD level and on every machine: integers, or floats summed in one
/// order ([`Isa`]). So a graph built on them is the same file wherever it is built.
///
/// One call measures a whole batch, so the virtual call is paid once per visited list.
pub trait Space: Sync {
    /// How many points.
    fn len(&self) -> usize;

    /// Whether there is no point.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the keys of the distances between `from` and each of `to` into `keys`, which has
    /// the same length as `to`. Prefetches as it goes.
    ///
    /// # Panics
    /// When an id is out of range or the lengths differ.
    fn keys(&self, from: u32, to: &[u32], keys: &mut [u32]);

    /// Copies `points` side by side into `tile`, where all pairs of them are measured at once: the same keys as those
    /// of [`keys`](Self::keys), and [`key::to_i32`](crate::key::to_i32) of one is its [`value`](Self::value). Whether
    /// these points can be: vectors of bytes can.
    ///
    /// # Panics
    /// When a number is out of range.
    fn gather(&self, _points: &[u32], _tile: &mut Tile) -> bool {
        false
    }

    /// A number proportional to the squared L2 distance that a key stands for; pruning rules compare
    /// multiples of it.
    fn value(&self, key: u32) -> f64;
}

/// The arrays of a container section, handed to [`Codes::from_parts`] by name.
pub struct Arrays<'a> {
    lookup: &'a mut dyn FnMut(&str) -> Option<Buffer<u8>>,
}

/// Vectors that a codec cannot represent.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsuitable {
    /// A lossless integer codec was asked to code something else.
    #[error("row {row}, dimension {dim}: {value} is no integer in 0..=255")]
    NotAByte {
        /// The first offending row.
        row: usize,
        /// The first offending dimension in it.
        dim: usize,
        /// The value found there.
        value: f32,
    },
    /// A value that the codec's number format cannot hold.
    #[error("row {row}, dimension {dim}: {value} is too large")]
    TooLarge {
        /// The first offending row.
        row: usize,
        /// The first offending dimension in it.
        dim: usize,
        /// The value found there.
        value: f32,
    },
    /// Integer distances of so many dimensions would not fit 32 bits.
    #[error("{dim} dimensions where at most {max} can be coded")]
    Dimensions {
        /// Dimension of the vectors.
        dim: usize,
        /// The most that the codec can take.
        max: usize,
    },
}

/// Stored parts do not make a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// No array of this name.
    #[error("array `{0}` is missing")]
    Missing(String),
    /// The array has the wrong size, or content that contradicts the rest.
    #[error("array `{name}`: {why}")]
    Invalid {
        /// The array.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl<'a> Arrays<'a> {
    /// Arrays found by `lookup`.
    pub fn new(lookup: &'a mut dyn FnMut(&str) -> Option<Buffer<u8>>) -> Self {
        Self { lookup }
    }

    /// The array `name` as exactly `len` values of `T`.
    ///
    /// # Errors
    /// When it is missing or has another length.
    pub fn take<T: bytemuck::Pod>(
        &mut self,
        name: &str,
        len: usize,
    ) -> Result<Buffer<T>, PartsError> {
        let bytes = (self.lookup)(name).ok_or_else(|| PartsError::Missing(name.to_owned()))?;
        let found = bytes.len();
        match bytes.reinterpret::<T>() {
            Ok(array) if array.len() == len => Ok(array),
            _ => Err(PartsError::Invalid {
                name: name.to_owned(),
                why: format!("{found} bytes where {len} x {} are expected", size_of::<T>()),
            }),
        }
    }
}
