//! `pq8@1` and `pq4@1`: product quantisation with asymmetric distances.
//!
//! (Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", PAMI 2011; André,
//! Kermarrec and Le Scouarnec, VLDB 2015, for 4 bits in registers.)
//!
//! The dimensions are cut into parts of [`PqOptions::width`] neighbours (the last part may be narrower),
//! and each part of a vector is replaced by the nearest of `2^BITS` codewords, the k-means centroids of
//! that part. A query brings the distance of each of its parts to each codeword; the distance to a
//! vector is the sum of the entries that its codewords select:
//!
//! ```text
//! |q - x|^2  ~  sum_p |q_p - c_p(x)|^2          -<q, x>  ~  sum_p -<q_p, c_p(x)>
//! ```
//!
//! Both defaults spend 2 bits per dimension: 256 codewords per 4 dimensions, 16 per 2.
//!
//! | access | a look-up takes | entries | kernel |
//! |---|---|---|---|
//! | rows at random places | a byte of the row: one part, or two of 4 bits | 16 bits | `look_up_rows` |
//! | 32 side by side, 4 bits | one part | 8 bits | `scan_block` |
//!
//! Entries are distances from the part's smallest one in units common to all parts, so that their sum is
//! an integer, the same on every level.

mod query;
#[cfg(test)]
mod tests;

pub use query::{PqQuery, PqScorer};

use super::{CHUNK, LINE, check_size, checked_area, decoded::DecodedSpace, invalid};
use crate::{
    blocks::{BlockQuery, Blocked, Blocks},
    buffer::Buffer,
    codes::{Arrays, Codes, PartsError, Space, Unsuitable},
    isa::Isa,
    kmeans,
    metric::Metric,
    random,
    vectors::Vectors,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The most dimensions: `65,535 * 16,384 < 2^30`.
const MAX_DIM: usize = 16_384;

/// How many rows the codewords are learnt from.
const SAMPLE: usize = 16_384;

/// Vectors as codewords of `BITS` bits (4 or 8) per part.
pub struct Pq<const BITS: u32> {
    meta: PqMeta,
    rows: Buffer<u8>,
    /// Dimension by dimension, the values of its part's `2^BITS` codewords there.
    codebook: Buffer<f32>,
}

/// What [`Pq`] stores beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PqMeta {
    /// The prepared metric: L2 or inner product.
    pub metric: Metric,
    /// How many vectors.
    pub len: usize,
    /// Their dimension.
    pub dim: usize,
    /// Dimensions per part.
    pub width: usize,
}

/// How to train [`Pq`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PqOptions {
    /// Dimensions per part, at least 1.
    pub width: usize,
    /// Most of Lloyd's iterations per part.
    pub iterations: usize,
    /// Seed of the sample and of the first codewords.
    pub seed: u64,
}

impl PqMeta {
    /// How many parts.
    fn parts(&self) -> usize {
        self.dim.div_ceil(self.width)
    }

    /// The dimensions of a part.
    fn dims(&self, part: usize) -> std::ops::Range<usize> {
        part * self.width..((part + 1) * self.width).min(self.dim)
    }
}

impl<const BITS: u32> Pq<BITS> {
    /// Codewords per part.
    const WORDS: usize = 1 << BITS;

    /// Parts per byte of a row.
    const PER_BYTE: usize = 8 / BITS as usize;

    /// 2 bits per dimension.
    pub const OPTIONS: PqOptions = PqOptions { width: BITS as usize / 2, iterations: 12, seed: 42 };

    /// Learns and encodes with options of one's own; [`train`](Codes::train) takes
    /// [`OPTIONS`](Self::OPTIONS).
    pub fn train_with(vectors: &Vectors, metric: Metric, options: &PqOptions) -> Self {
        let (len, dim) = (vectors.len(), vectors.dim());
        let meta = PqMeta { metric, len, dim, width: options.width.clamp(1, dim) };
        let sample = random::sample(options.seed, len, SAMPLE);
        let learnt: Vec<Vectors> = (0..meta.parts())
            .into_par_iter()
            .map(|part| {
                let rows = sample.iter().map(|&id| vectors.row(id as usize));
                let options = kmeans::Options {
                    centroids: Self::WORDS,
                    iterations: options.iterations,
                    rows_per_centroid: SAMPLE,
                    seed: random::hash(options.seed, part as u64),
                };
                kmeans::cluster(&columns(rows, meta.dims(part)), &options)
            })
            .collect();
        let mut codebook = Buffer::zeroed(Self::WORDS * dim);
        let columns_of = codebook.make_mut().chunks_exact_mut(Self::WORDS);
        for (i, values) in columns_of.enumerate() {
            let words = &learnt[i / meta.width];
            // Of fewer rows there are fewer codewords; copies of the last are never chosen.
            for (word, value) in values.iter_mut().enumerate() {
                *value = words.row(word.min(words.len() - 1))[i % meta.width];
            }
        }
        let stride = stride(Self::bytes(&meta));
        let mut rows = Buffer::<u8>::zeroed(len * stride);
        rows.make_mut()
            .par_chunks_mut(stride * CHUNK)
            .zip(vectors.as_slice().par_chunks(dim * CHUNK))
            .for_each(|(rows, vectors)| {
                for (part, words) in learnt.iter().enumerate() {
                    let part_of = columns(vectors.chunks_exact(dim), meta.dims(part));
                    let shift = BITS as usize * (part % Self::PER_BYTE);
                    let nearest = kmeans::assign(&part_of, words);
                    for (row, word) in rows.chunks_exact_mut(stride).zip(nearest) {
                        row[part / Self::PER_BYTE] |= (word << shift) as u8;
                    }
                }
            });
        Self { meta, rows, codebook }
    }

    /// Bytes of a row without padding.
    fn bytes(meta: &PqMeta) -> usize {
        meta.parts().div_ceil(Self::PER_BYTE)
    }

    /// Bytes of a row.
    fn row_bytes(&self) -> usize {
        Self::bytes(&self.meta)
    }

    fn stride(&self) -> usize {
        stride(self.row_bytes())
    }

    /// The codeword of a part in vector `id`.
    fn word(&self, id: u32, part: usize) -> usize {
        let byte = self.rows[id as usize * self.stride() + part / Self::PER_BYTE];
        usize::from(byte >> (BITS as usize * (part % Self::PER_BYTE))) & (Self::WORDS - 1)
    }
}

/// Some columns of some rows. Values of finite vectors are finite.
fn columns<'a>(rows: impl Iterator<Item = &'a [f32]>, dims: std::ops::Range<usize>) -> Vectors {
    let values: Vec<f32> = rows.flat_map(|row| &row[dims.clone()]).copied().collect();
    Vectors::new(values.as_slice(), dims.len()).unwrap_or_else(|_| Vectors::empty(dims.len()))
}

/// Bytes of a row with padding: a power of two within a line, else whole lines.
fn stride(bytes: usize) -> usize {
    if bytes <= LINE { bytes.next_power_of_two() } else { bytes.next_multiple_of(LINE) }
}

impl<const BITS: u32> Codes for Pq<BITS> {
    type Query = PqQuery;
    type Scorer<'a, I: Isa> = PqScorer<'a, I>;
    type Meta = PqMeta;
    const VERSION: &'static str = match BITS {
        4 => "pq4@1",
        8 => "pq8@1",
        _ => panic!("codewords of 4 or 8 bits"),
    };
    const COARSE: bool = true;
    // Look-ups at random places cost several times an `int4` distance, whatever compiles them.
    const COMPILED: bool = false;

    fn check(vectors: &Vectors, _metric: Metric) -> Result<(), Unsuitable> {
        match vectors.dim() {
            dim if dim > MAX_DIM => Err(Unsuitable::Dimensions { dim, max: MAX_DIM }),
            _ => Ok(()),
        }
    }

    fn train(vectors: &Vectors, metric: Metric) -> Self {
        Self::train_with(vectors, metric, &Self::OPTIONS)
    }

    fn len(&self) -> usize {
        self.meta.len
    }

    fn dim(&self) -> usize {
        self.meta.dim
    }

    fn bytes_per_vector(&self) -> usize {
        self.stride()
    }

    fn encode_query(&self, query: &[f32], out: &mut Self::Query) {
        debug_assert_eq!(query.len(), self.meta.dim, "query dimension");
        self.measure(query, out);
        out.tables_of_bytes(Self::WORDS);
    }

    fn scorer<'a, I: Isa>(&'a self, isa: I, query: &'a Self::Query) -> Self::Scorer<'a, I> {
        PqScorer::new(isa, &self.rows, self.row_bytes(), self.stride(), query)
    }

    fn space(&self) -> Box<dyn Space + '_> {
        Box::new(DecodedSpace::new(self, self.meta.metric))
    }

    fn decode(&self, id: u32, out: &mut [f32]) {
        for (i, (out, values)) in out.iter_mut().zip(self.codebook.chunks(Self::WORDS)).enumerate()
        {
            *out = values[self.word(id, i / self.meta.width)];
        }
    }

    fn parts(&self) -> (Self::Meta, Vec<(&'static str, &[u8])>) {
        (self.meta, vec![("rows", self.rows.as_bytes()), ("codebook", self.codebook.as_bytes())])
    }

    fn from_parts(meta: Self::Meta, arrays: &mut Arrays<'_>) -> Result<Self, PartsError> {
        let PqMeta { len, dim, width, .. } = meta;
        check_size(len, dim)?;
        if dim > MAX_DIM || !(1..=dim).contains(&width) {
            return Err(invalid("meta", format!("{dim} dimensions in parts of {width}")));
        }
        let stride = stride(Self::bytes(&meta));
        let rows = arrays.take("rows", checked_area("rows", len, stride)?)?;
        let codebook = arrays.take("codebook", Self::WORDS * dim)?;
        Ok(Self { meta, rows, codebook })
    }
}

impl Blocked for Pq<4> {
    fn blocks(&self, ids: &[u32]) -> Option<Blocks> {
        let parts = self.meta.parts();
        Some(Blocks::pack(ids.len(), groups(parts), Buffer::default(), |code, part| {
            if part < parts { self.word(ids[code], part) as u8 } else { 0 }
        }))
    }

    fn encode_block_query(&self, query: &[f32], out: &mut BlockQuery) {
        debug_assert_eq!(query.len(), self.meta.dim, "query dimension");
        let mut entries = PqQuery::default();
        self.measure(query, &mut entries);
        entries.tables_of_groups(groups(self.meta.parts()), out);
    }
}

/// Groups of a block: whole cache lines.
fn groups(parts: usize) -> usize {
    parts.next_multiple_of(4)
}
