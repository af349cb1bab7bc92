//! Which rows of an index a search may return.

use crate::error::SearchError;
use crinoid_graph::Copies;
use crinoid_search::Bitmap;

/// The admitted rows of one index; made by [`Index::filter`](crate::Index::filter) and good for any
/// number of searches of that index. Another index, even one with as many rows, refuses it.
///
/// ```
/// use crinoid_pipeline::{Index, SearchOptions};
///
/// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
/// let index = Index::builder().build(&rows)?;
/// let even = index.filter(|row| row % 2 == 0);
/// let mut answers = Vec::new();
/// index.session().search_filtered(&[41.0, 1.0], &SearchOptions::for_k(2), &even, &mut answers)?;
/// assert_eq!(answers.iter().map(|near| near.id).collect::<Vec<_>>(), [40, 42]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    rows: Bitmap,
    /// The nodes that stand for an admitted row, where nodes are not rows.
    nodes: Option<Bitmap>,
    /// Who the index is, among all in this process.
    index: u64,
}

impl Filter {
    /// Of the index that is called `index`, some of whose rows may be copies.
    pub(crate) fn new(rows: Bitmap, copies: Option<&Copies>, index: u64) -> Self {
        let nodes = copies.map(|copies| {
            let admits = |node| copies.rows(node).iter().any(|&row| rows.contains(row));
            Bitmap::from_fn(copies.nodes(), admits)
        });
        Self { rows, nodes, index }
    }

    /// The admitted rows.
    pub fn rows(&self) -> &Bitmap {
        &self.rows
    }

    pub(crate) fn nodes(&self) -> &Bitmap {
        self.nodes.as_ref().unwrap_or(&self.rows)
    }

    /// Refuses to filter the rows of another index than that called `index`, of `len` rows.
    pub(crate) fn check(&self, index: u64, len: usize) -> Result<(), SearchError> {
        if self.index == index {
            return Ok(());
        }
        Err(SearchError::Filter { got: self.rows.len(), want: len })
    }
}
