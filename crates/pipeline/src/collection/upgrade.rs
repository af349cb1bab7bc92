//! Stores of the first format, whose values had no checksums, become stores of this one when they are
//! opened: in one transaction, so that a crash leaves the old store or the new.

use super::{
    tables::{StoreError, fill, is_current},
    types::ExternalId,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
const NAMES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("names");
const IDS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("ids");
const SEGMENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("segments");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
const OPTIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("options");

/// Does nothing to a store of this format.
pub(super) fn to_format_2(db: &mut Database) -> Result<(), StoreError> {
    let damaged = |what: String| StoreError::Damaged(what);
    let read = db.begin_read()?;
    if is_current(&read)? {
        return Ok(());
    }
    let json = read.open_table(OPTIONS)?.get("options")?.map(|json| json.value().to_owned());
    let json = json.ok_or_else(|| damaged("options".to_owned()))?;
    let table = read.open_table(COUNTERS)?;
    let mut counters = [0; 3];
    for (slot, name) in counters.iter_mut().zip(["next row", "next segment", "dimension"]) {
        *slot = table.get(name)?.ok_or_else(|| damaged(name.to_owned()))?.value();
    }
    let (names, mut rows) = (read.open_table(NAMES)?, Vec::new());
    for entry in read.open_table(ROWS)?.iter()? {
        let (row, floats) = entry?;
        let row = row.value();
        let name = names.get(row)?;
        let id = name.and_then(|name| ExternalId::from_bytes(name.value()));
        let id = id.ok_or_else(|| damaged(format!("the id of row {row}")))?;
        rows.push((row, id, floats.value().to_vec()));
    }
    let mut segments = Vec::new();
    for entry in read.open_table(SEGMENTS)?.iter()? {
        let (number, words) = entry?;
        segments.push((number.value(), words.value().to_vec()));
    }
    drop((table, names, read));
    let write = db.begin_write()?;
    fill(&write, json.as_bytes(), counters, &rows, &segments)?;
    write.delete_table(ROWS)?;
    write.delete_table(NAMES)?;
    write.delete_table(IDS)?;
    write.delete_table(SEGMENTS)?;
    write.delete_table(COUNTERS)?;
    write.delete_table(OPTIONS)?;
    write.commit()?;
    Ok(())
}
