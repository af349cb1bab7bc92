//! A query in integers, and its scorer.

use crate::{
    buffer::Buffer,
    codec::{
        LINE,
        batch::{Batched, float_keys, keys_in_batches},
        max_abs, sign, to_i8,
    },
    codes::Scorer,
    isa::Isa,
    key,
};

/// How many rows one kernel call measures.
const BATCH: usize = 8;

/// How codes lie in a row, and how fine a query they meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// `bits` planes of one bit per dimension against `planes` planes of the query.
    Planes { bits: usize, planes: usize },
    /// Two dimensions per byte, as in `int4`.
    Nibbles,
    /// One dimension per byte.
    Bytes,
}

impl Packing {
    pub(super) const fn of(bits: u32) -> Self {
        match bits {
            1 => Self::Planes { bits: 1, planes: 4 },
            2 => Self::Planes { bits: 2, planes: 6 },
            3 | 4 => Self::Nibbles,
            _ => Self::Bytes,
        }
    }

    /// Words of a row.
    pub(super) fn words(self, dim: usize) -> usize {
        match self {
            Self::Planes { bits, .. } => bits * sign::stride(dim),
            Self::Nibbles => sign::stride(4 * dim),
            Self::Bytes => sign::stride(8 * dim),
        }
    }

    /// Packs codes into a row of zeroes.
    pub(super) fn pack(self, codes: &[u8], row: &mut [u64]) {
        match self {
            Self::Planes { bits, .. } => {
                let len = row.len() / bits;
                for (i, &code) in codes.iter().enumerate() {
                    for plane in 0..bits {
                        row[plane * len + i / 64] |= u64::from(code >> plane & 1) << (i % 64);
                    }
                }
            }
            Self::Nibbles => {
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(row);
                let len = bytes.len();
                for (i, &code) in codes.iter().enumerate() {
                    let (byte, shift) = if i < len { (i, 0) } else { (i - len, 4) };
                    bytes[byte] |= code << shift;
                }
            }
            Self::Bytes => bytemuck::cast_slice_mut(row)[..codes.len()].copy_from_slice(codes),
        }
    }

    /// The code of dimension `i`.
    pub(super) fn code(self, row: &[u64], i: usize) -> u8 {
        let bytes: &[u8] = bytemuck::cast_slice(row);
        match self {
            Self::Planes { bits, .. } => {
                let len = row.len() / bits;
                let bit = |plane: usize| (row[plane * len + i / 64] >> (i % 64) & 1) << plane;
                (0..bits).map(bit).sum::<u64>() as u8
            }
            Self::Nibbles if i < bytes.len() => bytes[i] & 15,
            Self::Nibbles => bytes[i - bytes.len()] >> 4,
            Self::Bytes => bytes[i],
        }
    }

    /// The largest integer of a query.
    fn limit(self) -> f32 {
        match self {
            Self::Planes { planes, .. } => ((1 << (planes - 1)) - 1) as f32,
            Self::Nibbles | Self::Bytes => 127.0,
        }
    }
}

/// A query of [`Rabitq`](super::Rabitq).
#[derive(Debug, Default)]
pub struct RabitqQuery {
    rotated: Buffer<f32>,
    integers: Buffer<i8>,
    planes: Buffer<u64>,
    /// The value of one of the integers' units.
    step: f32,
    /// Sum of the integers.
    sum: i32,
    /// For each centroid, what the query adds to an estimate, and its distance to the centroid.
    centroids: Vec<[f32; 2]>,
}

impl RabitqQuery {
    /// The rotated query's place.
    pub(super) fn start(&mut self, dim: usize) -> &mut [f32] {
        if self.rotated.len() != dim {
            self.rotated = Buffer::zeroed(dim);
        }
        self.rotated.make_mut()
    }

    /// Rounds the rotated query to integers, in the form that the rows' kernel takes.
    pub(super) fn quantise(&mut self, packing: Packing) {
        let dim = self.rotated.len();
        let len = match packing {
            Packing::Planes { .. } => dim.next_multiple_of(64),
            Packing::Nibbles => 16 * packing.words(dim),
            Packing::Bytes => 8 * packing.words(dim),
        };
        if self.integers.len() != len {
            self.integers = Buffer::zeroed(len);
        }
        let limit = packing.limit();
        // A half-step beyond the largest integer still rounds to it.
        let step = max_abs(self.rotated.iter().copied()) / (limit + 0.5);
        self.step = if step.is_normal() { step } else { 1.0 };
        let per_step = 1.0 / self.step;
        let integers = self.integers.make_mut();
        self.sum = 0;
        for (integer, &q) in integers.iter_mut().zip(&*self.rotated) {
            *integer = to_i8(q * per_step, limit);
            self.sum += i32::from(*integer);
        }
        integers[dim..].fill(0);
        if let Packing::Planes { planes, .. } = packing {
            self.slice(planes);
        }
    }

    /// Cuts the integers into bit planes, two's complement.
    fn slice(&mut self, planes: usize) {
        let stride = sign::stride(self.rotated.len());
        if self.planes.len() != planes * stride {
            self.planes = Buffer::zeroed(planes * stride);
        }
        let words = self.planes.make_mut();
        words.fill(0);
        for (word, integers) in self.integers.as_chunks::<64>().0.iter().enumerate() {
            for plane in 0..planes {
                let mut bits = 0;
                for (i, &integer) in integers.iter().enumerate() {
                    bits |= ((integer >> plane & 1) as u64) << i;
                }
                words[plane * stride + word] = bits;
            }
        }
    }

    /// What the query adds to estimates at each centroid: `|q - c|^2` under L2, else `-<q, c> + offset`.
    pub(super) fn measure(&mut self, centroids: &[f32], l2: bool, offset: f32) {
        let query = &*self.rotated;
        self.centroids.clear();
        self.centroids.extend(centroids.chunks_exact(query.len()).map(|centroid| {
            let (mut apart, mut dot) = (0.0f64, 0.0f64);
            for (&q, &c) in query.iter().zip(centroid) {
                let (q, c) = (f64::from(q), f64::from(c));
                apart += (q - c) * (q - c);
                dot += q * c;
            }
            let add = if l2 { apart as f32 } else { offset - dot as f32 };
            [add, apart.sqrt() as f32]
        }));
    }

    /// The value of one of the integers' units.
    pub(super) fn step(&self) -> f32 {
        self.step
    }

    /// The distance (not squared) to a centroid.
    pub(super) fn distance(&self, cluster: usize) -> f32 {
        self.centroids[cluster][1]
    }
}

/// An integer query against `B`-bit codes.
#[derive(Clone, Copy, Debug)]
pub struct RabitqScorer<'a, I, const B: u32> {
    isa: I,
    rows: &'a [u64],
    factors: &'a [[f32; 2]],
    clusters: &'a [u32],
    stride: usize,
    planes: &'a [u64],
    integers: &'a [i8],
    centroids: &'a [[f32; 2]],
    /// `(2^B - 1) sum` of the query's integers.
    sum: i32,
    half_step: f32,
}

impl<'a, I: Isa, const B: u32> RabitqScorer<'a, I, B> {
    pub(super) fn new(
        isa: I,
        rows: &'a [u64],
        factors: &'a [[f32; 2]],
        clusters: &'a [u32],
        stride: usize,
        query: &'a RabitqQuery,
    ) -> Self {
        Self {
            isa,
            rows,
            factors,
            clusters,
            stride,
            planes: &query.planes,
            integers: &query.integers,
            centroids: &query.centroids,
            sum: ((1 << B) - 1) * query.sum,
            half_step: query.step / 2.0,
        }
    }

    /// `<u, s>` for each row.
    #[inline(always)]
    fn dots<const N: usize>(&self, rows: [&[u64]; N]) -> [i32; N] {
        match Packing::of(B) {
            Packing::Planes { bits: 1, .. } => self.isa.bit_dot_rows(rows, self.planes),
            Packing::Planes { .. } => {
                let (mut lows, mut highs) = (rows, rows);
                for ((low, high), row) in lows.iter_mut().zip(&mut highs).zip(rows) {
                    (*low, *high) = row.split_at(row.len() / 2);
                }
                let mut dots = self.isa.bit_dot_rows(lows, self.planes);
                for (dot, high) in dots.iter_mut().zip(self.isa.bit_dot_rows(highs, self.planes)) {
                    *dot += 2 * high;
                }
                dots
            }
            packing => {
                let mut bytes: [&[u8]; N] = [&[]; N];
                for (bytes, row) in bytes.iter_mut().zip(rows) {
                    *bytes = bytemuck::cast_slice(row);
                }
                if packing == Packing::Nibbles {
                    self.isa.dot_u4_i8_rows(bytes, self.integers)
                } else {
                    self.isa.dot_u8_i8_rows(bytes, self.integers)
                }
            }
        }
    }
}

impl<I: Isa, const B: u32> Batched for RabitqScorer<'_, I, B> {
    #[inline(always)]
    fn measure<const N: usize>(&self, ids: [u32; N]) -> [u32; N] {
        let mut rows = [self.rows; N];
        let mut factors = [[0.0; 2]; N];
        for ((row, factor), &id) in rows.iter_mut().zip(&mut factors).zip(&ids) {
            *row = &self.rows[id as usize * self.stride..][..self.stride];
            *factor = self.factors[id as usize];
        }
        let dots = self.dots(rows);
        let mut adds = [self.centroids[0][0]; N];
        if !self.clusters.is_empty() {
            for (add, &id) in adds.iter_mut().zip(&ids) {
                *add = self.centroids[self.clusters[id as usize] as usize][0];
            }
        }
        let mut keys = [0; N];
        for (i, key) in keys.iter_mut().enumerate() {
            // Twice <xbar, s>: an integer.
            let double = (2 * dots[i]).wrapping_sub(self.sum) as f32;
            let [add, rescale] = factors[i];
            *key = key::from_f32(add + adds[i] + rescale * (double * self.half_step));
        }
        keys
    }
}

impl<I: Isa, const B: u32> Scorer for RabitqScorer<'_, I, B> {
    keys_in_batches!(BATCH);

    #[inline(always)]
    fn prefetch(&self, id: u32, lines: usize) {
        self.isa.prefetch(self.factors, id as usize);
        for line in 0..lines {
            self.isa.prefetch(self.rows, id as usize * self.stride + line * (LINE / 8));
        }
    }

    #[inline(always)]
    fn lines(&self) -> usize {
        self.stride.div_ceil(LINE / 8)
    }

    float_keys!();
}
