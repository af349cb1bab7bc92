//! Truth kept in a folder.

use super::{Truth, TruthError, exact};
use crinoid_files::{FileError, write_file};
use crinoid_graph::Progress;
use crinoid_quant::{Metric, Vectors};
use std::{
    io::Write,
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// First bytes of an entry; the last is the format's version.
const MAGIC: [u8; 8] = *b"crntrut\x01";
/// Magic, digest, queries, k.
const HEADER: usize = 8 + 16 + 8 + 8;

/// A folder of exact truths, each named by the digest of what it is the truth of.
///
/// An entry that is damaged, or of another format version, is computed again and replaced; two
/// processes that compute the same entry at once do no harm.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Uses `folder`, which is created when the first entry is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// [`exact`], from the cache where it is there.
    ///
    /// # Errors
    /// As [`exact`], and when the folder cannot be written.
    pub fn exact(
        &self,
        metric: Metric,
        base: &Vectors,
        queries: &Vectors,
        k: usize,
        progress: &dyn Progress,
    ) -> Result<Truth, TruthError> {
        let digest = digest(metric, base, queries);
        let path = self.folder.join(format!("{digest:032x}-{k}.truth"));
        if let Some(truth) = read(&path, digest, queries.len(), k, base.len()) {
            return Ok(truth);
        }
        let truth = exact(metric, base, queries, k, progress)?;
        std::fs::create_dir_all(&self.folder)
            .map_err(|source| FileError::io(&self.folder, source))?;
        write(&path, digest, &truth)?;
        Ok(truth)
    }
}

/// Names the content that truth depends on: metric, shapes and all values.
pub fn digest(metric: Metric, base: &Vectors, queries: &Vectors) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(metric.name().as_bytes());
    for vectors in [base, queries] {
        hash.update(&(vectors.len() as u64).to_le_bytes());
        hash.update(&(vectors.dim() as u64).to_le_bytes());
        hash.update(vectors.buffer().as_bytes());
    }
    hash.digest128()
}

fn write(path: &Path, digest: u128, truth: &Truth) -> Result<(), FileError> {
    let mut bytes = Vec::with_capacity(HEADER + 12 * truth.ids().len() + 8);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&digest.to_le_bytes());
    bytes.extend_from_slice(&(truth.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&(truth.k() as u64).to_le_bytes());
    truth.ids().iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
    truth.distances().iter().for_each(|far| bytes.extend_from_slice(&far.to_le_bytes()));
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    write_file(path, |file| file.write_all(&bytes))
}

/// The entry, unless anything at all is wrong with it.
fn read(path: &Path, digest: u128, queries: usize, k: usize, rows: usize) -> Option<Truth> {
    let length = usize::try_from(std::fs::metadata(path).ok()?.len()).ok()?;
    let count = queries.checked_mul(k)?;
    if length != count.checked_mul(12)?.checked_add(HEADER + 8)? {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    let (content, checksum) = bytes.split_last_chunk::<8>()?;
    let (header, body) = content.split_at_checked(HEADER)?;
    let mut expected = MAGIC.to_vec();
    expected.extend_from_slice(&digest.to_le_bytes());
    expected.extend_from_slice(&(queries as u64).to_le_bytes());
    expected.extend_from_slice(&(k as u64).to_le_bytes());
    if header != expected || xxh3_64(content) != u64::from_le_bytes(*checksum) {
        return None;
    }
    let (ids, distances) = body.split_at_checked(4 * count)?;
    let ids: Vec<u32> = ids.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let distances = distances.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
    if ids.iter().any(|&id| id as usize >= rows) {
        return None;
    }
    Truth::new(k, ids, distances).ok()
}
