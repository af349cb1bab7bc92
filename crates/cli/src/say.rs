//! Words for people and for programs.

use crate::global::Global;
use comfy_table::{Cell, CellAlignment, Table, presets};
use crinoid::Index;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Prints names and what they are: a table, or one JSON object.
pub(crate) fn facts(global: &Global, facts: &[(&str, Value)]) -> anyhow::Result<()> {
    if global.json {
        let object: Map<String, Value> =
            facts.iter().map(|(name, value)| ((*name).replace(' ', "_"), value.clone())).collect();
        return line(&Value::Object(object).to_string());
    }
    let width = facts.iter().map(|fact| fact.0.len()).max().unwrap_or(0);
    for (name, value) in facts {
        let value = match value {
            Value::String(text) => text.trim_end().replace('\n', &format!("\n{:width$}  ", "")),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        line(&format!("{name:width$}  {value}"))?;
    }
    Ok(())
}

/// What an index found out when it was built: words for people, fields for programs.
pub(crate) fn report(global: &Global, index: &Index) -> anyhow::Result<Value> {
    Ok(match global.json {
        true => serde_json::to_value(index.report())?,
        false => index.report().to_string().into(),
    })
}

/// A table of numbers under words.
pub(crate) fn numbers<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let cell = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    table.set_header(header.map(|word| cell(word.to_owned())));
    for row in rows {
        table.add_row(row.map(cell));
    }
    table.to_string()
}

/// Prints a line.
pub(crate) fn line(words: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(words.as_bytes())?;
    Ok(out.write_all(b"\n")?)
}

/// Prints a row and its name as a line of JSON, numbers in the fewest digits that tell an `f32`; attributes
/// and a text where there are any.
pub(crate) fn row(
    id: &Value,
    vector: &[f32],
    attributes: &Map<String, Value>,
    text: Option<&str>,
) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a Value,
        vector: &'a [f32],
        #[serde(skip_serializing_if = "Map::is_empty")]
        attributes: &'a Map<String, Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    }
    line(&serde_json::to_string(&Row { id, vector, attributes, text })?)
}

/// Prints a line on standard error: what happens beside the answer.
pub(crate) fn beside(words: &str) {
    // Where nobody reads, nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{words}");
}

/// Prints bytes.
pub(crate) fn bytes(words: &[u8]) -> anyhow::Result<()> {
    Ok(io::stdout().lock().write_all(words)?)
}

/// Says what went wrong, in one line on standard error.
pub(crate) fn error(error: &anyhow::Error, as_json: bool) {
    let words = words(error);
    let line = match as_json {
        true => json!({ "error": words }).to_string(),
        false => format!("crinoid: {words}"),
    };
    // Where nobody reads, nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// An error and its causes, each once, in one line.
pub(crate) fn words(error: &anyhow::Error) -> String {
    let words = error.chain().fold(String::new(), |words, cause| {
        let cause = cause.to_string();
        match words.as_str() {
            "" => cause,
            // Many errors say their cause themselves.
            said if said.ends_with(&cause) => words,
            _ => format!("{words}: {cause}"),
        }
    });
    words.split('\n').map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Bytes in the unit that people read.
pub(crate) fn size(bytes: usize) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}
