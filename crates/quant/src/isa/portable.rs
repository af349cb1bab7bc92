//! The level that every CPU has: the scalar reference in a form that compilers vectorise.

use super::{BLOCK, Element, GROUP, Isa, Level, groups, lengths, planes};
use half::f16;

/// The token of the portable level.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// How many partial sums a float kernel keeps.
const LANES: usize = 16;

/// Sums `term(a_i, b_i)` in `LANES` interleaved partial sums.
#[inline(always)]
fn sum_f32<T: Element>(a: &[T], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    assert_eq!(a.len(), b.len(), "kernel operands differ in length");
    let mut lanes = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f32 = tail.map(|(&x, &y)| term(x.widen(), y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(x[lane].widen(), y[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

impl Isa for Portable {
    const LEVEL: Level = Level::Portable;

    #[inline(always)]
    fn run<R>(self, work: impl FnOnce() -> R) -> R {
        work()
    }

    #[inline(always)]
    fn l2_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum_f32(row, query, |x, y| (x - y) * (x - y)))
    }

    #[inline(always)]
    fn dot_f32_rows<const N: usize>(self, rows: [&[f32]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum_f32(row, query, |x, y| x * y))
    }

    #[inline(always)]
    fn l2_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum_f32(row, query, |x, y| (x - y) * (x - y)))
    }

    #[inline(always)]
    fn dot_f16_rows<const N: usize>(self, rows: [&[f16]; N], query: &[f32]) -> [f32; N] {
        rows.map(|row| sum_f32(row, query, |x, y| x * y))
    }

    #[inline(always)]
    fn dot_u8_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
        rows.map(|row| {
            assert_eq!(row.len(), query.len(), "kernel operands differ in length");
            let terms = row.iter().zip(query).map(|(&x, &y)| i32::from(x) * i32::from(y));
            terms.fold(0, i32::wrapping_add)
        })
    }

    #[inline(always)]
    fn dot_u4_i8_rows<const N: usize>(self, rows: [&[u8]; N], query: &[i8]) -> [i32; N] {
        rows.map(|row| {
            assert_eq!(2 * row.len(), query.len(), "kernel operands differ in length");
            let (low, high) = query.split_at(row.len());
            let terms = row.iter().zip(low).zip(high).map(|((&u, &l), &h)| {
                i32::from(u & 15) * i32::from(l) + i32::from(u >> 4) * i32::from(h)
            });
            terms.fold(0, i32::wrapping_add)
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
    fn prefetch<T>(self, _slice: &[T], _index: usize) {}
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
