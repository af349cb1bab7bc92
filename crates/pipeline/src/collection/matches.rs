//! Answers page by page, from all parts of a collection.

use super::{
    part::{Kind, Part},
    snapshot::{Snapshot, exact_part, is_few},
    types::{CollectionError, ExternalId, Match},
};
use crate::{
    error::SearchError,
    index::{Pages, SearchOptions, Working},
};
use crinoid_quant::Neighbor;
use std::{collections::VecDeque, fmt, sync::Arc};

/// The vectors of a snapshot from the nearest on, one after the other, as long as the caller wants more. Made by
/// [`Snapshot::search_iter`].
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::collection::{Batch, Collection, CollectionOptions};
///
/// let folder = std::env::temp_dir().join(format!("crinoid-matches-{}", std::process::id()));
/// let collection = Collection::create(&folder, 1, &CollectionOptions::default())?;
/// let mut batch = Batch::new();
/// for at in 0..100u64 {
///     batch.upsert(at, &[at as f32]);
/// }
/// collection.write(&batch)?;
/// let mut nearest = collection.snapshot().search_iter(&[0.0])?.map(|found| found.map(|found| found.id));
/// let page: Vec<_> = nearest.by_ref().take(3).collect::<Result<_, _>>()?;
/// assert_eq!(page, [0.into(), 1.into(), 2.into()]);
/// assert_eq!(nearest.count(), 97);
/// # drop(collection); std::fs::remove_dir_all(&folder)?; }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Matches {
    snapshot: Arc<Snapshot>,
    streams: Vec<Stream>,
    failed: bool,
}

/// What comes from one part.
struct Stream {
    part: usize,
    /// The search of a segment; nothing more comes where there is none.
    pages: Option<Pages>,
    /// Nearest first.
    ready: VecDeque<Neighbor>,
}

impl Matches {
    pub(super) fn new(snapshot: Arc<Snapshot>, query: &[f32]) -> Result<Self, CollectionError> {
        let mut full = Vec::new();
        snapshot.preparation().apply(0, query, &mut full).map_err(SearchError::from)?;
        let ef = SearchOptions::for_k(1).ef;
        let (mut streams, mut working) = (Vec::new(), Working::default());
        for (at, part) in snapshot.parts().iter().enumerate().filter(|(_, part)| part.live() > 0) {
            let (mut nearest, mut pages) = (Vec::new(), None);
            match part.kind() {
                Kind::Segment { index, .. } if !is_few(part, ef) => {
                    pages = Some(Pages::new(index, query, ef)?);
                }
                _ => {
                    working = exact_part(part, (query, &full), usize::MAX, working, &mut nearest)?;
                    nearest.retain(|near| part.id(near.id as usize).is_some());
                }
            }
            streams.push(Stream { part: at, pages, ready: nearest.into() });
        }
        Ok(Self { snapshot, streams, failed: false })
    }

    /// The next of all.
    fn nearest(&mut self) -> Result<Option<Match>, SearchError> {
        let parts = self.snapshot.parts();
        for stream in &mut self.streams {
            stream.fill(&parts[stream.part])?;
        }
        let head = |stream: &'_ Stream| {
            let near = stream.ready.front()?;
            Some((near.distance, parts[stream.part].id(near.id as usize)?))
        };
        let heads = self.streams.iter().enumerate().filter_map(|(at, s)| Some((head(s)?, at)));
        let order = |a: &(f32, &ExternalId), b: &(f32, &ExternalId)| {
            a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1))
        };
        let Some(((distance, id), at)) = heads.min_by(|(a, _), (b, _)| order(a, b)) else {
            return Ok(None);
        };
        let found = Match { id: id.clone(), distance };
        self.streams[at].ready.pop_front();
        Ok(Some(found))
    }
}

impl Stream {
    /// Searches on until there is a row that counts, or no row at all.
    fn fill(&mut self, part: &Part) -> Result<(), SearchError> {
        let Kind::Segment { index, .. } = part.kind() else { return Ok(()) };
        let mut page = Vec::new();
        while self.ready.is_empty()
            && let Some(pages) = &mut self.pages
        {
            if pages.next_page(index, &mut page)? == 0 {
                self.pages = None;
            }
            page.retain(|near| part.id(near.id as usize).is_some());
            self.ready.extend(page.drain(..));
        }
        Ok(())
    }
}

impl Iterator for Matches {
    type Item = Result<Match, CollectionError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.nearest();
        self.failed = next.is_err();
        next.map_err(CollectionError::from).transpose()
    }
}

impl fmt::Debug for Matches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Matches({:?})", self.snapshot)
    }
}
