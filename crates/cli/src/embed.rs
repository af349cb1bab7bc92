//! `crinoid embed`.

use crate::{bar::Bar, global::Global, input::is_pipe, model::Model, say};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::Vectors;
use crinoid_files::{Ids, text::Lines, write};
use serde_json::Value;
use std::{
    io::stdin,
    path::{Path, PathBuf},
};

/// Texts that are embedded at a time.
const BLOCK: usize = 64;

/// Turns texts into vectors with a model in a local folder (feature `candle`).
///
/// A line is a text: as it is, as a JSON string, or as a JSON object with a field of text. Vectors are of
/// unit length.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid embed docs.jsonl --model all-MiniLM-L6-v2 --ids id --out docs.parquet
  crinoid embed - --model all-MiniLM-L6-v2 < questions.txt | crinoid search docs.crinoid --queries -")]
pub(crate) struct Embed {
    /// The texts, a line each; `-` reads standard input and answers each line when it comes.
    input: PathBuf,
    /// A model's folder: config.json, tokenizer.json, model.safetensors.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// The field of objects that holds the text.
    #[arg(long, value_name = "FIELD", default_value = "text")]
    text: String,
    /// The field of objects that names the rows.
    #[arg(long, value_name = "FIELD")]
    ids: Option<String>,
    /// Takes every line as it is, those that look like JSON too.
    #[arg(long, conflicts_with = "ids")]
    plain: bool,
    /// The file to write: jsonl, parquet, arrow, npy, fbin, fvecs or safetensors [default: standard
    /// output, JSON lines].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Embed {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut lines = match is_pipe(&self.input) {
            true => Lines::new(Path::new("standard input"), Box::new(stdin())),
            false => Lines::open(&self.input)?,
        };
        let model = Model::load(&self.model)?;
        let bar = Bar::spin(global, "embedding");
        let (mut values, mut ids) = (Vec::<f32>::new(), Vec::new());
        loop {
            let (mut texts, mut names) = (Vec::new(), Vec::new());
            while texts.len() < BLOCK {
                let Some((number, line)) = lines.next_line()? else { break };
                if line.trim().is_empty() {
                    continue;
                }
                let row = self.row(line);
                let (text, name) =
                    row.with_context(|| format!("{}: line {number}", lines.path().display()))?;
                texts.push(text);
                names.extend(name);
                if self.out.is_none() && !lines.is_ready() {
                    break;
                }
            }
            if texts.is_empty() {
                break;
            }
            let vectors = model.embed(&texts)?;
            match self.out {
                Some(_) => values.extend_from_slice(vectors.as_slice()),
                None => print(&vectors, &names)?,
            }
            ids.extend(names);
        }
        drop(bar);
        let (cut, tokens) = model.cut();
        let Some(out) = &self.out else { return Ok(()) };
        ensure!(!values.is_empty(), "{}: there are no texts in it", self.input.display());
        let vectors = Vectors::new(values.as_slice(), model.dim())?;
        write(out, &vectors, named(&ids)?.as_ref())?;
        say::facts(
            global,
            &[
                ("file", out.display().to_string().into()),
                ("rows", vectors.len().into()),
                ("dimension", vectors.dim().into()),
                ("ids", (!ids.is_empty()).into()),
                ("cut texts", cut.into()),
                ("tokens read", tokens.into()),
            ],
        )
    }

    /// The text of a line, and its name where one is wanted.
    fn row(&self, line: &str) -> anyhow::Result<(String, Option<Value>)> {
        let first = line.trim_start().chars().next();
        if self.plain || !matches!(first, Some('{' | '"')) {
            ensure!(self.ids.is_none(), "no JSON object, so it has no field of ids");
            return Ok((line.to_owned(), None));
        }
        let value: Value = serde_json::from_str(line)
            .context("no JSON: --plain takes lines that look like it as they are")?;
        let mut fields = match value {
            Value::String(text) if self.ids.is_none() => return Ok((text, None)),
            Value::Object(fields) => fields,
            _ => bail!("a text where an object with a field of ids is expected"),
        };
        let name = match &self.ids {
            Some(field) => match fields.remove(field) {
                Some(name @ (Value::String(_) | Value::Number(_))) => Some(name),
                _ => bail!("field `{field}` is no text and no number: every row needs an id"),
            },
            None => None,
        };
        match fields.remove(&self.text) {
            Some(Value::String(text)) => Ok((text, name)),
            _ => {
                let known: Vec<&str> = fields.keys().map(String::as_str).take(20).collect();
                bail!(
                    "field `{}` is no text: name the one that is by --text (there are: {})",
                    self.text,
                    known.join(", ")
                )
            }
        }
    }
}

fn print(vectors: &Vectors, names: &[Value]) -> anyhow::Result<()> {
    for (at, vector) in vectors.rows().enumerate() {
        match names.get(at) {
            Some(id) => say::row(id, vector, &serde_json::Map::new(), None)?,
            None => say::line(&serde_json::to_string(vector)?)?,
        }
    }
    Ok(())
}

/// Numbers where all are numbers, else texts.
fn named(ids: &[Value]) -> anyhow::Result<Option<Ids>> {
    if ids.is_empty() {
        return Ok(None);
    }
    Ok(Some(match ids.iter().map(Value::as_u64).collect() {
        Some(numbers) => Ids::Numbers(numbers),
        None => {
            let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            Ids::Texts(ids.iter().map(text).collect())
        }
    }))
}
