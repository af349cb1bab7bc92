//! Shards that are open, by the digest of their files: whoever asks again finds them in memory.

use crinoid_shards::{Manifest, OpenOptions, Shard, ShardError, Store};
use datafusion::{common::DataFusionError, prelude::SessionConfig};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError},
};

/// Open shards of any number of collections, shared by the queries of a process. An extension of a session's
/// configuration; where there is none, the process has one.
#[derive(Debug, Default)]
pub struct Shards {
    /// Files of object stores are kept here.
    cache: Option<PathBuf>,
    open: Mutex<HashMap<String, Place>>,
}

/// A shard that is open, or is being opened: by whoever came first.
type Place = Arc<OnceLock<Arc<Shard>>>;

impl Shards {
    /// With a folder in which the files of object stores are kept.
    pub fn with_cache(folder: Option<PathBuf>) -> Self {
        Self { cache: folder, ..Self::default() }
    }

    /// Those of a session, else those of the process.
    pub(crate) fn of(config: &SessionConfig) -> Arc<Self> {
        static OWN: LazyLock<Arc<Shards>> = LazyLock::new(Arc::default);
        config.get_extension::<Self>().unwrap_or_else(|| OWN.clone())
    }

    /// Shard `number` of a collection, opened and verified if it is not. Blocks.
    ///
    /// # Errors
    /// When its file is missing, damaged or another than the manifest names.
    pub fn shard(
        &self,
        location: &str,
        manifest: &Manifest,
        number: usize,
    ) -> Result<Arc<Shard>, ShardError> {
        let shards = manifest.shards.len();
        let entry =
            manifest.shards.get(number).ok_or(ShardError::NoShard { shard: number, shards })?;
        // Equal files may stand for rows with other ids.
        let key = format!("{location} {} {:?}", entry.digest, entry.ids);
        let place = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.entry(key).or_default().clone()
        };
        if let Some(shard) = place.get() {
            return Ok(shard.clone());
        }
        let options = OpenOptions::default();
        let options = match &self.cache {
            Some(folder) => options.cache(folder),
            None => options,
        };
        let opened = Shard::open(&Store::at(location)?, manifest, number, &options)?;
        Ok(place.get_or_init(|| Arc::new(opened)).clone())
    }
}

/// What went wrong, as DataFusion carries it.
pub(crate) fn external(error: ShardError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
