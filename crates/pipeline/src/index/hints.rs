//! Names that newcomers try first, each a line over the documented one, or a message that names it.

use super::{Index, SearchIter};
use crate::error::{IndexError, SearchError};
use crinoid_quant::IntoVectors;
use crinoid_search::Answers;
use std::io::Write;

/// What an index cannot take: it is frozen.
#[diagnostic::on_unimplemented(
    message = "an `Index` is frozen: vectors cannot be added to it",
    note = "a `Collection` (feature `collection`) is updated while it is searched: `collection.upsert(id, vector)`",
    note = "or build another: `Index::build(&rows, &options, &())`"
)]
#[doc(hidden)]
pub trait Addable {}

#[doc(hidden)]
impl Index {
    pub fn iter(&self, query: &[f32]) -> Result<SearchIter<'_>, SearchError> {
        self.search_iter(query)
    }

    pub fn search_all<F>(
        &self,
        queries: impl IntoVectors<F>,
        k: usize,
    ) -> Result<Answers, SearchError> {
        self.search_batch(queries, k)
    }

    pub fn save_to_writer(&self, writer: impl Write) -> Result<(), IndexError> {
        self.save_to(writer)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        Self::load_from(bytes)
    }

    pub fn add<V: Addable>(&self, _vector: V) {}
}
