//! Answers out.

use crate::global::Global;
use anyhow::{Context, bail};
use crinoid_files::{Rows, npy, vecs};
use serde::Serialize;
use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// What an answer is called.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Number(u64),
    Text(String),
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => id.fmt(f),
            Self::Text(id) => id.fmt(f),
        }
    }
}

/// The answers to one query, nearest first.
pub(crate) type Answer = Vec<(Id, f32)>;

/// Where answers go, block by block.
pub(crate) enum Output {
    /// Lines, as they come.
    Lines { out: Box<dyn Write>, form: Form, measure: Measure, next: usize },
    /// One array, at the end.
    Array { path: PathBuf, distances: Option<PathBuf>, k: usize, all: Vec<Answer> },
}

/// What the numbers beside the ids are.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    /// Lower is closer.
    Distance,
    /// Higher is better.
    Score,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Distance => "distance",
            Self::Score => "score",
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Form {
    Json,
    Tabs,
    Commas,
}

impl Output {
    /// Opens the file, by its extension, or standard output.
    pub(crate) fn open(
        global: &Global,
        path: Option<&Path>,
        distances: Option<PathBuf>,
        k: usize,
        measure: Measure,
    ) -> anyhow::Result<Self> {
        let path = path.filter(|path| path.as_os_str() != "-");
        let array = |path: &Path| matches!(extension(path).as_str(), "npy" | "ivecs");
        if let Some(file) = distances.as_deref().filter(|_| !path.is_some_and(array)) {
            bail!(
                "--distances {}: lines hold their distances: leave it out, or give --out FILE.npy or .ivecs",
                file.display()
            );
        }
        let Some(path) = path else {
            let form = if global.json { Form::Json } else { Form::Tabs };
            return Self::lines(Box::new(io::stdout()), form, measure);
        };
        let form = match extension(path).as_str() {
            "npy" | "ivecs" => {
                return Ok(Self::Array { path: path.to_owned(), distances, k, all: Vec::new() });
            }
            "jsonl" | "ndjson" => Form::Json,
            "tsv" => Form::Tabs,
            "csv" => Form::Commas,
            _ => bail!(
                "{}: answers are written as npy, ivecs, jsonl, csv or tsv: name the file so",
                path.display()
            ),
        };
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Self::lines(Box::new(BufWriter::new(file)), form, measure)
    }

    fn lines(mut out: Box<dyn Write>, form: Form, measure: Measure) -> anyhow::Result<Self> {
        let name = measure.name();
        match form {
            Form::Json => {}
            Form::Tabs => writeln!(out, "query\trank\tid\t{name}")?,
            Form::Commas => writeln!(out, "query,rank,id,{name}")?,
        }
        Ok(Self::Lines { out, form, measure, next: 0 })
    }

    /// Takes the answers to the next queries.
    pub(crate) fn add(&mut self, answers: Vec<Answer>) -> anyhow::Result<()> {
        match self {
            Self::Array { all, .. } => all.extend(answers),
            Self::Lines { out, form, measure, next } => {
                // One write a block: standard output flushes at every line.
                let mut text = Vec::new();
                for answer in answers {
                    write_answer(&mut text, *form, *measure, *next, &answer)?;
                    *next += 1;
                }
                out.write_all(&text)?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what has to wait for the end.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self::Array { path, distances, k, all } = self else { return Ok(()) };
        let name = path.display();
        let mut ids = Vec::with_capacity(all.len() * k);
        let mut far = Vec::with_capacity(all.len() * k);
        for (query, answer) in all.iter().enumerate() {
            for rank in 0..k {
                // Fewer rows than answers: the rest stands for none.
                let (id, distance) = match answer.get(rank) {
                    Some((Id::Number(id), distance)) => (*id, *distance),
                    None => (u64::MAX, f32::NAN),
                    Some((Id::Text(id), _)) => bail!(
                        "{name}: query {query}: id `{id}` is a text, which arrays do not hold: write \
                         jsonl or csv"
                    ),
                };
                ids.push(id);
                far.push(distance);
            }
        }
        let narrow = |limit: u64| -> Option<Vec<u32>> {
            let fits = |&id: &u64| match id {
                u64::MAX => Some(u32::MAX),
                id => u32::try_from(id).ok().filter(|&id| u64::from(id) <= limit),
            };
            ids.iter().map(fits).collect()
        };
        if extension(&path) == "npy" {
            match narrow(u32::MAX.into()) {
                Some(ids) => npy::write_rows(&path, &ids, k)?,
                None => npy::write_rows(&path, &ids, k)?,
            }
        } else {
            let Some(ids) = narrow(i32::MAX as u64) else {
                bail!("{name}: an id exceeds the 31 bits of ivecs: write npy, jsonl or csv");
            };
            vecs::write(&path, &Rows { dim: k, values: ids.as_slice().into() })?;
        }
        if let Some(path) = distances {
            npy::write_rows(&path, &far, k)?;
        }
        Ok(())
    }
}

/// The answer to a query as JSON: numbers as `f32`, in the fewest digits that tell them.
#[derive(Serialize)]
struct Line<'a> {
    query: usize,
    ids: Vec<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distances: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Vec<f32>>,
}

/// The extension in small letters.
fn extension(path: &Path) -> String {
    path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase()
}

fn write_answer(
    out: &mut Vec<u8>,
    form: Form,
    measure: Measure,
    query: usize,
    answer: &Answer,
) -> io::Result<()> {
    if form == Form::Json {
        let values =
            |of: Measure| (of == measure).then(|| answer.iter().map(|pair| pair.1).collect());
        let line = Line {
            query,
            ids: answer.iter().map(|pair| &pair.0).collect(),
            distances: values(Measure::Distance),
            scores: values(Measure::Score),
        };
        serde_json::to_writer(&mut *out, &line)?;
        return writeln!(out);
    }
    let comma = if form == Form::Commas { ',' } else { '\t' };
    for (rank, (id, distance)) in answer.iter().enumerate() {
        write!(out, "{query}{comma}{rank}{comma}")?;
        match id {
            Id::Number(id) => write!(out, "{id}")?,
            Id::Text(id) => write!(out, "{}", quoted(id, comma))?,
        }
        writeln!(out, "{comma}{distance}")?;
    }
    Ok(())
}

/// A text as a field of RFC 4180.
fn quoted(text: &str, comma: char) -> String {
    match text.contains([comma, '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must() {
        let answer = vec![(Id::Text("a,\"b\"".into()), 0.1), (Id::Number(7), 2.0)];
        let said = |form| {
            let mut out = Vec::new();
            write_answer(&mut out, form, Measure::Distance, 3, &answer).unwrap_or_default();
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(said(Form::Commas), "3,0,\"a,\"\"b\"\"\",0.1\n3,1,7,2\n");
        assert_eq!(
            said(Form::Json),
            "{\"query\":3,\"ids\":[\"a,\\\"b\\\"\",7],\"distances\":[0.1,2.0]}\n"
        );
    }
}
