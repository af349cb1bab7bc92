//! A batch within a transaction: rows, ids, attributes and texts change together or not at all.

use super::{
    attributes::{self, Attributes},
    tables::{
        ATTRIBUTES, CHANGES, DESCRIBED, IDS, NAMES, NEXT_ROW, ROWS, STATE, StoreError, TEXTS,
        WORDED, damaged, of_key, of_row, set_counter,
    },
    types::{Entry, ExternalId, Fitted, Written},
    values::{Added, Change, NewRow, attributes_of, row_of},
};
use redb::{ReadableTable, WriteTransaction};
use std::{collections::BTreeMap, sync::Arc};

/// A counter within a transaction that writes.
pub(super) fn counter_of(write: &WriteTransaction, name: &str) -> Result<u64, StoreError> {
    let value = write.open_table(STATE)?.get(name)?.map(|value| value.value().to_vec());
    let place = of_key("state", name.as_bytes());
    let bytes = value.as_deref().and_then(|value| place.open(value)?.try_into().ok());
    Ok(u64::from_le_bytes(bytes.ok_or_else(|| damaged(name))?))
}

/// Counts one change more.
pub(super) fn changed(write: &WriteTransaction) -> Result<(), StoreError> {
    // A store that is older than this count has none yet.
    let known = counter_of(write, CHANGES).unwrap_or(0);
    set_counter(write, CHANGES, known + 1)
}

/// About how many bytes entries bring into the store.
fn bytes_of(entries: &[(&ExternalId, Fitted<'_>)]) -> u64 {
    let one = |(_, (entry, _)): &(&ExternalId, Fitted<'_>)| match entry {
        Entry::Put { vector, text, .. } => {
            size_of_val(vector.as_slice()) + text.as_ref().map_or(0, String::len) + PER_ROW
        }
        Entry::Update(_) | Entry::Delete => 0,
    };
    entries.iter().map(one).sum::<usize>() as u64
}

/// Bytes of a row besides its vector and its text, about.
const PER_ROW: usize = 256;

/// The file doubles whenever it is full, and each time syncs: what brings more than there is would make it sync over
/// and over. So room is made at once, by a value that is removed again before anything is written.
fn make_room(write: &WriteTransaction, bytes: u64, file: u64) -> Result<(), StoreError> {
    if bytes.saturating_mul(2) > file {
        let mut rows = write.open_table(ROWS)?;
        // The file grows by twice the pages of the value, whose number is a power of two.
        drop(rows.insert_reserve(u64::MAX, bytes.min(LARGEST_ROOM) as usize)?);
        drop(rows.remove(u64::MAX)?);
    }
    Ok(())
}

/// The most room that is made at once.
const LARGEST_ROOM: u64 = 1 << 28;

/// Stores the attributes of a row, where there are any: whether there are, or why they cannot be stored.
fn describe(
    table: &mut redb::Table<'_, u64, &'static [u8]>,
    row: u64,
    attributes: &Attributes,
) -> Result<Result<bool, String>, StoreError> {
    if attributes.is_empty() {
        return Ok(Ok(false));
    }
    let bytes = match attributes::to_bytes(attributes) {
        Ok(bytes) => bytes,
        Err(why) => return Ok(Err(why)),
    };
    let value = of_row("attributes", &row.to_le_bytes(), &[]).seal(&bytes);
    table.insert(row, value.as_slice())?;
    Ok(Ok(true))
}

/// What a batch changes, or whose attributes have become too many by it, and how.
pub(super) type Applied = Result<Change, (ExternalId, String)>;

pub(super) fn apply_entries(
    write: &WriteTransaction,
    entries: Vec<(&ExternalId, Fitted<'_>)>,
    prepared: Vec<Vec<f32>>,
    file: u64,
) -> Result<Applied, StoreError> {
    let mut change = Change {
        added: Added::new(),
        killed: Vec::new(),
        described: BTreeMap::new(),
        written: Written::default(),
    };
    make_room(write, bytes_of(&entries), file)?;
    let mut sealed = Vec::new();
    let mut rows = write.open_table(ROWS)?;
    let mut names = write.open_table(NAMES)?;
    let mut ids = write.open_table(IDS)?;
    let mut described = write.open_table(ATTRIBUTES)?;
    let mut texts = write.open_table(TEXTS)?;
    let mut next = counter_of(write, NEXT_ROW)?;
    // Rows that have attributes from now on, and rows that have none any more.
    let (mut more, mut fewer) = (0, 0);
    // And so of texts.
    let (mut worded, mut wordless) = (0, 0);
    for ((id, (entry, changes)), full) in entries.into_iter().zip(prepared) {
        let name = id.to_bytes();
        let old = ids.get(name.as_slice())?.map(|old| row_of(&name, old.value())).transpose()?;
        let written = &mut change.written;
        match (entry, old) {
            (Entry::Put { only_new: true, .. }, Some(_)) => {
                written.kept += 1;
                continue;
            }
            (Entry::Update(_), None) => {
                written.missing += 1;
                continue;
            }
            (Entry::Update(_), Some(row)) => {
                written.updated += 1;
                let value = described.remove(row)?;
                fewer += u64::from(value.is_some());
                let value = value.map(|value| attributes_of(row, value.value())).transpose()?;
                let mut attributes = value.unwrap_or_default();
                for (name, value) in changes {
                    match value {
                        Some(value) => attributes.insert(name, value),
                        None => attributes.remove(&name),
                    };
                }
                match describe(&mut described, row, &attributes)? {
                    Ok(some) => more += u64::from(some),
                    Err(why) => return Ok(Err((id.clone(), why))),
                }
                match change.added.get_mut(&row) {
                    Some(added) => added.attributes = attributes,
                    None => drop(change.described.insert(row, attributes)),
                }
                continue;
            }
            (Entry::Delete, None) => continue,
            (Entry::Put { .. } | Entry::Delete, _) => {}
        }
        if let Some(row) = old {
            ids.remove(name.as_slice())?;
            rows.remove(row)?;
            names.remove(row)?;
            fewer += u64::from(described.remove(row)?.is_some());
            wordless += u64::from(texts.remove(row)?.is_some());
            change.described.remove(&row);
            if change.added.remove(&row).is_none() {
                change.killed.push(row);
            }
        }
        let Entry::Put { vector, text, .. } = entry else {
            written.deleted += 1;
            continue;
        };
        let row = next.to_le_bytes();
        of_row("rows", &row, &name).seal_into(&mut sealed, |value| {
            value.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
        });
        rows.insert(next, sealed.as_slice())?;
        names.insert(next, of_row("names", &row, &[]).seal(&name).as_slice())?;
        ids.insert(name.as_slice(), of_key("ids", &name).seal(&row).as_slice())?;
        let known: Attributes =
            changes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        match describe(&mut described, next, &known)? {
            Ok(some) => more += u64::from(some),
            Err(why) => return Ok(Err((id.clone(), why))),
        }
        if let Some(text) = text {
            let value = of_row("texts", &row, &[]).seal(text.as_bytes());
            texts.insert(next, value.as_slice())?;
            worded += 1;
        }
        let text = text.as_deref().map(Arc::from);
        change.added.insert(next, NewRow { id: id.clone(), full, attributes: known, text });
        next += 1;
        *if old.is_some() { &mut written.updated } else { &mut written.inserted } += 1;
    }
    set_counter(write, NEXT_ROW, next)?;
    changed(write)?;
    for (name, more, fewer) in [(DESCRIBED, more, fewer), (WORDED, worded, wordless)] {
        if more + fewer > 0 {
            let known = (counter_of(write, name)? + more).checked_sub(fewer);
            set_counter(write, name, known.ok_or_else(|| damaged(name))?)?;
        }
    }
    Ok(Ok(change))
}
