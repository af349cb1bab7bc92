//! Every kernel through one runner, at every level the CPU has, against a naive reference.

use super::*;
use proptest::prelude::*;

/// Lengths and alignments that every kernel is run with: all of 0..=300, at two offsets each, which
/// together take every value below 64.
fn shapes() -> impl Iterator<Item = (usize, usize)> {
    (0..=300).flat_map(|len| [(len, 0), (len, 1 + len % 63)])
}

fn hash(seed: u64, index: usize) -> u64 {
    crate::random::hash(seed, index as u64)
}

/// `N` rows of `len`, cut out of one array at `offset`, at distances that break alignment.
fn rows<T, const N: usize>(data: &[T], offset: usize, len: usize) -> [&[T]; N] {
    std::array::from_fn(|i| &data[offset + i * (len + 1)..][..len])
}

/// Runs every kernel at `I` for one shape and compares.
struct Check {
    len: usize,
    offset: usize,
    seed: u64,
}

impl OnIsa for Check {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        self.scan(isa);
        self.panels(isa);
        self.batch::<I, 1>(isa);
        self.batch::<I, 2>(isa);
        self.batch::<I, 4>(isa);
        self.batch::<I, 5>(isa);
        self.batch::<I, 8>(isa);
        self.batch::<I, 13>(isa);
    }
}

impl Check {
    /// `len` groups of 32 codes that lie side by side.
    fn scan<I: Isa>(&self, isa: I) {
        let Self { len, offset, seed } = *self;
        let bytes = |seed| -> Vec<u8> {
            (0..offset + 16 * len).map(|i| extreme(hash(seed, i)) as u8).collect()
        };
        let (codes, tables) = (&bytes(seed)[offset..], &bytes(!seed)[offset..]);
        let want: [u32; 32] = std::array::from_fn(|code| {
            let nibble = |g: usize| codes[16 * g + code % 16] >> (code / 16 * 4) & 15;
            (0..len).map(|g| u32::from(tables[16 * g + usize::from(nibble(g))])).sum()
        });
        assert_eq!(isa.scan_block(codes, tables), want);
    }

    /// `len` values, rounded up to whole elements, of sixteen rows and sixteen others.
    fn panels<I: Isa>(&self, isa: I) {
        let Self { len, offset, seed } = *self;
        let elements = len.div_ceil(4);
        let bytes = |seed| -> Vec<u8> {
            let size = offset + PANEL_BYTES * elements;
            (0..size).map(|i| extreme(hash(seed, i)) as u8).collect()
        };
        let (left, right) = (bytes(seed ^ 9), bytes(!seed ^ 9));
        let (left, right): (&[i8], &[u8]) =
            (bytemuck::cast_slice(&left[offset..]), &right[offset..]);
        let value = |row: usize, i: usize| i / 4 * PANEL_BYTES + 4 * row + i % 4;
        let want: [[i32; PANEL]; PANEL] = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let term = |k| i32::from(left[value(i, k)]) * i32::from(right[value(j, k)]);
                (0..4 * elements).map(term).fold(0, i32::wrapping_add)
            })
        });
        let products = isa.dot_panels(left.as_chunks().0, right.as_chunks().0);
        assert_eq!(products, want);

        let values: [u32; PANEL] = std::array::from_fn(|i| extreme(hash(seed ^ 3, i)) as u32);
        for limit in [0, 1, values[7], values[7].wrapping_add(1), 1 << 31, u32::MAX] {
            let want = (0..PANEL).filter(|&i| values[i] < limit).map(|i| 1 << i).sum::<u32>();
            assert_eq!(isa.below(&values, limit), want);
        }
    }

    fn batch<I: Isa, const N: usize>(&self, isa: I) {
        let Self { len, offset, seed } = *self;
        let size = offset + N * (len + 1);

        let bytes: Vec<u8> = (0..size).map(|i| extreme(hash(seed, i)) as u8).collect();
        let signed: Vec<i8> = (0..size).map(|i| extreme(hash(!seed, i)) as i8).collect();
        let query = &signed[offset..offset + len];
        let want = rows::<_, N>(&bytes, offset, len).map(|row| {
            row.iter().zip(query).map(|(&u, &w)| i64::from(u) * i64::from(w)).sum::<i64>() as i32
        });
        assert_eq!(isa.dot_u8_i8_rows(rows::<_, N>(&bytes, offset, len), query), want);

        let long: Vec<i8> = (0..2 * len + 1).map(|i| extreme(hash(!seed, i)) as i8).collect();
        let query = &long[offset % 2..][..2 * len];
        let want = rows::<_, N>(&bytes, offset, len).map(|row| {
            let pairs = row.iter().enumerate();
            let term = |(j, &u): (usize, &u8)| {
                i32::from(u & 15) * i32::from(query[j])
                    + i32::from(u >> 4) * i32::from(query[len + j])
            };
            pairs.map(term).sum::<i32>()
        });
        assert_eq!(isa.dot_u4_i8_rows(rows::<_, N>(&bytes, offset, len), query), want);

        let tables: Vec<u16> = (0..256 * len).map(|i| extreme(hash(seed ^ 5, i)) as u16).collect();
        let want = rows::<_, N>(&bytes, offset, len).map(|row| {
            let entry = |(m, &u): (usize, &u8)| u32::from(tables[256 * m + usize::from(u)]);
            row.iter().enumerate().map(entry).sum::<u32>()
        });
        assert_eq!(isa.look_up_rows(rows::<_, N>(&bytes, offset, len), &tables), want);

        let words: Vec<u64> = (0..size).map(|i| hash(seed, i)).collect();
        let other: Vec<u64> = (0..size).map(|i| hash(!seed, i)).collect();
        let query = &other[offset..offset + len];
        let want = rows::<_, N>(&words, offset, len)
            .map(|row| row.iter().zip(query).map(|(x, y)| (x ^ y).count_ones()).sum::<u32>());
        assert_eq!(isa.hamming_rows(rows::<_, N>(&words, offset, len), query), want);

        for planes in [1, 2, 4, 6, 8] {
            let flat: Vec<u64> = (0..planes * len + 3).map(|i| hash(seed ^ 7, i)).collect();
            let query = &flat[offset % 4..][..planes * len];
            // The naive sum is slow: a few of the long rows will do.
            if len > 20 && len % 128 != 0 {
                continue;
            }
            let want = rows::<_, N>(&words, offset, len).map(|row| {
                let bit = |words: &[u64], i: usize| (words[i / 64] >> (i % 64) & 1) as i64;
                let integer = |i: usize| {
                    let weigh = |j: usize| {
                        let weight = if j + 1 == planes { -(1 << j) } else { 1 << j };
                        weight * bit(&query[j * len..], i)
                    };
                    (0..planes).map(weigh).sum::<i64>()
                };
                (0..64 * len).map(|i| bit(row, i) * integer(i)).sum::<i64>() as i32
            });
            assert_eq!(isa.bit_dot_rows(rows::<_, N>(&words, offset, len), query), want);
        }

        // One in eight is so small that its products round to nothing, or so large that little else counts.
        let float = |word: &u64| {
            let value = (*word >> 40) as f32 / (1 << 20) as f32 - 8.0;
            value * [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1e-4, 1e3][*word as usize % 8]
        };
        let base: Vec<f32> = words.iter().map(float).collect();
        let other: Vec<f32> = other.iter().map(float).collect();
        let query = &other[offset..offset + len];
        let halves: Vec<half::f16> = base.iter().map(|&x| half::f16::from_f32(x)).collect();
        let narrow = rows::<_, N>(&halves, offset, len);
        let l2 = isa.l2_f16_rows(narrow, query);
        let dot = isa.dot_f16_rows(narrow, query);
        for (i, row) in narrow.iter().enumerate() {
            let pairs = || row.iter().zip(query).map(|(x, &y)| (x.to_f64(), f64::from(y)));
            close(l2[i], pairs().map(|(x, y)| (x - y) * (x - y)), len);
            close(dot[i], pairs().map(|(x, y)| x * y), len);
            let row: Vec<f32> = row.iter().map(|x| x.to_f32()).collect();
            assert_eq!(l2[i].to_bits(), in_order(&row, query, true).to_bits());
            assert_eq!(dot[i].to_bits(), in_order(&row, query, false).to_bits());
        }

        let rows = rows::<_, N>(&base, offset, len);
        let l2 = isa.l2_f32_rows(rows, query);
        let dot = isa.dot_f32_rows(rows, query);
        for (i, row) in rows.iter().enumerate() {
            let pairs = || row.iter().zip(query).map(|(&x, &y)| (f64::from(x), f64::from(y)));
            close(l2[i], pairs().map(|(x, y)| (x - y) * (x - y)), len);
            close(dot[i], pairs().map(|(x, y)| x * y), len);
            assert_eq!(l2[i].to_bits(), in_order(row, query, true).to_bits());
            assert_eq!(dot[i].to_bits(), in_order(row, query, false).to_bits());
        }
    }
}

/// Random bytes of which a third are the extremes.
fn extreme(hash: u64) -> u64 {
    match hash % 6 {
        0 => 0x00,
        1 => [0xFF, 0x7F, 0x80][hash as usize / 6 % 3],
        _ => hash >> 8,
    }
}

/// The stated order of summation, as plainly as it can be written.
fn in_order(row: &[f32], query: &[f32], l2: bool) -> f32 {
    let mut sums = [0.0f32; 32];
    let whole = row.len() / 16 * 16;
    for i in 0..row.len().next_multiple_of(16) {
        let at = |values: &[f32]| values.get(i).copied().unwrap_or(0.0);
        let (x, y) = (at(row), at(query));
        let (x, y) = if l2 { (x - y, x - y) } else { (x, y) };
        let sum = &mut sums[if i < whole { i % 32 } else { i % 16 }];
        *sum = x.mul_add(y, *sum);
    }
    let mut count = 32;
    while count > 1 {
        count /= 2;
        for i in 0..count {
            sums[i] += sums[i + count];
        }
    }
    sums[0]
}

/// The documented bound: `len * 2^-23` of the sum of the absolute terms.
fn close(got: f32, terms: impl Iterator<Item = f64> + Clone, len: usize) {
    let want: f64 = terms.clone().sum();
    let bound = len as f64 * 2f64.powi(-23) * terms.map(f64::abs).sum::<f64>();
    assert!((f64::from(got) - want).abs() <= bound, "{got} {want} {bound}");
}

#[test]
fn kernels_agree_with_the_reference_at_every_length_and_level() {
    for level in Level::available() {
        for (len, offset) in shapes() {
            dispatch(level, Check { len, offset, seed: len as u64 });
        }
    }
}

#[test]
fn the_largest_products_do_not_saturate() {
    struct Largest;
    impl OnIsa for Largest {
        type Output = [i32; 2];
        #[inline(always)]
        fn on<I: Isa>(self, isa: I) -> [i32; 2] {
            let (row, low, high) = (vec![255u8; 65_536], vec![-128i8; 65_536], vec![127; 65_536]);
            [isa.dot_u8_i8(&row, &low), isa.dot_u8_i8(&row, &high)]
        }
    }
    for level in Level::available() {
        assert_eq!(dispatch(level, Largest), [-255 * 128 * 65_536, 255 * 127 * 65_536]);
    }
}

#[test]
fn the_largest_table_entries_do_not_wrap() {
    struct Largest;
    impl OnIsa for Largest {
        type Output = ([u32; 32], [u32; 2]);
        #[inline(always)]
        fn on<I: Isa>(self, isa: I) -> Self::Output {
            let bytes = vec![255u8; 16 * 4096];
            let (row, tables) = (&bytes[..4096], vec![65_535; 256 * 4096]);
            (isa.scan_block(&bytes, &bytes), isa.look_up_rows([row, row], &tables))
        }
    }
    for level in Level::available() {
        assert_eq!(dispatch(level, Largest), ([255 * 4096; 32], [65_535 * 4096; 2]));
    }
}

#[test]
fn lengths_that_differ_are_refused() {
    struct Differ;
    impl OnIsa for Differ {
        type Output = i32;
        #[inline(always)]
        fn on<I: Isa>(self, isa: I) -> i32 {
            isa.dot_u8_i8(&[1; 64], &[1; 63])
        }
    }
    struct Ragged;
    impl OnIsa for Ragged {
        type Output = [u32; 32];
        #[inline(always)]
        fn on<I: Isa>(self, isa: I) -> [u32; 32] {
            isa.scan_block(&[1; 40], &[1; 40])
        }
    }
    for level in Level::available() {
        assert!(std::panic::catch_unwind(|| dispatch(level, Differ)).is_err(), "{level}");
        assert!(std::panic::catch_unwind(|| dispatch(level, Ragged)).is_err(), "{level}");
    }
}

#[test]
fn the_level_that_was_asked_for_runs_or_one_below() {
    struct Which;
    impl OnIsa for Which {
        type Output = Level;
        fn on<I: Isa>(self, _: I) -> Level {
            I::LEVEL
        }
    }
    let available = Level::available();
    for level in [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512] {
        let best = available.iter().copied().filter(|&have| have <= level).max();
        assert_eq!(Some(dispatch(level, Which)), best);
        assert_eq!(level.name().parse(), Ok(level));
    }
    assert!(available.contains(&Level::current()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn kernels_agree_on_random_shapes(len in 0usize..2000, offset in 0usize..64, seed: u64) {
        for level in Level::available() {
            dispatch(level, Check { len, offset, seed });
        }
    }
}
