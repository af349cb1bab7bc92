//! Which coordinates get a byte, which half a byte, and how long the step is that all of them share.
//!
//! An error `e` of a coordinate moves the distance to a query by `2 e (q - x)`, and along axis `j` rows differ by its
//! spread: so what a layout costs is the sum over all axes of `spread_j^2` times the mean square of the error there. A
//! coordinate that is left out is wrong by its spread. The first axes spread widely and need the range of a byte; later
//! ones fit into sixteen steps of the same length, and the last are not worth a bit.

use super::{
    axes::{Axes, distances, products},
    code, value,
};
use crate::{
    codec::{LINE, power, squared_norm, to_i8},
    random,
    vectors::Vectors,
};
use rayon::prelude::*;

/// The most lines of bytes: integer distances fit 32 bits.
pub(super) const MOST_BYTES: usize = 4;

/// The most axes: projecting a query onto more would cost what shorter rows save.
pub(super) const MOST_AXES: usize = 384;

/// The most lines of a row.
const MOST_LINES: usize = 6;

/// Rows whose coordinates are looked at.
const SAMPLE: usize = 512;

/// Steps that are tried, each so many times the one before.
const STEPS: u32 = 26;
const SHORTER: f32 = 0.8;

/// Rows that are asked for their neighbours, how many of these are looked at, how many are wanted, and among how many
/// by the codes they should be found.
const PROBES: usize = 64;
const NEAR: usize = 256;
const WANTED: usize = 10;
const POOL: usize = 26;

/// The share of the wanted that must be there.
const ENOUGH: f64 = 0.9985;

/// Seed of the samples.
const SEED: u64 = 0x1EA8;

/// How coordinates are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    /// Lines of coordinates of a byte each.
    pub(super) bytes: usize,
    /// Lines of coordinates of half a byte each.
    pub(super) halves: usize,
    /// The step.
    pub(super) step: f32,
}

impl Layout {
    /// How many coordinates there are, given so many axes.
    pub(super) fn axes(self, most: usize) -> usize {
        (self.bytes + 2 * self.halves).saturating_mul(LINE).min(most)
    }

    pub(super) fn lines(self) -> usize {
        self.bytes + self.halves
    }

    /// Coordinate `at` as it is read again.
    fn rounded(self, at: usize, x: f32) -> f32 {
        match at < self.bytes * LINE {
            true => f32::from(to_i8(x / self.step, 127.0)) * self.step,
            false => f32::from(value(code(x, 1.0 / self.step))) * (self.step / 8.0),
        }
    }
}

/// The shortest rows that find neighbours as an exact refiner needs them; of rows of one length those that err least.
pub(super) fn fit(vectors: &Vectors, center: &[f32], axes: &Axes) -> Layout {
    let floats = axes.floats();
    let errors = Errors::of(vectors, center, &floats, axes.len());
    let lines = |count: usize| count.div_ceil(LINE);
    let most = MOST_LINES.min(lines(axes.len()));
    let mut layouts = (1..=most).map(|lines| errors.best(lines));
    let near = Neighbours::of(vectors, center, &floats, axes.len());
    let found = layouts.find(|&layout| near.recall(layout) >= ENOUGH);
    found.unwrap_or_else(|| errors.best(most))
}

/// The weighted errors of each axis at each step, as a byte and as half a byte, summed over the axes before it.
struct Errors {
    steps: Vec<f32>,
    /// For each step, one more than there are axes: what the axes before cost in bytes and in halves.
    bytes: Vec<Vec<f64>>,
    halves: Vec<Vec<f64>>,
    /// What the axes before cost where they are left out.
    out: Vec<f64>,
}

impl Errors {
    fn of(vectors: &Vectors, center: &[f32], axes: &[f32], count: usize) -> Self {
        let sample = random::sample(SEED, vectors.len(), SAMPLE);
        let coordinates = coordinates(vectors, center, axes, &sample, count);
        let rows = sample.len().max(1) as f64;
        let column = |axis: usize| coordinates.iter().skip(axis).step_by(count).copied();
        let spread: Vec<f64> = (0..count)
            .map(|axis| column(axis).map(|x| f64::from(x) * f64::from(x)).sum::<f64>() / rows)
            .collect();
        let widest = spread.iter().copied().fold(0.0, f64::max).sqrt() as f32;
        let widest = if (widest / 1024.0).is_normal() { widest } else { 1.0 };
        let steps: Vec<f32> = (0..STEPS).map(|i| widest * power(SHORTER, i)).collect();
        let sums = |values: Vec<f64>| -> Vec<f64> {
            let mut sum = 0.0;
            let before = values.into_iter().map(|value| {
                sum += value;
                sum
            });
            [0.0].into_iter().chain(before).collect()
        };
        let errors = |step: f32, bytes: usize| {
            let layout = Layout { bytes, halves: 0, step };
            let error = |axis: usize| {
                let apart = |x: f32| f64::from(x - layout.rounded(0, x));
                column(axis).map(|x| apart(x) * apart(x)).sum::<f64>() / rows * spread[axis]
            };
            sums((0..count).map(error).collect())
        };
        let [bytes, halves] =
            [1, 0].map(|bytes| steps.par_iter().map(|&step| errors(step, bytes)).collect());
        let out = sums(spread.iter().map(|spread| spread * spread).collect());
        Self { steps, bytes, halves, out }
    }

    /// The layout of so many lines that errs least.
    fn best(&self, lines: usize) -> Layout {
        let count = self.out.len() - 1;
        let mut best = (f64::INFINITY, Layout { bytes: lines, halves: 0, step: self.steps[0] });
        for bytes in (0..=lines.min(MOST_BYTES)).rev() {
            let halves = lines - bytes;
            let first = (bytes * LINE).min(count);
            let last = (first + 2 * halves * LINE).min(count);
            for (at, &step) in self.steps.iter().enumerate() {
                let packed = self.halves[at][last] - self.halves[at][first];
                let error = self.bytes[at][first] + packed + self.out[count] - self.out[last];
                if error < best.0 {
                    best = (error, Layout { bytes, halves, step });
                }
            }
        }
        best.1
    }
}

/// The coordinates of some rows, row after row.
fn coordinates(
    vectors: &Vectors,
    center: &[f32],
    axes: &[f32],
    rows: &[u32],
    count: usize,
) -> Vec<f32> {
    let mut all = vec![0.0; rows.len() * count];
    all.par_chunks_mut(count.max(1)).zip(rows).for_each(|(out, &row)| {
        products(axes, &apart(vectors.row(row as usize), center), out);
    });
    all
}

fn apart(row: &[f32], center: &[f32]) -> Vec<f32> {
    row.iter().zip(center).map(|(x, c)| x - c).collect()
}

/// A row next to one that is asked: its coordinates, and its squared distance from the centre.
type Near = (Vec<f32>, f64);

/// Some rows and the rows next to each, by the floats.
struct Neighbours {
    /// The coordinates of each, and its neighbours, nearest first.
    asked: Vec<(Vec<f32>, Vec<Near>)>,
}

impl Neighbours {
    fn of(vectors: &Vectors, center: &[f32], axes: &[f32], count: usize) -> Self {
        let probes = random::sample(SEED ^ 1, vectors.len(), PROBES);
        let near: Vec<Vec<u32>> =
            probes.par_chunks(8).flat_map_iter(|probes| nearest(vectors, probes)).collect();
        let asked = probes.par_iter().zip(&near).map(|(&probe, near)| {
            let own = coordinates(vectors, center, axes, &[probe], count);
            let of_near = coordinates(vectors, center, axes, near, count);
            let one = |(at, &id): (usize, &u32)| {
                let inside = of_near[at * count..][..count].to_vec();
                let whole = squared_norm(&apart(vectors.row(id as usize), center));
                (inside, whole)
            };
            (own, near.iter().enumerate().map(one).collect())
        });
        Self { asked: asked.collect() }
    }

    /// How many of the wanted a refiner of the default size sees.
    fn recall(&self, layout: Layout) -> f64 {
        let hits = self.asked.par_iter().map(|(own, near)| {
            let axes = layout.axes(own.len());
            let mut order: Vec<(f64, usize)> = near
                .iter()
                .enumerate()
                .map(|(rank, (inside, whole))| {
                    let (mut distance, mut left) = (0.0, *whole);
                    for (at, (&x, &q)) in inside[..axes].iter().zip(own).enumerate() {
                        let rounded = layout.rounded(at, x);
                        let (moved, error) = (f64::from(rounded - q), f64::from(rounded - x));
                        distance += moved * moved - error * error;
                        left -= f64::from(x) * f64::from(x);
                    }
                    (distance + left, rank)
                })
                .collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            order.iter().take(POOL).filter(|(_, rank)| *rank < WANTED).count()
        });
        let wanted: usize = self.asked.iter().map(|(_, near)| near.len().min(WANTED)).sum();
        hits.sum::<usize>() as f64 / wanted.max(1) as f64
    }
}

/// The rows next to each of some rows, nearest first, without itself: all are read once for all of them.
fn nearest(vectors: &Vectors, probes: &[u32]) -> Vec<Vec<u32>> {
    let dim = vectors.dim();
    let asked: Vec<f32> =
        probes.iter().flat_map(|&probe| vectors.row(probe as usize)).copied().collect();
    let mut measured: Vec<Vec<(f32, u32)>> =
        probes.iter().map(|_| Vec::with_capacity(vectors.len())).collect();
    let mut apart = vec![0.0; probes.len()];
    for (id, row) in vectors.as_slice().chunks(dim).enumerate() {
        distances(&asked, row, &mut apart);
        for (measured, &apart) in measured.iter_mut().zip(&apart) {
            measured.push((apart, id as u32));
        }
    }
    let ordered = |(mut near, &probe): (Vec<(f32, u32)>, &u32)| {
        let by = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        near.retain(|&(_, id)| id != probe);
        if near.len() > NEAR {
            near.select_nth_unstable_by(NEAR, by);
            near.truncate(NEAR);
        }
        near.sort_by(by);
        near.into_iter().map(|(_, id)| id).collect()
    };
    measured.into_iter().zip(probes).map(ordered).collect()
}
