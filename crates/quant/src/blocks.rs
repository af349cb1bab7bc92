//! Codes side by side, 32 to a block, measured together.
//!
//! Where the rows that a search wants lie together anyway (the neighbours of a node, a cluster of a
//! flat index), FastScan ([`Isa::scan_block`]) measures 32 of them with a few instructions per cache
//! line. A code is cut into groups of 4 bits; the query brings a table of 16 bytes for each group, and
//! the distance to a code follows from the sum of what its groups find there:
//!
//! ```text
//! distance = add + query add + rescale step (sum - bias)
//! ```
//!
//! Codes of several bits per dimension lie plane by plane, lowest first; plane `p` counts `2^p` times.
//!
//! A block is plain memory, so that whoever lays out memory can put it where the search reads:
//! [`Blocks`] is one array of them, and a codec can write single ones around a centre of their own.

use crate::{
    buffer::Buffer,
    codes::Codes,
    isa::{self, BLOCK, Isa},
    key,
};

/// Bytes that one group of a block's codes takes.
pub(crate) const GROUP: usize = 16;

/// What is added to the estimate of each code of a block, and what its sum is multiplied by.
pub type Factors = [[f32; BLOCK]; 2];

/// Factors that change nothing.
pub const NO_FACTORS: Factors = [[0.0; BLOCK], [1.0; BLOCK]];

/// A codec whose codes can lie side by side.
pub trait Blocked: Codes {
    /// The codes of `ids` in blocks, in order. `None` where the codes have several centroids and so
    /// have no query term in common.
    fn blocks(&self, ids: &[u32]) -> Option<Blocks>;

    /// Makes tables of a prepared query of [`dim`](Codes::dim) values.
    fn encode_block_query(&self, query: &[f32], out: &mut BlockQuery);
}

/// A query as look-up tables. Reused from query to query.
#[derive(Debug, Default)]
pub struct BlockQuery {
    /// 16 entries per group.
    tables: Buffer<u8>,
    /// By how much the sum of the entries is too large.
    bias: i32,
    /// The value of 1.
    step: f32,
    add: f32,
    /// The query in the frame of its codes, where there is one.
    pub(crate) frame: Buffer<f32>,
}

impl BlockQuery {
    /// Tables of `groups` groups to be filled, and what their sums mean.
    pub(crate) fn start(&mut self, groups: usize, bias: i32, step: f32, add: f32) -> &mut [u8] {
        if self.tables.len() != groups * GROUP {
            self.tables = Buffer::zeroed(groups * GROUP);
        }
        (self.bias, self.step, self.add) = (bias, step, add);
        self.tables.make_mut()
    }

    /// What the query adds to every distance, where all codes have the same centre.
    pub fn add(&self) -> f32 {
        self.add
    }

    /// The value of 1 in the sums.
    #[cfg(test)]
    pub(crate) fn step(&self) -> f32 {
        self.step
    }

    /// Measures blocks at one SIMD level.
    #[inline(always)]
    pub fn scorer<I: Isa>(&self, isa: I) -> BlockScorer<'_, I> {
        BlockScorer { isa, tables: &self.tables, bias: self.bias, step: self.step }
    }
}

/// A query's tables at one SIMD level.
#[derive(Clone, Copy, Debug)]
pub struct BlockScorer<'a, I> {
    isa: I,
    tables: &'a [u8],
    bias: i32,
    step: f32,
}

impl<I: Isa> BlockScorer<'_, I> {
    /// The distances to the 32 codes of a block, as [keys](crate::key) of floats. `add` is what the
    /// query adds to all of them: [`BlockQuery::add`], or the term of the block's own centre.
    ///
    /// # Panics
    /// When the codes have not as many groups as the query has tables (per plane).
    #[inline(always)]
    pub fn keys(&self, codes: &[u8], factors: &Factors, add: f32) -> [u32; BLOCK] {
        let mut sums = [0i32; BLOCK];
        if !self.tables.is_empty() {
            assert!(codes.len().is_multiple_of(self.tables.len()), "block of another codec");
            for (plane, codes) in codes.chunks_exact(self.tables.len()).enumerate() {
                let found = self.isa.scan_block(codes, self.tables);
                for (sum, found) in sums.iter_mut().zip(found) {
                    *sum += (found as i32 - self.bias) << plane;
                }
            }
        }
        let [adds, rescales] = factors;
        let mut keys = [0; BLOCK];
        for (i, key) in keys.iter_mut().enumerate() {
            *key = key::from_f32(adds[i] + add + rescales[i] * (sums[i] as f32 * self.step));
        }
        keys
    }
}

/// The codes of a set of vectors, 32 to a block.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    len: usize,
    /// Bytes of a block's codes.
    stride: usize,
    codes: Buffer<u8>,
    /// Of each block; empty where they would change nothing.
    factors: Buffer<Factors>,
}

impl Blocks {
    /// Blocks of `groups` groups for `len` codes; `nibble(code, group)` gives the 4 bits. `factors` has one
    /// item per block, or none.
    pub(crate) fn pack(
        len: usize,
        groups: usize,
        factors: Buffer<Factors>,
        nibble: impl Fn(usize, usize) -> u8,
    ) -> Self {
        let stride = groups * GROUP;
        let mut codes = Buffer::zeroed(len.div_ceil(BLOCK) * stride);
        for (block, out) in codes.make_mut().chunks_exact_mut(stride.max(1)).enumerate() {
            // The last code fills the last block up.
            pack_block(out, |lane, group| nibble((block * BLOCK + lane).min(len - 1), group));
        }
        Self { len, stride, codes, factors }
    }

    /// How many codes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no code.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many blocks; the last one may be padded, with copies of the last code.
    pub fn count(&self) -> usize {
        self.len.div_ceil(BLOCK)
    }

    /// Bytes of a block with its factors.
    pub fn bytes_per_block(&self) -> usize {
        self.stride + if self.factors.is_empty() { 0 } else { size_of::<Factors>() }
    }

    /// The codes and the factors of a block.
    ///
    /// # Panics
    /// When there is no such block.
    #[inline]
    pub fn get(&self, block: usize) -> (&[u8], &Factors) {
        let codes = &self.codes[block * self.stride..][..self.stride];
        (codes, self.factors.get(block).unwrap_or(&NO_FACTORS))
    }

    /// Asks for the cache lines of a block.
    #[inline]
    pub fn prefetch(&self, block: usize) {
        for line in 0..self.stride.div_ceil(64) {
            isa::prefetch(&self.codes, block * self.stride + 64 * line);
        }
        for line in 0..size_of::<Factors>() / 64 {
            isa::prefetch(self.factors.as_bytes(), block * size_of::<Factors>() + 64 * line);
        }
    }
}

/// Writes the 4 bits `nibble(lane, group)` of 32 codes side by side.
pub(crate) fn pack_block(out: &mut [u8], nibble: impl Fn(usize, usize) -> u8) {
    for (group, bytes) in out.chunks_exact_mut(GROUP).enumerate() {
        for (lane, byte) in bytes.iter_mut().enumerate() {
            *byte = nibble(lane, group) | nibble(lane + GROUP, group) << 4;
        }
    }
}
