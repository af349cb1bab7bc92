//! An index with the ids of its rows.

use crate::{Manifest, ShardEntry, ShardError, Store, manifest::IdsOf, sealed::OpenOptions};
use crinoid_pipeline::{
    Filter, Fingerprint, Index, SearchError, SearchOptions,
    container::{Container, ContainerError},
};
use crinoid_quant::{Neighbor, Vectors};
use crinoid_search::Counters;
use rayon::prelude::*;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The section of an index file with the ids of its rows: `u64`, little-endian.
pub(crate) const IDS: &str = "ids";

/// An answer: the id of a row, and how far away it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The row's id.
    pub id: u64,
    /// Its distance by the metric; lower is closer.
    pub distance: f32,
}

impl Found {
    /// Nearest first, and of those equally near the lower id.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.id.cmp(&other.id))
    }
}

/// One shard: an index, and the ids of its rows.
#[derive(Debug)]
pub struct Shard {
    index: Index,
    ids: Ids,
}

#[derive(Debug)]
enum Ids {
    From(u64),
    Each(Vec<u64>),
}

impl Shard {
    /// Shard `number` of the collection in `store`, verified against its entry in the manifest.
    ///
    /// # Errors
    /// When there is no such shard, its file is missing, damaged, or another than the manifest names.
    pub fn open(
        store: &Store,
        manifest: &Manifest,
        number: usize,
        options: &OpenOptions,
    ) -> Result<Self, ShardError> {
        let shards = manifest.shards.len();
        let entry = manifest.shards.get(number);
        let entry = entry.ok_or(ShardError::NoShard { shard: number, shards })?;
        let file = || entry.file.clone();
        let failed =
            |source| ShardError::Shard { shard: number, file: file(), source: Box::new(source) };
        let differs = |what, found: String, wanted: String| ShardError::Disagrees {
            shard: number,
            file: file(),
            what,
            found,
            wanted,
        };
        let container = container(store, number, entry, options)?;
        let digest = format!("{:016x}", container.digest());
        if digest != entry.digest {
            return Err(differs("the digest", digest, entry.digest.clone()));
        }
        let index = Index::from_container(&container).map_err(failed)?;
        let Fingerprint { space, truncation, metric, recipe, .. } = index.fingerprint();
        let kept = manifest.truncation.unwrap_or(manifest.space.dimension);
        for (what, found, wanted) in [
            ("the provider", space.provider.clone(), manifest.space.provider.clone()),
            ("the model", space.model.clone(), manifest.space.model.clone()),
            ("the dimension", space.dimension.to_string(), manifest.space.dimension.to_string()),
            ("the truncation", truncation.to_string(), kept.to_string()),
            ("the metric", metric.to_string(), manifest.metric.to_string()),
            ("the recipe", recipe.to_string(), manifest.recipe.to_string()),
            ("the number of rows", index.len().to_string(), entry.rows.to_string()),
        ] {
            if found != wanted {
                return Err(differs(what, found, wanted));
            }
        }
        let ids = match entry.ids {
            IdsOf::From(first) => Ids::From(first),
            IdsOf::Section => {
                let bytes = container.get(IDS).map_or(Vec::new(), |bytes| bytes.to_vec());
                let ids: Vec<u64> =
                    bytes.as_chunks().0.iter().map(|&id| u64::from_le_bytes(id)).collect();
                if ids.len() != index.len() || bytes.len() % 8 != 0 {
                    let found = format!("{} bytes", bytes.len());
                    return Err(differs(
                        "the section `ids`",
                        found,
                        format!("{} ids", index.len()),
                    ));
                }
                Ids::Each(ids)
            }
        };
        Ok(Self { index, ids })
    }

    /// The index, whose answers are row numbers.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The id of a row.
    pub fn id(&self, row: u32) -> u64 {
        match &self.ids {
            Ids::From(first) => first + u64::from(row),
            Ids::Each(ids) => ids[row as usize],
        }
    }

    /// The filter for those rows whose ids `admits`, which is asked once for every row.
    pub fn filter(&self, admits: impl Fn(u64) -> bool) -> Filter {
        self.index.filter(|row| admits(self.id(row)))
    }

    /// The nearest rows of this shard, closest first, and of those equally near the lower id.
    ///
    /// # Errors
    /// When the query cannot be compared with the rows, or the filter is that of another shard.
    pub fn search(
        &self,
        query: &[f32],
        options: &SearchOptions,
        filter: Option<&Filter>,
    ) -> Result<Vec<Found>, SearchError> {
        let mut found = Vec::new();
        let mut session = self.index.session();
        match filter {
            None => session.search(query, options, &mut found)?,
            Some(filter) => session.search_filtered(query, options, filter, &mut found)?,
        };
        Ok(self.named(&found))
    }

    /// The same for each of `queries`, on the current rayon pool.
    ///
    /// # Errors
    /// As [`search`](Self::search), for the first query that cannot be answered.
    pub fn search_batch(
        &self,
        queries: &Vectors,
        options: &SearchOptions,
        filter: Option<&Filter>,
    ) -> Result<Vec<Vec<Found>>, SearchError> {
        Ok(self.search_batch_counted(queries, options, filter)?.0)
    }

    /// The same, and what it cost.
    ///
    /// # Errors
    /// As [`search_batch`](Self::search_batch).
    pub fn search_batch_counted(
        &self,
        queries: &Vectors,
        options: &SearchOptions,
        filter: Option<&Filter>,
    ) -> Result<(Vec<Vec<Found>>, Counters), SearchError> {
        let answers = self.index.search_batch_with(queries, options, filter)?;
        let named = answers.rows().map(|near| self.named(near)).collect();
        Ok((named, answers.counters()))
    }

    /// The `k` nearest rows to each of `queries`, after measuring all that the filter admits; what it cost.
    ///
    /// # Errors
    /// As [`search_batch`](Self::search_batch).
    pub fn search_exact_batch(
        &self,
        queries: &Vectors,
        k: usize,
        filter: Option<&Filter>,
    ) -> Result<(Vec<Vec<Found>>, Counters), SearchError> {
        let one = |query: &[f32]| {
            let (mut session, mut found) = (self.index.session(), Vec::new());
            match filter {
                None => session.search_exact(query, k, &mut found)?,
                Some(filter) => session.search_exact_filtered(query, k, filter, &mut found)?,
            }
            Ok(self.named(&found))
        };
        let found = (0..queries.len()).into_par_iter().map(|at| one(queries.row(at)));
        let found: Vec<Vec<Found>> = found.collect::<Result<_, SearchError>>()?;
        let rows = filter.map_or(self.index.len(), |filter| filter.rows().count());
        let distances = (rows * queries.len()) as u64;
        Ok((found, Counters { distances, ..Counters::default() }))
    }

    /// The `k` nearest rows, after measuring all of them.
    ///
    /// # Errors
    /// When the query cannot be compared with the rows.
    pub fn search_exact(&self, query: &[f32], k: usize) -> Result<Vec<Found>, SearchError> {
        Ok(self.named(&self.index.search_exact(query, k)?))
    }

    /// All rows within `radius` (inclusive), closest first.
    ///
    /// # Errors
    /// When the query cannot be compared with the rows, or the radius is no number.
    pub fn search_range(&self, query: &[f32], radius: f32) -> Result<Vec<Found>, SearchError> {
        Ok(self.named(&self.index.search_range(query, radius)?))
    }

    fn named(&self, found: &[Neighbor]) -> Vec<Found> {
        let named =
            found.iter().map(|near| Found { id: self.id(near.id), distance: near.distance });
        let mut named: Vec<Found> = named.collect();
        named.sort_by(Found::order);
        named
    }
}

/// The shard's file: where it is, in the cache, or fetched.
fn container(
    store: &Store,
    number: usize,
    entry: &ShardEntry,
    options: &OpenOptions,
) -> Result<Container, ShardError> {
    let file = || entry.file.clone();
    let missing = || ShardError::Missing { shard: number, file: file() };
    let failed = |error: ContainerError| ShardError::Shard {
        shard: number,
        file: file(),
        source: Box::new(error.into()),
    };
    let open = |path: &Path| options.placement.open(path).map_err(failed);
    if let Some(path) = store.path(&entry.file) {
        return if path.exists() { open(&path) } else { Err(missing()) };
    }
    let Some(cache) = &options.cache else {
        let bytes = store.get(&entry.file)?.ok_or_else(missing)?;
        return Container::from_bytes(&bytes).map_err(failed);
    };
    let path = cache.join(&entry.file);
    if path.exists()
        && let Ok(cached) = open(&path)
        && format!("{:016x}", cached.digest()) == entry.digest
    {
        return Ok(cached);
    }
    let bytes = store.get(&entry.file)?.ok_or_else(missing)?;
    keep(cache, &path, &bytes).map_err(|source| {
        failed(ContainerError::Io { path: path.clone(), action: "write", source })
    })?;
    open(&path)
}

/// Writes a file of the cache: whoever else does so at the same time writes the same.
fn keep(cache: &Path, path: &PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(cache)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}
