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
//! | `mod` | [`Collection`]: opening, writing, sealing, compacting |
//! | `store` | the transactional file |
//! | `part` | some rows and how to search them: a segment, or a few in memory |
//! | `snapshot` | searching all parts at one point in time |
//! | `types` | ids, batches, options, errors |

mod part;
mod snapshot;
mod store;
mod types;

pub use snapshot::Snapshot;
pub use types::{Batch, CollectionError, CollectionOptions, ExternalId, Match, Recovery, Written};

use crate::{container::write::sync_folder, index::Index, session::SearchOptions};
use part::Part;
use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use store::{Change, Store};

/// The transactional file's name.
const STORE: &str = "rows.redb";

/// A mutable, durable set of vectors with external ids.
///
/// Shared between threads by reference: one batch is written at a time, any number of searches
/// run meanwhile. Only one process can have a collection open.
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
    folder: PathBuf,
    options: CollectionOptions,
    writer: Mutex<Store>,
    current: RwLock<Arc<Snapshot>>,
    recovery: Recovery,
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
    /// When there is no collection, another process has it open, the store is damaged, or the
    /// system refuses.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, CollectionError> {
        let folder = folder.as_ref().to_owned();
        if !folder.join(STORE).exists() {
            return Err(CollectionError::NoCollection { folder });
        }
        let store = Store::open(&folder.join(STORE))?;
        let options = store.options().clone();
        let mut recovery = Recovery::default();
        let segments = store.segments()?;
        let known: HashSet<String> = segments.iter().map(|(n, _)| segment_name(*n)).collect();
        recovery.removed = remove_strangers(&folder, &known)?;

        let mut names = store.names()?;
        let (mut parts, mut broken) = (Vec::new(), Vec::new());
        for (number, segment) in segments {
            let live = segment.rows.iter().map(|row| (*row, names.remove(row))).collect::<Vec<_>>();
            let path = folder.join(segment_name(number));
            match Index::load(&path) {
                Ok(index) if index.digest() == segment.digest && index.len() == live.len() => {
                    parts.push(Part::segment(number, index, live));
                }
                // The rows are in the store; the file is only derived from them.
                _ => broken.push((number, live)),
            }
        }
        let idle = snapshot::idle();
        let fresh: Vec<u64> = names.keys().copied().collect();
        if !fresh.is_empty() {
            let full = store.prepared(&fresh)?;
            let rows = fresh.into_iter().zip(names.into_values()).collect();
            parts.push(Part::memory(rows, full, options.build.metric));
        }
        recovery.rebuilt = broken.len();
        let snapshot = Snapshot::new(parts, store.preparation(), idle);
        let collection = Self {
            folder,
            options,
            writer: Mutex::new(store),
            current: RwLock::new(Arc::new(snapshot)),
            recovery,
        };
        for (number, live) in broken {
            collection.rebuild(&mut collection.writer(), number, live)?;
        }
        Ok(collection)
    }

    /// Applies a batch: all of it or nothing. When this returns, the batch survives any crash, and
    /// every search that starts later sees it.
    ///
    /// Seals and compacts when the options say so. An error in that
    /// ([`CollectionError::Maintenance`]) does not undo the batch.
    ///
    /// # Errors
    /// When a vector cannot be indexed (nothing is written then), or the system refuses.
    pub fn write(&self, batch: &Batch) -> Result<Written, CollectionError> {
        let mut store = self.writer();
        let Change { added, killed, written } = store.apply(batch)?;
        let snapshot = self.snapshot();
        let mut parts = snapshot.parts().to_vec();
        for row in killed {
            let _ = parts.iter_mut().any(|part| part.kill(row));
        }
        if !added.is_empty() {
            parts.push(Part::from_added(added, self.options.build.metric));
            part::merge_small(&mut parts, self.options.build.metric);
        }
        self.publish(snapshot.with_parts(parts));
        self.maintain(&mut store).map_err(|error| CollectionError::Maintenance(Box::new(error)))?;
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

    /// The vector stored under `id`, as it was given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get(&self, id: impl Into<ExternalId>) -> Result<Option<Vec<f32>>, CollectionError> {
        self.writer().get(&id.into())
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
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
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
        &self.options
    }

    /// What opening it had to repair.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// Makes a segment of all rows that are not in one, however few.
    ///
    /// # Errors
    /// When the system refuses; nothing has changed then.
    pub fn seal(&self) -> Result<(), CollectionError> {
        self.rewrite(&mut self.writer(), |part| part.is_memory())
    }

    /// Rewrites everything into one segment without dead rows.
    ///
    /// # Errors
    /// When the system refuses; nothing has changed then.
    pub fn compact(&self) -> Result<(), CollectionError> {
        self.rewrite(&mut self.writer(), |_| true)
    }

    fn maintain(&self, store: &mut Store) -> Result<(), CollectionError> {
        let snapshot = self.snapshot();
        let in_memory: usize =
            snapshot.parts().iter().filter(|part| part.is_memory()).map(Part::live).sum();
        if in_memory >= self.options.seal_rows {
            self.rewrite(store, |part| part.is_memory())?;
        }
        let too_dead = |part: &Part| {
            !part.is_memory() && part.dead() as f64 > self.options.max_dead * part.len() as f64
        };
        if self.snapshot().parts().iter().any(too_dead) {
            self.rewrite(store, too_dead)?;
        }
        let snapshot = self.snapshot();
        let mut sizes: Vec<usize> =
            snapshot.parts().iter().filter(|part| !part.is_memory()).map(Part::live).collect();
        if sizes.len() > self.options.max_segments {
            // The smaller half: each row is rewritten a logarithmic number of times.
            sizes.sort_unstable();
            let limit = sizes[sizes.len() / 2];
            self.rewrite(store, |part| !part.is_memory() && part.live() <= limit)?;
        }
        Ok(())
    }

    /// Puts the live rows of all parts that `take` picks into one new segment.
    ///
    /// The file is published first and counts for nothing; the transaction that names it is the
    /// moment at which it replaces the old ones; they are removed last. A crash in between
    /// leaves files that the next opening removes.
    fn rewrite(
        &self,
        store: &mut Store,
        take: impl Fn(&Part) -> bool,
    ) -> Result<(), CollectionError> {
        let snapshot = self.snapshot();
        let (victims, mut kept): (Vec<Part>, Vec<Part>) =
            snapshot.parts().iter().cloned().partition(&take);
        let pointless = matches!(&victims[..], [one] if !one.is_memory() && one.dead() == 0);
        if victims.is_empty() || pointless {
            return Ok(());
        }
        let rows: BTreeMap<u64, ExternalId> =
            victims.iter().flat_map(|part| part.live_rows()).collect();
        let old: Vec<u64> = victims.iter().filter_map(Part::number).collect();
        kept.extend(self.make_segment(store, &old, rows)?);
        self.publish(snapshot.with_parts(kept));
        for number in old {
            // Readers may still have it mapped; what cannot be removed now goes at the next
            // opening.
            let _ = fs::remove_file(self.folder.join(segment_name(number)));
        }
        Ok(())
    }

    /// Builds a segment again whose file is missing or damaged.
    fn rebuild(
        &self,
        store: &mut Store,
        number: u64,
        rows: Vec<(u64, Option<ExternalId>)>,
    ) -> Result<(), CollectionError> {
        let rows = rows.into_iter().filter_map(|(row, id)| Some((row, id?))).collect();
        let snapshot = self.snapshot();
        let mut parts = snapshot.parts().to_vec();
        parts.extend(self.make_segment(store, &[number], rows)?);
        self.publish(snapshot.with_parts(parts));
        let _ = fs::remove_file(self.folder.join(segment_name(number)));
        Ok(())
    }

    /// Writes a segment of `rows` and lets it replace the segments `old` in the store. No rows, no
    /// segment.
    fn make_segment(
        &self,
        store: &mut Store,
        old: &[u64],
        rows: BTreeMap<u64, ExternalId>,
    ) -> Result<Option<Part>, CollectionError> {
        if rows.is_empty() {
            store.replace_segments(old, None)?;
            return Ok(None);
        }
        let numbers: Vec<u64> = rows.keys().copied().collect();
        let index = Index::build(&store.raw(&numbers)?, &self.options.build, &())?;
        let number = store.next_segment()?;
        let path = self.folder.join(segment_name(number));
        index.save(&path)?;
        // From the file, so that memory is shared with the page cache, and that what will be
        // read after a crash is what is read now.
        let index = Index::load(&path)?;
        store.replace_segments(old, Some((number, index.digest(), &numbers)))?;
        let rows = rows.into_iter().map(|(row, id)| (row, Some(id))).collect();
        Ok(Some(Part::segment(number, index, rows)))
    }

    fn publish(&self, snapshot: Snapshot) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    /// One writer at a time. A writer that panicked left either the old state or the new one in
    /// the store, as a crash would.
    fn writer(&self) -> MutexGuard<'_, Store> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn segment_name(number: u64) -> String {
    format!("segment-{number:08}.cri")
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
        let segment = name.starts_with("segment-") && name.ends_with(".cri");
        let temporary = name.starts_with(".segment-") && name.ends_with(".tmp");
        if temporary || (segment && !known.contains(&name)) {
            remove(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collection({}, {} vectors)", self.folder.display(), self.len())
    }
}
