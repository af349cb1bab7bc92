//! The level that every CPU has: what `wide` makes of the target's own registers, and scalar code in a form
//! that compilers vectorise.

mod fused;

use super::{BLOCK, Element, GROUP, Isa, Level, PANEL, PANEL_BYTES, SUMS, groups, lengths, planes};
use half::f16;
use wide::{f32x16, i16x16, i32x8};

/// The token of the portable level.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Lanes of a register of floats or of 16-bit integers.
const LANES: usize = 16;

/// `sum (x - y)^2` when `L2`, else `sum x y`, in the order that [`Isa`] states.
#[inline(always)]
fn sum<const L2: bool, T: Element>(row: &[T], query: &[f32]) -> f32 {
    assert_eq!(row.len(), query.len(), "kernel operands differ in length");
    let mut sums = [f32x16::ZERO; SUMS / LANES];
    let mut add = |part: usize, x: [T; LANES], y: [f32; LANES]| {
        let (x, y) = (f32x16::from(x.map(T::widen)), f32x16::from(y));
        let (x, y) = if L2 { (x - y, x - y) } else { (x, y) };
        sums[part] = fused::mul_add(x, y, sums[part]);
    };
    let (xs, x_rest) = row.as_chunks::<LANES>();
    let (ys, y_rest) = query.as_chunks::<LANES>();
    for (i, (x, y)) in xs.iter().zip(ys).enumerate() {
        add(i % 2, *x, *y);
    }
    if !x_rest.is_empty() {
        let (mut x, mut y) = ([T::zeroed(); LANES], [0.0; LANES]);
        x[..x_rest.len()].copy_from_slice(x_rest);
        y[..y_rest.len()].copy_from_slice(y_rest);
        add(0, x, y);
    }
    let mut sums = (sums[0] + sums[1]).to_array();
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
    }
    sums[0]
}

/// `sum part(u_i) w_i` modulo 2^32: products of 16 bits, two of which are added to a lane at a time.
#[inline(always)]
fn dot(row: &[u8], query: &[i8], part: impl Fn(u8) -> u16) -> i32 {
    let (us, u_rest) = row.as_chunks::<LANES>();
    let (ws, w_rest) = query.as_chunks::<LANES>();
    let mut sums = i32x8::ZERO;
    for (u, w) in us.iter().zip(ws) {
        let (u, w) = (u.map(|u| part(u) as i16), w.map(i16::from));
        sums += i16x16::from(u).dot(i16x16::from(w));
    }
    let terms = u_rest.iter().zip(w_rest).map(|(&u, &w)| i32::from(part(u)) * i32::from(w));
    sums.to_array().into_iter().chain(terms).fold(0, i32::wrapping_add)
}

impl Isa for Portable {
    const LEVEL: Level = Level::Portable;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    fn l2_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum::<true, _>(row, query))
    }

    #[inline(always)]
    fn dot_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum::<false, _>(row, query))
    }

    #[inline(always)]
    fn l2_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum::<true, _>(row, query))
    }

    #[inline(always)]
    fn dot_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum::<false, _>(row, query))
    }

    #[inline(always)]
    fn dot_u8_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
        lengths(&rows, query.len());
        rows.map(|row| dot(row, query, u16::from))
    }

    #[inline(always)]
    fn dot_u4_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
        assert!(query.len().is_multiple_of(2), "kernel operands differ in length");
        let (low, high) = query.split_at(query.len() / 2);
        lengths(&rows, low.len());
        rows.map(|row| {
            let low = dot(row, low, |u| u16::from(u & 15));
            low.wrapping_add(dot(row, high, |u| u16::from(u >> 4)))
        })
    }

    #[inline(always)]
    fn hamming_rows<const N: usize>(self, rows: [&[u64]; N], query: &[u64]) -> [u32; N] {
        rows.map(|row| {
            assert_eq!(row.len(), query.len(), "kernel operands differ in length");
            row.iter().zip(query).map(|(x, y)| (x ^ y).count_ones()).sum()
        })
    }

    #[inline(always)]
    fn bit_dot_rows<const N: usize>(self, rows: [&[u64]; N], query: &[u64]) -> [i32; N] {
        rows.map(|row| bit_dot(row, query))
    }

    #[inline(always)]
    fn scan_block(self, codes: &[u8], tables: &[u8]) -> [u32; BLOCK] {
        groups(codes, tables);
        let mut sums = [0; BLOCK];
        let (codes, tables) = (codes.as_chunks::<GROUP>().0, tables.as_chunks::<GROUP>().0);
        let (lows, highs) = sums.split_at_mut(GROUP);
        for (codes, table) in codes.iter().zip(tables) {
            for ((low, high), &code) in lows.iter_mut().zip(&mut *highs).zip(codes) {
                *low += u32::from(table[usize::from(code & 15)]);
                *high += u32::from(table[usize::from(code >> 4)]);
            }
        }
        sums
    }

    #[inline(always)]
    fn dot_panels(
        self,
        left: &[[i8; PANEL_BYTES]],
        right: &[[u8; PANEL_BYTES]],
    ) -> [[i32; PANEL]; PANEL] {
        assert_eq!(left.len(), right.len(), "panels differ in length");
        let mut products = [[0; PANEL]; PANEL];
        for (row, products) in products.iter_mut().enumerate() {
            // Four rows of `right` to a register, two sums for each.
            let mut sums = [i32x8::ZERO; 4];
            for (w, u) in left.iter().zip(right) {
                let w = w.as_chunks::<4>().0[row].map(i16::from);
                let w = i16x16::from(std::array::from_fn::<_, 16, _>(|i| w[i % 4]));
                for (sum, u) in sums.iter_mut().zip(u.as_chunks::<16>().0) {
                    *sum += i16x16::from(u.map(i16::from)).dot(w);
                }
            }
            for (four, sum) in products.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
                let pairs = sum.to_array();
                *four = std::array::from_fn(|i| pairs[2 * i].wrapping_add(pairs[2 * i + 1]));
            }
        }
        products
    }

    #[inline(always)]
    fn below(self, values: &[u32; PANEL], limit: u32) -> u32 {
        below(values, limit)
    }

    #[inline(always)]
    fn prefetch<T>(self, _slice: &[T], _index: usize) {}
}

/// See [`Isa::below`].
#[inline(always)]
pub(super) fn below(values: &[u32; PANEL], limit: u32) -> u32 {
    (0..).zip(values).fold(0, |mask, (i, &value)| mask | u32::from(value < limit) << i)
}

/// See [`Isa::look_up_rows`]. Table by table, so that each is fetched once for all rows.
#[inline(always)]
pub(super) fn look_up<const N: usize>(rows: [&[u8]; N], tables: &[u16]) -> [u32; N] {
    let (tables, rest) = tables.as_chunks::<256>();
    assert!(rest.is_empty(), "tables of 256 entries are expected");
    lengths(&rows, tables.len());
    let mut sums = [0; N];
    for (m, table) in tables.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(&rows) {
            *sum += u32::from(table[usize::from(row[m])]);
        }
    }
    sums
}

/// See [`Isa::bit_dot_rows`]; also what levels without vector popcounts use.
#[inline(always)]
pub(super) fn bit_dot(row: &[u64], query: &[u64]) -> i32 {
    let count = planes(row.len(), query.len());
    let mut sum = 0;
    for plane in 0..count {
        let words = &query[plane * row.len()..][..row.len()];
        let mut bits = 0;
        for (x, y) in row.iter().zip(words) {
            bits += (x & y).count_ones() as i32;
        }
        let part = bits << plane;
        sum += if plane + 1 == count { -part } else { part };
    }
    sum
}
