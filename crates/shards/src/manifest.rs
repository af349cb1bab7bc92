//! What a sealed collection is made of, as a file of JSON.

use crate::{Region, ShardError, Store};
use crinoid_pipeline::{EmbeddingSpace, Recipe};
use crinoid_quant::{Metric, vectors::check_dim};
use serde::{Deserialize, Serialize};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";

/// The latest format of manifests.
pub const FORMAT: u32 = 1;

/// A sealed collection: its shards, and what they have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// The format of the manifest.
    pub format: u32,
    /// Whose vectors these are, and how long.
    pub space: EmbeddingSpace,
    /// What "close" means.
    pub metric: Metric,
    /// How many leading dimensions are searched, where not all.
    pub truncation: Option<usize>,
    /// How every shard is built.
    pub recipe: Recipe,
    /// Rows, each counted once, in how many shards it may lie.
    pub rows: u64,
    /// The shards.
    pub shards: Vec<ShardEntry>,
}

/// A shard, as the manifest knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShardEntry {
    /// Its file, beside the manifest: named by its digest.
    pub file: String,
    /// The length of the file.
    pub bytes: u64,
    /// The digest of the index file, in hexadecimal digits.
    pub digest: String,
    /// How many rows.
    pub rows: u64,
    /// Where the ids of its rows are.
    pub ids: IdsOf,
    /// Where its rows lie, where rows were sent to the shard that is closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
}

/// Where the ids of a shard's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum IdsOf {
    /// The first row has this id, and each further row the next.
    From(u64),
    /// In the section `ids` of the file.
    Section,
}

impl Manifest {
    /// The manifest of the collection in `store`.
    ///
    /// # Errors
    /// When there is none, it cannot be read, is damaged or of a later format.
    pub fn read(store: &Store) -> Result<Self, ShardError> {
        let place = store.place(MANIFEST);
        let bytes = store.get(MANIFEST)?;
        let bytes =
            bytes.ok_or_else(|| ShardError::NoManifest { place: store.location().to_owned() })?;
        let wrong = |why: String| ShardError::Manifest { place: place.clone(), why };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        // A later format may have other fields.
        let Format { format } =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if format > FORMAT {
            return Err(ShardError::Format { place, found: format, known: FORMAT });
        }
        let manifest: Self =
            serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        manifest.contradiction().map_or(Ok(manifest), |why| Err(wrong(why)))
    }

    /// Makes this the manifest of the collection in `store`, in one step: whoever opens the collection meanwhile
    /// finds the one before, or this one. The files of the shards must be there.
    ///
    /// # Errors
    /// When it contradicts itself, or the store refuses.
    pub fn publish(&self, store: &Store) -> Result<(), ShardError> {
        let wrong = |why: String| ShardError::Manifest { place: store.place(MANIFEST), why };
        if let Some(why) = self.contradiction() {
            return Err(wrong(why));
        }
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| wrong(error.to_string()))?;
        text.push(b'\n');
        store.put(MANIFEST, text)
    }

    /// What cannot be.
    fn contradiction(&self) -> Option<String> {
        if let Err(error) = check_dim(self.space.dimension) {
            return Some(error.to_string());
        }
        if self.truncation.is_some_and(|kept| kept == 0 || kept > self.space.dimension) {
            return Some("the truncation is not within the dimension".to_owned());
        }
        let mut sum = 0u64;
        for (shard, entry) in self.shards.iter().enumerate() {
            let ShardEntry { file, digest, rows, ids, region, .. } = entry;
            let plain = !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\']);
            if !plain {
                return Some(format!(
                    "shard {shard}: `{file}` is no name of a file beside the manifest"
                ));
            }
            if u64::from_str_radix(digest, 16).is_err() || digest.len() != 16 {
                return Some(format!(
                    "shard {shard}: `{digest}` is no digest of 16 hexadecimal digits"
                ));
            }
            if *rows > u64::from(u32::MAX / 2) {
                return Some(format!("shard {shard}: {rows} rows are more than an index holds"));
            }
            if matches!(ids, IdsOf::From(first) if first.checked_add(*rows).is_none()) {
                return Some(format!("shard {shard}: its ids go beyond 2^64"));
            }
            if region.as_ref().is_some_and(|region| !region.is_sound(self.space.dimension)) {
                return Some(format!(
                    "shard {shard}: its region is none in {} dimensions",
                    self.space.dimension
                ));
            }
            sum = sum.saturating_add(*rows);
        }
        (sum < self.rows || (self.rows == 0) != (sum == 0))
            .then(|| format!("{} rows, while the shards have {sum}", self.rows))
    }
}
