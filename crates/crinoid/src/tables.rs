//! Rows of a collection as tables: what files hold, and back.

use crate::{
    CollectionError, ExternalId, Readable, Row, VectorError, Vectors,
    attributes::{Attributes, Value},
};
use crinoid_files::{Column, Ids, Table, Values};
use std::collections::BTreeMap;

/// The name of the column of texts.
pub const TEXT: &str = "text";

/// The names that attributes cannot have where rows are exported: those of the other columns.
pub const RESERVED: [&str; 3] = ["id", "vector", TEXT];

/// Rows cannot be written to a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The collection cannot be read.
    #[error(transparent)]
    Collection(#[from] CollectionError),
    /// The vectors make no matrix.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// An id is not there any more.
    #[error("id `{0}` is gone")]
    Gone(ExternalId),
    /// An attribute has the name of another column.
    #[error("the attribute `{0}` has the name of another column: rename it")]
    Name(String),
}

/// Some values of a table's columns as the attributes of the row at `at`.
pub fn attributes_of(columns: &[Column], at: usize) -> Attributes {
    let value = |values: &Values| -> Option<Value> {
        Some(match values {
            Values::Integers(values) => Value::Int(values[at]?),
            Values::Floats(values) => Value::Float(values[at]?),
            Values::Texts(values) => Value::Text(values[at].clone()?),
            Values::Flags(values) => Value::Bool(values[at]?),
            Values::Times(values) => Value::Time(values[at]?),
            Values::Lists(values) => Value::List(values[at].clone()?),
        })
    };
    columns.iter().filter_map(|c| Some((c.name.clone(), value(&c.values)?))).collect()
}

/// The rows of `ids`, in this order, with a column for each attribute that any of them has, and a column `text` where
/// any has a text. Ids are numbers where all are, else texts.
///
/// An attribute whose values are of one type in all rows is a column of that type; integers among floats become
/// floats; what is mixed otherwise becomes texts.
///
/// # Errors
/// When the collection cannot be read, an id is not there, or an attribute is called `id`, `vector` or `text`.
pub fn table_of(collection: &dyn Readable, ids: &[ExternalId]) -> Result<Table, TableError> {
    let mut rows = Vec::with_capacity(ids.len());
    for block in ids.chunks(1_024) {
        for (id, row) in block.iter().zip(collection.get_many(block)?) {
            rows.push(row.ok_or_else(|| TableError::Gone(id.clone()))?);
        }
    }
    let dim = rows.first().map_or(0, |row| row.vector.len());
    let values: Vec<f32> = rows.iter().flat_map(|row| row.vector.iter().copied()).collect();
    let vectors = Vectors::new(values.as_slice(), dim)?;
    let mut names: BTreeMap<&str, Vec<Option<&Value>>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        for (name, value) in &row.attributes {
            names.entry(name).or_insert_with(|| vec![None; rows.len()])[at] = Some(value);
        }
    }
    if let Some(name) = names.keys().find(|name| RESERVED.contains(*name)) {
        return Err(TableError::Name((*name).to_owned()));
    }
    let column = |(name, values): (&str, Vec<Option<&Value>>)| Column {
        name: name.to_owned(),
        values: values_of(&values),
    };
    let mut attributes: Vec<Column> = names.into_iter().map(column).collect();
    if rows.iter().any(|row| row.text.is_some()) {
        let texts = rows.iter().map(|row: &Row| row.text.clone()).collect();
        attributes.push(Column { name: TEXT.to_owned(), values: Values::Texts(texts) });
    }
    Ok(Table { vectors, ids: Some(named(ids)), attributes })
}

/// Numbers, or texts where one of them is a text.
fn named(ids: &[ExternalId]) -> Ids {
    let number = |id: &ExternalId| match id {
        ExternalId::Number(id) => Some(*id),
        ExternalId::Text(_) => None,
    };
    match ids.iter().map(number).collect() {
        Some(numbers) => Ids::Numbers(numbers),
        None => Ids::Texts(ids.iter().map(ExternalId::to_string).collect()),
    }
}

/// One type for all values.
fn values_of(values: &[Option<&Value>]) -> Values {
    fn all<T>(
        values: &[Option<&Value>],
        of: impl Fn(&Value) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        let one = |value: &Option<&Value>| match value {
            None => Some(None),
            Some(value) => of(value).map(Some),
        };
        values.iter().map(one).collect()
    }
    let int = |value: &Value| if let Value::Int(int) = value { Some(*int) } else { None };
    let float = |value: &Value| match value {
        Value::Int(int) => Some(*int as f64),
        Value::Float(float) => Some(*float),
        _ => None,
    };
    let flag = |value: &Value| if let Value::Bool(flag) = value { Some(*flag) } else { None };
    let time = |value: &Value| if let Value::Time(time) = value { Some(*time) } else { None };
    let list = |value: &Value| match value {
        Value::List(texts) => Some(texts.clone()),
        _ => None,
    };
    let typed = all(values, int)
        .map(Values::Integers)
        .or_else(|| all(values, float).map(Values::Floats))
        .or_else(|| all(values, flag).map(Values::Flags))
        .or_else(|| all(values, time).map(Values::Times))
        .or_else(|| all(values, list).map(Values::Lists));
    typed.unwrap_or_else(|| {
        Values::Texts(values.iter().map(|value| value.map(Value::to_string)).collect())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests report by panicking")]
mod tests {
    use super::*;
    use crate::{Batch, Collection, CollectionOptions};

    #[test]
    fn columns_have_the_type_of_their_values() {
        let folder = tempfile::tempdir().unwrap();
        let made = Collection::create(folder.path().join("c"), 1, &CollectionOptions::default());
        let collection = made.unwrap();
        let some = |values: &[(&str, Value)]| -> Attributes {
            values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let first = some(&[("n", 1.into()), ("mixed", 1.into()), ("x", 2.into())]);
        let second = some(&[("mixed", "a".into()), ("x", 0.5.into()), ("tags", ["t"].into())]);
        let mut batch = Batch::new();
        batch.upsert_row(1u64, Row::new([1.0]).attributes(first.clone()));
        batch.upsert_row(2u64, Row::new([2.0]).attributes(second.clone()).text("words"));
        collection.write(&batch).unwrap();
        let table = table_of(&collection, &[2.into(), 1.into()]).unwrap();
        assert_eq!(table.ids, Some(Ids::Numbers(vec![2, 1])));
        assert_eq!(table.vectors.as_slice(), [2.0, 1.0]);
        let text = |text: &str| Some(text.to_owned());
        let want = [
            ("mixed", Values::Texts(vec![text("a"), text("1")])),
            ("n", Values::Integers(vec![None, Some(1)])),
            ("tags", Values::Lists(vec![Some(vec!["t".to_owned()]), None])),
            ("x", Values::Floats(vec![Some(0.5), Some(2.0)])),
            ("text", Values::Texts(vec![text("words"), None])),
        ];
        let columns: Vec<_> =
            table.attributes.iter().map(|c| (c.name.as_str(), c.values.clone())).collect();
        assert_eq!(columns, want);
        let back = attributes_of(&table.attributes, 1);
        assert_eq!(back, some(&[("mixed", "1".into()), ("n", 1.into()), ("x", 2.0.into())]));
        assert!(matches!(table_of(&collection, &[3.into()]), Err(TableError::Gone(_))));
    }
}
