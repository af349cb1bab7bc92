//! `rabitq1@1` ... `rabitq8@1`: a few bits per dimension with an unbiased distance estimate.
//!
//! (Gao and Long, "RaBitQ", SIGMOD 2024; Gao et al., "Practical and asymptotically optimal
//! quantization", SIGMOD 2025, for more than one bit.)
//!
//! A vector is centred at the mean, rotated by a random orthogonal `P` and taken relative to its
//! centroid `c`: `r = P(x - mean) - c`. Its code `u` in `0..2^B` per dimension stands for the direction
//! `xbar = u - (2^B - 1) / 2`, chosen to lie as close to `r` as codes can (one bit: the signs). Distances
//! to a query `q` (in the same frame) are then estimated from the inner product of `u` and `q` alone,
//! with `rho = |r|^2 / <r, xbar>` making up for the angle between `r` and `xbar`:
//!
//! ```text
//! estimate = add + query add + rescale (<u, q> - (2^B - 1)/2 sum q)
//! ```
//!
//! | | add | rescale | query add | error |
//! |---|---|---|---|---|
//! | L2 | `\|r\|^2 + 2 rho <c, xbar>` | `-2 rho` | `\|q - c\|^2` | `2 e \|q - c\|` |
//! | `-<q, x>` | `rho <c, xbar> - <r, c>` | `-rho` | `-<q, c> - <q, mean>` | `e \|q - c\|` |
//!
//! with `e = 1.9 |r| sqrt((|r|^2 |xbar|^2 / <r, xbar>^2 - 1) / (d - 1))`: over random rotations the estimate is
//! unbiased, and the error exceeds the bound for about one vector in twenty ([`Rabitq::bound`] adds
//! what the rounding of the query contributes). Under L2 the query is
//! centred at the mean like the documents; under the inner product it is rotated only. It is
//! quantised once, whatever the number of centroids: to 4 bits for one-bit codes, 6 for two-bit
//! ones, else 8. The sum of its integers, not that of the floats, goes with them: the rounding
//! errors then meet `xbar`, which is half as long as `u` and balanced.
//!
//! | bits | row | kernel |
//! |---|---|---|
//! | 1, 2 | a plane of bits per bit | bit planes of the query |
//! | 3, 4 | two dimensions per byte | 4-bit codes with an int8 query |
//! | 5 to 8 | a byte per dimension | u8 with an int8 query |
//!
//! `record-asym@1` is the seed record's own short formula on the same codes, `|q|^2 - 2 sum +-q_i`, kept as
//! the baseline: it leaves out the document's length, the angle, and the document's side of the
//! centring.

mod code;
mod frame;
mod query;

pub use frame::Frame;
pub use query::{RabitqQuery, RabitqScorer};

use super::{CHUNK, check_size, checked_area, decoded::DecodedSpace, invalid, mean};
use crate::{
    blocks::{BlockQuery, Blocked, Blocks, NO_FACTORS},
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Space, Unsuitable},
    isa::{self, BLOCK, Isa, Level, OnIsa},
    kmeans,
    metric::Metric,
    rotation::Rotation,
    vectors::Vectors,
};
use code::Encoded;
use query::Packing;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The most dimensions: `2 * 255 * 127 * 16,384 < 2^30`.
const MAX_DIM: usize = 16_384;

/// Half the width of the error bound, in standard deviations of the estimate.
const EPSILON: f64 = 1.9;

/// Vectors in `B` bits per dimension, `1..=8`, with unbiased estimates; `RECORD`: with the
/// record's short formula instead.
pub struct Rabitq<const B: u32, const RECORD: bool = false> {
    meta: RabitqMeta,
    frame: Frame,
    rows: Buffer<u64>,
    /// `add` and `rescale` of each row.
    factors: Buffer<[f32; 2]>,
    /// The error bounds of each row: the code's at `|q - c| = 1`, the query's at a step of 1.
    errors: Buffer<[f32; 2]>,
    /// `|r| / |xbar|` of each row, for decoding.
    scales: Buffer<f32>,
    /// The centroid of each row; empty when there is one.
    clusters: Buffer<u32>,
    /// Rotated centroids relative to the mean.
    centroids: Buffer<f32>,
}

/// One-bit codes with the seed record's short formula.
pub type RecordAsymmetric = Rabitq<1, true>;

/// What [`Rabitq`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RabitqMeta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
    /// How many centroids.
    pub centroids: usize,
    /// Seed of the rotation and of the centroids.
    pub seed: u64,
    /// Rounds of the rotation.
    pub rounds: usize,
}

/// How to train [`Rabitq`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RabitqOptions {
    /// How many centroids; 1 is the mean alone.
    pub centroids: usize,
    /// Seed of the rotation and of the centroids.
    pub seed: u64,
}

impl Default for RabitqOptions {
    fn default() -> Self {
        Self { centroids: 1, seed: 42 }
    }
}

impl<const B: u32, const RECORD: bool> Rabitq<B, RECORD> {
    const PACKING: Packing = Packing::of(B);

    /// Learns and encodes with options of one's own; [`train`](Codes::train) takes the defaults.
    pub fn train_with(vectors: &Vectors, metric: Metric, options: &RabitqOptions) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let frame = Frame::new(&mean(vectors), metric, options.seed);
        let (clusters, centroids) = Self::centre(vectors, &frame, options);
        let stride = Self::PACKING.words(dim);
        let mut codes = Self {
            meta: RabitqMeta {
                metric,
                len,
                dim,
                centroids: centroids.len() / dim,
                seed: options.seed,
                rounds: frame.rotation.rounds(),
            },
            frame,
            rows: Buffer::zeroed(len * stride),
            factors: Buffer::zeroed(len),
            errors: Buffer::zeroed(len),
            scales: Buffer::zeroed(len),
            clusters,
            centroids,
        };
        let mut rows = std::mem::take(&mut codes.rows);
        let encoded: Vec<Encoded> = rows
            .make_mut()
            .par_chunks_mut(stride * CHUNK)
            .zip(vectors.as_slice().par_chunks(dim * CHUNK))
            .enumerate()
            .flat_map_iter(|(chunk, (rows, vectors))| {
                let first = chunk * CHUNK;
                let encode = Encode { codes: &codes, first, vectors, rows };
                isa::dispatch(Level::current(), encode)
            })
            .collect();
        codes.rows = rows;
        codes.factors = encoded.iter().map(|code| [code.add, code.rescale]).collect();
        codes.errors = encoded.iter().map(|code| code.errors).collect();
        codes.scales = encoded.iter().map(|code| code.scale).collect();
        codes
    }

    /// The rows' clusters (none when there is one) and the rotated centroids.
    fn centre(
        vectors: &Vectors,
        frame: &Frame,
        options: &RabitqOptions,
    ) -> (Buffer<u32>, Buffer<f32>) {
        let dim = vectors.dim();
        if options.centroids <= 1 {
            return (Buffer::default(), Buffer::zeroed(dim));
        }
        let Ok(centred) = Vectors::new(
            vectors
                .rows()
                .flat_map(|row| row.iter().zip(&*frame.mean).map(|(x, c)| x - c))
                .collect::<Buffer<f32>>(),
            dim,
        ) else {
            // Differences that overflow cannot be clustered; the mean alone serves.
            return (Buffer::default(), Buffer::zeroed(dim));
        };
        let options = kmeans::Options {
            centroids: options.centroids,
            seed: options.seed,
            ..kmeans::Options::default()
        };
        let found = kmeans::cluster(&centred, &options);
        let clusters = kmeans::assign(&centred, &found);
        let mut centroids = Buffer::from_slice(found.as_slice());
        for centroid in centroids.make_mut().chunks_exact_mut(dim) {
            frame.rotation.apply(centroid);
        }
        (clusters.as_slice().into(), centroids)
    }

    fn stride(&self) -> usize {
        Self::PACKING.words(self.meta.dim)
    }

    fn row(&self, id: u32) -> &[u64] {
        &self.rows[id as usize * self.stride()..][..self.stride()]
    }

    fn cluster(&self, id: u32) -> usize {
        self.clusters.get(id as usize).map_or(0, |&cluster| cluster as usize)
    }

    fn centroid(&self, cluster: usize) -> &[f32] {
        &self.centroids[cluster * self.meta.dim..][..self.meta.dim]
    }

    /// The frame in which the codes are made.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The half-width of the error bound of vector `id` for `query`: the true distance lies within
    /// `estimate +- bound` for about 19 of 20 vectors. Not meant for the record's formula.
    pub fn bound(&self, id: u32, query: &RabitqQuery) -> f32 {
        let [code, rounding] = self.errors[id as usize];
        (code * query.distance(self.cluster(id))).hypot(rounding * query.step())
    }
}

/// A chunk of rows on its way into codes.
struct Encode<'a, const B: u32, const RECORD: bool> {
    codes: &'a Rabitq<B, RECORD>,
    first: usize,
    vectors: &'a [f32],
    rows: &'a mut [u64],
}

impl<const B: u32, const RECORD: bool> OnIsa for Encode<'_, B, RECORD> {
    type Output = Vec<Encoded>;

    #[inline(always)]
    fn on<I: Isa>(self, _: I) -> Vec<Encoded> {
        let Self { codes, first, vectors, rows } = self;
        let RabitqMeta { dim, metric, .. } = codes.meta;
        let mut encoded = Vec::with_capacity(vectors.len() / dim);
        let (mut residual, mut integers) = (vec![0.0; dim], vec![0u8; dim]);
        let rows = rows.chunks_exact_mut(codes.stride());
        for (i, (vector, row)) in vectors.chunks_exact(dim).zip(rows).enumerate() {
            codes.frame.place(vector, &mut residual);
            let centroid = codes.centroid(codes.cluster((first + i) as u32));
            for (r, c) in residual.iter_mut().zip(centroid) {
                *r -= c;
            }
            let mut code = code::encode::<B>(&residual, centroid, metric, &mut integers);
            if RECORD {
                (code.add, code.rescale) = (0.0, -4.0);
            }
            encoded.push(code);
            Rabitq::<B, RECORD>::PACKING.pack(&integers, row);
        }
        encoded
    }
}

impl<const B: u32, const RECORD: bool> Codes for Rabitq<B, RECORD> {
    type Query = RabitqQuery;
    type Scorer<'a, I: Isa> = RabitqScorer<'a, I, B>;
    type Meta = RabitqMeta;
    const VERSION: &'static str = match (B, RECORD) {
        (1, true) => "record-asym@1",
        (1, false) => "rabitq1@1",
        (2, false) => "rabitq2@1",
        (3, false) => "rabitq3@1",
        (4, false) => "rabitq4@1",
        (5, false) => "rabitq5@1",
        (6, false) => "rabitq6@1",
        (7, false) => "rabitq7@1",
        (8, false) => "rabitq8@1",
        _ => panic!("rabitq takes 1 to 8 bits, the record's formula 1"),
    };
    const COARSE: bool = B <= 2;
    const ROTATES: bool = true;
    // The others take the space of 4 and 8 bits.
    const COMPILED: bool = matches!(B, 1 | 2 | 4 | 8);

    fn check(vectors: &Vectors, _metric: Metric) -> Result<(), Unsuitable> {
        match vectors.dim() {
            dim if dim > MAX_DIM => Err(Unsuitable::Dimensions { dim, max: MAX_DIM }),
            _ => Ok(()),
        }
    }

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        Self::train_with(vectors, metric, &RabitqOptions::default())
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        let cluster = if self.clusters.is_empty() { 0 } else { size_of::<u32>() };
        self.stride() * size_of::<u64>() + size_of::<[f32; 2]>() + cluster
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        debug_assert_eq!(query.len(), self.meta.dim, "query dimension");
        let l2 = self.meta.metric != Metric::InnerProduct;
        let offset = self.frame.place_query(query, out.start(query.len()));
        out.quantise(Self::PACKING);
        out.measure(&self.centroids, l2, offset);
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        let (rows, factors, clusters) = (&*self.rows, &*self.factors, &*self.clusters);
        RabitqScorer::new(isa, rows, factors, clusters, self.stride(), query)
    }

    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(DecodedSpace::new(self, self.meta.metric))
    }

    /// The code's direction at the vector's own distance from the centroid.
    fn decode(&self, id: u32, out: &mut [f32]) {
        let centroid = self.centroid(self.cluster(id));
        let (row, scale) = (self.row(id), self.scales[id as usize]);
        let middle = ((1 << B) - 1) as f32 / 2.0;
        for (i, (value, c)) in out.iter_mut().zip(centroid).enumerate() {
            *value = (f32::from(Self::PACKING.code(row, i)) - middle) * scale + c;
        }
        self.frame.rotation.invert(out);
        for (value, c) in out.iter_mut().zip(&*self.frame.mean) {
            *value += c;
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        let mut arrays = vec![
            ("rows", self.rows.as_bytes()),
            ("factors", self.factors.as_bytes()),
            ("errors", self.errors.as_bytes()),
            ("scales", self.scales.as_bytes()),
            ("mean", self.frame.mean.as_bytes()),
            ("centroids", self.centroids.as_bytes()),
        ];
        if self.meta.centroids > 1 {
            arrays.push(("clusters", self.clusters.as_bytes()));
        }
        (self.meta, arrays)
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let RabitqMeta { metric, len, dim, centroids, seed, rounds } = meta;
        check_size(len, dim)?;
        if dim > MAX_DIM || centroids == 0 || centroids > u32::MAX as usize || rounds > 64 {
            let why = format!("{dim} dimensions, {centroids} centroids, {rounds} rounds");
            return Err(invalid("meta", why));
        }
        let rows = arrays.take("rows", checked_area("rows", len, Self::PACKING.words(dim))?)?;
        let factors = arrays.take("factors", len)?;
        let errors = arrays.take("errors", len)?;
        let scales = arrays.take("scales", len)?;
        let mean = arrays.take("mean", dim)?;
        let clusters =
            if centroids > 1 { arrays.take("clusters", len)? } else { Buffer::default() };
        if clusters.iter().any(|&cluster: &u32| cluster as usize >= centroids) {
            return Err(invalid("clusters", format!("a cluster beyond the {centroids} there are")));
        }
        let centroids = arrays.take("centroids", checked_area("centroids", centroids, dim)?)?;
        let frame = Frame { metric, rotation: Rotation::with_rounds(dim, seed, rounds), mean };
        Ok(Self { meta, frame, rows, factors, errors, scales, clusters, centroids })
    }
}

impl<const B: u32> Blocked for Rabitq<B> {
    fn blocks(&self, ids: &[u32]) -> Option<Blocks> {
        if self.meta.centroids > 1 {
            return None;
        }
        let factors = ids.chunks(BLOCK).map(|ids| {
            let mut factors = NO_FACTORS;
            for (lane, &id) in ids.iter().enumerate() {
                [factors[0][lane], factors[1][lane]] = self.factors[id as usize];
            }
            factors
        });
        let groups = B as usize * self.frame.groups();
        Some(Blocks::pack(ids.len(), groups, factors.collect(), |code, group| {
            let row = self.row(ids[code]);
            frame::nibble(&self.frame, group, |i| Self::PACKING.code(row, i))
        }))
    }

    fn encode_block_query(&self, query: &[f32], out: &mut BlockQuery) {
        self.frame.encode_block_query(query, out);
    }
}

#[cfg(test)]
mod tests;
