//! The names of an index's rows, in a file beside it.
//!
//! `FILE.ids` holds JSON, a line each: first what it belongs to, then the names in the order of rows.

use anyhow::{Context, bail, ensure};
use crinoid::Index;
use crinoid_files::{Ids, text::Lines, write_file};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
};

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Version of this form.
    crinoid_ids: u32,
    /// Of the index, in hexadecimal.
    digest: String,
    rows: usize,
}

const VERSION: u32 = 1;

/// Where the names of the index at `path` are.
pub(crate) fn path_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ids");
    PathBuf::from(name)
}

/// Refuses names that several rows have.
pub(crate) fn check(ids: &Ids, file: &Path) -> anyhow::Result<()> {
    let mut seen = HashMap::with_capacity(ids.len());
    for row in 0..ids.len() {
        let id = ids.text(row).unwrap_or_default();
        if let Some(first) = seen.insert(id, row) {
            let id = ids.text(row).unwrap_or_default();
            let file = file.display();
            bail!("{file}: row {row}: id `{id}` is that of row {first} too: ids must differ");
        }
    }
    Ok(())
}

/// Writes the names beside the index; removes those of an earlier index where there are none.
pub(crate) fn save(path: &Path, index: &Index, ids: Option<&Ids>) -> anyhow::Result<()> {
    let file = path_of(path);
    let Some(ids) = ids else {
        if file.exists() {
            std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
        }
        return Ok(());
    };
    let head =
        Head { crinoid_ids: VERSION, digest: format!("{:016x}", index.digest()), rows: ids.len() };
    write_file(&file, |out| {
        serde_json::to_writer(&mut *out, &head)?;
        out.write_all(b"\n")?;
        (0..ids.len()).try_for_each(|row| {
            match ids {
                Ids::Numbers(ids) => serde_json::to_writer(&mut *out, &ids[row])?,
                Ids::Texts(ids) => serde_json::to_writer(&mut *out, &ids[row])?,
            }
            out.write_all(b"\n")
        })
    })?;
    Ok(())
}

/// The names of the index's rows, where a file beside it has some.
pub(crate) fn load(path: &Path, index: &Index) -> anyhow::Result<Option<Ids>> {
    let file = path_of(path);
    if !file.exists() {
        return Ok(None);
    }
    let name = file.display();
    let mut lines = Lines::open(&file)?;
    let head = lines.next_line()?.and_then(|(_, line)| serde_json::from_str::<Head>(line).ok());
    let Some(head) = head.filter(|head| head.crinoid_ids == VERSION) else {
        bail!("{name}: line 1: this is no file of ids of version {VERSION}: build the index again");
    };
    let digest = format!("{:016x}", index.digest());
    ensure!(
        head.digest == digest && head.rows == index.len(),
        "{name}: these are the ids of another index: build the index again, or remove the file"
    );
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    while let Some((number, line)) = lines.next_line()? {
        match serde_json::from_str(line) {
            Ok(Value::String(text)) => texts.push(text),
            Ok(Value::Number(id)) if id.is_u64() => numbers.extend(id.as_u64()),
            _ => bail!("{name}: line {number}: `{line}` is no id: build the index again"),
        }
    }
    let ids = if texts.is_empty() { Ids::Numbers(numbers) } else { Ids::Texts(texts) };
    ensure!(
        ids.len() == head.rows,
        "{name}: {} ids of {}: the file is damaged, build the index again",
        ids.len(),
        head.rows
    );
    Ok(Some(ids))
}
