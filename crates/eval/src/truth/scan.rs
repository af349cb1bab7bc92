//! The exact scan: f32 kernels find candidates, f64 arithmetic decides.
//!
//! The kernels' rounding is bounded, so it is known when the candidates must contain the answer:
//! the `k`-th distance in f64 lies below anything that a row outside the candidates can have. Where
//! that cannot be shown (ties across the boundary, huge values) the query is scanned again
//! with more candidates, in the end with all rows. The result is therefore exact, not just likely.

use super::{Truth, TruthError};
use crate::exact::{distance, norm};
use crinoid_graph::Progress;
use crinoid_quant::prepare::normalise;
use crinoid_quant::{
    Isa, Level, Metric, Preparation, VectorError, Vectors,
    isa::{OnIsa, dispatch},
    key,
};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Queries that share one pass over the base set.
const BLOCK: usize = 8;
/// Base rows per kernel call; they stay in the first cache while the block's queries visit them.
const ROWS: usize = 8;

/// The exact `k` nearest base rows of every query, in Crinoid's units, ties by id. Runs on the
/// current rayon pool; the result is the same at any number of threads and on any ISA.
///
/// # Errors
/// When `k` is 0 or exceeds the base rows, the dimensions differ, values are too large for their
/// squares to be numbers, or `progress` breaks off. Vectors of zeros are at right angles to everything
/// under the cosine, as ann-benchmarks counts.
pub fn exact(
    metric: Metric,
    base: &Vectors,
    queries: &Vectors,
    k: usize,
    progress: &dyn Progress,
) -> Result<Truth, TruthError> {
    if base.dim() != queries.dim() {
        return Err(TruthError::Dimension { base: base.dim(), queries: queries.dim() });
    }
    if k == 0 || k > base.len() {
        return Err(TruthError::K { k, rows: base.len() });
    }
    let prepare = |set, vectors| {
        prepared(metric, vectors).map_err(|source| TruthError::Vectors { set, source })
    };
    let scan = Scan {
        metric,
        k,
        base,
        queries,
        prepared_base: prepare("base", base)?,
        prepared_queries: prepare("queries", queries)?,
        longest: base.as_slice().par_chunks_exact(base.dim()).map(norm).reduce(|| 0.0, f64::max),
    };
    let (done, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Only one thread at a time may report.
    let report = std::sync::Mutex::new(());
    let all: Vec<u32> = (0..queries.len() as u32).collect();
    let blocks: Vec<Vec<(f64, u32)>> = all
        .par_chunks(BLOCK)
        .map(|block| {
            if stopped.load(Ordering::Relaxed) {
                return Vec::new();
            }
            let found = scan.block(block);
            let done = done.fetch_add(block.len(), Ordering::Relaxed) + block.len();
            if let Ok(_turn) = report.try_lock()
                && progress.report(done, all.len()).is_break()
            {
                stopped.store(true, Ordering::Relaxed);
            }
            found
        })
        .collect();
    if stopped.into_inner() {
        return Err(TruthError::Cancelled);
    }
    let (distances, ids) = blocks.into_iter().flatten().unzip();
    Truth::new(k, ids, distances)
}

/// What the kernels see. A vector of zeros stays one under the cosine: to the kernels it is closer than
/// the right angle at which it counts in the end, so that it is never overlooked.
fn prepared(metric: Metric, vectors: &Vectors) -> Result<Vectors, VectorError> {
    if !metric.normalises() {
        return Preparation::new(metric, vectors.dim()).apply_all(vectors);
    }
    let mut values = vectors.as_slice().to_vec();
    values.par_chunks_mut(vectors.dim()).enumerate().for_each(|(row, vector)| {
        // The only complaint is about zeros.
        let _ = normalise(row, vector);
    });
    Vectors::new(values.as_slice(), vectors.dim())
}

struct Scan<'a> {
    metric: Metric,
    k: usize,
    base: &'a Vectors,
    queries: &'a Vectors,
    /// What the kernels see: normalised under the cosine.
    prepared_base: Vectors,
    prepared_queries: Vectors,
    /// The largest L2 norm of a base row.
    longest: f64,
}

impl Scan<'_> {
    /// The `k` nearest of each query of the block, one after the other.
    fn block(&self, block: &[u32]) -> Vec<(f64, u32)> {
        let keep = self.k + (self.k / 4).max(24);
        let candidates = dispatch(Level::current(), Pass { scan: self, queries: block, keep });
        let mut out = Vec::with_capacity(block.len() * self.k);
        for (&query, candidates) in block.iter().zip(candidates) {
            out.extend(self.settle(query, keep, candidates));
        }
        out
    }

    /// Ranks the candidates of `query` in f64 and makes sure that no other row can be better.
    fn settle(&self, query: u32, mut keep: usize, mut candidates: Vec<u64>) -> Vec<(f64, u32)> {
        let row = self.queries.row(query as usize);
        loop {
            let cut = candidates.last().map(|&packed| key::to_f32(key::unpack(packed).0));
            let complete = candidates.len() == self.base.len();
            let mut ranked: Vec<(f64, u32)> = candidates
                .iter()
                .map(|&packed| key::unpack(packed).1)
                .map(|id| (distance(self.metric, self.base.row(id as usize), row), id))
                .collect();
            ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            ranked.truncate(self.k);
            let worst = ranked.last().map(|last| last.0);
            let settled = match (worst, cut) {
                (Some(worst), Some(cut)) => complete || worst < self.floor(row, f64::from(cut)),
                _ => true,
            };
            if settled {
                return ranked;
            }
            keep = keep.saturating_mul(4).min(self.base.len());
            let again = Pass { scan: self, queries: &[query], keep };
            candidates = dispatch(Level::current(), again).pop().unwrap_or_default();
        }
    }

    /// A lower bound of the exact distance of any row whose kernel distance is at least `cut`;
    /// NaN where nothing can be said.
    fn floor(&self, query: &[f32], cut: f64) -> f64 {
        let dim = self.base.dim() as f64;
        let reach = norm(query) + self.longest;
        if reach * reach > f64::from(f32::MAX) / 4.0 {
            return f64::NAN;
        }
        // Kernels err by at most d 2^-23 of the sum of the absolute terms; a difference of two
        // values adds two roundings to each term. Terms below the normal range may vanish.
        let relative = (dim + 4.0) * 2f64.powi(-23);
        let vanished = dim * 2f64.powi(-126);
        match self.metric {
            Metric::L2 => cut / (1.0 + relative) - vanished,
            Metric::InnerProduct => cut - relative * norm(query) * self.longest - vanished,
            // Normalising leaves lengths within 1.2e-6 of 1, so each end of the difference moves
            // by no more than that.
            Metric::Cosine => {
                let length = (cut / (1.0 + relative) - vanished).max(0.0).sqrt() - 3e-6;
                if length > 0.0 { length * length } else { f64::NAN }
            }
        }
    }
}

/// One pass over the base set: for each query the `keep` best rows by kernel distance.
struct Pass<'a> {
    scan: &'a Scan<'a>,
    queries: &'a [u32],
    keep: usize,
}

impl OnIsa for Pass<'_> {
    type Output = Vec<Vec<u64>>;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Self::Output {
        let base = &self.scan.prepared_base;
        let inner = self.scan.metric == Metric::InnerProduct;
        let mut best: Vec<Best> = self.queries.iter().map(|_| Best::new(self.keep)).collect();
        let whole = base.len() / ROWS * ROWS;
        for first in (0..whole).step_by(ROWS) {
            let tile: [&[f32]; ROWS] = std::array::from_fn(|row| base.row(first + row));
            for (&query, best) in self.queries.iter().zip(&mut best) {
                let query = self.scan.prepared_queries.row(query as usize);
                let distances = if inner {
                    isa.dot_f32_rows(tile, query).map(|product| -product)
                } else {
                    isa.l2_f32_rows(tile, query)
                };
                for (row, distance) in distances.into_iter().enumerate() {
                    best.offer(distance, (first + row) as u32);
                }
            }
        }
        for id in whole..base.len() {
            for (&query, best) in self.queries.iter().zip(&mut best) {
                let query = self.scan.prepared_queries.row(query as usize);
                let row = base.row(id);
                let distance =
                    if inner { -isa.dot_f32(row, query) } else { isa.l2_f32(row, query) };
                best.offer(distance, id as u32);
            }
        }
        best.into_iter().map(Best::into_sorted).collect()
    }
}

/// The `keep` smallest of a stream: a buffer of twice that, cut in half whenever it is full.
struct Best {
    keep: usize,
    limit: u64,
    packed: Vec<u64>,
}

impl Best {
    fn new(keep: usize) -> Self {
        Self { keep, limit: u64::MAX, packed: Vec::with_capacity(2 * keep) }
    }

    #[inline(always)]
    fn offer(&mut self, distance: f32, id: u32) {
        let packed = key::pack(key::from_f32(distance), id);
        if packed < self.limit {
            self.packed.push(packed);
            if self.packed.len() == 2 * self.keep {
                self.shrink();
            }
        }
    }

    #[cold]
    fn shrink(&mut self) {
        if self.packed.len() > self.keep {
            let (_, &mut limit, _) = self.packed.select_nth_unstable(self.keep - 1);
            self.packed.truncate(self.keep);
            self.limit = limit;
        }
    }

    fn into_sorted(mut self) -> Vec<u64> {
        self.shrink();
        self.packed.sort_unstable();
        self.packed
    }
}
