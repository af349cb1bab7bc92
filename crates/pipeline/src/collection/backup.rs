//! Copies of a collection, and what is left of a damaged one.

use super::{
    Collection, STORE,
    salvage::{Salvage, salvage},
    segment_name,
    store::Store,
    types::{Batch, CollectionError, Repair},
    words_name,
};
use crate::container::write::sync_folder;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Rows that are written to a new store at a time.
const BLOCK: usize = 4_096;

impl Collection {
    /// Copies the collection, as it is now, to `folder`, which must not exist yet; opening that is all there is to
    /// restoring. Others read and write meanwhile; sealing and compacting wait.
    ///
    /// The copy is made under another name beside `folder`, and appears there when it is whole.
    ///
    /// # Errors
    /// When something exists there, what is stored is [damaged](Self::verify), or the system refuses.
    pub fn backup(&self, folder: impl AsRef<Path>) -> Result<(), CollectionError> {
        let folder = folder.as_ref();
        if folder.exists() {
            return Err(CollectionError::Exists { folder: folder.to_owned() });
        }
        let Some(name) = folder.file_name() else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it has no name");
            return Err(CollectionError::io(folder)(source));
        };
        let partial = folder.with_file_name(format!(".{}.partial", name.to_string_lossy()));
        // What an earlier attempt left.
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(CollectionError::io(&partial))?;
        }
        fs::create_dir_all(&partial).map_err(CollectionError::io(&partial))?;
        let result = self.copy_to(&partial).and_then(|()| {
            fs::rename(&partial, folder).map_err(CollectionError::io(folder))?;
            let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            sync_folder(parent).map_err(CollectionError::io(parent))
        });
        if result.is_err() {
            let _ = fs::remove_dir_all(&partial);
        }
        result
    }

    fn copy_to(&self, folder: &Path) -> Result<(), CollectionError> {
        let _alone = self.inner.no_rewrites();
        let numbers = self.inner.store.copy_to(&folder.join(STORE))?;
        let names =
            numbers.into_iter().flat_map(|number| [segment_name(number), words_name(number)]);
        for name in names {
            let (from, to) = (self.inner.folder.join(&name), folder.join(&name));
            match fs::copy(&from, &to) {
                // It is built again of the rows when the copy is opened.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                copied => copied.map_err(CollectionError::io(&from))?,
            };
            let synced = fs::File::open(&to).and_then(|file| file.sync_all());
            synced.map_err(CollectionError::io(&to))?;
        }
        sync_folder(folder).map_err(CollectionError::io(folder))
    }

    /// Makes of a closed collection, whose store is damaged, one of what can still be read of it.
    ///
    /// A collection without damage is left as it is. Else all rows whose checksums agree go to a new store;
    /// vectors that are damaged there come from their segment, where it has them (under the cosine it has their
    /// direction alone, at length 1). The old store is kept as `rows.redb.damaged`; segments are built again.
    ///
    /// # Errors
    /// When somebody has it open, the store cannot be opened at all or has lost its options, or the system
    /// refuses; the old store is still in its place then.
    pub fn repair(folder: impl AsRef<Path>) -> Result<Repair, CollectionError> {
        let folder = folder.as_ref();
        let path = folder.join(STORE);
        if !path.exists() {
            return Err(CollectionError::NoCollection { folder: folder.to_owned() });
        }
        match Self::open(folder) {
            Err(error @ (CollectionError::InUse { .. } | CollectionError::Io { .. })) => {
                return Err(error);
            }
            Ok(collection) => {
                let verified = collection.verify();
                if let Ok(verified) = verified
                    && verified.is_sound()
                {
                    return Ok(Repair { rows: verified.rows, ..Repair::default() });
                }
            }
            Err(_) => {}
        }
        let Salvage { options, dim, rows, restored, lost } = salvage(folder, &path)?;
        let new = folder.join("rows.redb.new");
        remove(&new)?;
        Store::create(&new, dim, &options)?;
        let (store, count) = (Store::open(&new, false)?, rows.len());
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut batch = Batch::new();
            for (id, row) in rows.by_ref().take(BLOCK) {
                batch.upsert_row(id, row);
            }
            store.apply(&batch)?;
        }
        drop(store);
        let kept = folder.join("rows.redb.damaged");
        remove(&kept)?;
        let linked = fs::hard_link(&path, &kept).or_else(|_| fs::copy(&path, &kept).map(drop));
        linked.map_err(CollectionError::io(&kept))?;
        // The moment at which the new store takes the old one's place.
        fs::rename(&new, &path).map_err(CollectionError::io(&path))?;
        sync_folder(folder).map_err(CollectionError::io(folder))?;
        drop(Self::open(folder)?);
        Ok(Repair { rows: count, restored, lost, kept: Some(kept) })
    }
}

fn remove(path: &PathBuf) -> Result<(), CollectionError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CollectionError::io(path)(error))
        }
        _ => Ok(()),
    }
}
