//! Rows side by side: distances of many points to many others as a product of matrices.
//!
//! A walk measures a point against a few dozen others that lie anywhere in memory, and waits for them. All pairs among
//! a thousand points are a product of matrices instead: rows are copied once, sixteen to a *panel*, and every element
//! of a panel meets every element of every other from registers ([`Isa::dot_panels`]). A distance then takes some
//! nanoseconds less than loading the row would.

use crate::{
    buffer::Buffer,
    isa::{self, Isa, Level, OnIsa, PANEL, PANEL_BYTES},
    key,
};

/// Points of a [`Space`](crate::Space) whose vectors are bytes, copied side by side.
///
/// Memory is used again from one [`gather`](crate::Space::gather) to the next.
///
/// ```
/// use crinoid_quant::{Codes, Metric, Space, Vectors, codec::Sq8, tile::Tile};
///
/// let rows: Vec<[f32; 2]> = (0..40).map(|i| [i as f32, 1.0]).collect();
/// let codes = Sq8::train(&Vectors::from_rows(&rows)?, Metric::L2);
/// let (space, mut tile) = (codes.space(), Tile::default());
/// assert!(space.gather(&[3, 30, 5], &mut tile));
///
/// let mut keys = vec![0; 16 * tile.stride()];
/// tile.keys(0, (&tile, 0), &mut keys);
/// let mut expected = [0; 3];
/// space.keys(30, &[3, 30, 5], &mut expected);
/// assert_eq!(keys[tile.stride()..][..3], expected, "row 1 is point 30");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tile {
    len: usize,
    /// Elements of a panel: groups of four dimensions.
    elements: usize,
    /// `v` and `v + 128` of the same rows.
    left: Buffer<i8>,
    right: Buffer<u8>,
    /// `|v|^2 + 256 sum v`: what a row on the left adds to its distances.
    own: Vec<i32>,
    /// `|v|^2`: what a row on the right adds.
    norms: Vec<i32>,
    /// The coordinate that makes inner products a metric; empty under L2.
    augment: Vec<i32>,
}

/// Byte rows that a tile copies from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    /// `v + 128`, padded with 128.
    pub(crate) rows: &'a [u8],
    pub(crate) stride: usize,
    pub(crate) dim: usize,
    pub(crate) norms: &'a [i32],
    pub(crate) augment: &'a [i32],
}

impl Tile {
    /// How many points.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many panels of sixteen points there are; the last may be partly empty.
    pub fn panels(&self) -> usize {
        self.len.div_ceil(PANEL)
    }

    /// The number of points rounded up to whole panels: how long a row of [`keys`](Self::keys) against this tile is.
    pub fn stride(&self) -> usize {
        self.panels() * PANEL
    }

    /// Writes the keys of the distances between the sixteen points of `panel` and each point of `other` from its panel
    /// `first` on, row-major: 16 rows of [`other.stride()`](Self::stride)` - 16 first`. They are those that
    /// [`Space::keys`](crate::Space::keys) gives, the same at every SIMD level; `u32::MAX` stands in places of no point
    /// of `other`, anything in rows of no own point.
    ///
    /// # Panics
    /// When there is no such panel, the tiles are not of the same space, or `keys` has another length.
    pub fn keys(&self, panel: usize, (other, first): (&Tile, usize), keys: &mut [u32]) {
        self.keys_at(Level::current(), panel, (other, first), keys);
    }

    /// [`keys`](Self::keys) at `level`, or at the best level below it that the CPU has.
    pub fn keys_at(
        &self,
        level: Level,
        panel: usize,
        (other, first): (&Tile, usize),
        keys: &mut [u32],
    ) {
        assert!(panel < self.panels(), "panel {panel} of {}", self.panels());
        assert!(self.elements == other.elements || other.is_empty(), "tiles of different spaces");
        let before = first.min(other.panels()) * PANEL;
        let (len, stride) = (other.len.saturating_sub(before), other.stride() - before);
        assert_eq!(keys.len(), PANEL * stride, "16 rows of keys");
        isa::dispatch(level, Keys { tile: self, panel, other, before, keys });
        if len < stride {
            keys.chunks_exact_mut(stride).for_each(|row| row[len..].fill(u32::MAX));
        }
    }

    /// Copies the rows `ids` of `source`.
    pub(crate) fn gather(&mut self, source: Source<'_>, ids: &[u32]) {
        self.len = ids.len();
        self.elements = source.dim.div_ceil(4);
        let (rows, bytes) = (self.stride(), self.stride() * self.elements * 4);
        if self.right.len() < bytes {
            self.right = Buffer::zeroed(bytes);
            self.left = Buffer::zeroed(bytes);
        }
        self.own.clear();
        self.own.resize(rows, 0);
        self.norms.clear();
        self.norms.extend(ids.iter().map(|&id| source.norms[id as usize]));
        self.norms.resize(rows, 0);
        self.augment.clear();
        if !source.augment.is_empty() {
            self.augment.extend(ids.iter().map(|&id| source.augment[id as usize]));
            self.augment.resize(rows, 0);
        }
        isa::dispatch(Level::current(), Gather { tile: self, source, ids });
    }
}

struct Gather<'a> {
    tile: &'a mut Tile,
    source: Source<'a>,
    ids: &'a [u32],
}

impl OnIsa for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self { tile, source: Source { rows, stride, .. }, ids } = self;
        let (elements, bytes) = (tile.elements, tile.elements * PANEL_BYTES);
        let Some(&first) = ids.first() else { return };
        let lines = || (0..4 * elements).step_by(64);
        let left = tile.left.make_mut().chunks_exact_mut(bytes);
        let panels = tile.right.make_mut().chunks_exact_mut(bytes).zip(left);
        let constants = tile.own.chunks_exact_mut(PANEL).zip(tile.norms.chunks_exact(PANEL));
        for (panel, ((right, left), (own, norms))) in panels.zip(constants).enumerate() {
            for &id in ids.iter().skip((panel + 1) * PANEL).take(PANEL) {
                for line in lines() {
                    isa.prefetch(rows, id as usize * stride + line);
                }
            }
            // Whatever stands in empty places is not looked at.
            let mut sources: [&[[u8; 4]]; PANEL] = [&[]; PANEL];
            for (place, source) in sources.iter_mut().enumerate() {
                let id = ids.get(panel * PANEL + place).copied().unwrap_or(first) as usize;
                *source = &rows[id * stride..][..4 * elements].as_chunks().0[..elements];
            }
            let right_elements = right.as_chunks_mut::<PANEL_BYTES>().0;
            for (element, right) in right_elements.iter_mut().enumerate() {
                for (out, source) in right.as_chunks_mut::<4>().0.iter_mut().zip(&sources) {
                    *out = source[element];
                }
            }
            let mut sums = [0i32; PANEL];
            let elements = right.as_chunks::<PANEL_BYTES>().0.iter();
            for (right, left) in elements.zip(left.as_chunks_mut::<PANEL_BYTES>().0) {
                for (left, right) in left.iter_mut().zip(right) {
                    *left = (right ^ 0x80) as i8;
                }
                for (sum, four) in sums.iter_mut().zip(left.as_chunks::<4>().0) {
                    *sum += four.iter().map(|&v| i32::from(v)).sum::<i32>();
                }
            }
            for ((own, norm), sum) in own.iter_mut().zip(norms).zip(sums) {
                *own = norm.wrapping_add(sum.wrapping_mul(256));
            }
        }
    }
}

struct Keys<'a> {
    tile: &'a Tile,
    panel: usize,
    other: &'a Tile,
    /// Points of `other` that are left out.
    before: usize,
    keys: &'a mut [u32],
}

impl OnIsa for Keys<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self { tile, panel, other, before, keys } = self;
        let bytes = tile.elements * PANEL_BYTES;
        let left = tile.left[panel * bytes..][..bytes].as_chunks().0;
        let own = &tile.own[panel * PANEL..][..PANEL];
        let augment = tile.augment.get(panel * PANEL..).unwrap_or_default();
        let stride = other.stride() - before;
        for at in (before..other.stride()).step_by(PANEL) {
            let right = other.right[at * 4 * tile.elements..][..bytes].as_chunks().0;
            let products = isa.dot_panels(left, right);
            let norms: &[i32; PANEL] = array(&other.norms, at);
            for (row, (products, &own)) in products.iter().zip(own).enumerate() {
                let out = &mut keys[row * stride + at - before..][..PANEL];
                for ((out, &product), &norm) in out.iter_mut().zip(products).zip(norms) {
                    // |v|^2 + (|w|^2 + 256 sum w) - 2 <v + 128, w>; wraps cancel.
                    let value = norm.wrapping_add(own).wrapping_sub(product.wrapping_mul(2));
                    *out = key::from_i32(value);
                }
                if let Some(&own) = augment.get(row) {
                    let others: &[i32; PANEL] = array(&other.augment, at);
                    for (out, &other) in out.iter_mut().zip(others) {
                        let apart = other.wrapping_sub(own);
                        let value = key::to_i32(*out).wrapping_add(apart.wrapping_mul(apart));
                        *out = key::from_i32(value);
                    }
                }
            }
        }
    }
}

/// The sixteen values from `at` on, of which there are as many.
#[inline(always)]
fn array(values: &[i32], at: usize) -> &[i32; PANEL] {
    &values[at..].as_chunks().0[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Codes, Metric, Space, Vectors,
        codec::{Float, Sq8, Sq8Clipped, U8Exact},
        random::Random,
    };
    use proptest::prelude::*;

    /// Every pair of `rows` and `columns`, at every level, against the space itself.
    fn check(space: &dyn Space, rows: &[u32], columns: &[u32], spare: [&mut Tile; 2]) {
        let [left, right] = spare;
        assert!(space.gather(rows, left) && space.gather(columns, right));
        assert_eq!((left.len(), right.len()), (rows.len(), columns.len()));
        let (stride, mut expected) = (right.stride(), vec![0; columns.len()]);
        for level in Level::available() {
            for (panel, points) in rows.chunks(PANEL).enumerate() {
                let mut keys = vec![7; PANEL * stride];
                left.keys_at(level, panel, (right, 0), &mut keys);
                let (first, fewer) = (panel % (right.panels() + 1), right.stride());
                let fewer = fewer - PANEL * first;
                let mut later = vec![7; PANEL * fewer];
                left.keys_at(level, panel, (right, first), &mut later);
                for row in 0..points.len() {
                    let whole = &keys[row * stride..][..stride];
                    assert_eq!(later[row * fewer..][..fewer], whole[stride - fewer..]);
                }
                for (row, &point) in points.iter().enumerate() {
                    let (known, rest) = keys[row * stride..][..stride].split_at(columns.len());
                    space.keys(point, columns, &mut expected);
                    assert_eq!(known, expected, "{level}");
                    assert!(rest.iter().all(|&key| key == u32::MAX));
                    let value = |key: &u32| f64::from(key::to_i32(*key)) == space.value(*key);
                    assert!(known.iter().all(value));
                }
            }
        }
    }

    fn bytes(seed: u64, len: usize, dim: usize) -> Vectors {
        let mut dice = Random::new(seed);
        // Extremes are where sums would wrap or saturate.
        let mut value = || [0, 255, dice.below(256), dice.below(256)][dice.below(4) as usize];
        let values: Vec<f32> = (0..len * dim).map(|_| value() as f32).collect();
        Vectors::new(values.as_slice(), dim).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_tile_has_the_keys_of_the_space(
            dim in 1usize..300, len in 1usize..70, rows in 0usize..40, columns in 0usize..90, seed: u64,
        ) {
            let vectors = bytes(seed, len, dim);
            let mut dice = Random::new(!seed);
            let mut ids = |count| -> Vec<u32> {
                (0..count).map(|_| dice.below(len as u64) as u32).collect()
            };
            let (rows, columns) = (ids(rows), ids(columns));
            // The same memory for all of them, smaller and larger.
            let (mut left, mut right) = (Tile::default(), Tile::default());
            for metric in [Metric::L2, Metric::InnerProduct] {
                let codes = Sq8::train(&vectors, metric);
                check(&*codes.space(), &rows, &columns, [&mut left, &mut right]);
                let codes = Sq8Clipped::train(&vectors, metric);
                check(&*codes.space(), &columns, &rows, [&mut left, &mut right]);
                let codes = U8Exact::train(&vectors, metric);
                check(&*codes.space(), &rows, &columns, [&mut left, &mut right]);
            }
        }
    }

    #[test]
    fn the_largest_distances_do_not_wrap() {
        for dim in [1, 1024, 16_384] {
            let rows = [vec![0.0; dim], vec![255.0; dim], vec![128.0; dim]];
            let vectors = Vectors::from_rows(&rows).unwrap();
            let codes = U8Exact::train(&vectors, Metric::L2);
            let (mut left, mut right) = (Tile::default(), Tile::default());
            check(&*codes.space(), &[0, 1, 2], &[2, 1, 0, 1], [&mut left, &mut right]);
            let mut keys = vec![0; PANEL * right.stride()];
            left.keys(0, (&right, 0), &mut keys);
            assert_eq!(key::to_i32(keys[1]), 255 * 255 * dim as i32);
        }
    }

    #[test]
    fn floats_are_no_tile() {
        let codes = Float::train(&bytes(1, 3, 4), Metric::L2);
        assert!(!codes.space().gather(&[0, 1], &mut Tile::default()));
    }
}
