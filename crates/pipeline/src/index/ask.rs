//! Questions to an index that need no session: working memory is kept from call to call.

use super::{Filter, Index, SearchIter, SearchOptions, Session, Working};
use crate::error::{RowError, SearchError};
use crinoid_graph::Copies;
use crinoid_quant::{IntoVectors, Neighbor, VectorError};
use crinoid_search::{Answers, answer_all};

/// Working memory, given back to its index when it is done with.
struct Borrowed<'a> {
    index: &'a Index,
    working: Working,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        // A full queue means that enough memory lies idle already.
        let _ = self.index.idle.memories.push(std::mem::take(&mut self.working));
    }
}

impl Index {
    /// The `k` nearest vectors, closest first, with a default effort (`ef = max(4 k, 100)`).
    ///
    /// # Errors
    /// When the query cannot be compared with the index, or `k` is 0.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>, SearchError> {
        self.search_with(query, &SearchOptions::for_k(k))
    }

    /// The nearest `options.k` vectors, closest first, with the effort that `options` name.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_with(
        &self,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<Vec<Neighbor>, SearchError> {
        self.ask(|session, answers| session.search(query, options, answers).map(|_| ()))
    }

    /// The `k` nearest of the rows that `admits`, which is asked once for every row. For many
    /// searches under one rule, make a [`filter`](Self::filter) once.
    ///
    /// ```
    /// use crinoid_pipeline::Index;
    ///
    /// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// let odd = index.search_filtered(&[42.0, 2.0], 1, |row| row % 2 == 1)?;
    /// assert_eq!(odd[0].id, 41);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_filtered(
        &self,
        query: &[f32],
        k: usize,
        admits: impl Fn(u32) -> bool,
    ) -> Result<Vec<Neighbor>, SearchError> {
        let (filter, options) = (self.filter(admits), SearchOptions::for_k(k));
        self.ask(|session, answers| {
            session.search_filtered(query, &options, &filter, answers).map(|_| ())
        })
    }

    /// The `k` nearest vectors, after measuring all of them; see [`Session::search_exact`].
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_exact(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>, SearchError> {
        self.ask(|session, answers| session.search_exact(query, k, answers))
    }

    /// The vectors within `radius` of the query (a distance of the metric, inclusive), closest first;
    /// see [`Session::search_range`].
    ///
    /// ```
    /// use crinoid_pipeline::Index;
    ///
    /// let rows: Vec<[f32; 1]> = (0..100).map(|i| [i as f32]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// let near = index.search_range(&[50.0], 4.0)?; // squared L2: up to 2 away
    /// assert_eq!(near.iter().map(|near| near.id).collect::<Vec<_>>(), [50, 49, 51, 48, 52]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`search`](Self::search), and when the radius is not a number.
    pub fn search_range(&self, query: &[f32], radius: f32) -> Result<Vec<Neighbor>, SearchError> {
        let ef = SearchOptions::for_k(1).ef;
        self.ask(|session, answers| session.search_range(query, radius, ef, answers))
    }

    /// The vectors from the nearest on, as many as the caller takes: paging past `k`.
    ///
    /// ```
    /// use crinoid_pipeline::Index;
    ///
    /// let rows: Vec<[f32; 1]> = (0..1_000).map(|i| [i as f32]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// let mut nearest = index.search_iter(&[0.0])?;
    /// let page: Vec<u32> = nearest.by_ref().take(3).map(|near| near.map(|near| near.id)).collect::<Result<_, _>>()?;
    /// assert_eq!(page, [0, 1, 2]);
    /// assert_eq!(nearest.next().unwrap()?.id, 3);
    /// assert_eq!(nearest.count(), 996); // all the rest
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the query cannot be compared with the index.
    pub fn search_iter(&self, query: &[f32]) -> Result<SearchIter<'_>, SearchError> {
        SearchIter::new(self, query, &SearchOptions::for_k(1))
    }

    /// The `k` nearest vectors to each of `queries`, on the current rayon pool: in the order of the
    /// queries, what single calls return.
    ///
    /// ```
    /// use crinoid_pipeline::Index;
    ///
    /// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// let answers = index.search_batch(&rows[..3], 5)?;
    /// assert_eq!(answers.len(), 3);
    /// assert!(answers.rows().zip(0..).all(|(near, row)| near[0].id == row));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`search`](Self::search), for the first query that cannot be answered.
    pub fn search_batch<F>(
        &self,
        queries: impl IntoVectors<F>,
        k: usize,
    ) -> Result<Answers, SearchError> {
        self.search_batch_with(queries, &SearchOptions::for_k(k), None)
    }

    /// As [`search_batch`](Self::search_batch), with the effort that `options` name, and among the
    /// rows that `filter` admits.
    ///
    /// # Errors
    /// As [`search_batch`](Self::search_batch); and when the filter was made for another index.
    pub fn search_batch_with<F>(
        &self,
        queries: impl IntoVectors<F>,
        options: &SearchOptions,
        filter: Option<&Filter>,
    ) -> Result<Answers, SearchError> {
        let queries = queries.into_vectors()?;
        if queries.dim() != self.dim() {
            let (row, got, want) = (0, queries.dim(), self.dim());
            return Err(VectorError::Dimension { row, got, want }.into());
        }
        if options.k == 0 {
            return Err(SearchError::ZeroK);
        }
        let most = options.k.min(self.len());
        answer_all(
            queries.len(),
            most,
            || self.borrowed(),
            |memory, row, answers| {
                let mut session = Session::new(self, std::mem::take(&mut memory.working));
                let result = session.answer(row, queries.row(row), options, filter, answers);
                memory.working = session.into_working();
                result.map(|report| report.counters)
            },
        )
    }

    /// Row `id` as the index keeps it: all dimensions where it re-scores by floats (of unit length under
    /// the cosine), else what its finest codes stand for.
    ///
    /// ```
    /// use crinoid_pipeline::Index;
    ///
    /// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, 0.5]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// assert_eq!(index.vector(42)?, [42.0, 0.5]);
    /// assert_eq!(index.vector(100).unwrap_err().to_string(), "there is no row 100: the index has 100 rows, from 0 on");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such row, or it stayed on disk and cannot be read any more.
    pub fn vector(&self, id: u32) -> Result<Vec<f32>, RowError> {
        let node = match self.copies() {
            None => id,
            Some(copies) => {
                let nodes = self.idle.nodes.get_or_init(|| nodes_of_rows(copies));
                nodes.get(id as usize).copied().unwrap_or(u32::MAX)
            }
        };
        if node as usize >= self.graph.len() {
            return Err(RowError::OutOfRange { id, len: self.len() });
        }
        if self.report.zero_rows.binary_search(&id).is_ok() {
            return Ok(vec![0.0; self.dim()]);
        }
        let refined = self.refiners.last().map_or(Ok(None), |refiner| refiner.vector(node));
        let refined = refined.map_err(|why| RowError::Unreadable { id, why })?;
        let mut vector = refined.unwrap_or_else(|| self.stage.decode(node));
        self.preparation.unscale(&mut vector);
        Ok(vector)
    }

    fn borrowed(&self) -> Borrowed<'_> {
        Borrowed { index: self, working: self.idle.memories.pop().unwrap_or_default() }
    }

    fn ask(
        &self,
        question: impl FnOnce(&mut Session<'_>, &mut Vec<Neighbor>) -> Result<(), SearchError>,
    ) -> Result<Vec<Neighbor>, SearchError> {
        let mut memory = self.borrowed();
        let mut session = Session::new(self, std::mem::take(&mut memory.working));
        let mut answers = Vec::new();
        let result = question(&mut session, &mut answers);
        memory.working = session.into_working();
        result.map(|()| answers)
    }
}

fn nodes_of_rows(copies: &Copies) -> Vec<u32> {
    let mut nodes = vec![0; copies.len()];
    for node in 0..copies.nodes() as u32 {
        copies.rows(node).iter().for_each(|&row| nodes[row as usize] = node);
    }
    nodes
}
