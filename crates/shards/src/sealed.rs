//! All shards together: built, opened, searched, swept.

use crate::{
    Found, Manifest, Plan, Region, Shard, ShardEntry, ShardError, Store,
    routing::{Routed, route},
};
use crinoid_graph::Progress;
use crinoid_pipeline::{BuildOptions, Filter, Placement, SearchError, SearchOptions};
use crinoid_quant::{Metric, Preparation, Vectors, random};
use rayon::prelude::*;
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Seed of the rows on which the recipe is chosen.
const SAMPLE: u64 = 0x5EA1_0001;

/// How a sealed collection is built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SealOptions {
    /// How many shards; fewer, where there are fewer rows.
    pub shards: usize,
    /// Whether rows that are close to each other share a shard, so that queries can leave the others out.
    pub routed: bool,
    /// Where rows are routed: in how many of the shards nearest to it each row lies.
    pub copies: usize,
    /// How each shard is built.
    pub build: BuildOptions,
}

impl SealOptions {
    /// So many shards of rows in their order, by the default options.
    pub fn new(shards: usize) -> Self {
        Self { shards, routed: false, copies: 1, build: BuildOptions::default() }
    }

    /// These options, with rows that are close to each other in the same shard, each in the `copies` nearest.
    #[must_use]
    pub fn routed(self, copies: usize) -> Self {
        Self { routed: true, copies, ..self }
    }

    /// These options with others for each shard.
    #[must_use]
    pub fn build(self, build: BuildOptions) -> Self {
        Self { build, ..self }
    }
}

/// How a sealed collection is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Where float rows live: in memory, or in the file, where there is one.
    pub placement: Placement,
    /// A folder in which the files of an object store are kept, by digest. Without it they are fetched whenever
    /// they are opened.
    pub cache: Option<PathBuf>,
}

impl OpenOptions {
    /// These options with float rows elsewhere.
    #[must_use]
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// These options with a folder for the files of an object store.
    #[must_use]
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        Self { cache: Some(folder.into()), ..self }
    }
}

/// How a sealed collection is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Effort {
    /// How each shard is searched.
    pub search: SearchOptions,
    /// Where rows were routed: how many shards are searched, those that lie closest to the query. `None`: all that
    /// can hold an answer.
    pub shards: Option<usize>,
    /// Whether shards that cannot be opened are left out, and named in the answer, instead of being an error.
    pub partial: bool,
}

impl From<SearchOptions> for Effort {
    fn from(search: SearchOptions) -> Self {
        Self { search, shards: None, partial: false }
    }
}

impl Effort {
    /// `k` answers with the default effort.
    pub fn for_k(k: usize) -> Self {
        SearchOptions::for_k(k).into()
    }

    /// This effort, in no more than the `shards` closest.
    #[must_use]
    pub fn shards(self, shards: usize) -> Self {
        Self { shards: Some(shards), ..self }
    }

    /// This effort, with what there is where shards are missing.
    #[must_use]
    pub fn partial(self, partial: bool) -> Self {
        Self { partial, ..self }
    }
}

/// What was found, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Closest first; of rows equally near the lower id first.
    pub found: Vec<Found>,
    /// How many shards were searched.
    pub searched: usize,
    /// Shards that could not be opened, where [`Effort::partial`] allows it: with one of them the answer may be
    /// another.
    pub missing: Vec<usize>,
}

/// The rows of a sealed collection that a search may return; made by [`Sealed::filter`].
#[derive(Clone, Debug)]
pub struct SealedFilter {
    shards: Vec<Filter>,
}

/// A sealed collection: rows in shards, each an index file, and a manifest that names them.
///
/// ```
/// use crinoid_quant::Vectors;
/// use crinoid_shards::{Effort, SealOptions, Sealed, Store};
///
/// let folder = tempfile::tempdir()?;
/// let rows: Vec<[f32; 2]> = (0..1_000).map(|i| [i as f32, (i % 10) as f32]).collect();
/// let store = Store::folder(folder.path())?;
/// let sealed = Sealed::build(store, &Vectors::from_rows(&rows)?, None, &SealOptions::new(4), &())?;
/// let answer = sealed.search(&[420.0, 0.0], &Effort::for_k(3))?;
/// assert_eq!((answer.found[0].id, answer.searched), (420, 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sealed {
    store: Store,
    manifest: Manifest,
    options: OpenOptions,
    shards: Vec<OnceLock<Arc<Shard>>>,
}

impl Sealed {
    /// Builds a collection of `rows` in `store`, in the place of one that is there: that one serves until the new
    /// manifest is written. Rows are called by `ids`, or by their numbers. Files of the one before stay until they
    /// are [swept](Self::sweep).
    ///
    /// # Errors
    /// When ids are missing or occur twice, rows cannot be indexed, `progress` breaks off, or the store refuses: then
    /// there is no new manifest.
    pub fn build(
        store: Store,
        rows: &Vectors,
        ids: Option<&[u64]>,
        options: &SealOptions,
        progress: &dyn Progress,
    ) -> Result<Self, ShardError> {
        let SealOptions { shards, routed, copies, build } = options;
        if *shards == 0 || *copies == 0 {
            let (name, value) = (if *shards == 0 { "shards" } else { "copies" }, 0);
            return Err(ShardError::Option { name, value, why: "there must be one at least" });
        }
        if *routed && build.truncate.is_some() {
            let (name, value) = ("truncate", build.truncate.unwrap_or_default());
            let why =
                "rows are routed by all of their dimensions: leave routing out, or truncation";
            return Err(ShardError::Option { name, value, why });
        }
        ids.map_or(Ok(()), |ids| check(ids, rows.len()))?;
        let per_shard = rows.len().div_ceil(*shards);
        let mut sample = random::sample(SAMPLE, rows.len(), per_shard);
        // One row that is no bytes decides for all shards, and few samples have it.
        let is_byte = |&x: &f32| x.fract() == 0.0 && (0.0..=255.0).contains(&x);
        let odd = rows.rows().position(|row| !row.iter().all(is_byte));
        sample.extend(odd.map(|row| row as u32));
        sample.sort_unstable();
        sample.dedup();
        let plan = Plan::new(&picked(rows, &sample)?, None, build)?;
        let entries = match routed {
            true => {
                let Routed { shards } = route(rows, build.metric, *shards, *copies);
                let build = |(number, (own, region)): (usize, (Vec<u32>, Region))| {
                    let id = |row: &u32| ids.map_or(u64::from(*row), |ids| ids[*row as usize]);
                    let ids: Vec<u64> = own.iter().map(id).collect();
                    let rows = picked(rows, &own)?;
                    plan.build_shard(&store, (number, &rows), Ok(&ids), Some(region), progress)
                };
                shards.into_iter().enumerate().map(build).collect::<Result<Vec<_>, _>>()?
            }
            false => {
                let starts = (0..rows.len()).step_by(per_shard.max(1)).enumerate();
                let build = |(number, start): (usize, usize)| {
                    let end = (start + per_shard).min(rows.len());
                    let values = &rows.as_slice()[start * rows.dim()..end * rows.dim()];
                    let own = Vectors::new(values.to_vec(), rows.dim())?;
                    let ids = ids.map(|ids| &ids[start..end]).ok_or(start as u64);
                    plan.build_shard(&store, (number, &own), ids, None, progress)
                };
                starts.map(build).collect::<Result<Vec<ShardEntry>, _>>()?
            }
        };
        plan.manifest(rows.len() as u64, entries).publish(&store)?;
        Self::open(store, &OpenOptions::default())
    }

    /// Opens the collection in `store`. Shards are opened when they are first searched, or by
    /// [`shard`](Self::shard).
    ///
    /// # Errors
    /// When there is no manifest, or it is damaged or of a later format.
    pub fn open(store: Store, options: &OpenOptions) -> Result<Self, ShardError> {
        let manifest = Manifest::read(&store)?;
        let shards = manifest.shards.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { store, manifest, options: options.clone(), shards })
    }

    /// What the collection is made of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where the collection lies.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Rows, each counted once.
    pub fn len(&self) -> u64 {
        self.manifest.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shard `number`, opened and verified at the first call.
    ///
    /// # Errors
    /// As [`Shard::open`].
    pub fn shard(&self, number: usize) -> Result<&Arc<Shard>, ShardError> {
        let shards = self.shards.len();
        let place = self.shards.get(number).ok_or(ShardError::NoShard { shard: number, shards })?;
        if let Some(shard) = place.get() {
            return Ok(shard);
        }
        let opened = Shard::open(&self.store, &self.manifest, number, &self.options)?;
        Ok(place.get_or_init(|| Arc::new(opened)))
    }

    /// Opens all shards, and verifies every byte of them.
    ///
    /// # Errors
    /// As [`Shard::open`], for the first that is wrong.
    pub fn verify(&self) -> Result<(), ShardError> {
        (0..self.shards.len()).try_for_each(|number| self.shard(number).map(|_| ()))
    }

    /// The filter for those rows whose ids `admits`, which is asked once for every row of every shard.
    ///
    /// # Errors
    /// When a shard cannot be opened.
    pub fn filter(&self, admits: impl Fn(u64) -> bool) -> Result<SealedFilter, ShardError> {
        let of = |number| Ok(self.shard(number)?.filter(&admits));
        Ok(SealedFilter {
            shards: (0..self.shards.len()).map(of).collect::<Result<_, ShardError>>()?,
        })
    }

    /// The nearest rows. Where rows were routed, shards are searched from the closest on, and those are left out that
    /// cannot hold an answer any more; else all shards at once, on the current rayon pool.
    ///
    /// # Errors
    /// When the query cannot be compared with the rows, or a shard cannot be opened.
    pub fn search(&self, query: &[f32], effort: &Effort) -> Result<Answer, ShardError> {
        self.ask(query, effort, |_, shard| shard.search(query, &effort.search, None))
    }

    /// The nearest of the rows that the filter admits.
    ///
    /// # Errors
    /// As [`search`](Self::search), and when the filter was made for another collection.
    pub fn search_filtered(
        &self,
        query: &[f32],
        effort: &Effort,
        filter: &SealedFilter,
    ) -> Result<Answer, ShardError> {
        self.check_filter(filter)?;
        self.ask(query, effort, |number, shard| {
            shard.search(query, &effort.search, Some(&filter.shards[number]))
        })
    }

    /// The `k` nearest rows, after measuring all of them that can be answers.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_exact(&self, query: &[f32], k: usize) -> Result<Answer, ShardError> {
        self.ask(query, &Effort::for_k(k), |_, shard| shard.search_exact(query, k))
    }

    /// The nearest rows to each of `queries`, on the current rayon pool; by a filter, where there is one.
    ///
    /// # Errors
    /// As [`search_filtered`](Self::search_filtered), for the first query that cannot be answered.
    pub fn search_batch(
        &self,
        queries: &Vectors,
        effort: &Effort,
        filter: Option<&SealedFilter>,
    ) -> Result<Vec<Answer>, ShardError> {
        filter.map_or(Ok(()), |filter| self.check_filter(filter))?;
        let queries = (0..queries.len()).into_par_iter().map(|at| queries.row(at));
        let answers = queries.map(|query| match filter {
            None => self.search(query, effort),
            Some(filter) => self.search_filtered(query, effort, filter),
        });
        answers.collect()
    }

    /// Deletes files of shards that no manifest names, as builds leave them that were broken off or replaced; their
    /// names. Those younger than `grace` stay: they may belong to a build that is under way, or to somebody who
    /// opened the collection before.
    ///
    /// # Errors
    /// When the store refuses, or there is no sound manifest.
    pub fn sweep(store: &Store, grace: Duration) -> Result<Vec<String>, ShardError> {
        let manifest = Manifest::read(store)?;
        let named: HashSet<&str> =
            manifest.shards.iter().map(|entry| entry.file.as_str()).collect();
        let stale = store.list()?.into_iter().filter(|object| {
            object.name.ends_with(".cri")
                && object.age >= grace
                && !named.contains(object.name.as_str())
        });
        let mut deleted = Vec::new();
        for object in stale {
            store.delete(&object.name)?;
            deleted.push(object.name);
        }
        deleted.sort();
        Ok(deleted)
    }

    fn check_filter(&self, filter: &SealedFilter) -> Result<(), ShardError> {
        match filter.shards.len() == self.shards.len() {
            true => Ok(()),
            false => {
                Err(ShardError::Filter { filter: filter.shards.len(), shards: self.shards.len() })
            }
        }
    }

    fn ask(
        &self,
        query: &[f32],
        effort: &Effort,
        search: impl Fn(usize, &Shard) -> Result<Vec<Found>, SearchError> + Sync,
    ) -> Result<Answer, ShardError> {
        let one = |number: usize| match self.shard(number) {
            Ok(shard) => Ok(Some(search(number, shard)?)),
            Err(_) if effort.partial => Ok(None),
            Err(error) => Err(error),
        };
        let k = effort.search.k;
        let mut merged = Merged::new(k);
        match self.bounds(query)? {
            None => {
                let all = (0..self.shards.len()).into_par_iter().map(one);
                for (number, found) in
                    all.collect::<Result<Vec<_>, ShardError>>()?.into_iter().enumerate()
                {
                    merged.take(number, found);
                }
            }
            Some(bounds) => {
                let most = effort.shards.unwrap_or(bounds.len());
                for Reach { number, bound, .. } in bounds.into_iter().take(most) {
                    if !merged.is_beyond(bound) {
                        merged.take(number, one(number)?);
                    }
                }
            }
        }
        Ok(merged.answer)
    }

    /// How far the centres of the shards are, and what no row of theirs is closer than; the closest first. `None` where
    /// rows were not routed.
    fn bounds(&self, query: &[f32]) -> Result<Option<Vec<Reach>>, ShardError> {
        let Manifest { metric, space, shards, .. } = &self.manifest;
        if shards.is_empty() || shards.iter().any(|entry| entry.region.is_none()) {
            return Ok(None);
        }
        // Unchanged but for its length: an L2 query is taken as it came.
        let how = Preparation::new(*metric, space.dimension);
        let mut prepared = Vec::new();
        match how.apply(0, query, &mut prepared) {
            Ok(()) => {}
            // A query of zeros under the cosine: each shard says whether it is welcome.
            Err(_) if *metric == Metric::Cosine => return Ok(None),
            Err(error) => return Err(SearchError::from(error).into()),
        }
        let from = shards.iter().zip(0..).filter_map(|(entry, number)| {
            let (apart, bound) = entry.region.as_ref()?.from(&prepared, *metric);
            Some(Reach { number, apart, bound })
        });
        let mut bounds: Vec<Reach> = from.collect();
        bounds.sort_by(|a, b| a.apart.total_cmp(&b.apart).then(a.number.cmp(&b.number)));
        Ok(Some(bounds))
    }
}

/// How far a shard is from a query.
struct Reach {
    number: usize,
    /// From its centre.
    apart: f64,
    /// From any row of its, at least.
    bound: f64,
}

/// The nearest of several shards.
struct Merged {
    k: usize,
    answer: Answer,
}

impl Merged {
    fn new(k: usize) -> Self {
        Self { k, answer: Answer::default() }
    }

    /// Takes in what a shard found; `None` where it could not be opened.
    fn take(&mut self, number: usize, found: Option<Vec<Found>>) {
        let Some(found) = found else { return self.answer.missing.push(number) };
        self.answer.searched += 1;
        let all = &mut self.answer.found;
        all.extend(found);
        all.sort_by(Found::order);
        // A row that lies in several shards is as far away in each.
        all.dedup_by_key(|one| one.id);
        all.truncate(self.k);
    }

    /// Whether no row at `bound` or beyond can be an answer any more.
    fn is_beyond(&self, bound: f64) -> bool {
        let last = self.answer.found.last();
        self.answer.found.len() == self.k
            && last.is_some_and(|last| bound > f64::from(last.distance))
    }
}

/// Refuses ids that do not fit `rows` rows, or occur twice.
fn check(ids: &[u64], rows: usize) -> Result<(), ShardError> {
    if ids.len() != rows {
        return Err(ShardError::Ids { ids: ids.len(), rows });
    }
    let mut seen = HashMap::with_capacity(ids.len());
    for (second, &id) in ids.iter().enumerate() {
        if let Some(first) = seen.insert(id, second) {
            return Err(ShardError::SameId { id, first, second });
        }
    }
    Ok(())
}

/// Some of the rows.
fn picked(rows: &Vectors, picked: &[u32]) -> Result<Vectors, ShardError> {
    if picked.is_empty() {
        return Ok(Vectors::empty(rows.dim()));
    }
    let values: Vec<f32> = picked.iter().flat_map(|&row| rows.row(row as usize)).copied().collect();
    Ok(Vectors::new(values, rows.dim())?)
}
