//! Which rows of an index a search may return.

use crinoid_graph::Copies;
use crinoid_search::Bitmap;

/// The admitted rows of one index; made by [`Index::filter`](crate::Index::filter) and good for any
/// number of searches.
#[derive(Clone, Debug)]
pub struct Filter {
    rows: Bitmap,
    /// The nodes that stand for an admitted row, where nodes are not rows.
    nodes: Option<Bitmap>,
}

impl Filter {
    pub(crate) fn new(rows: Bitmap, copies: Option<&Copies>) -> Self {
        let nodes = copies.map(|copies| {
            let admits = |node| copies.rows(node).iter().any(|&row| rows.contains(row));
            Bitmap::from_fn(copies.nodes(), admits)
        });
        Self { rows, nodes }
    }

    /// The admitted rows.
    pub fn rows(&self) -> &Bitmap {
        &self.rows
    }

    pub(crate) fn nodes(&self) -> &Bitmap {
        self.nodes.as_ref().unwrap_or(&self.rows)
    }
}
