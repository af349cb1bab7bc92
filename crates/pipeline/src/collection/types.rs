//! Ids, batches, options, errors.

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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub(super) entries: Vec<(ExternalId, Option<Vec<f32>>)>,
}

impl Batch {
    /// Nothing to do yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inserts `vector` under `id`, or replaces what is there.
    pub fn upsert(&mut self, id: impl Into<ExternalId>, vector: &[f32]) -> &mut Self {
        self.entries.push((id.into(), Some(vector.to_vec())));
        self
    }

    /// Deletes what is stored under `id`, if anything.
    pub fn delete(&mut self, id: impl Into<ExternalId>) -> &mut Self {
        self.entries.push((id.into(), None));
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

    /// Checks the limits: [`MAX_BATCH`], [`MAX_BATCH_VALUES`], [`MAX_ID`].
    pub(super) fn validate(&self) -> Result<(), CollectionError> {
        let text = |id: &ExternalId| match id {
            ExternalId::Number(_) => 0,
            ExternalId::Text(text) => text.len(),
        };
        let longest = self.entries.iter().map(|(id, _)| text(id)).max().unwrap_or(0);
        let values = self.entries.iter().flat_map(|(_, vector)| vector).map(Vec::len).sum();
        for (what, got, most) in [
            ("entries of a batch", self.len(), MAX_BATCH),
            ("values of a batch", values, MAX_BATCH_VALUES),
            ("bytes of an id", longest, MAX_ID),
        ] {
            if got > most {
                return Err(CollectionError::Limit { what, got, most });
            }
        }
        Ok(())
    }
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Ids that were new.
    pub inserted: usize,
    /// Ids that got another vector.
    pub updated: usize,
    /// Ids that are gone.
    pub deleted: usize,
    /// How long the batch had to wait, because more rows were unsealed than
    /// [`CollectionOptions::max_unsealed`] allows. Normally zero.
    pub waited: Duration,
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
    /// Unsealed rows at which a segment is made of them; until then they are scanned.
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

impl CollectionError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
