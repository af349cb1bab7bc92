//! Reading: a collection of one's own, or one that another process writes.

use super::{
    Collection, STORE,
    handover::Handover,
    load::{Loaded, in_memory, load},
    snapshot::{Common, Snapshot},
    store::Store,
    types::{CollectionError, CollectionOptions, ExternalId, Match, Row},
};
use crate::index::SearchOptions;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What can be read, whoever writes it: a [`Collection`] or a [`Follower`].
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::collection::{Collection, CollectionError, Follower, Readable};
///
/// /// Reads beside a writer where there may be one, and mends what needs mending where there is none.
/// fn open(folder: &str) -> Result<Box<dyn Readable>, CollectionError> {
///     Ok(match Follower::open(folder) {
///         Err(CollectionError::Unclosed { .. }) => Box::new(Collection::open(folder)?),
///         followed => Box::new(followed?),
///     })
/// }
/// # assert!(open("nowhere").is_err()); }
/// ```
pub trait Readable: fmt::Debug + Send + Sync {
    /// The state now, or that of the last [`Follower::refresh`].
    fn snapshot(&self) -> Arc<Snapshot>;

    /// How the collection was made.
    fn options(&self) -> &CollectionOptions;

    /// What is stored under each of `ids`, all at one time.
    ///
    /// # Errors
    /// When the store cannot be read, or does not hold what was written.
    fn get_many(&self, ids: &[ExternalId]) -> Result<Vec<Option<Row>>, CollectionError>;

    /// The texts stored under `ids`, all at one time.
    ///
    /// # Errors
    /// As [`get_many`](Self::get_many).
    fn texts(&self, ids: &[ExternalId]) -> Result<Vec<Option<String>>, CollectionError>;
}

macro_rules! readable {
    ($($reader:ty),+) => {$(
        impl Readable for $reader {
            fn snapshot(&self) -> Arc<Snapshot> {
                self.snapshot()
            }

            fn options(&self) -> &CollectionOptions {
                self.options()
            }

            fn get_many(&self, ids: &[ExternalId]) -> Result<Vec<Option<Row>>, CollectionError> {
                self.get_many(ids)
            }

            fn texts(&self, ids: &[ExternalId]) -> Result<Vec<Option<String>>, CollectionError> {
                self.texts(ids)
            }
        }
    )+};
}

readable!(Collection, Follower);

/// A collection that this process only reads, while another one may write it.
///
/// Any number of processes may follow a collection that its writer has [opened so](super::Collection::open_shared), or that
/// nobody has open. A follower sees the state of its last [`refresh`](Self::refresh): whole batches, never half of one. It changes
/// nothing on the disk.
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::{SearchOptions, collection::{Collection, CollectionOptions, Follower}};
///
/// let folder = std::env::temp_dir().join(format!("crinoid-follow-{}", std::process::id()));
/// drop(Collection::create(&folder, 1, &CollectionOptions::default())?);
/// let writer = Collection::open_shared(&folder)?;
/// let follower = Follower::open(&folder)?; // in another process, as a rule
/// writer.upsert("a", &[1.0])?;
/// assert_eq!(follower.snapshot().len(), 0);
/// assert!(follower.refresh()?);
/// assert_eq!(follower.search(&[0.5], &SearchOptions::for_k(1))?[0].id, "a".into());
/// # drop((writer, follower)); std::fs::remove_dir_all(&folder)?; }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Follower {
    folder: PathBuf,
    store: Store,
    state: Handover<Snapshot>,
    /// What the store counted when the state was read.
    seen: Mutex<Option<u64>>,
}

impl Follower {
    /// Opens the collection in `folder` for reading.
    ///
    /// # Errors
    /// When there is no collection, somebody has it open for himself ([`CollectionError::InUse`]), it was not closed
    /// properly and has not been opened for writing since ([`CollectionError::Unclosed`]), it is damaged, or the system refuses.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, CollectionError> {
        let folder = folder.as_ref().to_owned();
        let path = folder.join(STORE);
        if !path.exists() {
            return Err(CollectionError::NoCollection { folder });
        }
        let store = Store::follow(&path)?;
        let common = Common::new(store.preparation(), store.options().schema.clone());
        let state = Handover::new(Snapshot::new(Vec::new(), Arc::new(common)));
        let follower = Self { folder, store, state, seen: Mutex::new(None) };
        follower.take_over(true)?;
        Ok(follower)
    }

    /// Takes over what has been written since; says whether there was anything. Searches that run are not
    /// disturbed.
    ///
    /// Looking costs next to nothing where there is nothing new. Else it reads the ids and attributes of all rows,
    /// the vectors of those that are in no segment, and the files of segments that are new.
    ///
    /// # Errors
    /// When the store cannot be read, or does not hold what was written.
    pub fn refresh(&self) -> Result<bool, CollectionError> {
        self.take_over(false)
    }

    fn take_over(&self, first: bool) -> Result<bool, CollectionError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = self.state.writer();
        let now = writer.now();
        let of = (self.store.options(), &self.store.preparation());
        let new = self.store.view(|view| {
            let changes = view.changes();
            if !first && changes.is_some() && changes == *seen {
                return Ok(None);
            }
            let loaded = load(view, &self.folder, of, now.parts(), false)?;
            let Loaded { mut parts, broken, attributes } = loaded;
            // The writer has replaced the segment and removed its file, or the file is damaged: its rows are
            // in the store.
            for (_, rows) in broken {
                let live = rows.into_iter().filter_map(|(row, id)| Some((row, id?)));
                let live = live.collect::<std::collections::BTreeMap<u64, ExternalId>>();
                if !live.is_empty() {
                    parts.push(in_memory(view, of, live, &attributes)?);
                }
            }
            Ok(Some((changes, parts)))
        })?;
        let Some((changes, parts)) = new else { return Ok(false) };
        writer.publish(now.with_parts(parts));
        *seen = changes;
        Ok(true)
    }

    /// The state of the last refresh. It stays as it is.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.state.now()
    }

    /// The nearest `options.k` vectors; see [`Snapshot::search`].
    ///
    /// # Errors
    /// As there.
    pub fn search(
        &self,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<Vec<Match>, CollectionError> {
        self.snapshot().search(query, options)
    }

    /// What is stored under each of `ids` by now, all at one time: this looks at the store, and may be newer than
    /// the [snapshot](Self::snapshot).
    ///
    /// # Errors
    /// When the store cannot be read, or does not hold what was written.
    pub fn get_many(&self, ids: &[ExternalId]) -> Result<Vec<Option<Row>>, CollectionError> {
        self.store.get(ids, true)
    }

    /// The texts stored under `ids` by now, as [`get_many`](Self::get_many).
    ///
    /// # Errors
    /// As there.
    pub fn texts(&self, ids: &[ExternalId]) -> Result<Vec<Option<String>>, CollectionError> {
        self.store.texts_of(ids)
    }

    /// How the collection was made.
    pub fn options(&self) -> &CollectionOptions {
        self.store.options()
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Follower({}, {} vectors)", self.folder.display(), self.snapshot().len())
    }
}
