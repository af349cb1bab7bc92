//! The frame in which codes are made, and blocks of 32 codes around a centre of their own.

use super::{MAX_DIM, code};
use crate::{
    blocks::{BlockQuery, Factors, pack_block},
    buffer::Buffer,
    codec::{max_abs, to_i8},
    isa::BLOCK,
    metric::Metric,
    rotation::Rotation,
};

/// The largest integer of a query that meets blocks: 6 bits, so that four of them and their bias
/// fit a byte of a table, `4 * 31 + 124 = 248`.
const LIMIT: f32 = 31.0;

/// What makes the entries of a table positive.
const BIAS: i32 = 124;

/// The mean taken away, then rotated: `y = P (x - mean)`.
///
/// Beside [`Rabitq`](super::Rabitq)'s own rows it serves layouts that keep the codes of a node's neighbours in
/// the node's row (SymphonyQG; Gou et al., SIGMOD 2025): [`encode_block`](Self::encode_block) codes up to
/// 32 vectors relative to any centre, and a query is rotated and quantised once for all centres, since
/// the centre's share of the distance is a constant per code.
#[derive(Clone, Debug)]
pub struct Frame {
    pub(super) metric: Metric,
    pub(super) rotation: Rotation,
    pub(super) mean: Buffer<f32>,
}

impl Frame {
    /// The frame around `mean`, rotated by `seed`. At most 16,384 dimensions are meant.
    pub fn new(mean: &[f32], metric: Metric, seed: u64) -> Self {
        debug_assert!(mean.len() <= MAX_DIM, "dimension");
        Self { metric, rotation: Rotation::new(mean.len(), seed), mean: mean.into() }
    }

    /// Dimension of the vectors.
    pub fn dim(&self) -> usize {
        self.rotation.dim()
    }

    /// Writes a prepared vector in the frame's coordinates into `out`.
    ///
    /// # Panics
    /// When a length is not [`dim`](Self::dim).
    pub fn place(&self, vector: &[f32], out: &mut [f32]) {
        assert_eq!(vector.len(), self.dim(), "vector of another dimension");
        self.centre(vector, out);
        self.rotation.apply(out);
    }

    #[inline(always)]
    fn centre(&self, vector: &[f32], out: &mut [f32]) {
        for ((y, x), c) in out.iter_mut().zip(vector).zip(&*self.mean) {
            *y = x - c;
        }
    }

    /// Writes a query in the frame's coordinates into `out`, and returns `-<q, mean>` under the inner
    /// product, else 0. Under the inner product the query is rotated only.
    pub(super) fn place_query(&self, query: &[f32], out: &mut [f32]) -> f32 {
        if self.metric != Metric::InnerProduct {
            self.centre(query, out);
            self.rotation.apply(out);
            return 0.0;
        }
        out.copy_from_slice(query);
        self.rotation.apply(out);
        let pairs = query.iter().zip(&*self.mean);
        -pairs.map(|(&q, &c)| f64::from(q) * f64::from(c)).sum::<f64>() as f32
    }

    /// Groups of 4 dimensions, in whole cache lines.
    pub(super) fn groups(&self) -> usize {
        self.dim().div_ceil(4).next_multiple_of(4)
    }

    /// Bytes of the codes of a block of `B` bits per dimension.
    pub fn block_bytes<const B: u32>(&self) -> usize {
        B as usize * self.groups() * crate::blocks::GROUP
    }

    /// Codes up to 32 vectors relative to `centre`, all [placed](Self::place) in the frame, with `B` bits
    /// per dimension (1 or 2 are meant: the query has 6). A code that is not there is infinitely far.
    ///
    /// Distances to a query need the term of the centre as `add` of
    /// [`BlockScorer::keys`](crate::blocks::BlockScorer::keys): `|q - c|^2` under L2, `-<q, c>` under the inner
    /// product, for the centre in its original coordinates; the exact distance of a node whose row is being
    /// read. Under L2 the error of an estimate exceeds `0.57 |rescale| |q - c|` for about one code in
    /// twenty at one bit, `rescale` being its factor (1.9 standard deviations:
    /// `|x|^2 |xbar|^2 / <x, xbar>^2` of random directions is `pi / 2`).
    ///
    /// # Panics
    /// When there are more than 32 vectors, or `codes` is not [`block_bytes`](Self::block_bytes) long.
    pub fn encode_block<const B: u32>(
        &self,
        centre: &[f32],
        vectors: &[&[f32]],
        codes: &mut [u8],
        factors: &mut Factors,
    ) {
        let dim = self.dim();
        assert!(vectors.len() <= BLOCK, "{} vectors in a block", vectors.len());
        assert_eq!(codes.len(), self.block_bytes::<B>(), "block of another codec");
        let (mut residual, mut integers) = (vec![0.0; dim], vec![0u8; BLOCK * dim]);
        let [adds, rescales] = factors;
        adds.fill(f32::INFINITY);
        rescales.fill(0.0);
        for (lane, vector) in vectors.iter().enumerate() {
            for ((r, x), c) in residual.iter_mut().zip(*vector).zip(centre) {
                *r = x - c;
            }
            let integers = &mut integers[lane * dim..][..dim];
            let code = code::encode::<B>(&residual, centre, self.metric, integers);
            (adds[lane], rescales[lane]) = (code.add, code.rescale);
        }
        let code = |lane: usize, i: usize| integers[lane * dim + i];
        pack_block(codes, |lane, group| nibble(self, group, |i| code(lane, i)));
    }

    /// Makes tables of a prepared query for blocks of codes in this frame. The query's own
    /// [`add`](BlockQuery::add) is the one of the mean.
    ///
    /// # Panics
    /// When the length is not [`dim`](Self::dim).
    pub fn encode_block_query(&self, query: &[f32], out: &mut BlockQuery) {
        assert_eq!(query.len(), self.dim(), "query of another dimension");
        if out.frame.len() != query.len() {
            out.frame = Buffer::zeroed(query.len());
        }
        let mut frame = std::mem::take(&mut out.frame);
        let offset = self.place_query(query, frame.make_mut());
        let squares = || frame.iter().map(|&q| f64::from(q) * f64::from(q)).sum::<f64>();
        let l2 = self.metric != Metric::InnerProduct;
        let add = if l2 { squares() as f32 } else { offset };
        let step = max_abs(frame.iter().copied()) / (LIMIT + 0.5);
        let step = if step.is_normal() { step } else { 1.0 };
        let groups = self.groups();
        // Sums are those of `2 <xbar, s>`: half a step each.
        let tables = out.start(groups, BIAS * groups as i32, step / 2.0, add);
        let per_step = 1.0 / step;
        for (group, table) in tables.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            // The sum of four integers, each with the sign that its bit gives.
            table[0] = BIAS as u8;
            for bit in 0..4 {
                let q = frame.get(4 * group + bit).copied().unwrap_or(0.0);
                let s = to_i8(q * per_step, LIMIT);
                let (without, with) = table.split_at_mut(1 << bit);
                for (with, without) in with.iter_mut().zip(without) {
                    *with = without.wrapping_add_signed(s);
                    *without = without.wrapping_add_signed(-s);
                }
            }
        }
        out.frame = frame;
    }
}

/// The 4 bits of a group: those of one plane of four codes.
pub(super) fn nibble(frame: &Frame, group: usize, code: impl Fn(usize) -> u8) -> u8 {
    let (plane, group) = (group / frame.groups(), group % frame.groups());
    let dims = (4 * group..4 * group + 4).take_while(|&i| i < frame.dim());
    dims.enumerate().map(|(bit, i)| (code(i) >> plane & 1) << bit).sum()
}
