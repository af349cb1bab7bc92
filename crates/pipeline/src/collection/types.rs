//! Ids, batches, options, errors.

use super::{
    attributes::{Attributes, Schema, Value, fitted},
    expression::FilterError,
};
use crate::{
    container::Placement,
    error::{IndexError, SearchError},
    index::BuildOptions,
};
use crinoid_quant::{VectorError, vectors::check_dim};
use crinoid_refine::Rescore;
use serde::{Deserialize, Serialize};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The most bytes of a text id.
pub const MAX_ID: usize = 4_096;

/// The most bytes of a row's text.
pub const MAX_TEXT: usize = 1 << 20;

/// The most entries of a batch.
pub const MAX_BATCH: usize = 1 << 20;

/// The most values of all vectors of a batch together: 1 GiB of floats.
pub const MAX_BATCH_VALUES: usize = 1 << 28;

/// The caller's own name of a vector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExternalId {
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

impl From<u64> for ExternalId {
    fn from(number: u64) -> Self {
        ExternalId::Number(number)
    }
}

impl From<&str> for ExternalId {
    fn from(text: &str) -> Self {
        ExternalId::Text(text.to_owned())
    }
}

impl From<String> for ExternalId {
    fn from(text: String) -> Self {
        ExternalId::Text(text)
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternalId::Number(number) => number.fmt(f),
            ExternalId::Text(text) => text.fmt(f),
        }
    }
}

impl ExternalId {
    /// A tag, then the number big-endian or the text: numbers sort before texts, each in order.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            ExternalId::Number(number) => [&[0], &number.to_be_bytes()[..]].concat(),
            ExternalId::Text(text) => [&[1], text.as_bytes()].concat(),
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (0, number) => Some(ExternalId::Number(u64::from_be_bytes(number.try_into().ok()?))),
            (1, text) => Some(ExternalId::Text(String::from_utf8(text.to_vec()).ok()?)),
            _ => None,
        }
    }
}

/// Changes that happen together. Later entries win over earlier ones of the same id.
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::collection::{Attributes, Batch};
///
/// let tags = Attributes::from([("lang".to_owned(), "rust".into())]);
/// let mut batch = Batch::new();
/// batch
///     .upsert_with(1u64, &[1.0, 0.0], tags) // replaces whatever is there
///     .insert(2u64, &[0.0, 1.0], Attributes::new()) // only where nothing is there
///     .update(1u64, [("stars".to_owned(), Some(7.into())), ("lang".to_owned(), None)])
///     .delete(3u64);
/// assert_eq!(batch.len(), 4);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub(super) entries: Vec<(ExternalId, Entry)>,
}

/// What happens to an id.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// It gets this vector, these attributes and this text, or does where `only_new` it had none.
    Put { vector: Vec<f32>, attributes: Attributes, text: Option<String>, only_new: bool },
    /// Some of its attributes change, or go.
    Update(Changes),
    /// It goes.
    Delete,
}

/// Attributes that are set, or removed where there is no value.
pub(super) type Changes = Vec<(String, Option<Value>)>;

impl Batch {
    /// Nothing to do yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts `vector` under `id`, or replaces what is there, its attributes and its text as well.
    pub fn upsert(&mut self, id: impl Into<ExternalId>, vector: &[f32]) -> &mut Self {
        self.upsert_with(id, vector, Attributes::new())
    }

    /// Inserts `vector` and `attributes` under `id`, or replaces what is there.
    pub fn upsert_with(
        &mut self,
        id: impl Into<ExternalId>,
        vector: &[f32],
        attributes: Attributes,
    ) -> &mut Self {
        self.put(id.into(), Row { vector: vector.to_vec(), attributes, text: None }, false)
    }

    /// Inserts `row` under `id`: a vector with attributes and a text. Or replaces what is there.
    pub fn upsert_row(&mut self, id: impl Into<ExternalId>, row: Row) -> &mut Self {
        self.put(id.into(), row, false)
    }

    /// As [`insert`](Self::insert), with a text.
    pub fn insert_row(&mut self, id: impl Into<ExternalId>, row: Row) -> &mut Self {
        self.put(id.into(), row, true)
    }

    /// Inserts `vector` and `attributes` where nothing is stored under `id`; else leaves what is there
    /// ([`Written::kept`]).
    pub fn insert(
        &mut self,
        id: impl Into<ExternalId>,
        vector: &[f32],
        attributes: Attributes,
    ) -> &mut Self {
        self.put(id.into(), Row { vector: vector.to_vec(), attributes, text: None }, true)
    }

    fn put(&mut self, id: ExternalId, row: Row, only_new: bool) -> &mut Self {
        let Row { vector, attributes, text } = row;
        self.entries.push((id, Entry::Put { vector, attributes, text, only_new }));
        self
    }

    /// Sets those attributes of `id` that have a value here, removes those that have none, and leaves all
    /// others; the vector and the text stay. Where nothing is stored under `id`, nothing happens ([`Written::missing`]).
    pub fn update(
        &mut self,
        id: impl Into<ExternalId>,
        changes: impl IntoIterator<Item = (String, Option<Value>)>,
    ) -> &mut Self {
        self.entries.push((id.into(), Entry::Update(changes.into_iter().collect())));
        self
    }

    /// Deletes what is stored under `id`, if anything.
    pub fn delete(&mut self, id: impl Into<ExternalId>) -> &mut Self {
        self.entries.push((id.into(), Entry::Delete));
        self
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Checks the limits: [`MAX_BATCH`], [`MAX_BATCH_VALUES`], [`MAX_ID`], [`MAX_TEXT`].
    pub(super) fn validate(&self) -> Result<(), CollectionError> {
        let text = |id: &ExternalId| match id {
            ExternalId::Number(_) => 0,
            ExternalId::Text(text) => text.len(),
        };
        let longest = self.entries.iter().map(|(id, _)| text(id)).max().unwrap_or(0);
        let values = self.entries.iter().filter_map(|(_, entry)| entry.vector()).map(<[f32]>::len);
        let words = |entry: &Entry| match entry {
            Entry::Put { text: Some(text), .. } => text.len(),
            _ => 0,
        };
        let words = self.entries.iter().map(|(_, entry)| words(entry)).max().unwrap_or(0);
        for (what, got, most) in [
            ("bytes of a text", words, MAX_TEXT),
            ("entries of a batch", self.len(), MAX_BATCH),
            ("values of a batch", values.sum(), MAX_BATCH_VALUES),
            ("bytes of an id", longest, MAX_ID),
        ] {
            if got > most {
                return Err(CollectionError::Limit { what, got, most });
            }
        }
        Ok(())
    }

    /// The entries with attributes as they will be stored.
    pub(super) fn fitted(
        &self,
        schema: Option<&Schema>,
    ) -> Result<Vec<(&ExternalId, Fitted<'_>)>, CollectionError> {
        let fit = |id: &ExternalId, name: &String, value: Option<&Value>| {
            let value = value.map(|value| fitted(schema, name, value.clone())).transpose();
            let refused =
                |why| CollectionError::Attribute { id: id.clone(), name: name.clone(), why };
            Ok((name.clone(), value.map_err(refused)?))
        };
        let entry = |(id, entry): &'_ (ExternalId, Entry)| match entry {
            Entry::Put { attributes, .. } => {
                attributes.iter().map(|(name, value)| fit(id, name, Some(value))).collect()
            }
            Entry::Update(changes) => {
                changes.iter().map(|(name, value)| fit(id, name, value.as_ref())).collect()
            }
            Entry::Delete => Ok::<Changes, CollectionError>(Changes::new()),
        };
        self.entries.iter().map(|pair| Ok((&pair.0, (&pair.1, entry(pair)?)))).collect()
    }
}

/// An entry, and its attributes as they will be stored.
pub(super) type Fitted<'a> = (&'a Entry, Changes);

impl Entry {
    /// The vector that it brings.
    pub(super) fn vector(&self) -> Option<&[f32]> {
        match self {
            Entry::Put { vector, .. } => Some(vector),
            Entry::Update(_) | Entry::Delete => None,
        }
    }
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Ids that were new.
    pub inserted: usize,
    /// Ids that got another vector, or other attributes.
    pub updated: usize,
    /// Ids that are gone.
    pub deleted: usize,
    /// Ids that were there already, so that nothing was inserted.
    pub kept: usize,
    /// Ids that were not there, so that no attributes were changed.
    pub missing: usize,
    /// How long the batch had to wait, because more rows were unsealed than
    /// [`CollectionOptions::max_unsealed`] allows. Normally zero.
    pub waited: Duration,
}

/// What is stored under an id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The vector, as it was given.
    pub vector: Vec<f32>,
    /// What is known of it besides.
    pub attributes: Attributes,
    /// The text that the vector stands for, where it was given.
    pub text: Option<String>,
}

impl Row {
    /// A vector alone.
    pub fn new(vector: impl Into<Vec<f32>>) -> Self {
        Self { vector: vector.into(), ..Self::default() }
    }

    /// This row with other attributes.
    #[must_use]
    pub fn attributes(self, attributes: Attributes) -> Self {
        Self { attributes, ..self }
    }

    /// This row with a text, at most [`MAX_TEXT`] bytes of it.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }
}

/// Why maintenance does not get on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong the last time.
    pub why: String,
    /// How many attempts have failed, one after the other.
    pub attempts: u32,
    /// How long it was left alone after the last one: each failure doubles it, up to five minutes.
    pub pause: Duration,
}

/// What maintenance did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A segment took the place of others, or of rows that were in none.
    Built {
        /// Its number; `None` where none of the rows was alive any more.
        segment: Option<u64>,
        /// The rows in it.
        rows: usize,
        /// The segments that are gone.
        replaced: Vec<u64>,
        /// How long it took.
        took: Duration,
    },
    /// An attempt failed, and will be made again after a pause.
    Failed(Failure),
}

/// What a collection is at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Vectors.
    pub rows: usize,
    /// Segments.
    pub segments: usize,
    /// Rows of segments that are dead, waiting for a compaction.
    pub dead: usize,
    /// Live rows in no segment: searches scan them.
    pub unsealed: usize,
    /// Whether a segment is being built at the moment.
    pub building: bool,
    /// Bytes of all files.
    pub bytes: u64,
    /// The last attempt to build one, where it failed.
    pub failure: Option<Failure>,
}

/// What [`Collection::verify`](super::Collection::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Rows read.
    pub rows: usize,
    /// Segments read.
    pub segments: usize,
    /// What is wrong, a line each.
    pub problems: Vec<String>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What [`Collection::repair`](super::Collection::repair) did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// Rows that the collection has now.
    pub rows: usize,
    /// What was restored from elsewhere, a line each.
    pub restored: Vec<String>,
    /// What is gone, a line each. Rows whose id is gone as well are not known of.
    pub lost: Vec<String>,
    /// The damaged store; `None` where there was no damage.
    pub kept: Option<PathBuf>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The caller's id.
    pub id: ExternalId,
    /// Squared L2, `-<q, x>` or `2 - 2 cos`; lower is closer.
    pub distance: f32,
}

/// What opening a collection had to repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Files that belonged to nothing: left over from a crash.
    pub removed: usize,
    /// Segments that were missing or damaged and were built again.
    pub rebuilt: usize,
}

/// How a collection is kept.
///
/// ```
/// use crinoid_pipeline::{BuildOptions, collection::CollectionOptions};
/// use crinoid_quant::Metric;
///
/// let build = BuildOptions::default().metric(Metric::Cosine);
/// let options = CollectionOptions::default().build(build).seal_rows(20_000).rows_on_disk(true);
/// assert_eq!(options.max_segments, 8);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CollectionOptions {
    /// How segments are built. The recipe must leave nothing to a trial, since all segments share it, and end
    /// with `float@1`: answers of several segments are merged by their true distances.
    pub build: BuildOptions,
    /// Unsealed rows at which a segment is made of them; until then they are scanned. Where searches have spent as much
    /// on scanning them as a segment costs, and there are at least 2,048, it is made before.
    pub seal_rows: usize,
    /// The share of dead rows above which a segment is rewritten, `0.0..=1.0`.
    pub max_dead: f64,
    /// The number of segments above which the smaller half of them is merged.
    pub max_segments: usize,
    /// The number of unsealed rows from which a write waits until there are fewer, so that writers
    /// cannot run away from the thread that seals; at least twice `seal_rows` is used.
    pub max_unsealed: usize,
    /// Whether the float rows of segments stay in their files
    /// ([`Placement::RowsOnDisk`]), instead of in memory.
    pub rows_on_disk: bool,
    /// Which attributes rows may have; `None` where any may have any.
    pub schema: Option<Schema>,
}

impl Default for CollectionOptions {
    fn default() -> Self {
        Self {
            build: BuildOptions::default(),
            seal_rows: 8_192,
            max_dead: 0.25,
            max_segments: 8,
            max_unsealed: 131_072,
            rows_on_disk: false,
            schema: None,
        }
    }
}

impl CollectionOptions {
    /// These options with other segments.
    #[must_use]
    pub fn build(self, build: BuildOptions) -> Self {
        Self { build, ..self }
    }

    /// These options with another number of rows at which a segment is made.
    #[must_use]
    pub fn seal_rows(self, seal_rows: usize) -> Self {
        Self { seal_rows, ..self }
    }

    /// These options with another share of dead rows.
    #[must_use]
    pub fn max_dead(self, max_dead: f64) -> Self {
        Self { max_dead, ..self }
    }

    /// These options with another number of segments.
    #[must_use]
    pub fn max_segments(self, max_segments: usize) -> Self {
        Self { max_segments, ..self }
    }

    /// These options with another number of rows from which writes wait.
    #[must_use]
    pub fn max_unsealed(self, max_unsealed: usize) -> Self {
        Self { max_unsealed, ..self }
    }

    /// These options with float rows in memory or in their files.
    #[must_use]
    pub fn rows_on_disk(self, rows_on_disk: bool) -> Self {
        Self { rows_on_disk, ..self }
    }

    /// These options with a schema of attributes.
    #[must_use]
    pub fn schema(self, schema: Schema) -> Self {
        Self { schema: Some(schema), ..self }
    }

    /// Where the rows of segments live.
    pub(super) fn placement(&self) -> Placement {
        if self.rows_on_disk { Placement::RowsOnDisk } else { Placement::Memory }
    }

    pub(super) fn validate(&self, dim: usize) -> Result<(), CollectionError> {
        let fail = |name, why: &str| Err(CollectionError::Option { name, why: why.to_owned() });
        // Segments may differ in their codes, but not in what distances mean.
        let last = self.build.recipe.refine().last();
        if last.is_none_or(|name| name != Rescore::<crinoid_quant::codec::Float>::VERSION) {
            return fail("recipe", "the last refiner must be float@1");
        }
        check_dim(dim)?;
        if self.build.truncate.is_some_and(|kept| kept == 0 || kept > dim) {
            return fail("truncate", "it must be within 1..=dimension");
        }
        if self.seal_rows == 0 {
            return fail("seal_rows", "it must be at least 1");
        }
        if !(0.0..=1.0).contains(&self.max_dead) {
            return fail("max_dead", "it must be within 0..=1");
        }
        if self.max_segments == 0 {
            return fail("max_segments", "it must be at least 1");
        }
        self.build.graph.validate().map_err(IndexError::from)?;
        Ok(())
    }
}

/// A collection cannot do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CollectionError {
    /// An option is out of range.
    #[error("{name}: {why}")]
    Option {
        /// The option.
        name: &'static str,
        /// What it must be.
        why: String,
    },
    /// There is a collection already.
    #[error("{}: there is a collection already", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no collection to open.
    #[error("{}: there is no collection (no `rows.redb`): create one, or name its folder", folder.display())]
    NoCollection {
        /// The folder.
        folder: PathBuf,
    },
    /// Somebody has the collection open, in this process or another.
    #[error("{}: {} the collection open: one can write at a time, and others read only where it is opened shared", path.display(), named(holders))]
    InUse {
        /// The store's file.
        path: PathBuf,
        /// The processes that have, where the system tells (Linux does).
        holders: Vec<u32>,
    },
    /// The collection was not closed properly, or is of an older format: who only reads cannot mend that.
    #[error("{}: the collection was not closed properly, or is of an older version: open it for writing once", path.display())]
    Unclosed {
        /// The store's file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The transactional store refused or is damaged.
    #[error("store: {0}")]
    Store(#[from] Box<redb::Error>),
    /// The store holds something that was not written there.
    #[error("store: {what} is damaged")]
    Damaged {
        /// Which record.
        what: String,
    },
    /// The store was removed or replaced while it was open: what would be written now would be lost.
    #[error("{}: the collection is not there any more; nothing was written", path.display())]
    Gone {
        /// The store's file.
        path: PathBuf,
    },
    /// Something is larger than it may be. Nothing was written.
    #[error("{what}: {got} are more than the {most} that there may be")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        got: usize,
        /// How large it may be.
        most: usize,
    },
    /// An attribute cannot be stored. Nothing was written.
    #[error("`{id}`: attribute `{name}`: {why}")]
    Attribute {
        /// Whose.
        id: ExternalId,
        /// Which; `*` stands for all of them.
        name: String,
        /// Why.
        why: String,
    },
    /// A filter speaks of attributes that the schema does not have, or not so.
    #[error("filter: attribute `{name}`: {why}")]
    FilterAttribute {
        /// Which.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A text is no filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The index of the words failed.
    #[error("words: {0}")]
    Words(String),
    /// Too many rows wait to be sealed, and sealing does not get on. Nothing was written.
    #[error("{unsealed} rows wait to be sealed, which fails: {why}")]
    Stalled {
        /// How many wait.
        unsealed: usize,
        /// Why they do.
        why: String,
    },
    /// A vector cannot be stored. Rows are numbered by their place in the batch.
    #[error("batch: {0}")]
    Vector(#[from] VectorError),
    /// A query cannot be answered.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A segment cannot be built, written or read.
    #[error(transparent)]
    Segment(#[from] IndexError),
}

/// Who has the collection open.
fn named(holders: &[u32]) -> String {
    let own = std::process::id();
    match holders {
        [] => "somebody, in this process or another, has".to_owned(),
        [one] if *one == own => "this process has".to_owned(),
        [one] => format!("process {one} has"),
        many => format!("the processes {many:?} have"),
    }
}

impl CollectionError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
