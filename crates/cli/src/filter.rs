//! Which rows a search may return: the ids in a file.

use crate::output::Id;
use crinoid::{Filter, Index};
use crinoid_files::{Ids, Names, listed};
use std::path::Path;

/// The rows that the file at `path` names.
pub(crate) fn read(path: &Path, index: &Index, names: Option<&Names>) -> anyhow::Result<Filter> {
    let named = listed(path, index.len(), names)?;
    Ok(index.filter(|row| named[row as usize]))
}

/// What a row is called in answers.
pub(crate) fn called(names: Option<&Names>, row: usize) -> Id {
    match names.map(Names::ids) {
        None => Id::Number(row as u64),
        Some(Ids::Numbers(ids)) => Id::Number(ids[row]),
        Some(Ids::Texts(ids)) => Id::Text(ids[row].clone()),
    }
}
