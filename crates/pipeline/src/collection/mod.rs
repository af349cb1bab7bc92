//! A living set of vectors: insert, update and delete by your own ids, search meanwhile, survive
//! crashes.
//!
//! Rows, ids and the list of segments live in one transactional file (`rows.redb`); it alone says
//! what is in the collection. Segments are index files, immutable and derived: one that is missing
//! or damaged is built again from the rows. New rows are searched by an exact scan until there are
//! enough of them to *seal* into a segment; *compaction* rewrites segments in which too many rows
//! are dead.
//!
//! A reader holds a [`Snapshot`]: it sees the state after some batch, never half of one.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod` | [`Collection`]: opening, reading, writing |
//! | `handover` | how a new state reaches those who search |
//! | `events` | telling others what maintenance does |
//! | `maintain` | sealing and compacting, on a thread of its own |
//! | `load`, `follow` | what a store says, as parts to search; reading beside a writer in another process |
//! | `store`, `tables` | the transactional file, and what stands in it |
//! | `record` | its values, each with a checksum |
//! | `backup`, `salvage` | copies, and what is left of a damaged store |
//! | `upgrade` | stores of the first format |
//! | `attributes`, `number`, `time` | what is known of a row besides its vector |
//! | `expression`, `parse` | filters, and filters as text |
//! | `texts`, `words` | the texts of rows, and BM25 over their words (feature `text`) |
//! | `lexical`, `retrieve` | searching texts, alone and beside vectors; a retriever over a collection |
//! | `columns` | attributes by value: what filters look at |
//! | `part` | some rows and how to search them: a segment, or a few in memory |
//! | `snapshot` | searching all parts at one point in time |
//! | `matches` | answers page by page |
//! | `types` | ids, batches, options, errors |

mod apply;
mod attributes;
mod backup;
mod columns;
mod events;
mod expression;
mod follow;
mod handover;
#[cfg(feature = "text")]
mod lexical;
mod load;
mod maintain;
mod matches;
mod number;
mod parse;
mod part;
mod record;
mod retrieve;
mod salvage;
mod snapshot;
mod store;
mod tables;
mod texts;
mod time;
mod types;
mod upgrade;
mod values;
#[cfg(feature = "text")]
mod words;
/// What [`handover`] locks with; its test puts loom's in their place.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
}

pub use attributes::{Attributes, Kind, MAX_ATTRIBUTE_TEXT, MAX_ATTRIBUTES, Schema, Value};
pub use expression::{Comparison, FilterError, FilterExpr, Literal};
pub use follow::{Follower, Readable};
#[cfg(feature = "text")]
pub use lexical::{Fusion, HybridMatch, HybridOptions, TextMatch};
pub use matches::Matches;
pub use retrieve::{CollectionRetriever, Retrieved};
pub use snapshot::{PartReport, Snapshot, Way};
pub use types::{
    Batch, CollectionError, CollectionOptions, Event, ExternalId, Failure, MAX_BATCH,
    MAX_BATCH_VALUES, MAX_ID, MAX_TEXT, Match, Recovery, Repair, Row, Status, Verification,
    Written,
};

use crate::{
    container::{Container, write::sync_folder},
    index::SearchOptions,
};
use handover::Writer;
use load::Loaded;
use maintain::Inner;
use part::Part;
use snapshot::Common;
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use store::Store;
use values::Change;

/// The transactional file's name.
const STORE: &str = "rows.redb";

/// A mutable, durable set of vectors with external ids.
///
/// Shared between threads by reference: one batch is written at a time, any number of searches
/// run meanwhile. Only one process can write a collection; others can read it with a [`Follower`] where the
/// writer [shares it](Self::open_shared).
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::{SearchOptions, collection::{Batch, Collection, CollectionOptions}};
///
/// let folder = std::env::temp_dir().join(format!("crinoid-doc-{}", std::process::id()));
/// let options = CollectionOptions::default();
/// let collection = Collection::create(&folder, 2, &options)?;
/// let mut batch = Batch::new();
/// batch.upsert("apple", &[1.0, 0.0]).upsert("pear", &[0.0, 1.0]).upsert(7u64, &[5.0, 5.0]);
/// collection.write(&batch)?; // durable from here on
/// collection.delete("pear")?;
/// drop(collection);
///
/// let collection = Collection::open(&folder)?;
/// let found = collection.search(&[0.1, 1.0], &SearchOptions::for_k(2))?;
/// assert_eq!(found[0].id, "apple".into());
/// assert_eq!(collection.len(), 2);
/// # drop(collection); std::fs::remove_dir_all(&folder)?; }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Collection {
    inner: Arc<Inner>,
    recovery: Recovery,
    /// The maintenance thread.
    worker: Option<JoinHandle<()>>,
}

impl Collection {
    /// Makes an empty collection of `dim`-dimensional vectors in `folder`, which is created where
    /// it does not exist.
    ///
    /// # Errors
    /// When there is a collection already, an option is out of range, or the system refuses.
    pub fn create(
        folder: impl AsRef<Path>,
        dim: usize,
        options: &CollectionOptions,
    ) -> Result<Self, CollectionError> {
        let folder = folder.as_ref();
        options.validate(dim)?;
        fs::create_dir_all(folder).map_err(CollectionError::io(folder))?;
        let path = folder.join(STORE);
        if path.exists() {
            return Err(CollectionError::Exists { folder: folder.to_owned() });
        }
        Store::create(&path, dim, options)?;
        sync_folder(folder).map_err(CollectionError::io(folder))?;
        Self::open(folder)
    }

    /// Opens the collection in `folder`, whatever state a crash left it in.
    ///
    /// Everything that was acknowledged is there. Files that belong to nothing are removed;
    /// segments that are missing or damaged are built again.
    ///
    /// # Errors
    /// When there is no collection, somebody else has it open, the store is damaged, or the
    /// system refuses.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, CollectionError> {
        Self::open_as(folder.as_ref(), false)
    }

    /// As [`open`](Self::open), but other processes may read meanwhile, each with a [`Follower`]. Every write
    /// syncs twice then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_shared(folder: impl AsRef<Path>) -> Result<Self, CollectionError> {
        Self::open_as(folder.as_ref(), true)
    }

    fn open_as(folder: &Path, shared: bool) -> Result<Self, CollectionError> {
        let folder = folder.to_owned();
        if !folder.join(STORE).exists() {
            return Err(CollectionError::NoCollection { folder });
        }
        let store = Store::open(&folder.join(STORE), shared)?;
        let options = store.options().clone();
        let mut recovery = Recovery::default();
        let segments = store.segments()?;
        let known = segments.iter().flat_map(|(n, _)| [segment_name(*n), words_name(*n)]).collect();
        recovery.removed = remove_strangers(&folder, &known)?;
        let preparation = store.preparation();
        let loaded =
            store.view(|view| load::load(view, &folder, (&options, &preparation), &[], true))?;
        let Loaded { parts, broken, attributes } = loaded;
        recovery.rebuilt = broken.len();
        let common = Common::new(preparation, options.schema);
        let snapshot = Snapshot::new(parts, Arc::new(common));
        let inner = Arc::new(Inner::new(folder, store, snapshot));
        for (number, live) in broken {
            let alive = live.into_iter().filter_map(|(row, id)| Some((row, id?)));
            let describe = |rows: &[u64]| load::described(&attributes, rows.iter().copied());
            inner.rebuild(number, alive.collect(), describe)?;
        }
        let served = inner.clone();
        let name = "crinoid-maintenance".to_owned();
        let worker = thread::Builder::new().name(name).spawn(move || served.serve());
        let worker = worker.map_err(CollectionError::io(&inner.folder))?;
        Ok(Self { inner, recovery, worker: Some(worker) })
    }

    /// Applies a batch: all of it or nothing. When this returns, the batch survives any crash, and
    /// every search that starts later sees it.
    ///
    /// Sealing and compacting happen on another thread, and a write does not wait for them; only
    /// where that thread is so far behind that
    /// [`max_unsealed`](CollectionOptions::max_unsealed) rows wait does a write wait for it
    /// ([`Written::waited`] says how long).
    ///
    /// # Errors
    /// When a vector cannot be indexed, something is larger than it may be, the folder was removed,
    /// too many rows wait while sealing fails, or the system refuses. Nothing is written then.
    pub fn write(&self, batch: &Batch) -> Result<Written, CollectionError> {
        let inner = &*self.inner;
        let options = &inner.options;
        let most = options.max_unsealed.max(options.seal_rows.saturating_mul(2));
        let mut waited = Duration::ZERO;
        if inner.snapshot().unsealed() >= most {
            let started = Instant::now();
            inner.wait_for_room(most)?;
            waited = started.elapsed();
        }
        let written = self.write_as(&inner.writer(), batch)?;
        Ok(Written { waited, ..written })
    }

    fn write_as(
        &self,
        writer: &Writer<'_, Snapshot>,
        batch: &Batch,
    ) -> Result<Written, CollectionError> {
        let (inner, metric) = (&*self.inner, self.inner.options.build.metric);
        let Change { added, killed, described, written } = inner.store.apply(batch)?;
        let snapshot = writer.now();
        let mut parts = snapshot.parts().to_vec();
        for row in killed {
            let _ = parts.iter_mut().any(|part| part.kill(row));
        }
        for (row, attributes) in described {
            let attributes = Arc::new(attributes);
            let _ = parts.iter_mut().any(|part| part.describe(row, &attributes));
        }
        if !added.is_empty() {
            parts.push(Part::from_added(added, metric));
            part::merge_small(&mut parts, metric);
        }
        writer.publish(snapshot.with_parts(parts));
        inner.wake();
        Ok(written)
    }

    /// Inserts or replaces one vector; see [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn upsert(&self, id: impl Into<ExternalId>, vector: &[f32]) -> Result<(), CollectionError> {
        let mut batch = Batch::new();
        batch.upsert(id, vector);
        self.write(&batch).map(|_| ())
    }

    /// Deletes one vector; says whether there was one. See [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn delete(&self, id: impl Into<ExternalId>) -> Result<bool, CollectionError> {
        let mut batch = Batch::new();
        batch.delete(id);
        self.write(&batch).map(|written| written.deleted > 0)
    }

    /// Changes some attributes of one row and leaves its vector; says whether there was one. See
    /// [`Batch::update`] and [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn update(
        &self,
        id: impl Into<ExternalId>,
        changes: impl IntoIterator<Item = (String, Option<Value>)>,
    ) -> Result<bool, CollectionError> {
        let mut batch = Batch::new();
        batch.update(id, changes);
        self.write(&batch).map(|written| written.updated > 0)
    }

    /// The vector stored under `id`, as it was given. Waits for nobody.
    ///
    /// # Errors
    /// When the store cannot be read, or does not hold what was written.
    pub fn get(&self, id: impl Into<ExternalId>) -> Result<Option<Vec<f32>>, CollectionError> {
        let found = self.inner.store.get(&[id.into()], false)?.pop();
        Ok(found.flatten().map(|row| row.vector))
    }

    /// The vector, the attributes and the text stored under `id`. Waits for nobody.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_row(&self, id: impl Into<ExternalId>) -> Result<Option<Row>, CollectionError> {
        Ok(self.inner.store.get(&[id.into()], true)?.pop().flatten())
    }

    /// The texts stored under `ids`, all at one point in time. Waits for nobody.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn texts(&self, ids: &[ExternalId]) -> Result<Vec<Option<String>>, CollectionError> {
        self.inner.store.texts_of(ids)
    }

    /// What is stored under each of `ids`, all at one point in time. Waits for nobody.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many(&self, ids: &[ExternalId]) -> Result<Vec<Option<Row>>, CollectionError> {
        self.inner.store.get(ids, true)
    }

    /// Those rows that `filter` admits now, to be searched, counted and listed.
    ///
    /// ```
    /// # #[cfg(feature = "collection")] {
    /// use crinoid_pipeline::{SearchOptions, collection::{Attributes, Batch, Collection, CollectionOptions}};
    ///
    /// let folder = std::env::temp_dir().join(format!("crinoid-filtered-{}", std::process::id()));
    /// let collection = Collection::create(&folder, 1, &CollectionOptions::default())?;
    /// let mut batch = Batch::new();
    /// for at in 0..100u64 {
    ///     let attributes = Attributes::from([("price".to_owned(), (at as i64 * 7 % 100).into())]);
    ///     batch.upsert_with(at, &[at as f32], attributes);
    /// }
    /// collection.write(&batch)?;
    /// let cheap = collection.filtered(&"price < 3".parse()?)?;
    /// assert_eq!(cheap.list(None, 10), [0.into(), 43.into(), 86.into()]);
    /// assert_eq!(cheap.search(&[50.0], &SearchOptions::for_k(1))?[0].id, 43.into());
    /// # drop(collection); std::fs::remove_dir_all(&folder)?; }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the collection has a schema, and the filter does not go with it.
    pub fn filtered(&self, filter: &FilterExpr) -> Result<Arc<Snapshot>, CollectionError> {
        Ok(Arc::new(self.snapshot().filtered(filter)?))
    }

    /// The nearest `options.k` vectors now; see [`Snapshot::search`].
    ///
    /// # Errors
    /// When the query cannot be compared with the vectors, or `k` is 0.
    pub fn search(
        &self,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<Vec<Match>, CollectionError> {
        self.snapshot().search(query, options)
    }

    /// The state now. It stays as it is while others write.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.snapshot()
    }

    /// How many vectors there are.
    pub fn len(&self) -> usize {
        self.snapshot().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How the collection was made.
    pub fn options(&self) -> &CollectionOptions {
        &self.inner.options
    }

    /// Deletes all rows that `filter` admits; says how many. See [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write), and as [`filtered`](Self::filtered).
    pub fn delete_where(&self, filter: &FilterExpr) -> Result<usize, CollectionError> {
        // Nobody writes between the look and the deed.
        let writer = self.inner.writer();
        let rows = writer.now().filtered(filter)?;
        let mut batch = Batch::new();
        for id in rows.ids() {
            batch.delete(id.clone());
        }
        self.write_as(&writer, &batch).map(|written| written.deleted)
    }

    /// What opening it had to repair.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// What it is at: sizes, and how maintenance gets on.
    pub fn status(&self) -> Status {
        let snapshot = self.snapshot();
        let (building, failure) = self.inner.progress();
        let size = |entry: io::Result<fs::DirEntry>| entry.and_then(|entry| entry.metadata());
        let files = fs::read_dir(&self.inner.folder).into_iter().flatten();
        Status {
            rows: snapshot.len(),
            segments: snapshot.segments(),
            dead: snapshot.dead(),
            unsealed: snapshot.unsealed(),
            building,
            bytes: files.filter_map(|entry| size(entry).ok()).map(|file| file.len()).sum(),
            failure,
        }
    }

    /// What maintenance does from now on: each segment that it builds, each failure. Several may listen.
    ///
    /// ```
    /// # #[cfg(feature = "collection")] {
    /// use crinoid_pipeline::collection::{Collection, CollectionOptions, Event};
    ///
    /// let folder = std::env::temp_dir().join(format!("crinoid-events-{}", std::process::id()));
    /// let collection = Collection::create(&folder, 1, &CollectionOptions::default())?;
    /// let events = collection.events();
    /// collection.upsert("a", &[1.0])?;
    /// collection.seal()?;
    /// assert!(matches!(events.recv()?, Event::Built { segment: Some(0), rows: 1, .. }));
    /// # drop(collection); std::fs::remove_dir_all(&folder)?; }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(&self) -> Receiver<Event> {
        self.inner.listeners.add()
    }

    /// Waits until all that the options want sealed and compacted is; nothing else is needed for
    /// durability, which every write has by itself.
    ///
    /// # Errors
    /// When the system refuses; nothing has changed then.
    pub fn flush(&self) -> Result<(), CollectionError> {
        self.inner.maintain()?;
        self.inner.rewrite_now(|_| Vec::new())
    }

    /// Makes a segment of all rows that are not in one, however few, and waits for it. Others may
    /// write meanwhile.
    ///
    /// # Errors
    /// When the system refuses; nothing has changed then.
    pub fn seal(&self) -> Result<(), CollectionError> {
        let unsealed = |part: &&Part| part.is_memory();
        self.inner.rewrite_now(|now| now.parts().iter().filter(unsealed).cloned().collect())
    }

    /// Rewrites everything into one segment without dead rows, and waits for it. Others may write
    /// meanwhile.
    ///
    /// # Errors
    /// When the system refuses; nothing has changed then.
    pub fn compact(&self) -> Result<(), CollectionError> {
        self.inner.rewrite_now(|now| now.parts().to_vec())
    }

    /// Reads everything that is stored and compares it with its checksums: each row, each id, each
    /// segment's file. Others may write meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read at all. What can be read and is wrong is in the
    /// [`Verification`].
    pub fn verify(&self) -> Result<Verification, CollectionError> {
        let _alone = self.inner.no_rewrites();
        let (rows, mut problems) = self.inner.store.problems()?;
        let segments = self.inner.store.segments()?;
        for (number, segment) in &segments {
            let words = self.inner.folder.join(words_name(*number));
            if words.exists()
                && let Err(error) = Container::open_partly(&words, |_| false)
            {
                problems.push(error.to_string());
            }
            let path = self.inner.folder.join(segment_name(*number));
            match Container::open_partly(&path, |_| false) {
                Ok(file) if file.digest() == segment.digest => {}
                Ok(_) => problems.push(format!("{}: another file than was built", path.display())),
                Err(error) => problems.push(error.to_string()),
            }
        }
        Ok(Verification { rows, segments: segments.len(), problems })
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.inner.stop();
        if let Some(worker) = self.worker.take() {
            // It catches its panics.
            let _ = worker.join();
        }
    }
}

fn segment_name(number: u64) -> String {
    format!("segment-{number:08}.cri")
}

/// The file of the words of a segment's texts.
fn words_name(number: u64) -> String {
    format!("words-{number:08}.cri")
}

/// Removes segment files that the store does not name, and temporary ones; says how many.
fn remove_strangers(folder: &Path, known: &HashSet<String>) -> Result<usize, CollectionError> {
    let mut removed = 0;
    let remove = |path: PathBuf| match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CollectionError::io(&path)(error))
        }
        _ => Ok(()),
    };
    for entry in fs::read_dir(folder).map_err(CollectionError::io(folder))? {
        let entry = entry.map_err(CollectionError::io(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let starts = |with: &str| {
            ["segment-", "words-"]
                .iter()
                .any(|kind| name.strip_prefix(with).is_some_and(|name| name.starts_with(kind)))
        };
        let segment = starts("") && name.ends_with(".cri");
        let temporary = starts(".") && name.ends_with(".tmp");
        if temporary || (segment && !known.contains(&name)) {
            remove(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collection({}, {} vectors)", self.inner.folder.display(), self.len())
    }
}
