//! An index, one option at a time.

use super::{BuildOptions, Index, ZeroRows};
use crate::{error::IndexError, recipe::Recipe};
use crinoid_graph::Progress;
use crinoid_quant::{IntoVectors, Metric, Vectors};

/// Builds an [`Index`] from whatever vectors there are; made by [`Index::builder`].
///
/// ```
/// use crinoid_pipeline::Index;
/// use crinoid_quant::Metric;
///
/// let rows: Vec<Vec<f32>> = (1..=100).map(|i| vec![i as f32, (i % 10) as f32]).collect();
/// let index = Index::builder().metric(Metric::Cosine).m(24).build(&rows)?;
/// assert_eq!((index.len(), index.metric()), (100, Metric::Cosine));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "nothing is built before `build`"]
pub struct IndexBuilder<'a> {
    options: BuildOptions,
    sample: Option<Vectors>,
    progress: Option<&'a dyn Progress>,
}

impl Index {
    /// A builder with the default options.
    pub fn builder<'a>() -> IndexBuilder<'a> {
        IndexBuilder::default()
    }
}

impl<'a> IndexBuilder<'a> {
    /// All options at once.
    pub fn options(self, options: BuildOptions) -> Self {
        Self { options, ..self }
    }

    /// What "close" means; squared L2 by default.
    pub fn metric(self, metric: Metric) -> Self {
        Self { options: self.options.metric(metric), ..self }
    }

    /// Links per node, `2..=512`: more find more, in more memory. 16 by default.
    pub fn m(mut self, m: usize) -> Self {
        self.options.graph.m = m;
        self
    }

    /// How hard an insertion looks for its neighbours, `m` or more. 200 by default.
    pub fn ef_construction(mut self, ef_construction: usize) -> Self {
        self.options.graph.ef_construction = ef_construction;
        self
    }

    /// Seed of everything random.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.graph.seed = seed;
        self
    }

    /// One version of each module, e.g. `"auto".parse()?`.
    pub fn recipe(self, recipe: Recipe) -> Self {
        Self { options: self.options.recipe(recipe), ..self }
    }

    /// Searches by the first `dimensions` only (Matryoshka); the float refiner still uses all.
    pub fn truncate(self, dimensions: usize) -> Self {
        Self { options: self.options.truncate(dimensions), ..self }
    }

    /// What becomes of rows of zeros under the cosine; they are refused by default.
    pub fn zero_rows(self, zero_rows: ZeroRows) -> Self {
        Self { options: self.options.zero_rows(zero_rows), ..self }
    }

    /// Who made the vectors; recorded, and compared with where queries come from.
    pub fn embedding(self, provider: &str, model: &str) -> Self {
        Self { options: self.options.embedding(provider, model), ..self }
    }

    /// A few hundred queries like those that will come; see [`Index::build_for`].
    pub fn queries(self, sample: Vectors) -> Self {
        Self { sample: Some(sample), ..self }
    }

    /// Who is told how far the build is, and may stop it.
    pub fn progress(self, progress: &'a dyn Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// Builds the index; see [`Index::build`].
    ///
    /// # Errors
    /// As [`Index::build`], and when the rows cannot become vectors.
    pub fn build<F>(self, vectors: impl IntoVectors<F>) -> Result<Index, IndexError> {
        let Self { options, sample, progress } = self;
        let progress = progress.unwrap_or(&());
        match sample {
            Some(sample) => Index::build_for(vectors, &sample, &options, progress),
            None => Index::build(vectors, &options, progress),
        }
    }
}
