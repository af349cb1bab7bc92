//! The transactional file: rows, ids, segments. What it says is what the collection is.
//!
//! A row is a number that is never used again. A row is alive while it is in `ROWS`: deleting or
//! replacing a vector removes its row, so that a segment's dead rows are those of its list that
//! are not in `ROWS` any more; no tombstone can disagree with the data.

use super::types::{Batch, CollectionError, CollectionOptions, ExternalId, Written};
use crinoid_quant::{Preparation, Vectors};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::{collections::BTreeMap, path::Path};

/// Row to vector, as it was given, `f32` little-endian.
const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
/// Row to external id.
const NAMES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("names");
/// External id to row.
const IDS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("ids");
/// Segment to its digest and rows, `u64` little-endian, rows ascending.
const SEGMENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("segments");
/// Counters.
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// Options as JSON.
const OPTIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("options");

const NEXT_ROW: &str = "next row";
const NEXT_SEGMENT: &str = "next segment";
const DIM: &str = "dimension";

/// What the store knows of a segment.
pub(super) struct Segment {
    pub(super) digest: u64,
    pub(super) rows: Vec<u64>,
}

/// A row that a batch added: its id and its vector with all dimensions, prepared.
pub(super) type Added = BTreeMap<u64, (ExternalId, Vec<f32>)>;

/// What a batch changed.
pub(super) struct Change {
    pub(super) added: Added,
    /// Rows that died.
    pub(super) killed: Vec<u64>,
    pub(super) written: Written,
}

/// The open store.
pub(super) struct Store {
    db: Database,
    options: CollectionOptions,
    preparation: Preparation,
}

impl Store {
    /// Makes the file and all tables in one transaction.
    pub(super) fn create(
        path: &Path,
        dim: usize,
        options: &CollectionOptions,
    ) -> Result<(), CollectionError> {
        let db = Database::create(path).map_err(CollectionError::store)?;
        let json = serde_json::to_string(options)
            .map_err(|_| CollectionError::Damaged { what: "options" })?;
        let write = db.begin_write().map_err(CollectionError::store)?;
        (|| -> Result<(), redb::Error> {
            write.open_table(ROWS)?;
            write.open_table(NAMES)?;
            write.open_table(IDS)?;
            write.open_table(SEGMENTS)?;
            write.open_table(OPTIONS)?.insert("options", json.as_str())?;
            let mut counters = write.open_table(COUNTERS)?;
            counters.insert(NEXT_ROW, 0)?;
            counters.insert(NEXT_SEGMENT, 0)?;
            counters.insert(DIM, dim as u64)?;
            Ok(())
        })()
        .map_err(CollectionError::store)?;
        write.commit().map_err(CollectionError::store)
    }

    pub(super) fn open(path: &Path) -> Result<Self, CollectionError> {
        let db = Database::open(path).map_err(CollectionError::store)?;
        let damaged = |what| CollectionError::Damaged { what };
        let (json, dim) = (|| -> Result<_, redb::Error> {
            let read = db.begin_read()?;
            let json = read.open_table(OPTIONS)?.get("options")?.map(|v| v.value().to_owned());
            let dim = read.open_table(COUNTERS)?.get(DIM)?.map(|v| v.value());
            Ok((json, dim))
        })()
        .map_err(CollectionError::store)?;
        let json = json.ok_or_else(|| damaged("options"))?;
        let options: CollectionOptions =
            serde_json::from_str(&json).map_err(|_| damaged("options"))?;
        let dim = dim.and_then(|dim| usize::try_from(dim).ok()).ok_or_else(|| damaged(DIM))?;
        options.validate(dim)?;
        let preparation = Preparation::new(options.build.metric, dim);
        Ok(Self { db, options, preparation })
    }

    pub(super) fn options(&self) -> &CollectionOptions {
        &self.options
    }

    /// Preparation of vectors with all dimensions.
    pub(super) fn preparation(&self) -> Preparation {
        self.preparation
    }

    /// Writes a batch in one transaction, durably.
    pub(super) fn apply(&mut self, batch: &Batch) -> Result<Change, CollectionError> {
        let mut prepared = Vec::with_capacity(batch.len());
        for (place, (_, vector)) in batch.entries.iter().enumerate() {
            let mut full = Vec::new();
            if let Some(vector) = vector {
                self.preparation.apply(place, vector, &mut full)?;
                // The segment's search sees the leading dimensions: they need a direction, too.
                if let Some(dim) = self.options.build.truncate {
                    let cut = self.preparation.truncated(dim)?;
                    cut.apply(place, vector, &mut Vec::new())?;
                }
            }
            prepared.push(full);
        }
        let write = self.db.begin_write().map_err(CollectionError::store)?;
        let change = apply_entries(&write, batch, prepared).map_err(CollectionError::store)?;
        write.commit().map_err(CollectionError::store)?;
        Ok(change)
    }

    /// Every live row and its id, ascending.
    pub(super) fn names(&self) -> Result<BTreeMap<u64, ExternalId>, CollectionError> {
        let names = (|| -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(NAMES)?;
            let mut names = BTreeMap::new();
            for entry in table.iter()? {
                let (row, name) = entry?;
                names.insert(row.value(), ExternalId::from_bytes(name.value()));
            }
            Ok(names)
        })()
        .map_err(CollectionError::store)?;
        let whole = |(row, name): (u64, Option<ExternalId>)| Some((row, name?));
        names
            .into_iter()
            .map(whole)
            .collect::<Option<_>>()
            .ok_or(CollectionError::Damaged { what: "an id" })
    }

    /// The segments, oldest first.
    pub(super) fn segments(&self) -> Result<Vec<(u64, Segment)>, CollectionError> {
        let segments = (|| -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
            let table = self.db.begin_read()?.open_table(SEGMENTS)?;
            let entries = table.iter()?.map(|entry| {
                let (number, bytes) = entry?;
                Ok((number.value(), bytes.value().to_vec()))
            });
            entries.collect()
        })()
        .map_err(CollectionError::store)?;
        let parse = |(number, bytes): (u64, Vec<u8>)| {
            let (words, rest) = bytes.as_chunks::<8>();
            let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
            let digest = words.next().filter(|_| rest.is_empty());
            let digest = digest.ok_or(CollectionError::Damaged { what: "a segment" })?;
            Ok((number, Segment { digest, rows: words.collect() }))
        };
        segments.into_iter().map(parse).collect()
    }

    /// The vectors of `rows` as they were given.
    pub(super) fn raw(&self, rows: &[u64]) -> Result<Vectors, CollectionError> {
        let dim = self.preparation.input_dim;
        let mut values = Vec::with_capacity(rows.len() * dim);
        (|| -> Result<(), redb::Error> {
            let table = self.db.begin_read()?.open_table(ROWS)?;
            for row in rows {
                if let Some(bytes) = table.get(row)? {
                    values.extend(floats(bytes.value()));
                }
            }
            Ok(())
        })()
        .map_err(CollectionError::store)?;
        if values.len() != rows.len() * dim {
            return Err(CollectionError::Damaged { what: "a row" });
        }
        Ok(Vectors::new(values.as_slice(), dim)?)
    }

    /// The vectors of `rows` with all dimensions, prepared.
    pub(super) fn prepared(&self, rows: &[u64]) -> Result<Vectors, CollectionError> {
        Ok(self.preparation.apply_all(&self.raw(rows)?)?)
    }

    /// The vector stored under `id`.
    pub(super) fn get(&self, id: &ExternalId) -> Result<Option<Vec<f32>>, CollectionError> {
        (|| -> Result<_, redb::Error> {
            let read = self.db.begin_read()?;
            let Some(row) = read.open_table(IDS)?.get(id.to_bytes().as_slice())? else {
                return Ok(None);
            };
            let bytes = read.open_table(ROWS)?.get(row.value())?;
            Ok(bytes.map(|bytes| floats(bytes.value()).collect()))
        })()
        .map_err(CollectionError::store)
    }

    /// The number that the next segment gets.
    pub(super) fn next_segment(&self) -> Result<u64, CollectionError> {
        let next = (|| -> Result<_, redb::Error> {
            let counters = self.db.begin_read()?.open_table(COUNTERS)?;
            Ok(counters.get(NEXT_SEGMENT)?.map(|next| next.value()))
        })()
        .map_err(CollectionError::store)?;
        next.ok_or(CollectionError::Damaged { what: NEXT_SEGMENT })
    }

    /// Lets segment `new` (number, digest, rows) take the place of the segments `old`.
    pub(super) fn replace_segments(
        &mut self,
        old: &[u64],
        new: Option<(u64, u64, &[u64])>,
    ) -> Result<(), CollectionError> {
        let write = self.db.begin_write().map_err(CollectionError::store)?;
        (|| -> Result<(), redb::Error> {
            let mut segments = write.open_table(SEGMENTS)?;
            for number in old {
                segments.remove(number)?;
            }
            if let Some((number, digest, rows)) = new {
                let words = [digest].into_iter().chain(rows.iter().copied());
                let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
                segments.insert(number, bytes.as_slice())?;
                write.open_table(COUNTERS)?.insert(NEXT_SEGMENT, number + 1)?;
            }
            Ok(())
        })()
        .map_err(CollectionError::store)?;
        write.commit().map_err(CollectionError::store)
    }
}

fn apply_entries(
    write: &WriteTransaction,
    batch: &Batch,
    prepared: Vec<Vec<f32>>,
) -> Result<Change, redb::Error> {
    let mut change =
        Change { added: Added::new(), killed: Vec::new(), written: Written::default() };
    let mut rows = write.open_table(ROWS)?;
    let mut names = write.open_table(NAMES)?;
    let mut ids = write.open_table(IDS)?;
    let mut counters = write.open_table(COUNTERS)?;
    let mut next = counters.get(NEXT_ROW)?.map_or(0, |next| next.value());
    for ((id, vector), full) in batch.entries.iter().zip(prepared) {
        let name = id.to_bytes();
        let old = ids.remove(name.as_slice())?.map(|row| row.value());
        if let Some(row) = old {
            rows.remove(row)?;
            names.remove(row)?;
            if change.added.remove(&row).is_none() {
                change.killed.push(row);
            }
        }
        let Written { inserted, updated, deleted } = &mut change.written;
        match vector {
            Some(vector) => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                rows.insert(next, bytes.as_slice())?;
                names.insert(next, name.as_slice())?;
                ids.insert(name.as_slice(), next)?;
                change.added.insert(next, (id.clone(), full));
                next += 1;
                *if old.is_some() { updated } else { inserted } += 1;
            }
            None => *deleted += usize::from(old.is_some()),
        }
    }
    counters.insert(NEXT_ROW, next)?;
    Ok(change)
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}
