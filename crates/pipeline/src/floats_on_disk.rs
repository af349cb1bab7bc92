//! `float@1` with its rows in the file: read by system calls, a few for each query.

use crate::{
    container::{Container, ContainerError, FileSection, meta},
    error::{IndexError, PartProblem, SearchError},
    stored::{Parts, StoredRefiner},
};
use crinoid_quant::{
    Buffer, Codes, Metric, Neighbor,
    codec::{Float, FloatMeta},
    codes::PartsError,
    vectors::check_finite,
};
use crinoid_refine::{Reason, Refiner, RefinerQuery, Rescore, Scratch, StageReport};
use std::time::Instant;

/// Float rows in an index file. Answers as `Rescore<Float>` does, bit for bit: the rows that a query
/// needs are laid side by side in memory and measured by it.
pub(crate) struct FloatsOnDisk {
    meta: FloatMeta,
    rows: FileSection,
    /// Under the inner product, what saving the index needs besides; else empty.
    augment: Buffer<u8>,
}

/// How many rows are in memory at once: a search of a few candidates reads them together, a scan of all
/// rows takes no more than this either.
const CHUNK: usize = 1_024;

/// The rows of one query.
#[derive(Default)]
struct Fetched {
    ids: Vec<u32>,
    missing: Vec<u32>,
    best: Vec<Neighbor>,
    rows: Option<(FloatMeta, Rescore<Float>)>,
    scratch: Scratch,
}

impl FloatsOnDisk {
    /// The rows of an opened container, of which there must be `len` of `dim` dimensions.
    pub(crate) fn new(
        container: &Container,
        state: &[u8],
        (len, dim): (usize, usize),
    ) -> Result<Self, IndexError> {
        let fail = |why| {
            let (path, part) = (container.path().to_owned(), "refiner");
            IndexError::Parts { path, part, why }
        };
        let missing = |name: &str| fail(PartsError::Missing(name.to_owned()).into());
        let meta: FloatMeta = meta::decode(state).map_err(|why| fail(PartProblem::Meta(why)))?;
        let rows = container.on_disk("float.rows").ok_or_else(|| missing("rows"))?;
        let augment = container.get("float.augment");
        let augmented = meta.metric == Metric::InnerProduct;
        if augmented && augment.is_none() {
            return Err(missing("augment"));
        }
        let augment = augment.filter(|_| augmented).unwrap_or_default();
        let bytes = |count: usize, each: usize| count.saturating_mul(each);
        for (what, got, want) in [
            ("its number of vectors", meta.len, len),
            ("its dimension", meta.dim, dim),
            ("bytes of its rows", rows.len() as usize, bytes(len, row_bytes(dim))),
            ("bytes of its augmentation", augment.len(), bytes(len, 4 * usize::from(augmented))),
        ] {
            if got != want {
                return Err(fail(PartProblem::Disagrees { what, got, want }));
            }
        }
        Ok(Self { meta, rows, augment })
    }

    /// Reads the rows `ids`, each of which there is, into `rows`.
    fn fetch(&self, ids: &[u32], rows: &mut Float) -> Result<(), String> {
        let stride = row_bytes(self.meta.dim) / 4;
        for (row, &id) in rows.refill(ids.len()).chunks_exact_mut(stride).zip(ids) {
            let at = u64::from(id) * row_bytes(self.meta.dim) as u64;
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(row);
            self.rows.read(at, bytes).map_err(|error| format!("row {id}: {error}"))?;
            check_finite(id as usize, row).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Whether there is a row `id`.
    fn has(&self, id: u32) -> bool {
        (id as usize) < self.meta.len
    }
}

/// Bytes of a row: whole cache lines.
fn row_bytes(dim: usize) -> usize {
    4 * dim.next_multiple_of(16)
}

impl StoredRefiner for FloatsOnDisk {
    fn parts(&self) -> Result<Parts<'_>, IndexError> {
        let mut rows = vec![0; self.rows.len() as usize];
        self.rows.read(0, &mut rows).map_err(|source| {
            let path = self.rows.path().to_owned();
            ContainerError::Io { path, action: "read", source }
        })?;
        let mut arrays = vec![("rows", rows.into())];
        if self.meta.metric == Metric::InnerProduct {
            arrays.push(("augment", self.augment.as_slice().into()));
        }
        Ok(Parts { meta: meta::encode(&self.meta).map_err(IndexError::Encode)?, arrays })
    }

    fn vector(&self, node: u32) -> Result<Option<Vec<f32>>, String> {
        let mut rows = Float::vacant(self.meta.metric, self.meta.dim);
        self.fetch(&[node], &mut rows)?;
        let mut vector = vec![0.0; self.meta.dim];
        rows.decode(0, &mut vector);
        Ok(Some(vector))
    }

    fn try_refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> Result<StageReport, SearchError> {
        let started = Instant::now();
        let entered = candidates.len();
        let Fetched { ids, missing, best, rows, scratch } = scratch.state();
        let (there, gone) =
            (|near: &&Neighbor| self.has(near.id), |near: &&Neighbor| !self.has(near.id));
        ids.clear();
        ids.extend(candidates.iter().filter(there).map(|near| near.id));
        missing.clear();
        missing.extend(candidates.iter().filter(gone).map(|near| near.id));
        // In the order of the file. Places then order as ids do, so ties break by id as they should.
        ids.sort_unstable();
        best.clear();
        let (_, rescore) = match rows {
            Some(known) if known.0 == self.meta => known,
            other => {
                let FloatMeta { metric, dim, .. } = self.meta;
                let rows = Rescore::<Float>::from_codes(Float::vacant(metric, dim));
                other.insert((self.meta, rows))
            }
        };
        for ids in ids.chunks(CHUNK) {
            candidates.clear();
            self.fetch(ids, rescore.codes_mut()).map_err(|why| {
                let path = self.rows.path().to_owned();
                SearchError::Rows { path, why }
            })?;
            candidates.extend((0..ids.len() as u32).map(|place| Neighbor::new(place, 0.0)));
            rescore.refine(query, keep, scratch, candidates);
            best.extend(candidates.iter().map(|n| Neighbor::new(ids[n.id as usize], n.distance)));
            best.sort_unstable();
            best.truncate(keep);
        }
        candidates.clear();
        candidates.extend_from_slice(best);
        let room = keep.saturating_sub(best.len());
        candidates.extend(missing.iter().take(room).map(|&id| Neighbor::new(id, f32::INFINITY)));
        Ok(StageReport {
            name: self.version(),
            entered,
            left: candidates.len(),
            missing: missing.len(),
            nanos: started.elapsed().as_nanos() as u64,
            reason: Reason::Default,
        })
    }
}

impl Refiner for FloatsOnDisk {
    fn version(&self) -> &'static str {
        Rescore::<Float>::VERSION
    }

    /// Rows that cannot be read count as missing; [`try_refine`](StoredRefiner::try_refine) names them.
    fn refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> StageReport {
        let entered = candidates.len();
        self.try_refine(query, keep, scratch, candidates).unwrap_or_else(|_| StageReport {
            name: self.version(),
            entered,
            missing: entered,
            ..StageReport::default()
        })
    }

    /// Bytes in memory: the rows are not.
    fn bytes(&self) -> usize {
        self.augment.len()
    }
}
