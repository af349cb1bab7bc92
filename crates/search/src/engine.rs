//! What a query is put to: a graph, codes and a search version, composed.

use crate::{Beam, Bitmap, Counters, SearchParams, linear_pool::MAX_NODES};
use crinoid_graph::Graph;
use crinoid_quant::{
    Codes, Isa, Level, Neighbor, Scorer,
    isa::{self, OnIsa},
    key,
};
use std::{any::Any, sync::Arc};

/// A published way of walking a graph.
///
/// Generic over the SIMD level and the scorer: each combination is compiled into one loop without
/// a call in it. Mark implementations `#[inline(always)]`.
pub trait Search: Send + Sync + 'static {
    /// The version, `name@number`.
    const VERSION: &'static str;

    /// Leaves the best candidates for the scorer's query in [`Beam::found`], ascending, at most
    /// `params.beam_width(graph.len())` of them. The scorer knows all nodes of the graph.
    ///
    /// The answer depends on the arguments alone, not on what `beam` was used for before, and the
    /// call allocates nothing once `beam` has served a search of this size.
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        beam: &mut Beam,
    ) -> Counters;
}

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

/// The memory that a thread searches with. One serves any number of engines, one query at a time;
/// it grows on first use and is never given back.
#[derive(Default)]
pub struct Scratch {
    beam: Beam,
    /// One encoded query per codec that came along.
    queries: Vec<Box<dyn Any + Send + Sync>>,
}

impl Scratch {
    /// The query of type `Q`, in whatever state its last use left it, and the rest.
    pub fn parts<Q: Default + Send + Sync + 'static>(&mut self) -> (&mut Q, &mut Beam) {
        let known = self.queries.iter().position(|query| query.is::<Q>());
        let place = known.unwrap_or_else(|| {
            self.queries.push(Box::new(Q::default()));
            self.queries.len() - 1
        });
        match self.queries[place].downcast_mut() {
            Some(query) => (query, &mut self.beam),
            None => unreachable!("the query at this place is of the type looked for"),
        }
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} codecs)", self.queries.len())
    }
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

/// The search version `V` over a graph and the codes `C`.
#[derive(Debug)]
pub struct Composed<C, V> {
    pub(crate) graph: Arc<Graph>,
    pub(crate) codes: Arc<C>,
    version: V,
    pub(crate) level: Level,
}

impl<C: Codes, V: Search> Composed<C, V> {
    /// Composes an engine that runs at the best SIMD level of this CPU.
    ///
    /// # Errors
    /// When graph and codes differ in length, or are longer than 2^31.
    pub fn new(graph: Arc<Graph>, codes: Arc<C>, version: V) -> Result<Self, EngineError> {
        let nodes = graph.len();
        if nodes != codes.len() {
            return Err(EngineError::Length { nodes, codes: codes.len() });
        }
        if nodes > MAX_NODES {
            return Err(EngineError::TooMany { nodes, most: MAX_NODES });
        }
        Ok(Self { graph, codes, version, level: Level::current() })
    }

    /// The same engine at `level`, or at the best level below it that the CPU has.
    pub fn at_level(self, level: Level) -> Self {
        Self { level, ..self }
    }
}

/// One query, compiled per SIMD level.
pub(crate) struct Query<'a, C: Codes, V> {
    pub(crate) engine: &'a Composed<C, V>,
    pub(crate) query: &'a C::Query,
    pub(crate) params: &'a SearchParams,
    /// How many of the candidates found go into `out`, at most.
    pub(crate) leave: usize,
    pub(crate) beam: &'a mut Beam,
    pub(crate) out: &'a mut Vec<Neighbor>,
}

impl<C: Codes, V: Search> OnIsa for Query<'_, C, V> {
    type Output = Counters;

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Counters {
        let Self { engine, query, params, leave, beam, out } = self;
        let scorer = engine.codes.scorer(isa, query);
        let counters = engine.version.search(isa, &engine.graph, scorer, params, beam);
        out.extend(beam.found.iter().take(leave).map(|&packed| {
            let (key, id) = key::unpack(packed);
            Neighbor::new(id, scorer.distance(key))
        }));
        counters
    }
}

impl<C: Codes, V: Search> Engine for Composed<C, V> {
    fn version(&self) -> &'static str {
        V::VERSION
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
        assert_eq!(query.len(), self.codes.dim(), "dimension of the query");
        out.clear();
        if params.k == 0 {
            return Counters::default();
        }
        let (encoded, beam) = scratch.parts::<C::Query>();
        self.codes.encode_query(query, encoded);
        let leave = params.k;
        isa::dispatch(self.level, Query { engine: self, query: encoded, params, leave, beam, out })
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
