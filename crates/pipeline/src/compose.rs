//! From names to types: the one place where versions are matched and composed statically.

use crate::{
    container::Container,
    error::{IndexError, PartProblem},
    floats_on_disk::FloatsOnDisk,
    recipe::{Recipe, RecipeError},
    stored::{Lossless, Parts, StoredRefiner, read_codes},
};
use crinoid_graph::{Graph, Params, Progress};
use crinoid_quant::{
    Codes, Metric, Neighbor, Space, Vectors,
    codec::Float,
    versions::{self, CodecVisitor},
};
use crinoid_refine::{NoRefiner, Rescore, Side, rescore::Rescoring, versions::RefinerVisitor};
use crinoid_search::{Composed, Cursor, Engine, Exact};
use std::sync::Arc;

/// Does something with the codec called `name`.
fn with_codec<T, V: CodecVisitor<Output = Result<T, IndexError>>>(
    name: &str,
    visitor: V,
) -> Result<T, IndexError> {
    versions::with_codec(name, visitor)
        .map_err(|source| RecipeError::Unknown { module: "quant", source })?
}

/// Codes, graph and search: everything that stage 1 consists of.
pub(crate) trait FirstStage: Send + Sync {
    /// What queries are put to.
    fn engine(&self) -> &dyn Engine;

    /// A scan of all codes: what the search would find if it missed nothing.
    fn scan(&self) -> &dyn Engine;

    /// Begins a search that [`resume`](Self::resume) takes further.
    fn begin(&self, prepared: &[f32]) -> Cursor;

    /// Appends the next `width` nodes, nearest first; how many.
    fn resume(&self, cursor: &mut Cursor, width: usize, out: &mut Vec<Neighbor>) -> usize;

    /// The vector that the codes of `node` stand for.
    fn decode(&self, node: u32) -> Vec<f32>;

    /// The refiner that stands in for `none@1` where these codes lose nothing of the rows, but may of a
    /// query.
    fn lossless(&self, metric: Metric) -> Option<Arc<dyn StoredRefiner>>;

    /// Whether the order of the codes is so noisy that refiners should see every candidate.
    fn is_coarse(&self) -> bool;

    /// Of the candidates of a wide search, refiners should see one in so many.
    fn seen(&self) -> Option<usize>;

    /// The codes, for the container.
    fn parts(&self) -> Result<Parts<'_>, IndexError>;

    /// The same graph and codes under the search of `recipe`.
    fn recompose(
        &self,
        recipe: &Recipe,
        graph: &Arc<Graph>,
    ) -> Result<Box<dyn FirstStage>, IndexError>;
}

struct Stage<C> {
    codes: Arc<C>,
    engine: Composed,
    scan: Exact,
}

impl<C: Codes> FirstStage for Stage<C> {
    fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    fn scan(&self) -> &dyn Engine {
        &self.scan
    }

    fn begin(&self, prepared: &[f32]) -> Cursor {
        self.engine.begin(prepared)
    }

    fn resume(&self, cursor: &mut Cursor, width: usize, out: &mut Vec<Neighbor>) -> usize {
        self.engine.resume(cursor, width, out)
    }

    fn decode(&self, node: u32) -> Vec<f32> {
        let mut vector = vec![0.0; self.codes.dim()];
        self.codes.decode(node, &mut vector);
        vector
    }

    fn lossless(&self, metric: Metric) -> Option<Arc<dyn StoredRefiner>> {
        let refiner = || Arc::new(Lossless::new(self.codes.clone(), metric)) as _;
        C::LOSSLESS.then(refiner)
    }

    fn is_coarse(&self) -> bool {
        C::COARSE
    }

    fn seen(&self) -> Option<usize> {
        C::SEEN
    }

    fn parts(&self) -> Result<Parts<'_>, IndexError> {
        Parts::of(&*self.codes)
    }

    fn recompose(
        &self,
        recipe: &Recipe,
        graph: &Arc<Graph>,
    ) -> Result<Box<dyn FirstStage>, IndexError> {
        stage(recipe, graph, self.codes.clone())
    }
}

/// Composes the recipe's search over `codes`.
fn stage<C: Codes>(
    recipe: &Recipe,
    graph: &Arc<Graph>,
    codes: Arc<C>,
) -> Result<Box<dyn FirstStage>, IndexError> {
    let search = crinoid_search::versions::find(recipe.search())
        .map_err(|source| RecipeError::Unknown { module: "search", source })?;
    let engine = search.compose(graph.clone(), codes.clone()).map_err(IndexError::Engine)?;
    Ok(Box::new(Stage { scan: Exact::new(codes.clone()), codes, engine }))
}

/// A graph, and what searches it.
pub(crate) type Composition = (Arc<Graph>, Box<dyn FirstStage>);

/// Vectors in codes, before there is a graph to search them by.
pub(crate) trait Encoded: Send + Sync {
    /// A scan of all codes.
    fn scan(&self) -> &Exact;

    /// The codes as points among which a graph is built.
    fn space(&self) -> Box<dyn Space + '_>;

    /// Bytes that a query reads before its search, and those that it touches for one vector.
    fn reads(&self) -> [usize; 2];

    /// Composes the recipe's search over these codes and a graph of them.
    fn stage(&self, recipe: &Recipe, graph: &Arc<Graph>)
    -> Result<Box<dyn FirstStage>, IndexError>;
}

struct Coded<C> {
    codes: Arc<C>,
    scan: Exact,
}

impl<C: Codes> Encoded for Coded<C> {
    fn scan(&self) -> &Exact {
        &self.scan
    }

    fn space(&self) -> Box<dyn Space + '_> {
        self.codes.space()
    }

    fn reads(&self) -> [usize; 2] {
        [self.codes.bytes_per_query(), self.codes.bytes_per_vector()]
    }

    fn stage(
        &self,
        recipe: &Recipe,
        graph: &Arc<Graph>,
    ) -> Result<Box<dyn FirstStage>, IndexError> {
        stage(recipe, graph, self.codes.clone())
    }
}

/// Encodes prepared vectors by the codec called `name`.
pub(crate) fn encode(
    name: &str,
    prepared: &Vectors,
    metric: Metric,
) -> Result<Box<dyn Encoded>, IndexError> {
    with_codec(name, Encode { prepared, metric })
}

struct Encode<'a> {
    prepared: &'a Vectors,
    metric: Metric,
}

impl CodecVisitor for Encode<'_> {
    type Output = Result<Box<dyn Encoded>, IndexError>;

    fn visit<C: Codes>(self) -> Self::Output {
        let Self { prepared, metric } = self;
        C::check(prepared, metric)?;
        let codes = Arc::new(C::train(prepared, metric));
        Ok(Box::new(Coded { scan: Exact::new(codes.clone()), codes }))
    }
}

/// Builds a graph by the builder called `name`.
pub(crate) fn graph(
    name: &str,
    space: &dyn Space,
    params: &Params,
    progress: &dyn Progress,
) -> Result<Graph, IndexError> {
    let builder = crinoid_graph::versions::builder(name)
        .map_err(|source| RecipeError::Unknown { module: "graph", source })?;
    Ok(builder.build(space, params, progress)?)
}

/// Composes what a container holds.
pub(crate) fn load(
    recipe: &Recipe,
    container: &Container,
    graph: Graph,
    codes: &[u8],
    dim: usize,
) -> Result<Composition, IndexError> {
    with_codec(recipe.quant(), Load { recipe, container, graph, codes, dim })
}

struct Load<'a> {
    recipe: &'a Recipe,
    container: &'a Container,
    graph: Graph,
    codes: &'a [u8],
    dim: usize,
}

impl CodecVisitor for Load<'_> {
    type Output = Result<Composition, IndexError>;

    fn visit<C: Codes>(self) -> Self::Output {
        let Self { recipe, container, graph, codes, dim } = self;
        let graph = Arc::new(graph);
        let shape = (graph.len(), dim);
        let codes: C = read_codes(container, "codes", "codes", codes, shape)?;
        let stage = stage(recipe, &graph, Arc::new(codes))?;
        Ok((graph, stage))
    }
}

/// The two forms of the documents that refiners are made from.
pub(crate) struct Documents<'a> {
    pub(crate) full: &'a Vectors,
    pub(crate) prepared: &'a Vectors,
}

/// `none@1` behind `stage`.
fn none(stage: &dyn FirstStage, metric: Metric) -> Arc<dyn StoredRefiner> {
    stage.lossless(metric).unwrap_or_else(|| Arc::new(NoRefiner))
}

/// Makes the refiner called `name`, behind `stage`.
pub(crate) fn refiner(
    name: &str,
    stage: &dyn FirstStage,
    documents: &Documents<'_>,
    metric: Metric,
) -> Result<Arc<dyn StoredRefiner>, IndexError> {
    with_refiner(name, MakeRefiner { stage, documents, metric })
}

/// Does something with the refiner called `name`.
fn with_refiner<T, V: RefinerVisitor<Output = Result<T, IndexError>>>(
    name: &str,
    visitor: V,
) -> Result<T, IndexError> {
    crinoid_refine::versions::with_refiner(name, visitor)
        .map_err(|source| RecipeError::Unknown { module: "refine", source })?
}

struct MakeRefiner<'a> {
    stage: &'a dyn FirstStage,
    documents: &'a Documents<'a>,
    metric: Metric,
}

impl RefinerVisitor for MakeRefiner<'_> {
    type Output = Result<Arc<dyn StoredRefiner>, IndexError>;

    fn none(self) -> Self::Output {
        Ok(none(self.stage, self.metric))
    }

    fn rescore<C: Rescoring>(self) -> Self::Output {
        let vectors = match C::SIDE {
            Side::Full => self.documents.full,
            Side::Prepared => self.documents.prepared,
        };
        C::check(vectors, self.metric)?;
        Ok(Arc::new(Rescore::<C>::new(vectors, self.metric)))
    }
}

/// Reads the refiner called `name`, of `len` vectors with all or the prepared dimensions, behind `stage`.
pub(crate) fn load_refiner(
    name: &str,
    (stage, metric): (&dyn FirstStage, Metric),
    container: &Container,
    state: &[u8],
    len: usize,
    (full, prepared): (usize, usize),
) -> Result<Arc<dyn StoredRefiner>, IndexError> {
    if name == Rescore::<Float>::VERSION && container.on_disk("float.rows").is_some() {
        return Ok(Arc::new(FloatsOnDisk::new(container, state, (len, full))?));
    }
    with_refiner(name, LoadRefiner { stage, metric, container, state, len, full, prepared })
}

struct LoadRefiner<'a> {
    stage: &'a dyn FirstStage,
    metric: Metric,
    container: &'a Container,
    state: &'a [u8],
    len: usize,
    full: usize,
    prepared: usize,
}

impl RefinerVisitor for LoadRefiner<'_> {
    type Output = Result<Arc<dyn StoredRefiner>, IndexError>;

    fn none(self) -> Self::Output {
        if self.state.is_empty() {
            return Ok(none(self.stage, self.metric));
        }
        let (path, part) = (self.container.path().to_owned(), "refiner");
        let why = PartProblem::Meta("none@1 has no state".to_owned());
        Err(IndexError::Parts { path, part, why })
    }

    fn rescore<C: Rescoring>(self) -> Self::Output {
        let dim = match C::SIDE {
            Side::Full => self.full,
            Side::Prepared => self.prepared,
        };
        let prefix = section_prefix(C::REFINER);
        let shape = (self.len, dim);
        let codes: C = read_codes(self.container, "refiner", prefix, self.state, shape)?;
        Ok(Arc::new(Rescore::from_codes(codes)))
    }
}

/// `int8@1` lives in sections `int8.*`; `codes`, `graph` and `meta` are no refiners' names.
pub(crate) fn section_prefix(version: &str) -> &str {
    version.split('@').next().unwrap_or(version)
}

/// What is known of a codec by its name.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    coarse: bool,
    rotates: bool,
}

struct AskFacts;

impl CodecVisitor for AskFacts {
    type Output = Facts;

    fn visit<C: Codes>(self) -> Facts {
        Facts { coarse: C::COARSE, rotates: C::ROTATES }
    }
}

/// Nothing is known of the codec of a recipe that leaves it open.
fn facts(recipe: &Recipe) -> Facts {
    versions::with_codec(recipe.quant(), AskFacts).unwrap_or_default()
}

/// Whether the order of the recipe's codes is so noisy that refiners should see every candidate.
pub(crate) fn is_coarse(recipe: &Recipe) -> bool {
    facts(recipe).coarse
}

/// Digest of the codec's rotation, which its state determines (seed, dimension, rounds); 0 where
/// it does not rotate.
pub(crate) fn rotation(recipe: &Recipe, codes: &Parts<'_>) -> u64 {
    if facts(recipe).rotates { xxhash_rust::xxh3::xxh3_64(&codes.meta) } else { 0 }
}
