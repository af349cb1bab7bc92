//! How much each further value per dimension brings: 1.5 bits beside 1 and 2.

use super::{Subject, recall};
use crate::{
    codec::Frame,
    isa::{self, Isa, Level, OnIsa},
    key,
    vectors::Vectors,
};
use rayon::prelude::*;

/// For each number of values per dimension (2 is one bit, 3 are 1.58 bits, 4 are two bits) the share of
/// the exact nearest `k` found among the best `k`, `2k` and `10k` by codes of so many values, estimated as
/// `rabitq` does with a query of floats under squared L2: what the code can bear, whatever kernel reads it.
///
/// # Panics
/// When `truth` is shorter than `k` per query.
pub fn levels(subject: &Subject<'_>, counts: &[u32]) -> Vec<[f64; 3]> {
    let Subject { base, queries, metric, .. } = *subject;
    let dim = base.dim();
    let frame = Frame::new(&crate::codec::mean(base), metric, 42);
    let mut placed = vec![0.0; base.len() * dim];
    placed
        .par_chunks_mut(dim)
        .zip(base.as_slice().par_chunks(dim))
        .for_each(|(out, row)| frame.place(row, out));
    let survey = |&count: &u32| {
        let mut decoded = placed.clone();
        decoded
            .par_chunks_mut(dim)
            .for_each(|row| isa::dispatch(Level::current(), Coarse { row, count }));
        let decoded = Vectors::new(decoded.as_slice(), dim).unwrap_or_else(|_| Vectors::empty(dim));
        let norms: Vec<f32> =
            placed.par_chunks(dim).map(|r| r.iter().map(|x| x * x).sum()).collect();
        recall(subject, base.len(), |query, keys| {
            let mut q = vec![0.0; queries.dim()];
            frame.place(query, &mut q);
            let estimate = Estimate { query: &q, decoded: &decoded, norms: &norms, keys };
            isa::dispatch(Level::current(), estimate);
        })
    };
    counts.iter().map(survey).collect()
}

/// Replaces `r` by `rho xbar` in `count` values per dimension, `rho = |r|^2 / <r, xbar>`.
struct Coarse<'a> {
    row: &'a mut [f32],
    count: u32,
}

impl OnIsa for Coarse<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, _: I) {
        let Self { row, count } = self;
        let most = (count - 1) as f32 / 2.0;
        // Even counts have half-integers, odd ones integers.
        let offset = if count.is_multiple_of(2) { 0.5 } else { 0.0 };
        let value = |x: f32, per_step: f32| {
            let size = (x.abs() * per_step - offset).round_ties_even() + offset;
            size.clamp(offset, most).copysign(x)
        };
        let rms = (row.iter().map(|x| x * x).sum::<f32>() / row.len() as f32).sqrt();
        let mut best = (0.0, 0.0, 0.0);
        for step in 0..32 {
            let per_step = (0.3 + 0.05 * step as f32) * most.max(1.0) / rms.max(f32::MIN_POSITIVE);
            let (mut dot, mut norm) = (0.0f32, 0.0f32);
            for &x in &*row {
                let v = value(x, per_step);
                dot += x * v;
                norm += v * v;
            }
            if norm > 0.0 && dot * dot / norm > best.0 {
                best = (dot * dot / norm, per_step, dot);
            }
        }
        let (_, per_step, dot) = best;
        let rho = row.iter().map(|x| x * x).sum::<f32>() / dot.max(f32::MIN_POSITIVE);
        row.iter_mut().for_each(|x| *x = rho * value(*x, per_step));
    }
}

/// `|r|^2 + |q|^2 - 2 <rho xbar, q>` for all rows.
struct Estimate<'a> {
    query: &'a [f32],
    decoded: &'a Vectors,
    norms: &'a [f32],
    keys: &'a mut [u32],
}

impl OnIsa for Estimate<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        for ((key, row), norm) in self.keys.iter_mut().zip(self.decoded.rows()).zip(self.norms) {
            *key = key::from_f32(norm - 2.0 * isa.dot_f32(row, self.query));
        }
    }
}
