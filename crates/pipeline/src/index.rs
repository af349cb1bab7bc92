//! The index: built once, then searched, saved and loaded.

use crate::{
    compose::{self, Documents, FirstStage},
    container::{Container, ContainerError, FORMAT, Placement, Sections, meta, publish},
    error::{IndexError, PartProblem, SearchError},
    filter::Filter,
    fingerprint::{EmbeddingSpace, Fingerprint},
    preset::check_truncation,
    recipe::Recipe,
    session::{SearchOptions, Session, Working},
    stored::StoredRefiner,
};
use crinoid_graph::{Copies, Graph, Params, Progress, adjacency::GraphMeta};
use crinoid_quant::{Metric, Neighbor, Preparation, VectorError, Vectors, codes::Arrays};
use crinoid_refine::NoRefiner;
use crinoid_search::Bitmap;
use crossbeam_queue::ArrayQueue;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::Path,
    sync::{Arc, OnceLock},
};

/// The section with everything small.
const META: &str = "meta";

/// Prefix of the sections that say which rows are the same vector; a file without copies has none.
const COPIES: &str = "copies";

/// How an index is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildOptions {
    /// One version of each module.
    pub recipe: Recipe,
    /// What "close" means.
    pub metric: Metric,
    /// How many leading dimensions the search uses (Matryoshka); all where `None`. The float
    /// refiner always uses all.
    pub truncate: Option<usize>,
    /// The graph builder's parameters.
    pub graph: Params,
    /// Who serves the embedding model; only recorded and compared.
    pub provider: String,
    /// The embedding model; only recorded and compared.
    pub model: String,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            recipe: Recipe::default(),
            metric: Metric::L2,
            truncate: None,
            graph: Params::default(),
            provider: String::new(),
            model: String::new(),
        }
    }
}

/// The size of an index in memory, by part, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexBytes {
    /// The adjacency.
    pub graph: usize,
    /// The codes that the search measures against.
    pub codes: usize,
    /// What the refiners measure against.
    pub refine: usize,
    /// Which rows are copies of which.
    pub copies: usize,
}

impl IndexBytes {
    /// All parts together.
    pub const fn total(&self) -> usize {
        self.graph + self.codes + self.refine + self.copies
    }
}

/// The small state of a stored index.
#[derive(Serialize, Deserialize)]
struct Meta {
    fingerprint: Fingerprint,
    len: u64,
    /// The builder's parameters as JSON, in which a parameter that is new in a later version
    /// is simply absent.
    params: String,
    graph: GraphMeta,
    codes: Vec<u8>,
    refiners: Vec<Vec<u8>>,
}

/// A frozen set of vectors that answers nearest-neighbour queries.
///
/// Built from vectors and a [`Recipe`]; a pure function of both, whatever the number of threads.
/// Searches take `&self`, so any number of threads may share an index.
///
/// ```
/// use crinoid_pipeline::{BuildOptions, Index};
/// use crinoid_quant::Vectors;
///
/// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
/// let index = Index::build(&Vectors::from_rows(&rows)?, &BuildOptions::default(), &())?;
/// let answers = index.search(&[42.0, 2.0], 3)?;
/// assert_eq!((answers[0].id, answers[0].distance), (42, 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Index {
    options: BuildOptions,
    preparation: Preparation,
    fingerprint: Fingerprint,
    graph: Arc<Graph>,
    /// The rows that each node stands for; `None` where every row has its own.
    copies: Option<Copies>,
    stage: Box<dyn FirstStage>,
    refiners: Vec<Box<dyn StoredRefiner>>,
    digest: OnceLock<u64>,
    /// Working memory that [`search`](Self::search) left behind for its next call.
    idle: ArrayQueue<Working>,
}

impl Index {
    /// Encodes `vectors`, builds a graph over them, and composes a search, on the current rayon
    /// pool. The answers' ids are row numbers. Rows that are the same vector once they are prepared
    /// share one node, one code and one row of each refiner.
    ///
    /// # Errors
    /// When the recipe cannot be composed, a vector has no direction under the cosine, the
    /// truncation exceeds the dimension, a parameter is out of range, or `progress` breaks off.
    pub fn build(
        vectors: &Vectors,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        if vectors.dim() == 0 {
            return Err(VectorError::NoDimensions.into());
        }
        let all = Preparation::new(options.metric, vectors.dim());
        let preparation = match options.truncate {
            Some(dim) => {
                check_truncation(&options.model, dim)?;
                all.truncated(dim)?
            }
            None => all,
        };
        let metric = preparation.prepared_metric();
        let recipe = &options.recipe;
        let full = all.apply_all(vectors)?;
        let prepared = match preparation == all {
            true => full.clone(),
            false => preparation.apply_all(vectors)?,
        };
        let copies = Copies::of(&full);
        let [full, prepared] = match &copies {
            Some(copies) => [full, prepared].map(|vectors| copies.distinct(&vectors)),
            None => [full, prepared],
        };
        let (graph, stage) = compose::build(recipe, &prepared, metric, &options.graph, progress)?;
        let documents = Documents { full: &full, prepared: &prepared };
        let refiners = recipe
            .refine()
            .iter()
            .map(|name| compose::refiner(name, &documents, metric))
            .collect::<Result<Vec<_>, _>>()?;
        let codes = stage.parts()?;
        let fingerprint = Fingerprint {
            space: EmbeddingSpace::new(&options.provider, &options.model, vectors.dim()),
            truncation: preparation.dim,
            metric: options.metric,
            centroid: codes.digest_of(&["center", "mean", "centroids"]),
            rotation: compose::rotation(recipe, &codes),
            recipe: recipe.clone(),
            format: FORMAT,
        };
        drop(codes);
        let options = options.clone();
        let digest = OnceLock::new();
        let idle = idle();
        let index = Self {
            options,
            preparation,
            fingerprint,
            graph,
            copies,
            stage,
            refiners,
            digest,
            idle,
        };
        // What cannot be encoded should fail here, not when it is saved.
        index.sections()?;
        Ok(index)
    }

    /// The sections of the index's file.
    fn sections(&self) -> Result<Sections<'_>, IndexError> {
        let codes = self.stage.parts()?;
        let refiners =
            self.refiners.iter().map(|refiner| refiner.parts()).collect::<Result<Vec<_>, _>>()?;
        let (graph, adjacency) = self.graph.parts();
        let params = serde_json::to_string(&self.options.graph)
            .map_err(|error| IndexError::Encode(error.to_string()))?;
        let meta = Meta {
            fingerprint: self.fingerprint.clone(),
            len: self.len() as u64,
            params,
            graph,
            codes: codes.meta.clone(),
            refiners: refiners.iter().map(|parts| parts.meta.clone()).collect(),
        };
        let mut sections = Sections::new();
        sections.push(META, meta::encode(&meta).map_err(IndexError::Encode)?);
        for (name, bytes) in adjacency {
            sections.push(format!("graph.{name}"), bytes);
        }
        for (name, bytes) in self.copies.iter().flat_map(Copies::parts) {
            sections.push(format!("{COPIES}.{name}"), bytes);
        }
        codes.into_sections("codes", &mut sections);
        for (refiner, parts) in self.refiners.iter().zip(refiners) {
            parts.into_sections(compose::section_prefix(refiner.version()), &mut sections);
        }
        Ok(sections)
    }

    /// Writes the index to `path`, atomically: a reader, or whoever comes after a crash, finds
    /// the old file or the new one. Equal indexes give equal files, byte for byte.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), IndexError> {
        Ok(publish(path.as_ref(), &self.sections()?)?)
    }

    /// Opens an index by mapping it into memory, after verifying all of it.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or was written by another version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, IndexError> {
        Self::load_to(path, Placement::Mapped)
    }

    /// As [`load`](Self::load), with a say in where codes and graph live. Float rows stay in the
    /// page cache in either case, and only those that are re-scored are read.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_to(path: impl AsRef<Path>, placement: Placement) -> Result<Self, IndexError> {
        let is_hot = |section: &str| !section.starts_with("float.");
        Self::from_container(&Container::open(path.as_ref(), placement, is_hot)?)
    }

    fn from_container(container: &Container) -> Result<Self, IndexError> {
        let meta: Meta = container.meta(META)?;
        let path = || container.path().to_owned();
        let fail = |part, why| IndexError::Parts { path: path(), part, why };
        let Fingerprint { space, truncation, metric, recipe, format, .. } = &meta.fingerprint;
        if !(1..=FORMAT).contains(format) {
            let (found, known) = (*format, FORMAT);
            return Err(ContainerError::Format { path: path(), found, known }.into());
        }
        if space.dimension == 0 {
            return Err(VectorError::NoDimensions.into());
        }
        let preparation = Preparation::new(*metric, space.dimension).truncated(*truncation)?;
        let params: Params = serde_json::from_str(&meta.params)
            .map_err(|error| fail("parameters", PartProblem::Meta(error.to_string())))?;

        let mut lookup = |name: &str| container.get(&format!("graph.{name}"));
        let graph = Graph::from_parts(&meta.graph, &mut Arrays::new(&mut lookup))
            .map_err(|error| fail("graph", error.into()))?;
        let copies = match container.get(&format!("{COPIES}.starts")) {
            Some(_) => {
                let mut lookup = |name: &str| container.get(&format!("{COPIES}.{name}"));
                let (nodes, len) = (graph.len(), meta.len as usize);
                let copies = Copies::from_parts(&mut Arrays::new(&mut lookup), nodes, len);
                Some(copies.map_err(|error| fail("copies", error.into()))?)
            }
            None if graph.len() as u64 == meta.len => None,
            None => {
                let (got, want) = (graph.len(), meta.len as usize);
                let what = "its number of nodes";
                return Err(fail("graph", PartProblem::Disagrees { what, got, want }));
            }
        };
        let (graph, stage) = compose::load(recipe, container, graph, &meta.codes, preparation.dim)?;
        if meta.refiners.len() != recipe.refine().len() {
            let (got, want) = (meta.refiners.len(), recipe.refine().len());
            let what = "the number of refiners";
            return Err(fail("refiner", PartProblem::Disagrees { what, got, want }));
        }
        let dims = (preparation.input_dim, preparation.dim);
        let refiners = recipe
            .refine()
            .iter()
            .zip(&meta.refiners)
            .map(|(name, state)| compose::load_refiner(name, container, state, graph.len(), dims))
            .collect::<Result<Vec<_>, _>>()?;
        let options = BuildOptions {
            recipe: recipe.clone(),
            metric: *metric,
            truncate: (preparation.dim < preparation.input_dim).then_some(preparation.dim),
            graph: params,
            provider: space.provider.clone(),
            model: space.model.clone(),
        };
        let fingerprint = meta.fingerprint;
        let digest = OnceLock::from(container.digest());
        let idle = idle();
        Ok(Self { options, preparation, fingerprint, graph, copies, stage, refiners, digest, idle })
    }

    /// This index as if it had been built with `recipe`: the same codes and graph under any search,
    /// with some or all of its refiners in any order. Nothing is built again.
    ///
    /// # Errors
    /// [`IndexError::Absent`] where the recipe asks for other codes, another graph, or a refiner
    /// that the index does not have.
    pub fn with_recipe(self, recipe: &Recipe) -> Result<Self, IndexError> {
        let own = &self.options.recipe;
        let absent = |wanted: &str| IndexError::Absent { wanted: wanted.to_owned() };
        for (own, wanted) in [
            (own.quant(), recipe.quant()),
            (own.space(), recipe.space()),
            (own.graph(), recipe.graph()),
        ] {
            if own != wanted {
                return Err(absent(wanted));
            }
        }
        let mut spare = self.refiners;
        let mut refiners: Vec<Box<dyn StoredRefiner>> = Vec::new();
        for wanted in recipe.refine() {
            let place = spare.iter().position(|refiner| refiner.version() == wanted);
            match (place, wanted.as_str()) {
                (Some(place), _) => refiners.push(spare.swap_remove(place)),
                (None, NoRefiner::VERSION) => refiners.push(Box::new(NoRefiner)),
                (None, wanted) => return Err(absent(wanted)),
            }
        }
        let stage = self.stage.recompose(recipe, &self.graph)?;
        let options = BuildOptions { recipe: recipe.clone(), ..self.options };
        let fingerprint = Fingerprint { recipe: recipe.clone(), ..self.fingerprint };
        let digest = OnceLock::new();
        Ok(Self { options, fingerprint, stage, refiners, digest, ..self })
    }

    /// A session: a thread's working memory for searching this index without allocating.
    pub fn session(&self) -> Session<'_> {
        Session::new(self, Working::default())
    }

    /// The `k` nearest vectors, closest first, with a default effort (`ef = max(4 k, 100)`).
    ///
    /// # Errors
    /// When the query cannot be compared with the index, or `k` is 0.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<Neighbor>, SearchError> {
        let mut answers = Vec::new();
        let mut session = Session::new(self, self.idle.pop().unwrap_or_default());
        let result = session.search(query, &SearchOptions::for_k(k), &mut answers);
        // A full queue means that enough memory lies idle already.
        let _ = self.idle.push(session.into_working());
        result.map(|_| answers)
    }

    /// The filter that admits those rows for which `admits` holds, for
    /// [`Session::search_filtered`].
    pub fn filter(&self, admits: impl Fn(u32) -> bool) -> Filter {
        Filter::new(Bitmap::from_fn(self.len(), admits), self.copies())
    }

    /// A digest of all bytes of the index's file: equal digests, equal files.
    pub fn digest(&self) -> u64 {
        // Neither can fail: the sections were laid out once when the index was built.
        let compute = || self.sections().ok().and_then(|sections| sections.digest().ok());
        *self.digest.get_or_init(|| compute().unwrap_or_default())
    }

    /// The size in memory, by part.
    pub fn bytes(&self) -> IndexBytes {
        IndexBytes {
            graph: self.graph.bytes(),
            codes: self.stage.parts().map_or(0, |parts| parts.bytes()),
            refine: self.refiners.iter().map(|refiner| refiner.bytes()).sum(),
            copies: self.copies.iter().flat_map(Copies::parts).map(|(_, bytes)| bytes.len()).sum(),
        }
    }

    /// The graph, for diagnostics. Its nodes are the distinct vectors.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// How the index was built.
    pub fn options(&self) -> &BuildOptions {
        &self.options
    }

    /// What has to agree between this index and whatever is used with it.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// How many vectors.
    pub fn len(&self) -> usize {
        self.copies.as_ref().map_or(self.graph.len(), Copies::len)
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimension of the vectors and queries as they come in.
    pub fn dim(&self) -> usize {
        self.fingerprint.space.dimension
    }

    pub(crate) fn is_coarse(&self) -> bool {
        compose::is_coarse(&self.options.recipe)
    }

    /// The rows that each node stands for, where there are copies.
    pub fn copies(&self) -> Option<&Copies> {
        self.copies.as_ref()
    }

    pub(crate) fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    pub(crate) fn stage(&self) -> &dyn FirstStage {
        &*self.stage
    }

    pub(crate) fn refiners(&self) -> &[Box<dyn StoredRefiner>] {
        &self.refiners
    }
}

/// Room for as many working memories as threads could use at once.
fn idle() -> ArrayQueue<Working> {
    ArrayQueue::new(std::thread::available_parallelism().map_or(4, usize::from) * 2)
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, dim) = (self.len(), self.dim());
        write!(f, "Index({}, {len} x {dim}, {})", self.options.recipe, self.options.metric)
    }
}
