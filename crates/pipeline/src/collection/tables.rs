//! The tables of a store, and what stands in each: every value with a [checksum](super::record) that
//! belongs to its place.

use super::{
    record::Place,
    types::{CollectionError, ExternalId},
};
use redb::{Database, ReadTransaction, ReadableDatabase, TableDefinition, WriteTransaction};

pub(super) type Table<'a, K> = TableDefinition<'a, K, &'static [u8]>;

/// Row to vector, as it was given, `f32` little-endian. The id belongs to the place.
pub(super) const ROWS: Table<'_, u64> = TableDefinition::new("rows 2");
/// Row to external id.
pub(super) const NAMES: Table<'_, u64> = TableDefinition::new("names 2");
/// External id to row.
pub(super) const IDS: Table<'_, &[u8]> = TableDefinition::new("ids 2");
/// Row to attributes, as JSON; rows without any are left out. Stores that are older than attributes get the table
/// when they are opened.
pub(super) const ATTRIBUTES: Table<'_, u64> = TableDefinition::new("attributes 2");
/// Row to text; rows without one are left out.
pub(super) const TEXTS: Table<'_, u64> = TableDefinition::new("texts 2");
/// Segment to its digest and rows, `u64` little-endian, rows ascending.
pub(super) const SEGMENTS: Table<'_, u64> = TableDefinition::new("segments 2");
/// Counters, and the options as JSON.
pub(super) const STATE: Table<'_, &str> = TableDefinition::new("state 2");

pub(super) const NEXT_ROW: &str = "next row";
pub(super) const NEXT_SEGMENT: &str = "next segment";
pub(super) const DIM: &str = "dimension";
pub(super) const OPTIONS: &str = "options";
/// How many batches and rewrites there have been: who follows sees by it that there is something new.
pub(super) const CHANGES: &str = "changes";
/// How many rows have attributes: none of them can vanish unnoticed.
pub(super) const DESCRIBED: &str = "described rows";
/// How many rows have a text, for the same reason.
pub(super) const WORDED: &str = "rows with text";

/// What is wrong with a stored value.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// The store itself refuses.
    #[error(transparent)]
    Redb(#[from] redb::Error),
    /// A value that was never written there.
    #[error("{0}")]
    Damaged(String),
}

macro_rules! from_redb {
    ($($error:ty),+) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Redb(error.into())
            }
        })+
    };
}

from_redb!(
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::DatabaseError
);

impl From<StoreError> for CollectionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Redb(error) => Self::Store(Box::new(error)),
            StoreError::Damaged(what) => Self::Damaged { what },
        }
    }
}

pub(super) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged(what.into())
}

pub(super) fn of_row<'a>(table: &'a str, row: &'a [u8; 8], id: &'a [u8]) -> Place<'a> {
    Place { table, key: [row, id] }
}

pub(super) fn of_key<'a>(table: &'a str, key: &'a [u8]) -> Place<'a> {
    Place { table, key: [key, &[]] }
}

/// Makes all tables.
pub(super) fn init(db: &Database, dim: usize, json: &[u8]) -> Result<(), StoreError> {
    let write = db.begin_write()?;
    write.open_table(ROWS)?;
    write.open_table(NAMES)?;
    write.open_table(IDS)?;
    write.open_table(ATTRIBUTES)?;
    write.open_table(TEXTS)?;
    write.open_table(SEGMENTS)?;
    set_state(&write, OPTIONS, json)?;
    let zeros = [NEXT_ROW, NEXT_SEGMENT, DESCRIBED, WORDED, CHANGES].map(|name| (name, 0));
    for (name, value) in zeros.into_iter().chain([(DIM, dim as u64)]) {
        set_counter(&write, name, value)?;
    }
    write.commit()?;
    Ok(())
}

/// Fills the tables of a store that is being upgraded.
pub(super) fn fill(
    write: &WriteTransaction,
    json: &[u8],
    counters: [u64; 3],
    rows: &[(u64, ExternalId, Vec<u8>)],
    segments: &[(u64, Vec<u8>)],
) -> Result<(), StoreError> {
    set_state(write, OPTIONS, json)?;
    for (name, value) in [NEXT_ROW, NEXT_SEGMENT, DIM].into_iter().zip(counters) {
        set_counter(write, name, value)?;
    }
    let mut tables = (write.open_table(ROWS)?, write.open_table(NAMES)?, write.open_table(IDS)?);
    for (row, id, floats) in rows {
        let (row, name) = (row.to_le_bytes(), id.to_bytes());
        let number = u64::from_le_bytes(row);
        tables.0.insert(number, of_row("rows", &row, &name).seal(floats).as_slice())?;
        tables.1.insert(number, of_row("names", &row, &[]).seal(&name).as_slice())?;
        tables.2.insert(name.as_slice(), of_key("ids", &name).seal(&row).as_slice())?;
    }
    let mut table = write.open_table(SEGMENTS)?;
    for (number, words) in segments {
        let value = of_row("segments", &number.to_le_bytes(), &[]).seal(words);
        table.insert(number, value.as_slice())?;
    }
    Ok(())
}

/// Whether the store has the tables of this format.
pub(super) fn is_current(read: &ReadTransaction) -> Result<bool, StoreError> {
    match read.open_table(STATE) {
        Ok(_) => Ok(true),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes the tables that an older store does not have: of attributes, of texts.
pub(super) fn complete(db: &Database) -> Result<(), StoreError> {
    for (table, count) in [(ATTRIBUTES, DESCRIBED), (TEXTS, WORDED)] {
        match db.begin_read()?.open_table(table) {
            Ok(_) => continue,
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let write = db.begin_write()?;
        write.open_table(table)?;
        set_counter(&write, count, 0)?;
        write.commit()?;
    }
    Ok(())
}

pub(super) fn state(read: &ReadTransaction, name: &str) -> Result<Vec<u8>, StoreError> {
    let value = read.open_table(STATE)?.get(name)?;
    let content = value.as_ref().and_then(|v| of_key("state", name.as_bytes()).open(v.value()));
    content.map(<[u8]>::to_vec).ok_or_else(|| damaged(name))
}

pub(super) fn counter(read: &ReadTransaction, name: &str) -> Result<u64, StoreError> {
    let bytes = state(read, name)?.try_into().map_err(|_| damaged(name))?;
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn set_state(
    write: &WriteTransaction,
    name: &str,
    content: &[u8],
) -> Result<(), StoreError> {
    let value = of_key("state", name.as_bytes()).seal(content);
    write.open_table(STATE)?.insert(name, value.as_slice())?;
    Ok(())
}

pub(super) fn set_counter(
    write: &WriteTransaction,
    name: &str,
    value: u64,
) -> Result<(), StoreError> {
    set_state(write, name, &value.to_le_bytes())
}
