//! Codes of any codec behind one virtual call per batch of distances.
//!
//! The champion search is compiled for every codec, at every SIMD level: a loop without a call in it.
//! That takes a compiler about a second per pair. All else (other searches, scans, cursors) measures
//! in batches of tens or hundreds of rows, for which one indirect call is nothing, and is compiled once.

use crate::scratch::Kept;
use crinoid_quant::{
    Codes, Isa, Level, Neighbor, Scorer,
    isa::{self, OnIsa, Portable},
    key,
};
use std::{any::Any, fmt, sync::Arc};

/// Codes whose codec is known at run time only. Cloning shares them.
#[derive(Clone)]
pub struct AnyCodes(Arc<dyn Erased>);

impl<C: Codes> From<Arc<C>> for AnyCodes {
    fn from(codes: Arc<C>) -> Self {
        Self(codes)
    }
}

impl AnyCodes {
    /// The version of the codec, `name@number`.
    pub fn version(&self) -> &'static str {
        self.0.version()
    }

    /// How many vectors.
    pub fn len(&self) -> usize {
        self.0.count()
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimension of prepared queries.
    pub fn dim(&self) -> usize {
        self.0.dimension()
    }

    /// The prepared `query` in the codec's form, in the place that `queries` keeps for it.
    pub(crate) fn encode<'q>(&self, query: &[f32], queries: &'q mut Kept) -> &'q dyn Any {
        self.0.encode(query, queries)
    }

    /// The query that was [encoded](Self::encode) last.
    pub(crate) fn encoded<'q>(&self, queries: &'q mut Kept) -> &'q dyn Any {
        self.0.encoded(queries)
    }

    /// Appends what was `found` for an encoded query, packed `(key, id)`, as ids and distances.
    pub(crate) fn answer(&self, query: &dyn Any, found: &[u64], out: &mut Vec<Neighbor>) {
        self.0.answer(query, found, out);
    }

    /// A scorer for an encoded query.
    pub(crate) fn scorer<'a>(&'a self, level: Level, query: &'a dyn Any) -> AnyScorer<'a> {
        AnyScorer { codes: &*self.0, query, level, lines: self.0.lines(query) }
    }
}

impl fmt::Debug for AnyCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} x {})", self.version(), self.len(), self.dim())
    }
}

/// The query of the codec `C` that `query` is.
pub(crate) fn query_of<C: Codes>(query: &dyn Any) -> &C::Query {
    match query.downcast_ref() {
        Some(query) => query,
        None => unreachable!("the query was encoded by these codes"),
    }
}

/// What searches need of [`Codes`], in a form that makes trait objects.
trait Erased: Send + Sync {
    fn version(&self) -> &'static str;
    fn count(&self) -> usize;
    fn dimension(&self) -> usize;
    fn encode<'q>(&self, query: &[f32], queries: &'q mut Kept) -> &'q dyn Any;
    fn encoded<'q>(&self, queries: &'q mut Kept) -> &'q dyn Any;
    fn keys(&self, level: Level, query: &dyn Any, ids: &[u32], keys: &mut [u32]);
    fn prefetch(&self, level: Level, query: &dyn Any, ids: &[u32], lines: usize);
    fn lines(&self, query: &dyn Any) -> usize;
    fn answer(&self, query: &dyn Any, found: &[u64], out: &mut Vec<Neighbor>);
    fn distance(&self, query: &dyn Any, key: u32) -> f32;
    fn key_of(&self, query: &dyn Any, distance: f32) -> u32;
}

impl<C: Codes> Erased for C {
    fn version(&self) -> &'static str {
        C::VERSION
    }

    fn count(&self) -> usize {
        self.len()
    }

    fn dimension(&self) -> usize {
        self.dim()
    }

    fn encode<'q>(&self, query: &[f32], queries: &'q mut Kept) -> &'q dyn Any {
        let encoded = queries.get::<C::Query>();
        self.encode_query(query, encoded);
        encoded
    }

    fn encoded<'q>(&self, queries: &'q mut Kept) -> &'q dyn Any {
        queries.get::<C::Query>()
    }

    fn keys(&self, level: Level, query: &dyn Any, ids: &[u32], keys: &mut [u32]) {
        isa::dispatch(level, Keys { codes: self, query: query_of::<C>(query), ids, keys });
    }

    fn prefetch(&self, level: Level, query: &dyn Any, ids: &[u32], lines: usize) {
        isa::dispatch(level, Prefetch { codes: self, query: query_of::<C>(query), ids, lines });
    }

    fn lines(&self, query: &dyn Any) -> usize {
        self.scorer(Portable, query_of::<C>(query)).lines()
    }

    fn answer(&self, query: &dyn Any, found: &[u64], out: &mut Vec<Neighbor>) {
        let scorer = self.scorer(Portable, query_of::<C>(query));
        out.extend(found.iter().map(|&packed| {
            let (key, id) = key::unpack(packed);
            Neighbor::new(id, scorer.distance(key))
        }));
    }

    fn distance(&self, query: &dyn Any, key: u32) -> f32 {
        self.scorer(Portable, query_of::<C>(query)).distance(key)
    }

    fn key_of(&self, query: &dyn Any, distance: f32) -> u32 {
        self.scorer(Portable, query_of::<C>(query)).key_of(distance)
    }
}

/// The keys of one batch, compiled per codec and SIMD level.
struct Keys<'a, C: Codes> {
    codes: &'a C,
    query: &'a C::Query,
    ids: &'a [u32],
    keys: &'a mut [u32],
}

impl<C: Codes> OnIsa for Keys<'_, C> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        self.codes.scorer(isa, self.query).keys(self.ids, self.keys);
    }
}

/// The cache lines of one batch, asked for at the SIMD level: the portable one has no prefetch.
struct Prefetch<'a, C: Codes> {
    codes: &'a C,
    query: &'a C::Query,
    ids: &'a [u32],
    lines: usize,
}

impl<C: Codes> OnIsa for Prefetch<'_, C> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        self.codes.scorer(isa, self.query).prefetch_all(self.ids, self.lines);
    }
}

/// A query against [`AnyCodes`].
#[derive(Clone, Copy)]
pub(crate) struct AnyScorer<'a> {
    codes: &'a dyn Erased,
    query: &'a dyn Any,
    level: Level,
    lines: usize,
}

impl Scorer for AnyScorer<'_> {
    #[inline(always)]
    fn key(&self, id: u32) -> u32 {
        let mut key = [0];
        self.keys(&[id], &mut key);
        key[0]
    }

    #[inline(always)]
    fn keys(&self, ids: &[u32], keys: &mut [u32]) {
        self.codes.keys(self.level, self.query, ids, keys);
    }

    #[inline(always)]
    fn prefetch(&self, id: u32, lines: usize) {
        self.prefetch_all(&[id], lines);
    }

    #[inline(always)]
    fn prefetch_all(&self, ids: &[u32], lines: usize) {
        self.codes.prefetch(self.level, self.query, ids, lines);
    }

    #[inline(always)]
    fn lines(&self) -> usize {
        self.lines
    }

    #[inline(always)]
    fn distance(&self, key: u32) -> f32 {
        self.codes.distance(self.query, key)
    }

    #[inline(always)]
    fn key_of(&self, distance: f32) -> u32 {
        self.codes.key_of(self.query, distance)
    }
}
