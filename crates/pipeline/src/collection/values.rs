//! What the values of the store stand for, and what a batch makes of them.

use super::{
    attributes::{self, Attributes},
    tables::{StoreError, damaged, of_key, of_row},
    types::{ExternalId, Written},
};
use redb::ReadableTable;
use std::{collections::BTreeMap, sync::Arc};

/// What the store knows of a segment.
pub(super) struct Segment {
    pub(super) digest: u64,
    pub(super) rows: Vec<u64>,
}

/// A row that a batch added.
pub(super) struct NewRow {
    pub(super) id: ExternalId,
    /// Its vector with all dimensions, prepared.
    pub(super) full: Vec<f32>,
    pub(super) attributes: Attributes,
    pub(super) text: Option<Arc<str>>,
}

/// The rows that a batch added.
pub(super) type Added = BTreeMap<u64, NewRow>;

/// The texts of rows, those that have one.
pub(super) type Texts = BTreeMap<u64, Arc<str>>;

/// What a batch changed.
pub(super) struct Change {
    pub(super) added: Added,
    /// Rows that died.
    pub(super) killed: Vec<u64>,
    /// Rows of earlier batches that got other attributes.
    pub(super) described: BTreeMap<u64, Attributes>,
    pub(super) written: Written,
}

/// The segment that the value of a number describes.
pub(super) fn segment_of(number: u64, value: &[u8]) -> Result<Segment, StoreError> {
    let bad = || damaged(format!("segment {number}"));
    let key = number.to_le_bytes();
    let content = of_row("segments", &key, &[]).open(value).ok_or_else(bad)?;
    let (words, rest) = content.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
    let digest = words.next().filter(|_| rest.is_empty()).ok_or_else(bad)?;
    let rows: Vec<u64> = words.collect();
    if rows.is_sorted_by(|a, b| a < b) { Ok(Segment { digest, rows }) } else { Err(bad()) }
}

/// The row that the value of an id names.
pub(super) fn row_of(name: &[u8], value: &[u8]) -> Result<u64, StoreError> {
    let row = of_key("ids", name).open(value).and_then(|row| row.try_into().ok());
    let row = row.ok_or_else(|| {
        let id = ExternalId::from_bytes(name);
        damaged(format!("the row of `{}`", id.map_or_else(String::new, |id| id.to_string())))
    })?;
    Ok(u64::from_le_bytes(row))
}

/// The row that `id` names among `ids`, if any.
pub(super) fn row_under(
    ids: &impl ReadableTable<&'static [u8], &'static [u8]>,
    id: &ExternalId,
) -> Result<Option<u64>, StoreError> {
    let name = id.to_bytes();
    ids.get(name.as_slice())?.map(|value| row_of(&name, value.value())).transpose()
}

/// The vector that the value of a row holds.
pub(super) fn vector(
    row: u64,
    id: &ExternalId,
    value: &[u8],
    dim: usize,
) -> Result<Vec<f32>, StoreError> {
    let content = of_row("rows", &row.to_le_bytes(), &id.to_bytes()).open(value);
    let floats = content.map(|content| content.as_chunks::<4>().0).filter(|f| f.len() == dim);
    let floats = floats.ok_or_else(|| damaged(format!("the vector of `{id}` (row {row})")))?;
    Ok(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// The attributes that the value of a row holds.
pub(super) fn attributes_of(row: u64, value: &[u8]) -> Result<Attributes, StoreError> {
    let content = of_row("attributes", &row.to_le_bytes(), &[]).open(value);
    let attributes = content.and_then(attributes::from_bytes);
    attributes.ok_or_else(|| damaged(format!("the attributes of row {row}")))
}

/// The text that the value of a row holds.
pub(super) fn text_of(row: u64, value: &[u8]) -> Result<&str, StoreError> {
    let content = of_row("texts", &row.to_le_bytes(), &[]).open(value);
    let text = content.and_then(|content| str::from_utf8(content).ok());
    text.ok_or_else(|| damaged(format!("the text of row {row}")))
}
