//! `crinoid add`, `delete`, `get`, `compact` and `list`: sets that change.

use crate::{
    bar::Bar,
    global::{Columns, Global},
    input, say,
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::{Batch, Collection, CollectionOptions, ExternalId, Metric, Recipe};
use crinoid_files::{Ids, text::Lines};
use serde_json::Value;
use std::{
    io::stdin,
    path::{Path, PathBuf},
};

/// Adds vectors to a collection, or replaces those of the same id; makes the collection where there is
/// none.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid add shop items.parquet --ids sku --vector embedding --metric cosine
  echo '{\"id\": \"a\", \"vector\": [0.1, 0.2]}' | crinoid add shop - --ids id")]
pub(crate) struct Add {
    /// The collection's folder.
    folder: PathBuf,
    /// Vectors, in any format that `build` reads; `-` reads JSON lines.
    input: PathBuf,
    /// Of a new collection: l2, ip or cosine [default: what the file declares, else l2].
    #[arg(long)]
    metric: Option<Metric>,
    /// Of a new collection: one version of each module.
    #[arg(long)]
    recipe: Option<Recipe>,
    #[command(flatten)]
    columns: Columns,
}

/// Deletes vectors from a collection.
#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    named: Named,
}

/// Prints vectors of a collection as JSON lines. Exits with 1 where an id is not there.
#[derive(Args)]
pub(crate) struct Get {
    #[command(flatten)]
    named: Named,
}

/// Rewrites a collection into one segment without dead rows.
#[derive(Args)]
pub(crate) struct Compact {
    /// The collection's folder.
    folder: PathBuf,
}

/// Prints the ids of a collection, one a line.
#[derive(Args)]
pub(crate) struct List {
    /// The collection's folder.
    folder: PathBuf,
}

/// Ids in a collection.
#[derive(Args)]
struct Named {
    /// The collection's folder.
    folder: PathBuf,
    /// Ids: whole numbers are numbers, everything else is text; `-` reads one a line.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Takes all ids as texts, numbers too.
    #[arg(long)]
    text: bool,
}

fn open(folder: &Path) -> anyhow::Result<Collection> {
    ensure!(
        folder.is_dir(),
        "{}: there is no such collection: crinoid add makes one",
        folder.display()
    );
    Ok(Collection::open(folder)?)
}

impl Named {
    fn ids(&self) -> anyhow::Result<Vec<ExternalId>> {
        let id = |word: &str| match word.parse::<u64>() {
            Ok(number) if !self.text => ExternalId::Number(number),
            _ => ExternalId::Text(word.to_owned()),
        };
        let mut ids = Vec::new();
        for word in &self.ids {
            if word != "-" {
                ids.push(id(word));
                continue;
            }
            let mut lines = Lines::new(Path::new("standard input"), Box::new(stdin()));
            while let Some((_, line)) = lines.next_line()? {
                if !line.is_empty() {
                    ids.push(id(line));
                }
            }
        }
        Ok(ids)
    }
}

impl Add {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let reader = input::open_vectors(&self.input, &self.columns, false)?;
        let (rows, dim) = (reader.rows(), reader.dim());
        let collection = match self.folder.exists() {
            true => {
                let collection = Collection::open(&self.folder)?;
                self.agrees(&collection)?;
                collection
            }
            false => {
                let mut options = CollectionOptions::default();
                let declared = || input::declared(&self.input);
                if let Some(metric) = self.metric.map_or_else(declared, |m| Ok(Some(m)))? {
                    options.build.metric = metric;
                }
                if let Some(recipe) = &self.recipe {
                    options.build.recipe = recipe.clone();
                }
                Collection::create(&self.folder, dim, &options)?
            }
        };
        let (bar, name) = (Bar::new(global, "adding"), self.input.display());
        let (mut inserted, mut updated, mut done) = (0, 0, 0usize);
        let next = |first: Option<u64>, row: usize| first?.checked_add(row as u64);
        let full = || format!("{name}: no numbers are left to count with: give --ids COLUMN");
        // Rows without ids go on counting after the largest number.
        let first = collection.snapshot().next_number();
        for block in reader {
            let table = block?;
            let mut batch = Batch::new();
            for (at, vector) in table.vectors.rows().enumerate() {
                let id = match &table.ids {
                    Some(Ids::Numbers(ids)) => ExternalId::Number(ids[at]),
                    Some(Ids::Texts(ids)) => ExternalId::Text(ids[at].clone()),
                    None => next(first, done + at).with_context(full)?.into(),
                };
                batch.upsert(id, vector);
            }
            let end = done + table.vectors.len();
            let written = collection
                .write(&batch)
                .with_context(|| format!("{name}: rows {done} to {end}, exclusive"))?;
            inserted += written.inserted;
            updated += written.updated;
            done = end;
            bar.at(done, rows.map_or(done, |rows| rows as usize));
        }
        drop(bar);
        say::facts(
            global,
            &[
                ("collection", self.folder.display().to_string().into()),
                ("inserted", inserted.into()),
                ("updated", updated.into()),
                ("rows", collection.len().into()),
            ],
        )
    }

    /// Refuses options that are those of another collection.
    fn agrees(&self, collection: &Collection) -> anyhow::Result<()> {
        let (folder, build) = (self.folder.display(), &collection.options().build);
        if let Some(metric) = self.metric.filter(|metric| *metric != build.metric) {
            bail!(
                "{folder}: the collection's metric is {}, not {metric}: leave --metric out",
                build.metric
            );
        }
        if let Some(recipe) = self.recipe.as_ref().filter(|recipe| **recipe != build.recipe) {
            bail!(
                "{folder}: the collection's recipe is {}, not {recipe}: leave --recipe out",
                build.recipe
            );
        }
        Ok(())
    }
}

impl Delete {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let collection = open(&self.named.folder)?;
        let mut batch = Batch::new();
        let ids = self.named.ids()?;
        ids.iter().for_each(|id| {
            batch.delete(id.clone());
        });
        let written = collection.write(&batch)?;
        say::facts(
            global,
            &[
                ("collection", self.named.folder.display().to_string().into()),
                ("deleted", written.deleted.into()),
                ("not there", (ids.len() - written.deleted).into()),
                ("rows", collection.len().into()),
            ],
        )
    }
}

impl Get {
    pub(crate) fn run(self, _: &Global) -> anyhow::Result<()> {
        let collection = open(&self.named.folder)?;
        for id in self.named.ids()? {
            let name = value(&id);
            let Some(vector) = collection.get(id)? else {
                bail!("{}: there is no id {name}", self.named.folder.display());
            };
            say::vector(&name, &vector)?;
        }
        Ok(())
    }
}

impl Compact {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let collection = open(&self.folder)?;
        let bar = Bar::spin(global, "compacting");
        collection.compact()?;
        drop(bar);
        let snapshot = collection.snapshot();
        say::facts(
            global,
            &[
                ("collection", self.folder.display().to_string().into()),
                ("rows", snapshot.len().into()),
                ("segments", snapshot.segments().into()),
            ],
        )
    }
}

impl List {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let collection = open(&self.folder)?;
        for id in sorted(&collection) {
            match (global.json, &id) {
                (false, ExternalId::Text(text)) => say::line(text)?,
                _ => say::line(&value(&id).to_string())?,
            }
        }
        Ok(())
    }
}

pub(crate) fn sorted(collection: &Collection) -> Vec<ExternalId> {
    let mut ids: Vec<ExternalId> = collection.snapshot().ids().cloned().collect();
    ids.sort_unstable();
    ids
}

pub(crate) fn value(id: &ExternalId) -> Value {
    match id {
        ExternalId::Number(id) => Value::from(*id),
        ExternalId::Text(id) => Value::from(id.as_str()),
    }
}
