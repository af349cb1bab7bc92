//! Reading what can be read of a damaged store.
//!
//! Every value is asked for by itself, so that one that cannot be read costs no other. What the store's checksums
//! do not vouch for is taken from nowhere, but for vectors: a segment of the same digest has them, too.

use super::{
    attributes::Attributes,
    segment_name,
    store::caught,
    tables::{
        ATTRIBUTES, DESCRIBED, DIM, IDS, NAMES, NEXT_ROW, OPTIONS, ROWS, SEGMENTS, StoreError,
        TEXTS, WORDED, counter, damaged, is_current, of_row, state,
    },
    types::{CollectionError, CollectionOptions, ExternalId, Row},
    values::{attributes_of, row_of, segment_of, text_of, vector},
};
use crate::index::Index;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// What could be read.
pub(super) struct Salvage {
    pub(super) options: CollectionOptions,
    pub(super) dim: usize,
    /// In the order in which they were written.
    pub(super) rows: Vec<(ExternalId, Row)>,
    /// What was restored from elsewhere, and what is gone, a line each.
    pub(super) restored: Vec<String>,
    pub(super) lost: Vec<String>,
}

/// The store, opened again whenever its own code gives up on it.
struct Reading {
    path: PathBuf,
    db: Option<Database>,
}

impl Reading {
    fn close(&mut self) {
        let db = self.db.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(db)));
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
    ) -> Result<T, CollectionError> {
        let db = match self.db.take() {
            Some(db) => db,
            None => caught(|| Ok(Database::open(&self.path).map_err(StoreError::from)?))?,
        };
        let db = self.db.insert(db);
        let mut finished = false;
        let result = caught(|| {
            let result = db.begin_read().map_err(StoreError::from).and_then(|read| work(&read));
            finished = true;
            Ok(result?)
        });
        if !finished {
            self.close();
        }
        result
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.close();
    }
}

/// Reads the store at `path`, whose segments lie in `folder`.
///
/// # Errors
/// When it cannot be opened at all, or what it is (its options, its dimension, the number of its rows) is lost.
pub(super) fn salvage(folder: &Path, path: &Path) -> Result<Salvage, CollectionError> {
    let mut store = Reading { path: path.to_owned(), db: None };
    let (json, dim, end) = store.with(|read| {
        if !is_current(read)? {
            return Err(damaged("a store of the first format: it has no checksums to go by"));
        }
        Ok((state(read, OPTIONS)?, counter(read, DIM)?, counter(read, NEXT_ROW)?))
    })?;
    let lost = |what: &str| CollectionError::Damaged { what: what.to_owned() };
    let options: CollectionOptions = serde_json::from_slice(&json).map_err(|_| lost(OPTIONS))?;
    let dim = usize::try_from(dim).map_err(|_| lost(DIM))?;

    let names = names(&mut store, end);
    let mut segments = Segments::read(&mut store, folder);
    let mut salvage =
        Salvage { options, dim, rows: Vec::new(), restored: Vec::new(), lost: Vec::new() };
    for (row, id) in names {
        let found = store.with(|read| match read.open_table(ROWS)?.get(row)? {
            Some(value) => vector(row, &id, value.value(), dim),
            None => Err(damaged(format!("the vector of `{id}` (row {row})"))),
        });
        let vector = match found {
            Ok(vector) => vector,
            Err(_) => match segments.vector(row, dim) {
                Some((vector, segment)) => {
                    let line = format!("the vector of `{id}` is that of segment {segment}");
                    salvage.restored.push(line);
                    vector
                }
                None => {
                    salvage.lost.push(format!("`{id}`: its vector (row {row})"));
                    continue;
                }
            },
        };
        let attributes = store.with(|read| match read.open_table(ATTRIBUTES) {
            Ok(table) => match table.get(row)? {
                Some(value) => attributes_of(row, value.value()),
                None => Ok(Attributes::new()),
            },
            // Older than attributes.
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(Attributes::new()),
            Err(error) => Err(error.into()),
        });
        let attributes = attributes.unwrap_or_else(|_| {
            salvage.lost.push(format!("`{id}`: its attributes (row {row})"));
            Attributes::new()
        });
        let text = store.with(|read| match read.open_table(TEXTS) {
            Ok(table) => match table.get(row)? {
                Some(value) => Ok(Some(text_of(row, value.value())?.to_owned())),
                None => Ok(None),
            },
            // Older than texts.
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        });
        let text = text.unwrap_or_else(|_| {
            salvage.lost.push(format!("`{id}`: its text (row {row})"));
            None
        });
        salvage.rows.push((id, Row { vector, attributes, text }));
    }
    let described = salvage.rows.iter().filter(|(_, row)| !row.attributes.is_empty()).count();
    let worded = salvage.rows.iter().filter(|(_, row)| row.text.is_some()).count();
    let known = salvage.lost.len() as u64;
    for (name, what, found) in [(DESCRIBED, "attributes", described), (WORDED, "texts", worded)] {
        let found = found as u64 + known;
        if let Ok(all) = store.with(|read| counter(read, name))
            && all > found
        {
            let line = format!("the {what} of up to {} rows, without a trace", all - found);
            salvage.lost.push(line);
        }
    }
    Ok(salvage)
}

/// The rows whose ids one of the two tables of ids tells.
fn names(store: &mut Reading, end: u64) -> BTreeMap<u64, ExternalId> {
    let mut names = BTreeMap::new();
    for row in 0..end {
        let name = store.with(|read| {
            let value = read.open_table(NAMES)?.get(row)?;
            let id = value.and_then(|value| {
                let key = row.to_le_bytes();
                ExternalId::from_bytes(of_row("names", &key, &[]).open(value.value())?)
            });
            Ok(id)
        });
        if let Ok(Some(id)) = name {
            names.insert(row, id);
        }
    }
    // As far as it can be read.
    let mut others = Vec::new();
    let _ = store.with(|read| {
        for entry in read.open_table(IDS)?.iter()? {
            let (name, value) = entry?;
            let name = name.value();
            if let (Some(id), Ok(row)) = (ExternalId::from_bytes(name), row_of(name, value.value()))
            {
                others.push((row, id));
            }
        }
        Ok(())
    });
    for (row, id) in others {
        names.entry(row).or_insert(id);
    }
    names
}

/// The segments whose lists of rows can be read, and their indexes once they were asked for.
struct Segments {
    folder: PathBuf,
    /// The segment of a row, its place there.
    places: HashMap<u64, (u64, u32)>,
    digests: HashMap<u64, u64>,
    open: HashMap<u64, Option<Index>>,
}

impl Segments {
    fn read(store: &mut Reading, folder: &Path) -> Self {
        let (mut places, mut digests) = (HashMap::new(), HashMap::new());
        let _ = store.with(|read| {
            for entry in read.open_table(SEGMENTS)?.iter()? {
                let (number, value) = entry?;
                let number = number.value();
                if let Ok(segment) = segment_of(number, value.value()) {
                    digests.insert(number, segment.digest);
                    for (row, place) in segment.rows.into_iter().zip(0..) {
                        places.insert(row, (number, place));
                    }
                }
            }
            Ok(())
        });
        Self { folder: folder.to_owned(), places, digests, open: HashMap::new() }
    }

    fn vector(&mut self, row: u64, dim: usize) -> Option<(Vec<f32>, u64)> {
        let &(number, place) = self.places.get(&row)?;
        let digest = *self.digests.get(&number)?;
        let path = self.folder.join(segment_name(number));
        let load = || Index::load(path).ok().filter(|index| index.digest() == digest);
        let index = self.open.entry(number).or_insert_with(load).as_ref()?;
        index.vector(place).ok().filter(|vector| vector.len() == dim).map(|vector| (vector, number))
    }
}
