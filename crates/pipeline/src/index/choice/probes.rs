//! What codes are asked before they are trusted, and what they should answer.

use crate::error::IndexError;
use crinoid_quant::{
    Metric, Neighbor, Vectors,
    random::{self, Random},
};
use crinoid_search::exact;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Among so few rows whatever is chosen is built and searched fast: more is asked, and nothing is left aside.
pub(in super::super) const FEW: usize = 20_000;

/// The numbers of answers for which codes are checked.
pub(super) const KS: [usize; 2] = [10, 100];

/// Neighbours of the rows that are looked for: more than are asked for, in case some are forgotten later.
pub(in super::super) const NEIGHBOURS: usize = KS[KS.len() - 1] + 64;

/// Seed of the sample: the same rows are asked of the same data, always.
const SEED: u64 = 0x0C21_401D;

/// Where the questions of a check come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProbeKind {
    /// Rows of the data themselves, which are their own nearest neighbours.
    Rows,
    /// Points half way between a row and its fifth neighbour.
    Between,
    /// Rows, each moved by a tenth of its length in a direction of its own.
    Near,
    /// Rows seen from fifty times as far from the mean.
    Outside,
    /// Rows on the other side of the origin.
    Opposite,
    /// The caller's own sample of queries.
    Asked,
}

impl ProbeKind {
    /// The share of the exact answers that codes of `rows` vectors must leave within the pool of their refiner.
    pub(super) fn floor(self, rows: usize) -> f64 {
        match self {
            ProbeKind::Rows | ProbeKind::Between | ProbeKind::Asked => 0.999,
            // Nobody promises such queries; they must not fall off a cliff.
            ProbeKind::Outside | ProbeKind::Opposite if rows > FEW => 0.98,
            ProbeKind::Near | ProbeKind::Outside | ProbeKind::Opposite => 0.995,
        }
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProbeKind::Rows => "rows",
            ProbeKind::Between => "between",
            ProbeKind::Near => "near",
            ProbeKind::Outside => "outside",
            ProbeKind::Opposite => "opposite",
            ProbeKind::Asked => "asked",
        })
    }
}

/// Questions of one kind.
pub(super) struct Probes {
    pub(super) kind: ProbeKind,
    pub(super) queries: Vectors,
    /// The distance of the `k`-th neighbour of each query, for each of [`KS`] (of the last row where
    /// there are fewer). Whatever is as near counts as an answer.
    pub(super) kth: Vec<[f32; KS.len()]>,
}

impl Probes {
    fn answered(kind: ProbeKind, queries: Vectors, nearest: &[Vec<Neighbor>]) -> Self {
        let at = |near: &[Neighbor], k: usize| {
            near.get(k - 1).or(near.last()).map_or(f32::INFINITY, |one| one.distance)
        };
        let kth = nearest.iter().map(|near| KS.map(|k| at(near, k))).collect();
        Self { kind, queries, kth }
    }
}

/// Questions whose answers are known: what was found out once serves the check of the codes and that of the
/// searches.
#[derive(Default)]
pub(in super::super) struct Known {
    /// Rows, in order, and their neighbours, themselves among them.
    pub(in super::super) rows: Vec<u32>,
    pub(in super::super) nearest: Vec<Vec<Neighbor>>,
    /// Queries from elsewhere and their neighbours, where there are [`FEW`] rows.
    pub(in super::super) far: Vec<Far>,
}

/// Queries from where no rows are, and their neighbours.
pub(in super::super) struct Far {
    pub(in super::super) kind: ProbeKind,
    pub(in super::super) queries: Vectors,
    pub(in super::super) nearest: Vec<Vec<Neighbor>>,
}

/// The intrinsic dimension of the rows: how fast the number of neighbours grows with the distance, from the
/// ninth to the ninety-ninth. `None` where there are too few rows, or products are no distances.
pub(super) fn dimension(probes: &[Probes], metric: Metric) -> Option<f64> {
    let rows = probes.iter().find(|set| set.kind == ProbeKind::Rows)?;
    if metric == Metric::InnerProduct {
        return None;
    }
    let grows = |[near, far]: &[f32; KS.len()]| {
        let (near, far) = (f64::from(*near), f64::from(*far));
        (near > 0.0 && far.is_finite()).then(|| 0.5 * libm::log(far / near))
    };
    let growth: Vec<f64> = rows.kth.iter().filter_map(grows).collect();
    // Rows are their own nearest: the tenth is the ninth other.
    let others = libm::log((KS[1] - 1) as f64 / (KS[0] - 1) as f64);
    let sum: f64 = growth.iter().sum();
    (sum > 0.0 && 2 * growth.len() > rows.kth.len()).then(|| others * growth.len() as f64 / sum)
}

/// Rows that are asked, among `len`: a scan of few costs little, but so does the graph of few.
fn own(len: usize) -> usize {
    (len / 256).clamp(128, 256)
}

/// All questions to prepared vectors: 128 to 256 rows, 64 points between rows, 32 from far outside and 32
/// from the other side (of few rows 128 each, and 64 of rows that were moved a little), and up to 256 of the caller's. They cost a scan of the data each, so that all of
/// them together are a few percent of what building a graph takes.
pub(super) fn all(
    prepared: &Vectors,
    metric: Metric,
    on_sphere: bool,
    asked: Option<&Vectors>,
) -> Result<(Vec<Probes>, Known), IndexError> {
    if prepared.is_empty() {
        return Ok(Default::default());
    }
    let ids = random::sample(SEED, prepared.len(), own(prepared.len()));
    let rows: Vec<&[f32]> = ids.iter().map(|&id| prepared.row(id as usize)).collect();
    let queries = Vectors::from_rows(&rows)?;
    let near = exact::nearest_all(prepared, metric, &queries, NEIGHBOURS);
    let own = Probes::answered(ProbeKind::Rows, queries, &near);
    let some =
        |count: usize| (0..rows.len()).step_by(rows.len().div_ceil(count.max(1))).take(count);

    let between = some(64).map(|at| {
        let fifth = near[at].get(5).or(near[at].last()).map_or(ids[at], |one| one.id);
        let other = prepared.row(fifth as usize);
        rows[at].iter().zip(other).map(|(x, y)| x + 0.5 * (y - x)).collect()
    });
    let near_by = some(if prepared.len() <= FEW { 64 } else { 0 }).map(|at| {
        let row = rows[at];
        let square = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / row.len() as f64;
        let (step, mut random) = (0.1 * square.sqrt() as f32, Random::stream(SEED, 0, at as u64));
        row.iter().map(|x| x + step * random.normal()).collect()
    });
    let mean = mean(&rows);
    let others = if prepared.len() <= FEW { rows.len() } else { 32 };
    let outside = some(others)
        .map(|at| rows[at].iter().zip(&mean).map(|(x, m)| m + 50.0 * (x - m)).collect());
    let opposite = some(others).map(|at| rows[at].iter().map(|x| -x).collect());

    let mut sets = vec![own];
    let mut far = Vec::new();
    let mut ask = |kind: ProbeKind, queries: &[&[f32]]| {
        let queries = Vectors::from_rows(queries)?;
        let nearest = exact::nearest_all(prepared, metric, &queries, KS[KS.len() - 1]);
        let probes = Probes::answered(kind, queries, &nearest);
        let among_rows = matches!(kind, ProbeKind::Between | ProbeKind::Asked);
        if !among_rows && prepared.len() <= FEW {
            far.push(Far { kind, queries: probes.queries.clone(), nearest });
        }
        sets.push(probes);
        Ok::<_, IndexError>(())
    };
    for (kind, made) in [
        (ProbeKind::Between, between.collect::<Vec<Vec<f32>>>()),
        (ProbeKind::Near, near_by.collect()),
        (ProbeKind::Outside, outside.collect()),
        (ProbeKind::Opposite, opposite.collect()),
    ] {
        let usable = made.into_iter().filter_map(|query| usable(query, on_sphere));
        let usable: Vec<Vec<f32>> = usable.collect();
        if !usable.is_empty() {
            ask(kind, &usable.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
        }
    }
    if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
        let sample = random::sample(SEED, asked.len(), 256);
        let asked: Vec<&[f32]> = sample.iter().map(|&id| asked.row(id as usize)).collect();
        ask(ProbeKind::Asked, &asked)?;
    }
    Ok((sets, Known { rows: ids, nearest: near, far }))
}

fn mean(rows: &[&[f32]]) -> Vec<f32> {
    let dim = rows.first().map_or(0, |row| row.len());
    let sum = |i: usize| rows.iter().map(|row| f64::from(row[i])).sum::<f64>();
    (0..dim).map(|i| (sum(i) / rows.len() as f64) as f32).collect()
}

/// The query on the sphere, where vectors lie on one; `None` where it has no direction or no size.
fn usable(mut query: Vec<f32>, on_sphere: bool) -> Option<Vec<f32>> {
    if on_sphere {
        crinoid_quant::prepare::normalise(0, &mut query).ok()?;
    }
    query.iter().all(|x| x.is_finite()).then_some(query)
}
