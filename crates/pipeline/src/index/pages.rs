//! Answers page by page: a search that goes on past `k`.

use super::{
    Index,
    session::{Held, SearchOptions, all_defined, prepare},
};
use crate::error::SearchError;
use crinoid_quant::Neighbor;
use crinoid_refine::RefinerQuery;
use crinoid_search::Cursor;
use std::{fmt, sync::Arc};

/// A search of one index in progress.
pub(crate) struct Pages {
    cursor: Cursor,
    width: usize,
    prepared: Vec<f32>,
    /// Empty where nothing is truncated.
    full: Vec<f32>,
    scratch: crinoid_refine::Scratch,
    nodes: Vec<Neighbor>,
    /// Whether the rows that no search finds have come.
    ended: bool,
}

impl Pages {
    /// Begins at `query`; pages hold `width` distinct vectors, and their copies.
    pub(crate) fn new(index: &Index, query: &[f32], width: usize) -> Result<Self, SearchError> {
        let (mut prepared, mut full) = (Vec::new(), Vec::new());
        prepare(index.preparation(), 0, query, &mut prepared, &mut full)?;
        let cursor = index.stage().begin(&prepared);
        let (scratch, nodes) = Default::default();
        let width = width.max(1);
        Ok(Self { cursor, width, prepared, full, scratch, nodes, ended: false })
    }

    /// Writes the next page into `page` (cleared first), nearest first, ties by id; how many rows.
    /// None follow an empty page.
    pub(crate) fn next_page(
        &mut self,
        index: &Index,
        page: &mut Vec<Neighbor>,
    ) -> Result<usize, SearchError> {
        page.clear();
        index.stage().resume(&mut self.cursor, self.width, page);
        let full = if self.full.is_empty() { &self.prepared } else { &self.full };
        let query = RefinerQuery { full, prepared: &self.prepared };
        if let Some(refiner) = index.finest(&query) {
            let keep = page.len();
            refiner.try_refine(&query, keep, &mut self.scratch, page)?;
        }
        let is_last = page.is_empty();
        index.expand(page, &mut self.nodes);
        if is_last && !std::mem::replace(&mut self.ended, true) {
            index.answer_zero_rows(page);
        }
        all_defined(page)?;
        Ok(page.len())
    }
}

/// The rows of an index from the nearest on, one after the other, as long as the caller wants more.
/// Made by [`Index::search_iter`].
///
/// The index is searched a page of `ef` distinct vectors at a time, and each page is ordered by the
/// last refiner's distances. What the search finds late can be closer than the end of the page
/// before; no row comes twice, and in the end every row that can be reached has come.
///
/// [`SearchIter::of`] shares the index, so that the iterator can live on its own.
pub struct SearchIter<'a> {
    index: Held<'a>,
    pages: Pages,
    page: Vec<Neighbor>,
    next: usize,
}

impl<'a> SearchIter<'a> {
    pub(crate) fn new(
        index: &'a Index,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<Self, SearchError> {
        let pages = Pages::new(index, query, index.with_effort(options)?.ef)?;
        Ok(Self { index: Held::Borrowed(index), pages, page: Vec::new(), next: 0 })
    }
}

impl SearchIter<'static> {
    /// As [`Index::search_iter`], over an index that the iterator shares.
    ///
    /// # Errors
    /// When the query cannot be compared with the index.
    pub fn of(index: Arc<Index>, query: &[f32]) -> Result<Self, SearchError> {
        let pages = Pages::new(&index, query, SearchOptions::for_k(1).ef)?;
        Ok(Self { index: Held::Shared(index), pages, page: Vec::new(), next: 0 })
    }
}

impl Iterator for SearchIter<'_> {
    type Item = Result<Neighbor, SearchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.page.len() {
            self.next = 0;
            if let Err(error) = self.pages.next_page(&self.index, &mut self.page) {
                self.page.clear();
                return Some(Err(error));
            }
        }
        let near = self.page.get(self.next).copied()?;
        self.next += 1;
        Some(Ok(near))
    }
}

impl fmt::Debug for SearchIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SearchIter({:?}, {:?})", &*self.index, self.pages.cursor.counters())
    }
}
