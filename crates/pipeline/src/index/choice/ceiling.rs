//! How much of the exact answers codes leave for their refiner to find.

use super::probes::{KS, ProbeKind, Probes};
use crinoid_quant::{
    Isa, Level, Metric, Vectors,
    isa::{self, OnIsa},
};
use crinoid_search::Exact as Scan;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How many times the default pool of a refiner may be, least first.
pub(super) const WIDER: [f32; 4] = [1.0, 1.5, 2.5, 4.0];

/// An answer counts when it is as near as the `k`-th neighbour, but for rounding.
pub(in super::super) const ROUNDING: f32 = 1e-6;

/// The recall that is left after a search over the codes that misses nothing and a refiner that is
/// exact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ceiling {
    /// Where the questions come from.
    pub probes: ProbeKind,
    /// How many there were.
    pub queries: usize,
    /// Recall@10.
    pub at_10: f64,
    /// Recall@100.
    pub at_100: f64,
}

impl Ceiling {
    pub(super) fn least(&self) -> f64 {
        self.at_10.min(self.at_100)
    }

    fn holds(&self, rows: usize) -> bool {
        self.least() >= self.probes.floor(rows)
    }
}

/// The candidates that the default pool of a refiner holds for `k` answers, widened.
pub(super) fn pool(k: usize, wider: f32) -> usize {
    (crinoid_refine::Pool::default_size(k) as f32 * wider) as usize
}

/// For the first answers by the codes, in their order: how many of the `k` nearest are among the first
/// 1, 2, 3, ...
struct Found {
    kind: ProbeKind,
    queries: usize,
    wanted: [f64; KS.len()],
    /// Hits within each of the pools.
    hits: Vec<[f64; KS.len()]>,
}

/// What codes were seen to leave, for any pool.
pub(super) struct Ceilings {
    found: Vec<Found>,
    /// Of how many vectors.
    rows: usize,
    exact: bool,
}

impl Ceilings {
    /// Puts all probes to a scan of the codes. `room` is the most candidates that are looked at.
    pub(super) fn measure(
        scan: &Scan,
        prepared: &Vectors,
        metric: Metric,
        probes: &[Probes],
        room: usize,
    ) -> Self {
        let room = room.min(prepared.len());
        let found = probes.iter().map(|set| found(scan, prepared, metric, set, room)).collect();
        Self { found, rows: prepared.len(), exact: false }
    }

    /// Those of floats, and of codes that lose nothing.
    pub(super) fn exact(probes: &[Probes]) -> Self {
        let found = probes.iter().map(|set| Found {
            kind: set.kind,
            queries: set.queries.len(),
            wanted: [1.0; KS.len()],
            hits: Vec::new(),
        });
        Self { found: found.collect(), rows: 0, exact: true }
    }

    /// With pools of these sizes.
    fn within(&self, pools: [usize; KS.len()]) -> impl Iterator<Item = Ceiling> + '_ {
        self.found.iter().map(move |found| {
            let share =
                |at: usize| match found.hits.get(pools[at].min(found.hits.len()).wrapping_sub(1)) {
                    Some(hits) => hits[at] / found.wanted[at],
                    None => 1.0,
                };
            Ceiling {
                probes: found.kind,
                queries: found.queries,
                at_10: share(0),
                at_100: share(1),
            }
        })
    }

    /// Behind an exact refiner whose pool is so many times the default.
    pub(super) fn behind(&self, wider: f32) -> Vec<Ceiling> {
        self.within(KS.map(|k| pool(k, wider))).collect()
    }

    /// Behind an exact refiner that sees `size` candidates, or `k`.
    pub(super) fn behind_all(&self, size: usize) -> Vec<Ceiling> {
        self.within(KS.map(|k| size.max(k))).collect()
    }

    /// With the order of the codes as the last word.
    pub(super) fn alone(&self) -> Vec<Ceiling> {
        self.within(KS).collect()
    }

    /// The least widening with which all probes are answered.
    pub(super) fn widening(&self) -> Option<f32> {
        if self.exact {
            return Some(WIDER[0]);
        }
        let hold = |wider| self.behind(wider).iter().all(|ceiling| ceiling.holds(self.rows));
        WIDER.into_iter().find(|&wider| hold(wider))
    }

    /// Whether the order of the codes tells neighbours apart well enough to build a graph on.
    pub(super) fn tells_apart(&self, least: f64) -> bool {
        let near =
            |ceiling: &Ceiling| matches!(ceiling.probes, ProbeKind::Rows | ProbeKind::Between);
        self.exact || self.alone().iter().filter(|one| near(one)).all(|one| one.least() >= least)
    }
}

/// One row measured against a query by the floats.
pub(in super::super) struct Exact<'a> {
    pub(in super::super) row: &'a [f32],
    pub(in super::super) query: &'a [f32],
    pub(in super::super) dot: bool,
}

impl OnIsa for Exact<'_> {
    type Output = f32;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> f32 {
        let Self { row, query, dot } = self;
        if dot { -isa.dot_f32(row, query) } else { isa.l2_f32(row, query) }
    }
}

fn found(scan: &Scan, prepared: &Vectors, metric: Metric, set: &Probes, room: usize) -> Found {
    let dot = metric == Metric::InnerProduct;
    let level = Level::current();
    // Which of the candidates in the order of the codes are answers, for each `k`.
    let nearest = scan.search_all(&set.queries, room);
    let hits: Vec<Vec<[bool; KS.len()]>> = nearest
        .par_iter()
        .enumerate()
        .map(|(at, near)| {
            let query = set.queries.row(at);
            let limits = set.kth[at].map(|kth| kth + kth.abs() * ROUNDING);
            let is_answer = |id: u32| {
                let row = prepared.row(id as usize);
                let distance = isa::dispatch(level, Exact { row, query, dot });
                limits.map(|limit| distance <= limit)
            };
            near.iter().map(|one| is_answer(one.id)).collect()
        })
        .collect();
    let wanted = KS.map(|k| (k.min(prepared.len()) * set.queries.len()) as f64);
    let mut sums = vec![[0.0; KS.len()]; room];
    for hits in &hits {
        let mut seen = [0usize; KS.len()];
        for (sum, hit) in sums.iter_mut().zip(hits) {
            for (at, &k) in KS.iter().enumerate() {
                seen[at] += usize::from(hit[at]);
                // Ties may make more answers than `k`.
                sum[at] += seen[at].min(k) as f64;
            }
        }
    }
    Found { kind: set.kind, queries: set.queries.len(), wanted, hits: sums }
}
