//! Codes and refiners between memory and container sections.

use crate::{
    container::{Container, Sections, meta},
    error::{IndexError, PartProblem, SearchError},
};
use crinoid_quant::{
    Codes, Isa, Level, Metric, Neighbor,
    codes::Arrays,
    isa::{self, OnIsa},
};
use crinoid_refine::{NoRefiner, Reason, Refiner, RefinerQuery, Rescore, Scratch, StageReport};
use std::{borrow::Cow, sync::Arc, time::Instant};

/// Something that goes into a container: small state and bulk arrays.
pub(crate) struct Parts<'a> {
    pub(crate) meta: Vec<u8>,
    pub(crate) arrays: Vec<(&'static str, Cow<'a, [u8]>)>,
}

impl Parts<'_> {
    /// The parts of `codes`.
    pub(crate) fn of<C: Codes>(codes: &C) -> Result<Parts<'_>, IndexError> {
        let (state, arrays) = codes.parts();
        let arrays = arrays.into_iter().map(|(name, bytes)| (name, bytes.into())).collect();
        Ok(Parts { meta: meta::encode(&state).map_err(IndexError::Encode)?, arrays })
    }

    /// Bytes of all arrays.
    pub(crate) fn bytes(&self) -> usize {
        self.arrays.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Digest of the arrays with these names; 0 where there is none.
    pub(crate) fn digest_of(&self, names: &[&str]) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        let mut found = false;
        for (_, bytes) in self.arrays.iter().filter(|(name, _)| names.contains(name)) {
            hash.update(bytes);
            found = true;
        }
        if found { hash.digest() } else { 0 }
    }
}

impl<'a> Parts<'a> {
    /// Adds the arrays as sections `prefix.name`.
    pub(crate) fn into_sections(self, prefix: &str, sections: &mut Sections<'a>) {
        for (name, bytes) in self.arrays {
            sections.push(format!("{prefix}.{name}"), bytes);
        }
    }
}

/// Reads codes whose arrays are the sections `prefix.*`.
pub(crate) fn read_codes<C: Codes>(
    container: &Container,
    part: &'static str,
    prefix: &str,
    state: &[u8],
    (len, dim): (usize, usize),
) -> Result<C, IndexError> {
    let fail = |why| IndexError::Parts { path: container.path().to_owned(), part, why };
    let state = meta::decode(state).map_err(|why| fail(PartProblem::Meta(why)))?;
    let mut lookup = |name: &str| container.get(&format!("{prefix}.{name}"));
    let codes = C::from_parts(state, &mut Arrays::new(&mut lookup)).map_err(|e| fail(e.into()))?;
    for (what, got, want) in
        [("its number of vectors", codes.len(), len), ("its dimension", codes.dim(), dim)]
    {
        if got != want {
            return Err(fail(PartProblem::Disagrees { what, got, want }));
        }
    }
    Ok(codes)
}

/// A refiner that can be stored.
pub(crate) trait StoredRefiner: Refiner {
    /// What goes into the container.
    fn parts(&self) -> Result<Parts<'_>, IndexError>;

    /// The vector that node `node` is measured by, decoded; `None` where the refiner keeps none.
    ///
    /// # Errors
    /// Says why it cannot be read.
    fn vector(&self, _node: u32) -> Result<Option<Vec<f32>>, String> {
        Ok(None)
    }

    /// [`refine`](Refiner::refine), for a refiner that may have to read what it measures against.
    fn try_refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> Result<StageReport, SearchError> {
        Ok(self.refine(query, keep, scratch, candidates))
    }

    /// Whether it has finer distances to this query than the search.
    fn measures(&self, _query: &RefinerQuery<'_>) -> bool {
        true
    }
}

impl StoredRefiner for NoRefiner {
    fn parts(&self) -> Result<Parts<'_>, IndexError> {
        Ok(Parts { meta: Vec::new(), arrays: Vec::new() })
    }

    fn measures(&self, _query: &RefinerQuery<'_>) -> bool {
        false
    }
}

/// `none@1` over codes that lose nothing of the rows but may of the query: bytes of integers.
///
/// To a query of bytes the search's L2 distances are exact, and this refiner does nothing. Any other
/// query it measures again, by the rows that the codes stand for.
pub(crate) struct Lossless<C> {
    codes: Arc<C>,
    metric: Metric,
}

impl<C> Lossless<C> {
    pub(crate) fn new(codes: Arc<C>, metric: Metric) -> Self {
        Self { codes, metric }
    }
}

/// The distance between floats.
struct Measure<'a> {
    row: &'a [f32],
    query: &'a [f32],
    metric: Metric,
}

impl OnIsa for Measure<'_> {
    type Output = f32;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> f32 {
        match self.metric {
            Metric::InnerProduct => -isa.dot_f32(self.row, self.query),
            Metric::L2 | Metric::Cosine => isa.l2_f32(self.row, self.query),
        }
    }
}

impl<C: Codes> Refiner for Lossless<C> {
    fn version(&self) -> &'static str {
        NoRefiner::VERSION
    }

    fn refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> StageReport {
        if !self.measures(query) {
            return NoRefiner.refine(query, keep, scratch, candidates);
        }
        let (started, entered) = (Instant::now(), candidates.len());
        let row: &mut Vec<f32> = scratch.state();
        row.resize(self.codes.dim(), 0.0);
        for candidate in candidates.iter_mut() {
            self.codes.decode(candidate.id, row);
            let measure = Measure { row, query: query.prepared, metric: self.metric };
            candidate.distance = isa::dispatch(Level::current(), measure);
        }
        candidates.sort_unstable();
        candidates.truncate(keep);
        StageReport {
            name: NoRefiner::VERSION,
            entered,
            left: candidates.len(),
            missing: 0,
            nanos: started.elapsed().as_nanos() as u64,
            reason: Reason::Default,
        }
    }

    fn bytes(&self) -> usize {
        0
    }
}

impl<C: Codes> StoredRefiner for Lossless<C> {
    fn parts(&self) -> Result<Parts<'_>, IndexError> {
        Ok(Parts { meta: Vec::new(), arrays: Vec::new() })
    }

    fn measures(&self, query: &RefinerQuery<'_>) -> bool {
        let is_byte = |&x: &f32| f32::from(x as u8) == x;
        self.metric == Metric::InnerProduct || !query.prepared.iter().all(is_byte)
    }
}

impl<C: Codes> StoredRefiner for Rescore<C> {
    fn parts(&self) -> Result<Parts<'_>, IndexError> {
        Parts::of(self.codes())
    }

    fn vector(&self, node: u32) -> Result<Option<Vec<f32>>, String> {
        let mut vector = vec![0.0; self.codes().dim()];
        self.codes().decode(node, &mut vector);
        Ok(Some(vector))
    }
}
