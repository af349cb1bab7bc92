//! `crinoid export`.

use crate::{
    bar::Bar,
    collection::{sorted, value},
    global::Global,
    say,
    search::Target,
};
use anyhow::{Context, ensure};
use clap::Args;
use crinoid::{ExternalId, Vectors};
use crinoid_files::{Format, Ids, write};
use std::path::PathBuf;

/// Writes the vectors of an index or a collection, and their ids where the format has a place for
/// them: jsonl, parquet and arrow have one; npy, fbin, fvecs and safetensors have not.
///
/// An index gives back what it keeps: of unit length under the cosine, and rounded where it keeps codes
/// alone.
#[derive(Args)]
pub(crate) struct Export {
    /// An index file, or a collection's folder.
    index: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

impl Export {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let name = self.index.display();
        let bar = Bar::new(global, "exporting");
        let (mut values, mut dim) = (Vec::new(), 0);
        let mut push = |vector: Vec<f32>, at: usize, of: usize| {
            dim = vector.len();
            values.extend(vector);
            bar.at(at, of);
        };
        let ids = match Target::open(&self.index)? {
            Target::Index { index, names } => {
                let rows = index.len();
                for row in 0..rows as u32 {
                    push(index.vector(row)?, row as usize, rows);
                }
                names.map(|names| names.ids().clone())
            }
            Target::Collection(collection) => {
                let ids = sorted(&collection);
                ensure!(!ids.is_empty(), "{name}: the collection is empty");
                for (at, id) in ids.iter().enumerate() {
                    let vector = collection.get(id.clone())?;
                    let vector =
                        vector.with_context(|| format!("{name}: id {} is gone", value(id)))?;
                    push(vector, at, ids.len());
                }
                Some(named(&ids))
            }
        };
        drop(bar);
        let vectors = Vectors::new(values.as_slice(), dim)?;
        let format = Format::by_extension(&self.out);
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
