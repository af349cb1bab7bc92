//! Which rows a search may return: the ids in a file.

use crate::output::Id;
use anyhow::{Context, bail, ensure};
use crinoid::{Filter, Index};
use crinoid_files::{Format, Ids, Names, read_ids, text::Lines};
use std::path::Path;

/// The rows that the file at `path` names: row numbers (npy, ivecs, ibin), or text with an id a line.
pub(crate) fn read(path: &Path, index: &Index, names: Option<&Names>) -> anyhow::Result<Filter> {
    let (file, rows) = (path.display(), index.len());
    let mut admitted = vec![false; rows];
    if matches!(Format::by_extension(path), Some(Format::Npy | Format::Ivecs | Format::Ibin)) {
        for (at, &row) in read_ids(path, None)?.values.iter().enumerate() {
            let place = admitted.get_mut(row as usize).with_context(|| {
                format!("{file}: value {at} is {row}, and the index has {rows} rows, from 0 on")
            })?;
            *place = true;
        }
    } else {
        let mut lines = Lines::open(path)?;
        while let Some((number, line)) = lines.next_line()? {
            let id = line.trim();
            if id.is_empty() {
                continue;
            }
            let row = match names {
                Some(names) => names.row_of(id),
                None => id.parse().ok().filter(|&row| (row as usize) < rows),
            };
            let Some(row) = row else {
                ensure!(rows > 0, "{file}: line {number}: `{id}` is no id: the index is empty");
                let (first, last) = (called(names, 0), called(names, rows - 1));
                bail!(
                    "{file}: line {number}: `{id}` is no id of the index, whose rows are called {first} \
                     to {last}: leave the line out"
                );
            };
            admitted[row as usize] = true;
        }
    }
    ensure!(
        admitted.contains(&true),
        "{file}: no ids in it, so nothing is found: write one a line"
    );
    Ok(index.filter(|row| admitted[row as usize]))
}

/// What a row is called in answers.
pub(crate) fn called(names: Option<&Names>, row: usize) -> Id {
    match names.map(Names::ids) {
        None => Id::Number(row as u64),
        Some(Ids::Numbers(ids)) => Id::Number(ids[row]),
        Some(Ids::Texts(ids)) => Id::Text(ids[row].clone()),
    }
}
