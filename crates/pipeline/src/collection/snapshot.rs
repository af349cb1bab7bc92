//! The collection at one point in time.

use super::{
    attributes::Schema,
    expression::FilterExpr,
    matches::Matches,
    part::{Chosen, Kind, Part},
    types::{CollectionError, ExternalId, Match},
};
use crate::{
    error::SearchError,
    index::{SearchOptions, Session, Working},
};
use crinoid_quant::{IntoVectors, Neighbor, Preparation};
use crinoid_search::{Counters, Engine, SearchParams, filter::scan_is_cheaper};
use crossbeam_queue::ArrayQueue;
use rayon::prelude::*;
use std::{
    collections::BinaryHeap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// As many rows are scanned in the time in which one is built into a graph: the walk of an insertion, 16 for each of the
/// 200 places of its beam (docs/tried.md, "Search"), and as much again for choosing its neighbours and being chosen.
const ROWS_PER_INSERTION: u64 = 6_400;

/// So many unsealed rows cost a search more than another segment would: 16 for each place of a beam of 100, and some.
const WORTH_A_SEGMENT: usize = 2_048;

/// Working memories that searches leave behind for the next ones.
pub(super) type Idle = ArrayQueue<Working>;

fn idle() -> Idle {
    ArrayQueue::new(std::thread::available_parallelism().map_or(4, usize::from) * 2)
}

/// What all states of a collection share.
pub(super) struct Common {
    pub(super) preparation: Preparation,
    pub(super) schema: Option<Schema>,
    pub(super) idle: Idle,
    /// Unsealed rows that searches have measured since rows were last sealed.
    scanned: AtomicU64,
}

impl Common {
    pub(super) fn new(preparation: Preparation, schema: Option<Schema>) -> Self {
        Self { preparation, schema, idle: idle(), scanned: AtomicU64::new(0) }
    }
}

/// How a part was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// The graph was walked.
    Walk,
    /// The graph was walked with a beam that is wider by as much as the filter is narrow, and what the filter
    /// refuses dropped. Where that finds too little, a scan of the admitted rows follows.
    Widened,
    /// All rows that count were measured.
    Scan,
    /// No row counts.
    Skipped,
}

impl Way {
    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Walk => "walk",
            Way::Widened => "widened",
            Way::Scan => "scan",
            Way::Skipped => "skipped",
        }
    }
}

/// What a search did in one part of the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartReport {
    /// The segment's number; `None` for rows in no segment.
    pub segment: Option<u64>,
    /// Rows, dead or alive.
    pub rows: usize,
    /// Live rows that the filter admits: all live rows where there is none.
    pub admitted: usize,
    /// How they were searched.
    pub way: Way,
    /// The work of it, before any re-scoring.
    pub counters: Counters,
}

/// What the collection was after some batch. It never changes, whatever is written meanwhile.
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::collection::{Collection, CollectionOptions};
///
/// let folder = std::env::temp_dir().join(format!("crinoid-snapshot-{}", std::process::id()));
/// let collection = Collection::create(&folder, 1, &CollectionOptions::default())?;
/// collection.upsert("a", &[1.0])?;
/// let before = collection.snapshot();
/// collection.delete("a")?;
/// assert_eq!((before.len(), collection.len()), (1, 0));
/// # drop(collection); std::fs::remove_dir_all(&folder)?; }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Snapshot {
    parts: Vec<Part>,
    live: usize,
    common: Arc<Common>,
}

impl Snapshot {
    pub(super) fn new(parts: Vec<Part>, common: Arc<Common>) -> Self {
        let live = parts.iter().map(Part::live).sum();
        Self { parts, live, common }
    }

    pub(super) fn with_parts(&self, mut parts: Vec<Part>) -> Self {
        parts.retain(|part| part.live() > 0 || !part.is_memory());
        // Segments first, so that parts in memory stay together at the end.
        parts.sort_by_key(|part| (part.is_memory(), part.number()));
        Self::new(parts, self.common.clone())
    }

    /// The same with `some` of the parts frozen, or not any more.
    pub(super) fn with_frozen(&self, some: &[Part], frozen: bool) -> Self {
        let change = |part: &Part| match some.iter().any(|one| one.is_of(part)) {
            true => part.frozen(frozen),
            false => part.clone(),
        };
        Self::new(self.parts.iter().map(change).collect(), self.common.clone())
    }

    /// Those rows of this state that `filter` admits: a snapshot of its own, whose `len` is their number. It can
    /// be filtered further.
    ///
    /// Finds the rows once, by the values of the attributes, for any number of searches.
    ///
    /// # Errors
    /// When the collection has a schema, and the filter does not go with it.
    pub fn filtered(&self, filter: &FilterExpr) -> Result<Self, CollectionError> {
        if let Some(schema) = &self.common.schema {
            let wrong = |(name, why)| CollectionError::FilterAttribute { name, why };
            filter.check(schema).map_err(wrong)?;
        }
        let parts = self.parts.iter().map(|part| part.among(filter)).collect();
        Ok(Self::new(parts, self.common.clone()))
    }

    /// How many live rows are in no segment.
    pub fn unsealed(&self) -> usize {
        self.parts.iter().filter(|part| part.is_memory()).map(Part::live).sum()
    }

    /// Whether there are enough unsealed rows that searches could be better off with a segment of them.
    pub(super) fn is_worth_a_segment(&self) -> bool {
        self.unsealed() >= WORTH_A_SEGMENT
    }

    /// Whether searches have spent as much on scanning unsealed rows as a segment of them costs: whoever hires until the
    /// rent has reached the price, and buys then, pays at most twice what he had to.
    pub(super) fn scans_have_cost_a_segment(&self) -> bool {
        let price = (self.unsealed() as u64).saturating_mul(ROWS_PER_INSERTION);
        self.is_worth_a_segment() && self.common.scanned.load(Ordering::Relaxed) >= price
    }

    /// Begins to count anew, when rows were sealed.
    pub(super) fn forget_scans(&self) {
        self.common.scanned.store(0, Ordering::Relaxed);
    }

    fn note_scan(&self, report: &PartReport) {
        if report.segment.is_none() {
            self.common.scanned.fetch_add(report.counters.distances, Ordering::Relaxed);
        }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The ids of all vectors, in no order that means anything.
    pub fn ids(&self) -> impl Iterator<Item = &ExternalId> {
        self.parts.iter().flat_map(|part| (0..part.len()).filter_map(|row| part.id(row)))
    }

    /// The number after the largest that is an id, for rows that come without one; `None` where that is the
    /// largest there is.
    pub fn next_number(&self) -> Option<u64> {
        let number = |id: &ExternalId| match id {
            ExternalId::Number(number) => Some(*number),
            ExternalId::Text(_) => None,
        };
        self.ids().filter_map(number).max().map_or(Some(0), |last| last.checked_add(1))
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.parts.iter().filter(|part| !part.is_memory()).count()
    }

    /// How many rows of segments are dead, waiting for a compaction.
    pub fn dead(&self) -> usize {
        self.parts.iter().map(Part::dead).sum()
    }

    /// The ids, in order (numbers first), of at most `limit` vectors, beginning after the id `after`: a page
    /// at a time, with the last id of the page before. Looks at all ids for every page.
    pub fn list(&self, after: Option<&ExternalId>, limit: usize) -> Vec<ExternalId> {
        let mut least = BinaryHeap::new();
        for id in self.ids().filter(|id| after.is_none_or(|after| *id > after)) {
            if least.len() < limit {
                least.push(id);
            } else if let Some(mut last) = least.peek_mut()
                && *last > id
            {
                *last = id;
            }
        }
        least.into_sorted_vec().into_iter().cloned().collect()
    }

    /// The nearest `options.k` vectors, closest first, ties by id.
    ///
    /// Each segment is asked for so many more answers as the share of its dead rows lets expect;
    /// where that is not enough, once more for all that could be dead.
    ///
    /// # Errors
    /// When the query has another dimension, a value that is not finite, no direction under the
    /// cosine, or `k` is 0.
    pub fn search(
        &self,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<Vec<Match>, CollectionError> {
        self.search_with_report(query, options).map(|(found, _)| found)
    }

    /// As [`search`](Self::search), and what was done in each part of the collection.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_with_report(
        &self,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<(Vec<Match>, Vec<PartReport>), CollectionError> {
        let mut reports = Vec::with_capacity(self.parts.len());
        let found = self.each_part(0, query, options.k, |part, queries, working, nearest| {
            let (working, report) = search_part(part, queries, options, working, nearest)?;
            self.note_scan(&report);
            reports.push(report);
            Ok(working)
        })?;
        Ok((found, reports))
    }

    /// The nearest `options.k` vectors to each of `queries`, on the current rayon pool: in the order of the
    /// queries, what single calls return.
    ///
    /// # Errors
    /// As [`search`](Self::search), for the first query that cannot be answered.
    pub fn search_batch<F>(
        &self,
        queries: impl IntoVectors<F>,
        options: &SearchOptions,
    ) -> Result<Vec<Vec<Match>>, CollectionError> {
        let queries = queries.into_vectors().map_err(SearchError::from)?;
        let answer = |row: usize| {
            self.each_part(row, queries.row(row), options.k, |part, queries, working, nearest| {
                let (working, report) = search_part(part, queries, options, working, nearest)?;
                self.note_scan(&report);
                Ok(working)
            })
        };
        let answers: Vec<_> = (0..queries.len()).into_par_iter().map(answer).collect();
        answers.into_iter().collect()
    }

    /// The nearest `k` vectors, closest first, ties by id, after measuring all of them.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_exact(&self, query: &[f32], k: usize) -> Result<Vec<Match>, CollectionError> {
        self.each_part(0, query, k, |part, queries, working, nearest| {
            exact_part(part, queries, k, working, nearest)
        })
    }

    /// All vectors within `radius` of the query (a distance of the metric, inclusive), closest first, ties by
    /// id. Segments are searched in batches until a whole batch lies outside; where a filter admits few of their
    /// rows, all of these are measured.
    ///
    /// # Errors
    /// As [`search`](Self::search), and when the radius is not a number.
    pub fn search_range(&self, query: &[f32], radius: f32) -> Result<Vec<Match>, CollectionError> {
        if radius.is_nan() {
            return Err(SearchError::Radius.into());
        }
        let ef = SearchOptions::for_k(1).ef;
        let mut found =
            self.each_part(0, query, usize::MAX, |part, queries, working, nearest| {
                match part.kind() {
                    Kind::Segment { index, .. } if !is_few(part, ef) => {
                        let mut session = Session::new(index, working);
                        session.search_range(queries.0, radius, ef, nearest)?;
                        Ok(session.into_working())
                    }
                    _ => exact_part(part, queries, usize::MAX, working, nearest),
                }
            })?;
        found.truncate(found.partition_point(|found| found.distance <= radius));
        Ok(found)
    }

    /// The vectors from the nearest on, as many as the caller takes: paging past `k`.
    ///
    /// Segments are searched a page at a time, and what is found late can be closer than the end of the page
    /// before; no row comes twice, and in the end every row that can be reached has come.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_iter(self: &Arc<Self>, query: &[f32]) -> Result<Matches, CollectionError> {
        Matches::new(self.clone(), query)
    }

    /// The nearest `k` of what `search` finds in each part with live rows (nearest first, dead rows among
    /// them).
    fn each_part(
        &self,
        row: usize,
        query: &[f32],
        k: usize,
        mut search: impl FnMut(
            &Part,
            (&[f32], &[f32]),
            Working,
            &mut Vec<Neighbor>,
        ) -> Result<Working, SearchError>,
    ) -> Result<Vec<Match>, CollectionError> {
        if k == 0 {
            return Err(SearchError::ZeroK.into());
        }
        let mut full = Vec::new();
        self.common.preparation.apply(row, query, &mut full).map_err(SearchError::from)?;
        let mut working = self.common.idle.pop().unwrap_or_default();
        let (mut found, mut nearest) = (Vec::new(), Vec::new());
        for part in &self.parts {
            nearest.clear();
            working = search(part, (query, &full), working, &mut nearest)?;
            let live = nearest.iter().filter_map(|n| Some((n.distance, part.id(n.id as usize)?)));
            found.extend(live.take(k));
        }
        // A full queue means that enough memory lies idle already.
        let _ = self.common.idle.push(working);
        found.sort_unstable_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| x.cmp(y)));
        found.truncate(k);
        Ok(found.into_iter().map(|(distance, id)| Match { id: id.clone(), distance }).collect())
    }

    pub(super) fn preparation(&self) -> &Preparation {
        &self.common.preparation
    }
}

/// Whether measuring all rows that count is cheaper than walking with a beam of `ef`.
pub(super) fn is_few(part: &Part, ef: usize) -> bool {
    part.is_memory() || (part.chosen().is_some() && scan_is_cheaper(part.live(), ef))
}

/// Leaves the part's nearest rows, dead ones among them, in `nearest`.
fn search_part(
    part: &Part,
    (query, full): (&[f32], &[f32]),
    options: &SearchOptions,
    mut working: Working,
    nearest: &mut Vec<Neighbor>,
) -> Result<(Working, PartReport), SearchError> {
    let (n, dead, live) = (part.len(), part.dead(), part.live());
    let wanted = options.k.min(live);
    let (segment, way) = (part.number(), Way::Skipped);
    let mut report =
        PartReport { segment, rows: n, admitted: live, way, counters: Counters::default() };
    if live == 0 {
        return Ok((working, report));
    }
    match (part.kind(), part.chosen()) {
        (Kind::Memory { .. }, _) => {
            working = exact_part(part, (query, full), options.k, working, nearest)?;
            report.way = Way::Scan;
            report.counters.measured(if part.chosen().is_some() { live } else { n });
        }
        (Kind::Segment { index, .. }, Some(Chosen::Filter(filter))) => {
            let options = index.with_effort(&SearchOptions { k: wanted, ..*options })?;
            let mut session = Session::new(index, working);
            let counters = session.search_filtered(query, &options, filter, nearest)?.counters;
            report.counters = counters;
            report.way = match counters.hops {
                0 => Way::Scan,
                _ if live == n => Way::Walk,
                _ => Way::Widened,
            };
            working = session.into_working();
        }
        (Kind::Segment { index, .. }, _) => {
            let spare = if dead == 0 { 0 } else { (wanted * dead).div_ceil(live) + 8 };
            let options = index.with_effort(&SearchOptions { k: wanted, ..*options })?;
            let mut session = Session::new(index, working);
            report.way = Way::Walk;
            for k in [(wanted + spare).min(n), (wanted + dead).min(n)] {
                let ef = options.ef.saturating_add(k - wanted);
                let options = SearchOptions { k, ef, ..options };
                report.counters += session.search(query, &options, nearest)?.counters;
                let alive = nearest.iter().filter(|n| part.id(n.id as usize).is_some());
                if alive.count() >= wanted {
                    break;
                }
            }
            working = session.into_working();
        }
    }
    Ok((working, report))
}

/// Leaves the part's `k` nearest rows, dead ones among them, in `nearest`, after measuring all that count.
pub(super) fn exact_part(
    part: &Part,
    (query, full): (&[f32], &[f32]),
    k: usize,
    mut working: Working,
    nearest: &mut Vec<Neighbor>,
) -> Result<Working, SearchError> {
    nearest.clear();
    let k = k.min(part.live());
    if k == 0 {
        return Ok(working);
    }
    match (part.kind(), part.chosen()) {
        (Kind::Memory { scan, .. }, chosen) => {
            let search = working.search();
            match chosen {
                None => scan.search(full, &SearchParams::new(k + part.dead(), 0), search, nearest),
                Some(chosen) => {
                    let params = SearchParams::new(k, 0);
                    scan.search_filtered(full, &params, chosen.places(), search, nearest)
                }
            };
        }
        (Kind::Segment { index, .. }, chosen) => {
            let mut session = Session::new(index, working);
            match chosen {
                Some(Chosen::Filter(filter)) => {
                    session.search_exact_filtered(query, k, filter, nearest)?;
                }
                _ => session.search_exact(query, k + part.dead(), nearest)?,
            }
            working = session.into_working();
        }
    }
    Ok(working)
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} vectors, {} parts)", self.live, self.parts.len())
    }
}
