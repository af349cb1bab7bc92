//! The collection at one point in time.

use super::{
    part::{Kind, Part},
    types::{CollectionError, ExternalId, Match},
};
use crate::{
    error::SearchError,
    index::{SearchOptions, Session, Working},
};
use crinoid_quant::{Neighbor, Preparation};
use crinoid_search::{Engine, SearchParams};
use crossbeam_queue::ArrayQueue;
use std::{fmt, sync::Arc};

/// Working memories that searches leave behind for the next ones.
pub(super) type Idle = Arc<ArrayQueue<Working>>;

pub(super) fn idle() -> Idle {
    Arc::new(ArrayQueue::new(std::thread::available_parallelism().map_or(4, usize::from) * 2))
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
    preparation: Preparation,
    idle: Idle,
}

impl Snapshot {
    pub(super) fn new(parts: Vec<Part>, preparation: Preparation, idle: Idle) -> Self {
        let live = parts.iter().map(Part::live).sum();
        Self { parts, live, preparation, idle }
    }

    pub(super) fn with_parts(&self, mut parts: Vec<Part>) -> Self {
        parts.retain(|part| part.live() > 0 || !part.is_memory());
        // Segments first, so that parts in memory stay together at the end.
        parts.sort_by_key(|part| (part.is_memory(), part.number()));
        Self::new(parts, self.preparation, self.idle.clone())
    }

    /// The same with `some` of the parts frozen, or not any more.
    pub(super) fn with_frozen(&self, some: &[Part], frozen: bool) -> Self {
        let change = |part: &Part| match some.iter().any(|one| one.is_of(part)) {
            true => part.frozen(frozen),
            false => part.clone(),
        };
        Self::new(self.parts.iter().map(change).collect(), self.preparation, self.idle.clone())
    }

    /// How many live rows are in no segment.
    pub fn unsealed(&self) -> usize {
        self.parts.iter().filter(|part| part.is_memory()).map(Part::live).sum()
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
        if options.k == 0 {
            return Err(SearchError::ZeroK.into());
        }
        let mut full = Vec::new();
        self.preparation.apply(0, query, &mut full).map_err(SearchError::from)?;
        let mut working = self.idle.pop().unwrap_or_default();
        let (mut found, mut nearest) = (Vec::new(), Vec::new());
        for part in self.parts.iter().filter(|part| part.live() > 0) {
            working = self.search_part(part, (query, &full), options, working, &mut nearest)?;
            let live = nearest.iter().filter_map(|n| Some((n.distance, part.id(n.id as usize)?)));
            found.extend(live.take(options.k));
        }
        // A full queue means that enough memory lies idle already.
        let _ = self.idle.push(working);
        found.sort_unstable_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| x.cmp(y)));
        found.truncate(options.k);
        Ok(found.into_iter().map(|(distance, id)| Match { id: id.clone(), distance }).collect())
    }

    /// Leaves the part's nearest rows, dead ones among them, in `nearest`.
    fn search_part(
        &self,
        part: &Part,
        (query, full): (&[f32], &[f32]),
        options: &SearchOptions,
        mut working: Working,
        nearest: &mut Vec<Neighbor>,
    ) -> Result<Working, SearchError> {
        let (n, dead, live) = (part.len(), part.dead(), part.live());
        let wanted = options.k.min(live);
        match part.kind() {
            Kind::Memory { scan, .. } => {
                let params = SearchParams::new(wanted + dead, 0);
                scan.search(full, &params, working.search(), nearest);
            }
            Kind::Segment { index, .. } => {
                let spare = if dead == 0 { 0 } else { (wanted * dead).div_ceil(live) + 8 };
                let options = index.with_effort(&SearchOptions { k: wanted, ..*options })?;
                let mut session = Session::new(index, working);
                for k in [(wanted + spare).min(n), (wanted + dead).min(n)] {
                    let ef = options.ef.saturating_add(k - wanted);
                    session.search(query, &SearchOptions { k, ef, ..options }, nearest)?;
                    let alive = nearest.iter().filter(|n| part.id(n.id as usize).is_some());
                    if alive.count() >= wanted {
                        break;
                    }
                }
                working = session.into_working();
            }
        }
        Ok(working)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} vectors, {} parts)", self.live, self.parts.len())
    }
}
