//! `crinoid add`, `update`, `delete`, `get`, `compact` and `list`: sets that change.

use crate::{
    bar::Bar,
    events,
    global::{Columns, Global, Metrics},
    input, say,
};
use anyhow::{Context, bail, ensure};
use clap::Args;
use crinoid::{
    Batch, Collection, CollectionError, CollectionOptions, ExternalId, Follower, Metric, Readable,
    Recipe, Row,
    attributes::{FilterExpr, Kind, Schema, Value as Attribute},
    tables::attributes_of,
};
use crinoid_files::{Column, Ids, Table, Values, text::Lines};
use serde_json::{Map, Value};
use std::{
    io::stdin,
    path::{Path, PathBuf},
};

/// Adds vectors to a collection, or replaces those of the same id; makes the collection where there is
/// none.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid add shop items.parquet --ids sku --vector embedding --metric cosine --attributes lang,stars
  crinoid add papers papers.parquet --ids doi --vector embedding --metric cosine --text abstract
  echo '{\"id\": \"a\", \"vector\": [0.1, 0.2]}' | crinoid add shop - --ids id")]
pub(crate) struct Add {
    /// The collection's folder.
    folder: PathBuf,
    /// Vectors, in any format that `build` reads; `-` reads JSON lines.
    input: PathBuf,
    /// Of a new collection: how far apart two vectors are [default: what the file declares, else l2].
    #[arg(long, value_parser = Metrics)]
    metric: Option<Metric>,
    /// Of a new collection: one version of each module.
    #[arg(long)]
    recipe: Option<Recipe>,
    /// Of a new collection: the attributes that rows may have, as name=type with the types bool, int, float, text,
    /// time, list and json [default: any].
    #[arg(long, value_name = "NAME=TYPE,..", value_delimiter = ',')]
    schema: Vec<String>,
    /// Columns to keep as attributes, which filters look at (Parquet, Arrow, JSON lines).
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    attributes: Vec<String>,
    /// The column of texts to keep beside the vectors: `search --text` finds rows by their words.
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// Says on standard error which segments are built meanwhile.
    #[arg(long)]
    events: bool,
    /// Leaves rows as they are whose ids are there already, instead of replacing them.
    #[arg(long)]
    keep: bool,
    /// Lets other processes read the collection meanwhile; each block of rows is synced twice then.
    #[arg(long)]
    shared: bool,
    #[command(flatten)]
    columns: Columns,
}

/// Deletes vectors from a collection.
#[derive(Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    named: Named,
}

/// Changes attributes of rows of a collection; their vectors stay.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid update shop 42 --set lang=rust --set stars=10 --set 'tags=[\"simd\"]'
  crinoid update shop 42 --unset stars")]
pub(crate) struct Update {
    #[command(flatten)]
    named: Named,
    /// Gives an attribute a value: JSON, or else a text.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Removes an attribute.
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
}

/// Prints vectors, attributes and texts of a collection as JSON lines. Exits with 1 where an id is not there.
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
    /// Says on standard error which segment was built.
    #[arg(long)]
    events: bool,
}

/// Prints the ids of a collection, one a line, in order.
#[derive(Args)]
#[command(after_help = "Examples:
  crinoid list shop --where 'lang = \"rust\" AND stars > 10 AND tags CONTAINS \"simd\"'
  crinoid list shop --where 'price IS NULL' --count")]
pub(crate) struct List {
    /// The collection's folder.
    folder: PathBuf,
    /// Only rows whose attributes are so.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<FilterExpr>,
    /// Begins after this id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Prints no more than so many.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Prints how many there are, instead.
    #[arg(long, conflicts_with_all = ["after", "limit"])]
    count: bool,
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

fn is_there(folder: &Path) -> anyhow::Result<()> {
    ensure!(
        folder.is_dir(),
        "{}: there is no such collection: crinoid add makes one",
        folder.display()
    );
    Ok(())
}

fn open(folder: &Path) -> anyhow::Result<Collection> {
    is_there(folder)?;
    Collection::open(folder).map_err(explained)
}

/// Opens a collection that is only read: beside whoever writes it, where he shares it, and beside others who read.
pub(crate) fn open_to_read(folder: &Path) -> anyhow::Result<Box<dyn Readable>> {
    is_there(folder)?;
    match Follower::open(folder) {
        Ok(follower) => Ok(Box::new(follower)),
        // Nobody has it open, and it wants mending.
        Err(CollectionError::Unclosed { .. }) => {
            Ok(Box::new(Collection::open(folder).map_err(explained)?))
        }
        Err(error) => Err(explained(error)),
    }
}

/// An error, and what to do about it from here.
fn explained(error: CollectionError) -> anyhow::Error {
    match error {
        CollectionError::InUse { .. } => anyhow::anyhow!(
            "{error}; wait for it, or let it share the collection (crinoid add --shared, Collection::open_shared): \
             get, list, search, export and info read it then"
        ),
        error => error.into(),
    }
}

/// Whole numbers are numbers, unless all are texts.
fn id_of(word: &str, text: bool) -> ExternalId {
    match word.parse::<u64>() {
        Ok(number) if !text => ExternalId::Number(number),
        _ => ExternalId::Text(word.to_owned()),
    }
}

/// A column of texts; one without any value has no type.
fn texts_of(column: Column) -> anyhow::Result<Vec<Option<String>>> {
    let Column { name, values } = column;
    match values {
        Values::Texts(texts) => Ok(texts),
        other => bail!("--text {name}: the column holds {}, not texts", other.kind()),
    }
}

impl Named {
    fn ids(&self) -> anyhow::Result<Vec<ExternalId>> {
        let id = |word: &str| id_of(word, self.text);
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
        if let Some(text) = self.text.as_ref().filter(|text| self.attributes.contains(text)) {
            bail!("--text {text}: the column is among --attributes: keep it as one or the other");
        }
        // The text is read as one more column, the last.
        let columns: Vec<String> = self.attributes.iter().chain(&self.text).cloned().collect();
        let reader = input::open_rows(&self.input, &self.columns, &columns)?;
        let (rows, dim) = (reader.rows(), reader.dim());
        let collection = match self.folder.exists() {
            true => {
                let collection = self.opened().map_err(explained)?;
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
                options.schema = self.schema()?;
                let made = Collection::create(&self.folder, dim, &options)?;
                match self.shared {
                    true => {
                        drop(made);
                        self.opened()?
                    }
                    false => made,
                }
            }
        };
        let teller = self.events.then(|| events::tell(global, &collection));
        let (bar, name) = (Bar::new(global, "adding"), self.input.display());
        let (mut inserted, mut updated, mut kept, mut done) = (0, 0, 0, 0usize);
        let next = |first: Option<u64>, row: usize| first?.checked_add(row as u64);
        let full = || format!("{name}: no numbers are left to count with: give --ids COLUMN");
        // Rows without ids go on counting after the largest number.
        let first = collection.snapshot().next_number();
        for block in reader {
            let Table { vectors, ids, mut attributes } = block?;
            let texts = self.text.as_ref().and_then(|_| attributes.pop());
            let texts = texts.map(texts_of).transpose().with_context(|| name.to_string())?;
            let mut batch = Batch::new();
            for (at, vector) in vectors.rows().enumerate() {
                let id = match &ids {
                    Some(Ids::Numbers(ids)) => ExternalId::Number(ids[at]),
                    Some(Ids::Texts(ids)) => ExternalId::Text(ids[at].clone()),
                    None => next(first, done + at).with_context(full)?.into(),
                };
                let text = texts.as_ref().and_then(|texts| texts[at].clone());
                let attributes = attributes_of(&attributes, at);
                let row = Row { vector: vector.to_vec(), attributes, text };
                match self.keep {
                    true => batch.insert_row(id, row),
                    false => batch.upsert_row(id, row),
                };
            }
            let end = done + vectors.len();
            let written = collection
                .write(&batch)
                .with_context(|| format!("{name}: rows {done} to {end}, exclusive"))?;
            inserted += written.inserted;
            updated += written.updated;
            kept += written.kept;
            done = end;
            bar.at(done, rows.map_or(done, |rows| rows as usize));
        }
        drop(bar);
        let left = collection.len();
        // Before the last word, so that nothing is told after it.
        if let Some(teller) = teller {
            collection.flush()?;
            drop(collection);
            let _ = teller.join();
        }
        say::facts(
            global,
            &[
                ("collection", self.folder.display().to_string().into()),
                ("inserted", inserted.into()),
                ("updated", updated.into()),
                ("kept", kept.into()),
                ("rows", left.into()),
            ],
        )
    }

    fn opened(&self) -> Result<Collection, CollectionError> {
        match self.shared {
            true => Collection::open_shared(&self.folder),
            false => Collection::open(&self.folder),
        }
    }

    fn schema(&self) -> anyhow::Result<Option<Schema>> {
        let mut schema = Schema::new();
        for field in &self.schema {
            let kind =
                field.rsplit_once('=').and_then(|(name, kind)| Some((name, Kind::named(kind)?)));
            let Some((name, kind)) = kind else {
                let kinds = Kind::ALL.map(Kind::name).join(", ");
                bail!("--schema {field}: write name=type, where the type is one of {kinds}");
            };
            schema = schema.field(name, kind);
        }
        Ok(Some(schema).filter(|_| !self.schema.is_empty()))
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
        if let Some(schema) =
            self.schema()?.filter(|s| Some(s) != collection.options().schema.as_ref())
        {
            let known = collection.options().schema.as_ref().unwrap_or(&schema);
            let known = known.fields().iter().map(|(name, kind)| format!("{name}={kind}"));
            let known = known.collect::<Vec<_>>().join(",");
            bail!("{folder}: the collection's schema is another ({known}): leave --schema out");
        }
        Ok(())
    }
}

impl Update {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        ensure!(self.set.len() + self.unset.len() > 0, "say what to change: --set or --unset");
        let collection = open(&self.named.folder)?;
        let mut changes: Vec<_> = self.unset.iter().map(|name| (name.clone(), None)).collect();
        for change in &self.set {
            let Some((name, value)) = change.split_once('=') else {
                bail!("--set {change}: write name=value");
            };
            let json = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            changes.push((name.to_owned(), Attribute::from_json(json)));
        }
        let mut batch = Batch::new();
        for id in self.named.ids()? {
            batch.update(id, changes.clone());
        }
        let written = collection.write(&batch)?;
        say::facts(
            global,
            &[
                ("collection", self.named.folder.display().to_string().into()),
                ("updated", written.updated.into()),
                ("not there", written.missing.into()),
            ],
        )
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
        let collection = open_to_read(&self.named.folder)?;
        for id in self.named.ids()? {
            let name = value(&id);
            let Some(row) = collection.get_many(&[id])?.pop().flatten() else {
                bail!("{}: there is no id {name}", self.named.folder.display());
            };
            let attributes: Map<String, Value> = row
                .attributes
                .iter()
                .map(|(name, value)| (name.clone(), value.to_json()))
                .collect();
            say::row(&name, &row.vector, &attributes, row.text.as_deref())?;
        }
        Ok(())
    }
}

impl Compact {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<()> {
        let collection = open(&self.folder)?;
        let teller = self.events.then(|| events::tell(global, &collection));
        let bar = Bar::spin(global, "compacting");
        collection.compact()?;
        drop(bar);
        let snapshot = collection.snapshot();
        drop(collection);
        if let Some(teller) = teller {
            let _ = teller.join();
        }
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
        let snapshot = open_to_read(&self.folder)?.snapshot();
        let snapshot = match &self.filter {
            Some(filter) => snapshot.filtered(filter)?.into(),
            None => snapshot,
        };
        if self.count {
            return say::line(&snapshot.len().to_string());
        }
        let after = self.after.map(|word| id_of(&word, false));
        for id in snapshot.list(after.as_ref(), self.limit.unwrap_or(snapshot.len())) {
            match (global.json, &id) {
                (false, ExternalId::Text(text)) => say::line(text)?,
                _ => say::line(&value(&id).to_string())?,
            }
        }
        Ok(())
    }
}

pub(crate) fn value(id: &ExternalId) -> Value {
    match id {
        ExternalId::Number(id) => Value::from(*id),
        ExternalId::Text(id) => Value::from(id.as_str()),
    }
}
