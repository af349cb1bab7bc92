//! A folder or an object store, and the objects in it.
//!
//! Object stores are asynchronous; indexes are built and searched by threads. A store of this module blocks, on a
//! small runtime that all of them share.

use crate::ShardError;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Place};
use std::{
    fmt,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};
use tokio::runtime::{Builder, Handle, Runtime};

/// Where a sealed collection lies: a folder, or a prefix in an object store.
///
/// All calls block. From asynchronous code they are made in `spawn_blocking`.
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: Place,
    /// As the user called it.
    location: String,
    /// Where it is a folder.
    folder: Option<PathBuf>,
    runtime: &'static Runtime,
}

/// What all stores wait on. It lives as long as the process: dropping a runtime within another is a panic.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| error.to_string())
});

/// An object in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) age: Duration,
}

impl Store {
    /// The folder `location`, or the object store that an address such as `s3://bucket/prefix` names (features
    /// `aws`, `gcp`, `azure`; credentials come from the environment).
    ///
    /// # Errors
    /// When the address is none, or of a kind that is not compiled in.
    pub fn at(location: &str) -> Result<Self, ShardError> {
        let wrong = |why: String| ShardError::Location { location: location.to_owned(), why };
        match location.split_once("://") {
            None => Self::folder(Path::new(location)),
            Some(("file", path)) => Self::folder(Path::new(path)),
            Some(_) => {
                let url =
                    location.parse().map_err(|error: url::ParseError| wrong(error.to_string()))?;
                let options =
                    std::env::vars().map(|(key, value)| (key.to_ascii_lowercase(), value));
                let (objects, prefix) = object_store::parse_url_opts(&url, options)
                    .map_err(|error| wrong(error.to_string()))?;
                Self::assemble(objects.into(), prefix, location.to_owned(), None)
            }
        }
    }

    /// The folder `folder`, which need not be there yet.
    ///
    /// # Errors
    /// When the path cannot be made absolute.
    pub fn folder(folder: &Path) -> Result<Self, ShardError> {
        let location = folder.display().to_string();
        let wrong = |why: String| ShardError::Location { location: location.clone(), why };
        let folder = std::path::absolute(folder).map_err(|error| wrong(error.to_string()))?;
        let prefix =
            Place::from_absolute_path(&folder).map_err(|error| wrong(error.to_string()))?;
        Self::assemble(Arc::new(LocalFileSystem::new()), prefix, location, Some(folder))
    }

    /// The objects of `store` below `prefix`: a store that is set up already.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn of(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, ShardError> {
        let location = format!("{store}/{prefix}");
        Self::assemble(store, Place::from(prefix), location, None)
    }

    fn assemble(
        objects: Arc<dyn ObjectStore>,
        prefix: Place,
        location: String,
        folder: Option<PathBuf>,
    ) -> Result<Self, ShardError> {
        match &*RUNTIME {
            Ok(runtime) => Ok(Self { objects, prefix, location, folder, runtime }),
            Err(why) => Err(ShardError::Location { location, why: why.clone() }),
        }
    }

    /// As the user called it.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The path of an object, where the store is a folder.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(name))
    }

    pub(crate) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.location.trim_end_matches('/'))
    }

    /// An object's bytes; `None` where there is no such object.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Bytes>, ShardError> {
        let got = match &self.folder {
            // What the object store would do on other threads: queries in SQL read the manifest each time.
            Some(folder) => fs::read(folder.join(name)).map(Bytes::from).map_err(|error| {
                let (path, missing) = (name.to_owned(), error.kind() == ErrorKind::NotFound);
                match missing {
                    true => object_store::Error::NotFound { path, source: error.into() },
                    false => object_store::Error::Generic { store: "folder", source: error.into() },
                }
            }),
            None => {
                let place = self.prefix.clone().join(name);
                self.block(async { self.objects.get(&place).await?.bytes().await })
            }
        };
        match got {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.failed(name, "read", source)),
        }
    }

    /// Writes an object: whoever reads meanwhile finds what was there before, or all of it.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ShardError> {
        let place = self.prefix.clone().join(name);
        let put = self.block(async { self.objects.put(&place, bytes.into()).await });
        put.map_err(|source| self.failed(name, "write", source))?;
        let Some(folder) = &self.folder else { return Ok(()) };
        // Other stores acknowledge what is durable.
        let synced = File::open(folder.join(name)).and_then(|file| file.sync_all());
        let synced = synced.and_then(|()| match cfg!(unix) {
            true => File::open(folder)?.sync_all(),
            false => Ok(()),
        });
        synced.map_err(|error| {
            let source = object_store::Error::Generic { store: "folder", source: error.into() };
            self.failed(name, "sync", source)
        })
    }

    /// All objects, without those in folders below.
    pub(crate) fn list(&self) -> Result<Vec<Object>, ShardError> {
        let listed = self.block(async {
            let all: Vec<_> = self.objects.list(Some(&self.prefix)).try_collect().await?;
            Ok(all)
        });
        let listed = listed.map_err(|source| self.failed("", "list", source))?;
        let now = SystemTime::now();
        let own = listed.into_iter().filter_map(|meta| {
            let name = meta.location.filename()?.to_owned();
            let age = now.duration_since(meta.last_modified.into()).unwrap_or_default();
            (self.prefix.clone().join(name.as_str()) == meta.location)
                .then_some(Object { name, age })
        });
        Ok(own.collect())
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), ShardError> {
        let place = self.prefix.clone().join(name);
        let deleted = self.block(async { self.objects.delete(&place).await });
        deleted.map_err(|source| self.failed(name, "delete", source))
    }

    fn failed(&self, name: &str, action: &'static str, source: object_store::Error) -> ShardError {
        ShardError::Store { place: self.place(name), action, source: Box::new(source) }
    }

    fn block<T: Send>(
        &self,
        future: impl Future<Output = object_store::Result<T>> + Send,
    ) -> object_store::Result<T> {
        if Handle::try_current().is_err() {
            return self.runtime.block_on(future);
        }
        // Within another runtime a thread of its own may block.
        std::thread::scope(|scope| {
            let done = scope.spawn(|| self.runtime.block_on(future)).join();
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.location)
    }
}
