//! `int8@1`, `half@1` and `float@1`: measuring candidates against finer codes.

use crate::{
    refiner::{Refiner, RefinerQuery, Scratch, Side},
    report::{Reason, StageReport},
};
use crinoid_quant::{
    Codes, Isa, Level, Metric, Neighbor, Scorer, Vectors,
    codec::{Float, Half, Int8MaxAbs},
    isa::{self, OnIsa},
    key,
};
use std::{fmt, time::Instant};

/// Rows measured per kernel call, and how far ahead rows are prefetched.
///
/// A row of 384 floats is 24 lines, so two batches of 8 are more misses in flight than a core
/// can hold: looking further ahead gains nothing.
const BATCH: usize = 8;

/// A refiner that measures queries against the codes of `C`.
///
/// `int8@1` is a `Rescore<Int8MaxAbs>` over the prepared vectors, `half@1` and `float@1` are a
/// `Rescore<Half>` and a `Rescore<Float>` over all dimensions. Its distances are those of `C`: for
/// `Float` the true squared L2, `-<q, x>`, or `2 - 2 cos(q, x)`; for `Half` those of the rows rounded
/// to 11 significant bits.
pub struct Rescore<C> {
    codes: C,
    side: Side,
    version: &'static str,
}

/// Codes by which a published refiner measures.
pub trait Rescoring: Codes {
    /// The refiner's version, `name@number`.
    const REFINER: &'static str;

    /// Which form of the vectors they encode.
    const SIDE: Side;
}

/// `int8@1`: the prepared vectors, truncated and of unit length under the cosine.
impl Rescoring for Int8MaxAbs {
    const REFINER: &'static str = "int8@1";
    const SIDE: Side = Side::Prepared;
}

/// `half@1`: all dimensions as `f16`. Values beyond 65,504, which [`Half::check`](Codes::check) finds,
/// become infinite; those below 6e-5 lose digits.
impl Rescoring for Half {
    const REFINER: &'static str = "half@1";
    const SIDE: Side = Side::Full;
}

/// `float@1`: all dimensions.
impl Rescoring for Float {
    const REFINER: &'static str = "float@1";
    const SIDE: Side = Side::Full;
}

impl<C: Rescoring> Rescore<C> {
    /// The refiner's version.
    pub const VERSION: &'static str = C::REFINER;

    /// Encodes `vectors`, which are those of [`SIDE`](Rescoring::SIDE).
    pub fn new(vectors: &Vectors, metric: Metric) -> Self {
        Self::from_codes(C::train(vectors, metric))
    }

    /// Measures against codes that exist already.
    pub fn from_codes(codes: C) -> Self {
        Self { codes, side: C::SIDE, version: C::REFINER }
    }
}

impl<C: Codes> Rescore<C> {
    /// What is measured against.
    pub fn codes(&self) -> &C {
        &self.codes
    }

    /// What is measured against, for changing it.
    pub fn codes_mut(&mut self) -> &mut C {
        &mut self.codes
    }
}

impl<C: Codes> fmt::Debug for Rescore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} x {})", self.version, self.codes.len(), self.codes.dim())
    }
}

/// The working memory of a [`Rescore`].
struct State<Q> {
    query: Q,
    ids: Vec<u32>,
    missing: Vec<u32>,
    keys: Vec<u32>,
    order: Vec<u64>,
}

impl<Q: Default> Default for State<Q> {
    fn default() -> Self {
        let (ids, missing, keys, order) = Default::default();
        Self { query: Q::default(), ids, missing, keys, order }
    }
}

/// The measuring itself, compiled per SIMD level.
struct Measure<'a, C: Codes> {
    codes: &'a C,
    query: &'a C::Query,
    keep: usize,
    ids: &'a [u32],
    keys: &'a mut Vec<u32>,
    order: &'a mut Vec<u64>,
    out: &'a mut Vec<Neighbor>,
}

impl<C: Codes> OnIsa for Measure<'_, C> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        let Self { codes, query, keep, ids, keys, order, out } = self;
        let scorer = codes.scorer(isa, query);
        let lines = scorer.lines();
        for &id in ids.iter().take(BATCH) {
            scorer.prefetch(id, lines);
        }
        keys.clear();
        keys.resize(ids.len(), 0);
        for (group, keys) in keys.chunks_mut(BATCH).enumerate() {
            let start = group * BATCH;
            for &id in ids[start..].iter().skip(BATCH).take(BATCH) {
                scorer.prefetch(id, lines);
            }
            scorer.keys(&ids[start..start + keys.len()], keys);
        }
        order.clear();
        order.extend(keys.iter().zip(ids).map(|(&key, &id)| key::pack(key, id)));
        if keep < order.len() {
            order.select_nth_unstable(keep);
            order.truncate(keep);
        }
        order.sort_unstable();
        out.extend(order.iter().map(|&packed| {
            let (key, id) = key::unpack(packed);
            Neighbor::new(id, scorer.distance(key))
        }));
    }
}

impl<C: Codes> Refiner for Rescore<C> {
    fn version(&self) -> &'static str {
        self.version
    }

    fn refine(
        &self,
        query: &RefinerQuery<'_>,
        keep: usize,
        scratch: &mut Scratch,
        candidates: &mut Vec<Neighbor>,
    ) -> StageReport {
        let started = Instant::now();
        let entered = candidates.len();
        let state: &mut State<C::Query> = scratch.state();
        let State { query: encoded, ids, missing, keys, order } = state;
        self.codes.encode_query(query.side(self.side), encoded);
        ids.clear();
        missing.clear();
        for candidate in candidates.iter() {
            let known = (candidate.id as usize) < self.codes.len();
            if known { &mut *ids } else { &mut *missing }.push(candidate.id);
        }
        candidates.clear();
        let measure =
            Measure { codes: &self.codes, query: encoded, keep, ids, keys, order, out: candidates };
        isa::dispatch(Level::current(), measure);
        let room = keep.saturating_sub(candidates.len());
        candidates.extend(missing.iter().take(room).map(|&id| Neighbor::new(id, f32::INFINITY)));
        StageReport {
            name: self.version,
            entered,
            left: candidates.len(),
            missing: missing.len(),
            nanos: started.elapsed().as_nanos() as u64,
            reason: Reason::Default,
        }
    }

    fn bytes(&self) -> usize {
        let (_, arrays) = self.codes.parts();
        arrays.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}
