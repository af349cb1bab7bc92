//! The index: built once, then searched, saved and loaded.
//!
//! | file | what is in it |
//! |---|---|
//! | `build` | from vectors and a recipe to an index |
//! | `builder` | the same, one option at a time |
//! | `ask` | questions to an index that need no session |
//! | `choice` | which codes are searched, and whether they will do |
//! | `effort` | how wide a search must be for a wanted recall |
//! | `links` | links between rows that answer the same questions |
//! | `session` | one thread's searches |
//! | `pages` | answers page by page |
//! | `filter` | which rows a search may return |
//! | `rows` | from nodes back to rows |
//! | `file` | the index as one file |
//! | `hints` | names that newcomers try first |

mod ask;
mod build;
mod builder;
mod choice;
mod effort;
mod file;
mod filter;
mod hints;
mod links;
mod pages;
mod rows;
mod session;

pub use build::{BuildOptions, ZeroRows};
pub use builder::IndexBuilder;
pub use choice::{BuildReport, Candidate, Ceiling, ProbeKind, Verdict};
pub use effort::{EffortCurve, Efforts};
pub use filter::Filter;
#[cfg(feature = "collection")]
pub(crate) use pages::Pages;
pub use pages::SearchIter;
pub(crate) use session::Working;
pub use session::{Report, SearchOptions, Session};

use crate::{
    compose::FirstStage,
    error::{IndexError, RowError},
    fingerprint::Fingerprint,
    recipe::Recipe,
    stored::StoredRefiner,
};
use crinoid_graph::{Copies, Graph};
use crinoid_quant::{Metric, Preparation};
use crinoid_refine::{NoRefiner, RefinerQuery};
use crinoid_search::Bitmap;
use crossbeam_queue::ArrayQueue;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

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
/// A frozen set of vectors that answers nearest-neighbour queries.
///
/// Built from vectors and a [`Recipe`]; a pure function of both, whatever the number of threads.
/// Searches take `&self`, so any number of threads may share an index.
///
/// ```
/// use crinoid_pipeline::{BuildOptions, Index};
///
/// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
/// let index = Index::build(&rows, &BuildOptions::default(), &())?;
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
    refiners: Vec<Arc<dyn StoredRefiner>>,
    report: BuildReport,
    digest: OnceLock<u64>,
    idle: Idle,
}

/// What an index has beside its content.
struct Idle {
    /// Who the index is, among all in this process.
    identity: u64,
    /// Working memory that [`search`](Index::search) left behind for its next call.
    memories: ArrayQueue<Working>,
    /// The node of each row, once it was asked for.
    nodes: OnceLock<Vec<u32>>,
}

impl Index {
    /// This index as if it had been built with `recipe`: the same codes and graph under any search,
    /// with some or all of its refiners in any order. Nothing is built again. The search that is named is the one
    /// that runs, among few rows as well.
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
        let mut refiners: Vec<Arc<dyn StoredRefiner>> = Vec::new();
        for wanted in recipe.refine() {
            let place = spare.iter().position(|refiner| refiner.version() == wanted);
            match (place, wanted.as_str()) {
                (Some(place), _) => refiners.push(spare.swap_remove(place)),
                (None, NoRefiner::VERSION) => {
                    let metric = self.preparation.prepared_metric();
                    refiners
                        .push(self.stage.lossless(metric).unwrap_or_else(|| Arc::new(NoRefiner)));
                }
                (None, wanted) => return Err(absent(wanted)),
            }
        }
        let stage = self.stage.recompose(recipe, &self.graph)?;
        let options = BuildOptions { recipe: recipe.clone(), ..self.options };
        let fingerprint = Fingerprint { recipe: recipe.clone(), ..self.fingerprint };
        // Whoever names a search means it.
        let report = BuildReport { scans: false, ..self.report };
        let digest = OnceLock::new();
        Ok(Self { options, fingerprint, stage, refiners, report, digest, ..self })
    }

    /// A session: a thread's working memory for searching this index without allocating.
    pub fn session(&self) -> Session<'_> {
        Session::new(self, Working::default())
    }

    /// The filter that admits those rows for which `admits` holds, for
    /// [`Session::search_filtered`]. Asks once for every row.
    pub fn filter(&self, admits: impl Fn(u32) -> bool) -> Filter {
        self.filter_rows(Bitmap::from_fn(self.len(), admits))
    }

    /// The filter that admits the rows `ids`: a list, a set, or a bitmap of the crate `roaring` by reference.
    ///
    /// ```
    /// use crinoid_pipeline::{Index, SearchOptions};
    ///
    /// let rows: Vec<[f32; 1]> = (0..100).map(|i| [i as f32]).collect();
    /// let index = Index::builder().build(&rows)?;
    /// let mine = index.filter_ids([7, 70, 77])?;
    /// let mut answers = Vec::new();
    /// index.session().search_filtered(&[74.0], &SearchOptions::for_k(2), &mine, &mut answers)?;
    /// assert_eq!(answers.iter().map(|near| near.id).collect::<Vec<_>>(), [77, 70]);
    /// assert!(index.filter_ids([100]).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such row.
    pub fn filter_ids(&self, ids: impl IntoIterator<Item = u32>) -> Result<Filter, RowError> {
        let mut rows = Bitmap::new(self.len());
        for id in ids {
            if id as usize >= self.len() {
                return Err(RowError::OutOfRange { id, len: self.len() });
            }
            rows.insert(id);
        }
        Ok(self.filter_rows(rows))
    }

    /// The filter that admits these rows, a bit for every row of the index.
    pub(crate) fn filter_rows(&self, rows: Bitmap) -> Filter {
        Filter::new(rows, self.copies(), self.identity())
    }

    /// A digest of all bytes of the index's file: equal digests, equal files.
    pub fn digest(&self) -> u64 {
        // Neither can fail: the sections were laid out once when the index was built.
        let compute = || self.to_sections().ok().and_then(|sections| sections.digest().ok());
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

    /// What was found out about the data when the index was built: which codes came into question, and
    /// how much of the exact answers they leave to be found.
    pub fn report(&self) -> &BuildReport {
        &self.report
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

    /// What "close" means.
    pub fn metric(&self) -> Metric {
        self.options.metric
    }

    /// Who this index is, among all in this process.
    pub(crate) fn identity(&self) -> u64 {
        self.idle.identity
    }

    /// What measures most finely, where anything refines.
    pub(crate) fn finest(&self, query: &RefinerQuery<'_>) -> Option<&dyn StoredRefiner> {
        self.refiners.last().filter(|last| last.measures(query)).map(|last| &**last)
    }

    pub(crate) fn is_coarse(&self) -> bool {
        self.stage.is_coarse()
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

    pub(crate) fn refiners(&self) -> &[Arc<dyn StoredRefiner>] {
        &self.refiners
    }
}

/// A new identity, and room for as many working memories as threads could use at once.
fn idle() -> Idle {
    static INDEXES: AtomicU64 = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(4, usize::from);
    Idle {
        identity: INDEXES.fetch_add(1, Ordering::Relaxed),
        memories: ArrayQueue::new(2 * threads),
        nodes: OnceLock::new(),
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, dim) = (self.len(), self.dim());
        write!(f, "Index({}, {len} x {dim}, {})", self.options.recipe, self.options.metric)
    }
}
