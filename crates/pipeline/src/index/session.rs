//! One thread's searches: everything reused, nothing allocated once warm.

use super::{Index, choice::FEW, filter::Filter, pages::Pages};
use crate::{error::SearchError, recipe::MAX_REFINERS, stored::StoredRefiner};
use crinoid_quant::{Neighbor, Preparation};
use crinoid_refine::{Pool, Reason, RefinerQuery, StageReport, Stages};
use crinoid_search::{Bitmap, Counters, Engine, SearchParams};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::Deref, sync::Arc, time::Instant};

/// How many answers, and how much effort.
///
/// ```
/// use crinoid_pipeline::SearchOptions;
///
/// let options = SearchOptions::for_k(10).ef(200).pool(50);
/// assert_eq!((options.k, options.ef), (10, 200));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SearchOptions {
    /// How many answers are wanted; at least 1. Where there are fewer vectors, all of them come.
    pub k: usize,
    /// Width of the search's beam: how many candidates it keeps while it walks. Values below the
    /// pool or `k` have no effect.
    pub ef: usize,
    /// The recall that is wanted at `k`, above 0 and up to 1; where it is given, `ef` is what reached it on
    /// queries that were kept out when the index was built.
    #[serde(default)]
    pub recall: Option<f32>,
    /// How many of the search's candidates the first refiner sees.
    #[serde(default)]
    pub pool: Pool,
    /// How many candidates the later refiners of a chain see.
    #[serde(default)]
    pub fine_pool: Pool,
    /// How many of the recipe's refiners run: 0 leaves the order and the distances of the codes.
    #[serde(default = "all_refiners")]
    pub refiners: usize,
}

fn all_refiners() -> usize {
    MAX_REFINERS
}

impl SearchOptions {
    /// `k` answers from a beam of `ef`, with default pools.
    pub fn new(k: usize, ef: usize) -> Self {
        Self {
            k,
            ef,
            recall: None,
            pool: Pool::Default,
            fine_pool: Pool::Default,
            refiners: MAX_REFINERS,
        }
    }

    /// `k` answers with a beam of `max(4 k, 100)`.
    pub fn for_k(k: usize) -> Self {
        Self::new(k, k.saturating_mul(4).max(100))
    }

    /// These options with an effort for `recall`, the mean share of the `k` nearest that is to be found,
    /// instead of a named `ef`.
    ///
    /// The effort was found out when the index was built ([`BuildReport::efforts`](crate::BuildReport::efforts)):
    /// on rows of its own, which it was made to forget meanwhile, or on a quarter of the sample that
    /// [`Index::build_for`] was given. It holds for queries like these; where queries come from elsewhere
    /// than rows, give a sample (of at least 96). Without a filter, by the mean over queries, within about 1.5
    /// points.
    ///
    /// ```
    /// use crinoid_pipeline::{Index, SearchOptions};
    ///
    /// let rows: Vec<[f32; 2]> = (0..2_000).map(|i| [i as f32, (i % 10) as f32]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// let answers = index.search_with(&[42.4, 2.0], &SearchOptions::for_k(3).recall(0.95))?;
    /// assert_eq!(answers[0].id, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn recall(self, recall: f32) -> Self {
        Self { recall: Some(recall), ..self }
    }

    /// These options with a named width of the search, whatever recall was wanted.
    #[must_use]
    pub fn ef(self, ef: usize) -> Self {
        Self { ef, recall: None, ..self }
    }

    /// These options with another pool for the first refiner.
    #[must_use]
    pub fn pool(self, pool: impl Into<Pool>) -> Self {
        Self { pool: pool.into(), ..self }
    }

    /// These options with no more than the first `refiners` of the recipe's chain.
    #[must_use]
    pub fn refiners(self, refiners: usize) -> Self {
        Self { refiners, ..self }
    }

    /// These options with another pool for the later refiners.
    #[must_use]
    pub fn fine_pool(self, pool: impl Into<Pool>) -> Self {
        Self { fine_pool: pool.into(), ..self }
    }
}

/// What a query cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Work of the graph search.
    pub counters: Counters,
    /// The search and every refiner after it, in order.
    pub stages: Stages,
}

/// The working memory of one thread.
#[derive(Default)]
pub(crate) struct Working {
    walking: Walking,
    prepared: Vec<f32>,
    full: Vec<f32>,
    nodes: Vec<Neighbor>,
}

/// What the search and the refiners write to.
#[derive(Default)]
pub(crate) struct Walking {
    search: crinoid_search::Scratch,
    refine: [crinoid_refine::Scratch; MAX_REFINERS],
}

#[cfg(feature = "collection")]
impl Working {
    /// The part that engines use.
    pub(crate) fn search(&mut self) -> &mut crinoid_search::Scratch {
        &mut self.walking.search
    }
}

/// Searches of one thread over one index.
///
/// Keeps all working memory: after the first few queries a search allocates nothing. The answer
/// to a query does not depend on what was asked before.
///
/// [`Index::session`] borrows the index; [`Session::of`] shares it, so that the session can live in a
/// struct or a thread of its own:
///
/// ```
/// use crinoid_pipeline::{Index, SearchOptions, Session};
/// use std::sync::Arc;
///
/// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
/// let index = Arc::new(Index::builder().build(&rows)?);
/// let mut session: Session<'static> = Session::of(index.clone());
/// let worker = std::thread::spawn(move || {
///     let mut answers = Vec::new();
///     session.search(&[42.0, 2.0], &SearchOptions::for_k(1), &mut answers).map(|_| answers)
/// });
/// assert_eq!(worker.join().unwrap()?[0].id, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session<'a> {
    index: Held<'a>,
    working: Working,
}

/// An index that outlives who asks it.
pub(crate) enum Held<'a> {
    Borrowed(&'a Index),
    Shared(Arc<Index>),
}

impl Deref for Held<'_> {
    type Target = Index;

    fn deref(&self) -> &Index {
        match self {
            Held::Borrowed(index) => index,
            Held::Shared(index) => index,
        }
    }
}

impl Session<'static> {
    /// A session that shares its index, and therefore borrows nothing.
    pub fn of(index: Arc<Index>) -> Self {
        Self { index: Held::Shared(index), working: Working::default() }
    }
}

impl<'a> Session<'a> {
    pub(crate) fn new(index: &'a Index, working: Working) -> Self {
        Self { index: Held::Borrowed(index), working }
    }

    pub(crate) fn into_working(self) -> Working {
        self.working
    }

    /// The index that is searched.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Writes the nearest `options.k` vectors into `answers` (cleared first), closest first, ties
    /// by id. Distances are those of the last refiner.
    ///
    /// # Errors
    /// When the query has another dimension than the index, a value that is not finite, no
    /// direction under the cosine, or `k` is 0.
    pub fn search(
        &mut self,
        query: &[f32],
        options: &SearchOptions,
        answers: &mut Vec<Neighbor>,
    ) -> Result<Report, SearchError> {
        self.answer(0, query, options, None, answers)
    }

    /// As [`search`](Self::search), among the rows that `filter` admits only: as many as `k`, or as
    /// there are. Where measuring all of these is cheaper than walking the graph, stage 1 does that.
    ///
    /// # Errors
    /// As `search`; and when the filter was made for another index.
    pub fn search_filtered(
        &mut self,
        query: &[f32],
        options: &SearchOptions,
        filter: &Filter,
        answers: &mut Vec<Neighbor>,
    ) -> Result<Report, SearchError> {
        self.answer(0, query, options, Some(filter), answers)
    }

    /// The answer to query number `row`.
    pub(crate) fn answer(
        &mut self,
        row: usize,
        query: &[f32],
        options: &SearchOptions,
        filter: Option<&Filter>,
        answers: &mut Vec<Neighbor>,
    ) -> Result<Report, SearchError> {
        answers.clear();
        if options.k == 0 {
            return Err(SearchError::ZeroK);
        }
        let index = &*self.index;
        let options = &index.with_effort(options)?;
        if let Some(filter) = filter {
            filter.check(index.identity(), index.len())?;
        }
        if index.keeps_zeros() && query.len() == index.dim() && query.iter().all(|&x| x == 0.0) {
            index.answer_zero(options.k, filter, answers);
            return Ok(Report::default());
        }
        let Working { walking, prepared, full, nodes } = &mut self.working;
        let query = prepare(index.preparation(), row, query, prepared, full)?;
        let (engine, among) = (index.engine(options), filter.map(Filter::nodes));
        let report = walk(index, engine, &query, options, among, walking, answers)?;
        index.finish(options.k, filter, answers, nodes);
        all_defined(answers)?;
        Ok(report)
    }
}

/// A walk measures more rows than one would think, each where memory has no reason to expect it: up to so many rows for
/// each candidate of its beam are scanned in less time (`cargo run --release -p crinoid-pipeline --example few_rows`).
const SCANNED: usize = 24;

impl Index {
    /// Whether all rows are measured at this effort.
    pub(crate) fn scans(&self, options: &SearchOptions) -> bool {
        let (rows, wide) = (self.graph.len(), options.ef.max(options.k));
        self.report.scans && rows <= FEW.min(SCANNED.saturating_mul(wide))
    }

    /// What answers at this effort.
    fn engine(&self, options: &SearchOptions) -> &dyn Engine {
        match self.scans(options) {
            true => self.stage.scan(),
            false => self.stage.engine(),
        }
    }
}

/// Writes the nearest nodes into `answers` (cleared first), closest first: those that `engine`, the index's
/// own or another over the same nodes, finds and the index's refiners leave.
pub(crate) fn walk(
    index: &Index,
    engine: &dyn Engine,
    query: &RefinerQuery<'_>,
    options: &SearchOptions,
    among: Option<&Bitmap>,
    Walking { search, refine }: &mut Walking,
    answers: &mut Vec<Neighbor>,
) -> Result<Report, SearchError> {
    let started = Instant::now();
    let refiners = index.refiners();
    let refiners = &refiners[..options.refiners.min(refiners.len())];
    let plan = Plan::new(index, options, refiners, query);
    let params = SearchParams::new(plan.leaves[0], options.ef);
    let counters = match among {
        None => engine.search(query.prepared, &params, search, answers),
        Some(nodes) => engine.search_filtered(query.prepared, &params, nodes, search, answers),
    };
    answers.truncate(params.k);
    let mut report = Report { counters, ..Report::default() };
    report.stages.push(StageReport {
        name: engine.version(),
        entered: counters.hops as usize,
        left: answers.len(),
        missing: 0,
        nanos: started.elapsed().as_nanos() as u64,
        reason: if options.k > options.ef { Reason::Raised } else { Reason::Fixed },
    });
    for (place, (refiner, scratch)) in refiners.iter().zip(refine).enumerate() {
        let keep = plan.leaves[place + 1];
        let (size, chosen) = plan.rules[place].choose(keep, answers, plan.coarse && place == 0);
        answers.truncate(size);
        let stage = refiner.try_refine(query, keep, scratch, answers)?;
        let reason = match stage.reason {
            Reason::Default => chosen,
            reason => reason,
        };
        report.stages.push(StageReport { reason, ..stage });
    }
    Ok(report)
}

impl Session<'_> {
    /// Writes the `k` nearest vectors by the codes alone into `answers` (cleared first): what
    /// stage 1 would find if it missed nothing. Scans all codes.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn scan_codes(
        &mut self,
        query: &[f32],
        k: usize,
        answers: &mut Vec<Neighbor>,
    ) -> Result<Counters, SearchError> {
        answers.clear();
        if k == 0 {
            return Err(SearchError::ZeroK);
        }
        let Working { walking, prepared, nodes, .. } = &mut self.working;
        self.index.preparation().apply(0, query, prepared)?;
        let params = SearchParams::new(k, 0);
        let counters =
            self.index.stage().scan().search(prepared, &params, &mut walking.search, answers);
        self.index.finish(k, None, answers, nodes);
        all_defined(answers)?;
        Ok(counters)
    }
}

impl Session<'_> {
    /// Writes the `k` nearest vectors into `answers` (cleared first), nearest first, ties by id, after
    /// measuring all of them: by the finest vectors that the index has, its last refiner's, or the
    /// codes where it has none.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_exact(
        &mut self,
        query: &[f32],
        k: usize,
        answers: &mut Vec<Neighbor>,
    ) -> Result<(), SearchError> {
        self.exact(query, k, None, answers)
    }

    /// As [`search_exact`](Self::search_exact), among the rows that `filter` admits only.
    ///
    /// # Errors
    /// As [`search_filtered`](Self::search_filtered).
    pub fn search_exact_filtered(
        &mut self,
        query: &[f32],
        k: usize,
        filter: &Filter,
        answers: &mut Vec<Neighbor>,
    ) -> Result<(), SearchError> {
        self.exact(query, k, Some(filter), answers)
    }

    fn exact(
        &mut self,
        query: &[f32],
        k: usize,
        filter: Option<&Filter>,
        answers: &mut Vec<Neighbor>,
    ) -> Result<(), SearchError> {
        let index = &*self.index;
        answers.clear();
        if k == 0 {
            return Err(SearchError::ZeroK);
        }
        if let Some(filter) = filter {
            filter.check(index.identity(), index.len())?;
        }
        let Working { walking, prepared, full, nodes } = &mut self.working;
        let query = prepare(index.preparation(), 0, query, prepared, full)?;
        let among = filter.map(Filter::nodes);
        match index.finest(&query) {
            Some(refiner) => {
                let [scratch, ..] = &mut walking.refine;
                match among {
                    None => answers
                        .extend((0..index.graph().len() as u32).map(|n| Neighbor::new(n, 0.0))),
                    Some(among) => answers.extend(among.ids().map(|n| Neighbor::new(n, 0.0))),
                }
                refiner.try_refine(&query, k, scratch, answers)?;
            }
            None => {
                let (scan, params) = (index.stage().scan(), SearchParams::new(k, 0));
                let search = &mut walking.search;
                match among {
                    None => scan.search(query.prepared, &params, search, answers),
                    Some(among) => {
                        scan.search_filtered(query.prepared, &params, among, search, answers)
                    }
                };
            }
        }
        index.finish(k, filter, answers, nodes);
        all_defined(answers)
    }

    /// Writes the rows within `radius` of the query (a distance of the metric, inclusive) into
    /// `answers` (cleared first), nearest first, ties by id. The search goes on in batches of `ef`
    /// until a whole batch lies outside.
    ///
    /// # Errors
    /// As [`search`](Self::search), and when the radius is not a number.
    pub fn search_range(
        &mut self,
        query: &[f32],
        radius: f32,
        ef: usize,
        answers: &mut Vec<Neighbor>,
    ) -> Result<(), SearchError> {
        answers.clear();
        if radius.is_nan() {
            return Err(SearchError::Radius);
        }
        let mut pages = Pages::new(&self.index, query, ef)?;
        let mut page = Vec::new();
        while pages.next_page(&self.index, &mut page)? > 0 {
            let inside = page.partition_point(|near| near.distance <= radius);
            answers.extend(&page[..inside]);
            if inside == 0 {
                break;
            }
        }
        answers.sort_unstable();
        Ok(())
    }
}

/// The two forms of query number `row`.
pub(crate) fn prepare<'a>(
    preparation: &Preparation,
    row: usize,
    query: &[f32],
    prepared: &'a mut Vec<f32>,
    full: &'a mut Vec<f32>,
) -> Result<RefinerQuery<'a>, SearchError> {
    preparation.apply(row, query, prepared)?;
    let all = preparation.whole();
    if all == *preparation {
        return Ok(RefinerQuery { full: prepared, prepared });
    }
    all.apply(row, query, full)?;
    Ok(RefinerQuery { full, prepared })
}

/// No answer carries a distance that is not a number.
pub(crate) fn all_defined(answers: &mut Vec<Neighbor>) -> Result<(), SearchError> {
    let Some(undefined) = answers.iter().find(|near| near.distance.is_nan()) else { return Ok(()) };
    let row = undefined.id;
    answers.clear();
    Err(SearchError::Undefined { row })
}

/// How many candidates each stage leaves for the next.
struct Plan {
    /// What the search leaves, then each refiner; after the last one, `k`.
    leaves: [usize; MAX_REFINERS + 1],
    /// The rule by which each refiner takes from what is left for it.
    rules: [Pool; MAX_REFINERS],
    /// Whether the search's order means little.
    coarse: bool,
}

impl Plan {
    /// Worked out from the last stage to the first: each must leave what the next may want to see.
    fn new(
        index: &Index,
        options: &SearchOptions,
        refiners: &[Arc<dyn StoredRefiner>],
        query: &RefinerQuery<'_>,
    ) -> Self {
        let (n, coarse) = (index.graph().len(), index.is_coarse());
        // Where the refiner should see many, it has something to choose from even where `ef` is `k`.
        let seen = index.stage().seen();
        let room = options.k.saturating_add(seen.map_or(0, |_| options.k / 3));
        let available = options.ef.max(room).min(n);
        let mut rules = [options.fine_pool; MAX_REFINERS];
        rules[0] = options.pool;
        let mut leaves = [options.k.min(n); MAX_REFINERS + 1];
        if refiners.iter().any(|refiner| !refiner.measures(query)) {
            // `none@1` stands alone, and keeps what it gets.
            rules[0] = Pool::All;
            return Self { leaves, rules, coarse };
        }
        for place in (0..refiners.len().min(MAX_REFINERS)).rev() {
            let keep = leaves[place + 1];
            if place == 0 && !coarse && rules[0] == Pool::Default {
                let size = Pool::default_size(keep) as f32 * index.report().widened;
                let seen = seen.map_or(0, |one_in| available / one_in);
                rules[0] = Pool::Fixed((size as usize).max(seen));
            }
            leaves[place] = rules[place].bound(keep, available, coarse && place == 0);
        }
        Self { leaves, rules, coarse }
    }
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?})", &*self.index)
    }
}
