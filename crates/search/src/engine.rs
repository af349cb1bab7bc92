//! What a query is put to: a graph, codes and a search version, composed.

use crate::{
    AnyCodes, Bitmap, Counters, Scratch, Search, SearchParams,
    any_codes::{AnyScorer, query_of},
    scratch::Kept,
};
use crinoid_graph::{Graph, candidate::MAX_POINTS};
use crinoid_quant::{
    Codes, Isa, Level, Neighbor, Scorer,
    isa::{self, OnIsa},
};
use std::{any::Any, fmt, sync::Arc};

/// Anything that answers queries: the dyn-safe face of this crate, one virtual call per query.
pub trait Engine: Send + Sync {
    /// The search version, `name@number`.
    fn version(&self) -> &'static str;

    /// How many vectors there are to find.
    fn len(&self) -> usize;

    /// Whether there is nothing to find.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimension of prepared queries.
    fn dim(&self) -> usize;

    /// Writes the best `params.k` candidates for a prepared `query` into `out` (which is cleared
    /// first), nearest first, ties by id. Distances are those of the codes.
    ///
    /// Fewer than `k` come back where there are fewer vectors, or the graph leads to fewer.
    /// `scratch` may have served any engine before: the answer is the same.
    ///
    /// # Panics
    /// When the query has another dimension than [`dim`](Self::dim).
    fn search(
        &self,
        query: &[f32],
        params: &SearchParams,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters;

    /// As [`search`](Self::search), among the rows in `admitted` only: as many as `k`, or as there are.
    ///
    /// # Panics
    /// When the query has another dimension than [`dim`](Self::dim), or `admitted` another length
    /// than the set.
    fn search_filtered(
        &self,
        query: &[f32],
        params: &SearchParams,
        admitted: &Bitmap,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters;
}

/// Parts that do not make an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Graph and codes are about different sets.
    #[error("the graph has {nodes} nodes, but there are codes for {codes} vectors")]
    Length {
        /// Nodes of the graph.
        nodes: usize,
        /// Vectors of the codec.
        codes: usize,
    },
    /// More nodes than a search can tell apart.
    #[error("{nodes} nodes are more than the {most} that can be searched")]
    TooMany {
        /// Nodes of the graph.
        nodes: usize,
        /// The most that are supported.
        most: usize,
    },
}

/// A search version over a graph and codes.
pub struct Composed {
    pub(crate) graph: Arc<Graph>,
    pub(crate) codes: AnyCodes,
    pub(crate) level: Level,
    search: Box<dyn Loop>,
}

impl Composed {
    /// Composes an engine at the best SIMD level of this CPU, its loop compiled for this codec and this
    /// search: nothing in it is a call.
    ///
    /// # Errors
    /// When graph and codes differ in length, or are longer than 2^31.
    pub fn new<C: Codes, V: Search>(
        graph: Arc<Graph>,
        codes: Arc<C>,
        version: V,
    ) -> Result<Self, EngineError> {
        let search = Compiled { codes: codes.clone(), version };
        Self::with(graph, codes.into(), Box::new(search))
    }

    /// Composes an engine whose loop is compiled once for all codecs: a virtual call per batch of
    /// distances. The answers are those of [`new`](Self::new).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn over(
        graph: Arc<Graph>,
        codes: AnyCodes,
        version: impl Search,
    ) -> Result<Self, EngineError> {
        let search = Indirect { codes: codes.clone(), version };
        Self::with(graph, codes, Box::new(search))
    }

    fn with(
        graph: Arc<Graph>,
        codes: AnyCodes,
        search: Box<dyn Loop>,
    ) -> Result<Self, EngineError> {
        let nodes = graph.len();
        if nodes != codes.len() {
            return Err(EngineError::Length { nodes, codes: codes.len() });
        }
        if nodes > MAX_POINTS {
            return Err(EngineError::TooMany { nodes, most: MAX_POINTS });
        }
        Ok(Self { graph, codes, level: Level::current(), search })
    }

    /// The same engine at `level`, or at the best level below it that the CPU has.
    #[must_use]
    pub fn at_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Walks for a query that the codes have encoded; leaves what was found in `found`.
    pub(crate) fn walk(
        &self,
        query: &dyn Any,
        params: &SearchParams,
        memories: &mut Kept,
        found: &mut Vec<u64>,
    ) -> Counters {
        found.clear();
        let (level, graph) = (self.level, &*self.graph);
        self.search.run(Request { level, graph, query, params, memories, found })
    }
}

impl fmt::Debug for Composed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {:?} at {}", self.search.version(), self.codes, self.level)
    }
}

impl Engine for Composed {
    fn version(&self) -> &'static str {
        self.search.version()
    }

    fn len(&self) -> usize {
        self.codes.len()
    }

    fn dim(&self) -> usize {
        self.codes.dim()
    }

    fn search(
        &self,
        query: &[f32],
        params: &SearchParams,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        assert_eq!(query.len(), self.dim(), "dimension of the query");
        out.clear();
        if params.k == 0 {
            return Counters::default();
        }
        let Scratch { queries, memories, found } = scratch;
        let query = self.codes.encode(query, queries);
        let counters = self.walk(query, params, memories, found);
        self.codes.answer(query, &found[..params.k.min(found.len())], out);
        counters
    }

    fn search_filtered(
        &self,
        query: &[f32],
        params: &SearchParams,
        admitted: &Bitmap,
        scratch: &mut Scratch,
        out: &mut Vec<Neighbor>,
    ) -> Counters {
        self.filtered(query, params, admitted, scratch, out)
    }
}

/// One walk for one query.
struct Request<'a> {
    level: Level,
    graph: &'a Graph,
    /// As the codes have encoded it.
    query: &'a dyn Any,
    params: &'a SearchParams,
    memories: &'a mut Kept,
    found: &'a mut Vec<u64>,
}

/// The loop of a search, and what it measures with.
trait Loop: Send + Sync {
    fn version(&self) -> &'static str;
    fn run(&self, request: Request<'_>) -> Counters;
}

/// A search compiled for a codec.
struct Compiled<C, V> {
    codes: Arc<C>,
    version: V,
}

impl<C: Codes, V: Search> Loop for Compiled<C, V> {
    fn version(&self) -> &'static str {
        self.version.version()
    }

    fn run(&self, request: Request<'_>) -> Counters {
        let Request { level, graph, query, params, memories, found } = request;
        let (scorer, version) = ((&*self.codes, query_of::<C>(query)), &self.version);
        let memory = memories.get::<V::Memory>();
        isa::dispatch(level, OneWalk { scorer, version, graph, params, memory, found })
    }
}

/// A search compiled once.
struct Indirect<V> {
    codes: AnyCodes,
    version: V,
}

impl<V: Search> Loop for Indirect<V> {
    fn version(&self) -> &'static str {
        self.version.version()
    }

    fn run(&self, request: Request<'_>) -> Counters {
        let Request { level, graph, query, params, memories, found } = request;
        let (scorer, version) = (self.codes.scorer(level, query), &self.version);
        let memory = memories.get::<V::Memory>();
        isa::dispatch(level, OneWalk { scorer, version, graph, params, memory, found })
    }
}

/// A query that can be measured at any SIMD level.
trait ScorerAt: Copy {
    type At<I: Isa>: Scorer;
    fn at<I: Isa>(self, isa: I) -> Self::At<I>;
}

impl<'a, C: Codes> ScorerAt for (&'a C, &'a C::Query) {
    type At<I: Isa> = C::Scorer<'a, I>;

    #[inline(always)]
    fn at<I: Isa>(self, isa: I) -> Self::At<I> {
        self.0.scorer(isa, self.1)
    }
}

impl ScorerAt for AnyScorer<'_> {
    type At<I: Isa> = Self;

    #[inline(always)]
    fn at<I: Isa>(self, _isa: I) -> Self {
        self
    }
}

/// One query, compiled per search, SIMD level and kind of scorer.
struct OneWalk<'a, S, V: Search> {
    scorer: S,
    version: &'a V,
    graph: &'a Graph,
    params: &'a SearchParams,
    memory: &'a mut V::Memory,
    found: &'a mut Vec<u64>,
}

impl<S: ScorerAt, V: Search> OnIsa for OneWalk<'_, S, V> {
    type Output = Counters;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Counters {
        let Self { scorer, version, graph, params, memory, found } = self;
        version.search(isa, graph, scorer.at(isa), params, memory, found)
    }
}
