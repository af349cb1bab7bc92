//! JSON lines: a row a line.
//!
//! A line is an array of numbers, or an object that has one under a name, beside an id and
//! attributes. Empty lines are skipped.

use crate::{
    Column, FileError, Ids, Options, Table, Values, scalar::narrow, source::write_file, text::Lines,
};
use crinoid_quant::Vectors;
use serde_json::{Map, Value};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Names under which vectors are found where none is given.
const USUAL: [&str; 4] = ["vector", "embedding", "emb", "values"];

/// Reads row after row.
pub(crate) struct JsonLines {
    lines: Lines,
    path: PathBuf,
    options: Options,
    /// Values per row, once there was one.
    dim: Option<usize>,
    /// Rows that were read.
    rows: u64,
    /// Whether a block ends where the next line would have to be waited for.
    eager: bool,
}

/// One row and the line it stands on.
struct Row {
    line: u64,
    values: Vec<f64>,
    fields: Map<String, Value>,
}

impl JsonLines {
    pub(crate) fn new(lines: Lines, options: &Options, eager: bool) -> Self {
        let path = lines.path().to_owned();
        Self { lines, path, options: options.clone(), dim: None, rows: 0, eager }
    }

    /// The next rows, at most `most`; `None` after the last.
    pub(crate) fn next_block(&mut self, most: usize) -> Result<Option<Table>, FileError> {
        let (mut values, mut rows) = (Vec::<f32>::new(), Vec::new());
        let mut lines = Vec::new();
        while rows.len() < most {
            let Some(row) = self.next_row()? else { break };
            let fail = |field: String, value: String, reason: String| {
                FileError::line(&self.path, row.line, field, value, reason)
            };
            let dim = *self.dim.get_or_insert(row.values.len());
            if row.values.len() != dim || dim == 0 {
                let reason = match dim {
                    0 => "but a vector needs at least one".to_owned(),
                    _ => format!("where the rows before have {dim}: vectors must be alike"),
                };
                let value = row.values.len().to_string();
                return Err(fail("number of values".to_owned(), value, reason));
            }
            for (at, &value) in row.values.iter().enumerate() {
                let float = narrow(value).map_err(|reason| {
                    fail(format!("dimension {at}"), format!("{value:e}"), reason.to_owned())
                })?;
                values.push(float);
            }
            rows.push(row.fields);
            lines.push(row.line);
            let waits = self.eager && !self.lines.is_ready();
            if waits || values.len() >= crate::table::BLOCK_VALUES {
                break;
            }
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let vectors = Vectors::new(values.as_slice(), self.dim.unwrap_or(0))
            .map_err(|error| FileError::damaged(&self.path, error))?;
        let ids = match self.options.ids.clone() {
            Some(name) => {
                // All 64 bits of numbers, of which columns of integers hold 63.
                let number = |row: &Map<String, Value>| row.get(&name).and_then(Value::as_u64);
                match rows.iter().map(number).collect() {
                    Some(numbers) => Some(Ids::Numbers(numbers)),
                    None => {
                        let column = self.column(&name, &mut rows, &lines)?;
                        Some(Ids::from_column(&self.path, self.rows, column)?)
                    }
                }
            }
            None => None,
        };
        let names = self.options.attributes.clone();
        let columns = names.iter().map(|name| self.column(name, &mut rows, &lines));
        let attributes = columns.collect::<Result<_, _>>()?;
        self.rows += rows.len() as u64;
        Ok(Some(Table { vectors, ids, attributes }))
    }

    fn next_row(&mut self) -> Result<Option<Row>, FileError> {
        loop {
            let Some((line, text)) = self.lines.next_line()? else { return Ok(None) };
            if text.trim().is_empty() {
                continue;
            }
            let fail = |field: &str, value: &str, reason: String| {
                FileError::line(&self.path, line, field, value, reason)
            };
            let bad = |error: serde_json::Error| {
                let hint = match text.contains("NaN") || text.contains("Infinity") {
                    true => "JSON has no NaN and no infinity: drop the row",
                    false => "every line is one row: an array of numbers, or an object",
                };
                fail("text", "no JSON", format!("{error}: {hint}"))
            };
            if text.trim_start().starts_with('[') {
                if text.trim_start().starts_with("[[") || text.trim() == "[" {
                    let reason = "where every line is one row: jq -c '.[]' FILE";
                    return Err(fail("text", "an array of rows", reason.to_owned()));
                }
                let needs = [self.options.ids.as_ref(), self.options.attributes.first()];
                if let Some(name) = needs.into_iter().flatten().next() {
                    let reason = "and an array has no names: write objects".to_owned();
                    return Err(fail(&format!("field `{name}`"), "missing", reason));
                }
                let values = serde_json::from_str(text).map_err(bad)?;
                return Ok(Some(Row { line, values, fields: Map::new() }));
            }
            let mut fields: Map<String, Value> = serde_json::from_str(text).map_err(bad)?;
            let name = match &self.options.vectors {
                Some(name) => Some(name.as_str()),
                None => USUAL.into_iter().find(|name| fields.contains_key(*name)),
            };
            let vector = name.and_then(|name| fields.remove(name));
            let Some(Value::Array(vector)) = vector else {
                let name = name.unwrap_or(USUAL[0]);
                let names: Vec<&str> = fields.keys().map(String::as_str).take(20).collect();
                let value = vector.map_or("missing", |_| "no array");
                let reason =
                    format!("name the field of the vectors (others: {})", names.join(", "));
                return Err(fail(&format!("field `{name}`"), value, reason));
            };
            let mut values = Vec::with_capacity(vector.len());
            for (at, value) in vector.iter().enumerate() {
                let number = value.as_f64().ok_or_else(|| {
                    let reason = "not a number: drop the row, or put a number there".to_owned();
                    fail(&format!("dimension {at}"), &value.to_string(), reason)
                })?;
                values.push(number);
            }
            return Ok(Some(Row { line, values, fields }));
        }
    }

    /// The values called `name` of all rows.
    fn column(
        &self,
        name: &str,
        rows: &mut [Map<String, Value>],
        lines: &[u64],
    ) -> Result<Column, FileError> {
        let cells: Vec<Value> =
            rows.iter_mut().map(|row| row.remove(name).unwrap_or(Value::Null)).collect();
        let fail = |at: usize, value: &Value, reason: &str| {
            FileError::line(&self.path, lines[at], format!("field `{name}`"), value, reason)
        };
        let mixed = "where other rows have another type: make the field one type";
        let present = cells.iter().find(|cell| !cell.is_null());
        fn all<T>(
            cells: &[Value],
            of: impl Fn(&Value) -> Option<T>,
            fail: impl Fn(usize, &Value) -> FileError,
        ) -> Result<Vec<Option<T>>, FileError> {
            let cell = |(at, cell): (usize, &Value)| match cell {
                Value::Null => Ok(None),
                cell => of(cell).map(Some).ok_or_else(|| fail(at, cell)),
            };
            cells.iter().enumerate().map(cell).collect()
        }
        let fail = |at: usize, value: &Value| fail(at, value, mixed);
        let values = match present {
            Some(Value::Number(_)) if cells.iter().all(|c| c.is_null() || c.is_i64()) => {
                Values::Integers(all(&cells, Value::as_i64, fail)?)
            }
            Some(Value::Number(_)) => Values::Floats(all(&cells, Value::as_f64, fail)?),
            Some(Value::Bool(_)) => Values::Flags(all(&cells, Value::as_bool, fail)?),
            Some(Value::String(_)) | None => {
                Values::Texts(all(&cells, |cell| cell.as_str().map(str::to_owned), fail)?)
            }
            Some(Value::Array(_)) => {
                let list = |cell: &Value| {
                    let text = |element: &Value| element.as_str().map(str::to_owned);
                    cell.as_array()?.iter().map(text).collect()
                };
                let fail = |at: usize, cell: &Value| {
                    let field = format!("field `{name}`");
                    let reason = "where lists of texts are read: make its elements texts";
                    FileError::line(&self.path, lines[at], field, cell, reason)
                };
                Values::Lists(all(&cells, list, fail)?)
            }
            Some(other) => {
                let at = cells.iter().position(|cell| cell == other).unwrap_or(0);
                let reason = "but attributes are numbers, texts, flags or lists of texts";
                let field = format!("field `{name}`");
                return Err(FileError::line(&self.path, lines[at], field, other, reason));
            }
        };
        Ok(Column { name: name.to_owned(), values })
    }
}

/// Writes a line per row: `{"id": .., "vector": [..]}`, without `id` where rows have no names.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, vectors: &Vectors, ids: Option<&Ids>) -> Result<(), FileError> {
    write_file(path, |file| {
        for (row, vector) in vectors.rows().enumerate() {
            let id = match ids {
                Some(Ids::Numbers(ids)) => ids.get(row).map(|&id| Value::from(id)),
                Some(Ids::Texts(ids)) => ids.get(row).map(|id| Value::from(id.as_str())),
                None => None,
            };
            match id {
                Some(id) => write!(file, "{{\"id\":{id},\"vector\":")?,
                None => write!(file, "{{\"vector\":")?,
            }
            serde_json::to_writer(&mut *file, vector)?;
            file.write_all(b"}\n")?;
        }
        Ok(())
    })
}
