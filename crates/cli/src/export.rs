//! `crinoid export`.

use crate::{bar::Bar, collection::value, global::Global, say, search::Target};
use anyhow::{Context, ensure};
use clap::Args;
use crinoid::{
    ExternalId, Readable, Vectors,
    tables::{RESERVED, TEXT, TableError, table_of},
};
use crinoid_files::{Format, Ids, write, write_file, write_table};
use serde_json::Value;
use std::{
    collections::HashSet,
    io::{self, Write},
    path::PathBuf,
};

/// Writes the vectors of an index or a collection, and their ids where the format has a place for
/// them: jsonl, parquet and arrow have one; npy, fbin, fvecs and safetensors have not. Attributes and texts of a
/// collection's rows go to jsonl, parquet and arrow, a field or a column each.
///
/// An index gives back what it keeps: of unit length under the cosine, and rounded where it keeps codes
/// alone.
#[derive(Args)]
pub(crate) struct Export {
    /// An index file, or the folder of a collection, live or sealed.
    index: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

impl Export {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let name = self.index.display();
        let target = Target::open(&self.index)?;
        let format = Format::by_extension(&self.out);
        if let (Target::Collection { rows, collection }, Some(Format::JsonLines)) =
            (&target, format)
        {
            return self.lines(global, &**collection, &rows.list(None, usize::MAX));
        }
        let bar = Bar::new(global, "exporting");
        let (mut values, mut dim) = (Vec::new(), 0);
        let mut push = |vector: Vec<f32>, at: usize, of: usize| {
            dim = vector.len();
            values.extend(vector);
            bar.at(at, of);
        };
        let ids = match target {
            Target::Index { index, names } => {
                let rows = index.len();
                for row in 0..rows as u32 {
                    push(index.vector(row)?, row as usize, rows);
                }
                names.map(|names| names.ids().clone())
            }
            Target::Sealed(sealed) => {
                let (rows, mut ids) =
                    (sealed.len() as usize, HashSet::with_capacity(sealed.len() as usize));
                let mut named = Vec::with_capacity(rows);
                for number in 0..sealed.manifest().shards.len() {
                    let shard = sealed.shard(number)?;
                    for row in 0..shard.index().len() as u32 {
                        // A row may lie in several shards.
                        if ids.insert(shard.id(row)) {
                            named.push(shard.id(row));
                            push(shard.index().vector(row)?, named.len(), rows);
                        }
                    }
                }
                Some(Ids::Numbers(named))
            }
            Target::Collection { collection, rows } => {
                let ids = rows.list(None, usize::MAX);
                ensure!(!ids.is_empty(), "{name}: the collection is empty");
                if matches!(format, Some(Format::Parquet | Format::Arrow)) {
                    return self.table(global, &*collection, &ids);
                }
                for (block, at) in ids.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
                    for ((id, row), at) in block.iter().zip(collection.get_many(block)?).zip(at..) {
                        let row = row.ok_or_else(|| TableError::Gone(id.clone()));
                        push(row.with_context(|| name.to_string())?.vector, at, ids.len());
                    }
                }
                None
            }
        };
        drop(bar);
        let vectors = Vectors::new(values.as_slice(), dim)?;
        let kept = matches!(format, Some(Format::JsonLines | Format::Parquet | Format::Arrow));
        write(&self.out, &vectors, ids.as_ref().filter(|_| kept))?;
        let with_ids = ids.is_some() && kept;
        say::facts(
            global,
            &[
                ("file", self.out.display().to_string().into()),
                ("rows", vectors.len().into()),
                ("dimension", dim.into()),
                ("ids", with_ids.into()),
            ],
        )
    }
}

impl Export {
    /// Writes a collection's rows as a table, with their attributes.
    fn table(
        &self,
        global: &Global,
        collection: &dyn Readable,
        ids: &[ExternalId],
    ) -> anyhow::Result<()> {
        let bar = Bar::spin(global, "exporting");
        let table = table_of(collection, ids);
        let table = table.with_context(|| self.index.display().to_string())?;
        write_table(&self.out, &table)?;
        drop(bar);
        say::facts(
            global,
            &[
                ("file", self.out.display().to_string().into()),
                ("rows", table.vectors.len().into()),
                ("dimension", table.vectors.dim().into()),
                ("ids", true.into()),
            ],
        )
    }
}

/// Rows that are read at a time.
const BLOCK: usize = 1_024;

impl Export {
    /// Writes a collection's rows, a line each.
    fn lines(
        &self,
        global: &Global,
        collection: &dyn Readable,
        ids: &[ExternalId],
    ) -> anyhow::Result<()> {
        let (bar, mut done, mut dim) = (Bar::new(global, "exporting"), 0, 0);
        let mut failed = None;
        let written = write_file(&self.out, |file| {
            for block in ids.chunks(BLOCK) {
                match lines(collection, block) {
                    Ok((text, width)) => {
                        file.write_all(&text)?;
                        dim = width;
                    }
                    Err(error) => {
                        failed = Some(error);
                        return Err(io::Error::other("a row that cannot be exported"));
                    }
                }
                done += block.len();
                bar.at(done, ids.len());
            }
            Ok(())
        });
        drop(bar);
        if let Some(error) = failed {
            return Err(error.context(self.index.display().to_string()));
        }
        written?;
        say::facts(
            global,
            &[
                ("file", self.out.display().to_string().into()),
                ("rows", done.into()),
                ("dimension", dim.into()),
                ("ids", true.into()),
            ],
        )
    }
}

/// Rows as lines of JSON, and their dimension.
fn lines(collection: &dyn Readable, ids: &[ExternalId]) -> anyhow::Result<(Vec<u8>, usize)> {
    let (mut text, mut dim) = (Vec::new(), 0);
    for (id, row) in ids.iter().zip(collection.get_many(ids)?) {
        let row = row.ok_or_else(|| TableError::Gone(id.clone()))?;
        dim = row.vector.len();
        write!(text, "{{\"id\":{},\"vector\":", value(id))?;
        serde_json::to_writer(&mut text, &row.vector)?;
        for (name, attribute) in row.attributes {
            ensure!(!RESERVED.contains(&name.as_str()), TableError::Name(name));
            write!(text, ",{}:{}", Value::from(name), attribute.to_json())?;
        }
        if let Some(words) = row.text {
            write!(text, ",\"{TEXT}\":{}", Value::from(words))?;
        }
        text.push(b'}');
        text.push(b'\n');
    }
    Ok((text, dim))
}
