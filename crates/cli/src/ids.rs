//! The names of an index's rows, in a file beside it.

use anyhow::bail;
use crinoid::Index;
use crinoid_files::{Ids, Names, names};
use std::path::Path;

/// Names, no two alike; `file` is where they are from.
pub(crate) fn unique(ids: Ids, file: &Path) -> anyhow::Result<Names> {
    match Names::new(ids.clone()) {
        Ok(names) => Ok(names),
        Err((first, second)) => {
            let (file, id) = (file.display(), ids.text(second).unwrap_or_default());
            bail!("{file}: row {second}: id `{id}` is that of row {first} too: ids must differ")
        }
    }
}

/// Writes the names beside the index; removes those of an earlier index where there are none.
pub(crate) fn save(path: &Path, index: &Index, names: Option<&Names>) -> anyhow::Result<()> {
    Ok(names::save(path, index.digest(), names)?)
}

/// The names of the index's rows, where a file beside it has some.
pub(crate) fn load(path: &Path, index: &Index) -> anyhow::Result<Option<Names>> {
    Ok(names::load(path, index.digest(), index.len())?)
}
