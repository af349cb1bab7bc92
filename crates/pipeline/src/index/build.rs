//! From vectors and a recipe to an index.

use super::{
    Index, idle,
    layout::{self, LayoutTrial, Questions},
};
use crate::{
    compose::{self, Composition, Documents},
    container::FORMAT,
    error::IndexError,
    fingerprint::{EmbeddingSpace, Fingerprint},
    preset::check_truncation,
    recipe::Recipe,
    stored::StoredRefiner,
};
use crinoid_graph::{Copies, Params, Progress};
use crinoid_quant::{IntoVectors, Metric, Preparation, VectorError, Vectors, codes::Unsuitable};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};

/// How an index is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildOptions {
    /// One version of each module; `auto` in the place of the codec or the search leaves it to a
    /// trial.
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

impl Index {
    /// Encodes `vectors`, builds a graph over them, and composes a search, on the current rayon
    /// pool. The answers' ids are row numbers. Rows that are the same vector once they are prepared
    /// share one node, one code and one row of each refiner.
    ///
    /// Where the recipe's codec or search is `auto`, one graph is built, and what searches it is what
    /// answered rows of the data, as queries, fastest at equal recall
    /// ([`layout_trials`](Self::layout_trials)). The index names it in its
    /// [`options`](Self::options), as if it had been asked for; naming it is also how the choice is
    /// repeated. Below 4,096 rows bytes and `pipelined@2` are chosen without a trial.
    ///
    /// # Errors
    /// When the recipe cannot be composed, a vector has no direction under the cosine, the
    /// truncation exceeds the dimension, a parameter is out of range, or `progress` breaks off.
    pub fn build<F>(
        vectors: impl IntoVectors<F>,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        Self::assemble(&vectors.into_vectors()?, None, options, progress)
    }

    /// As [`build`](Self::build), with some queries like those that will come: a trial asks these
    /// instead of rows of the data. A few hundred are enough. Only `auto` needs them.
    ///
    /// ```
    /// use crinoid_pipeline::{BuildOptions, Index};
    /// use crinoid_quant::Vectors;
    ///
    /// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
    /// let queries = Vectors::from_rows(&[[41.7, 3.2], [8.1, 8.0]])?;
    /// let options = BuildOptions { recipe: "auto".parse()?, ..BuildOptions::default() };
    /// let index = Index::build_for(&Vectors::from_rows(&rows)?, &queries, &options, &())?;
    /// // So few rows are not tried; that they are bytes is seen.
    /// assert_eq!(index.options().recipe.to_string(), "u8-exact@1/crinoid@1/pipelined@2/none@1");
    /// assert!(index.layout_trials().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`build`](Self::build), and when a query of the sample cannot be compared with the vectors.
    pub fn build_for<F>(
        vectors: impl IntoVectors<F>,
        sample: &Vectors,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        Self::assemble(&vectors.into_vectors()?, Some(sample), options, progress)
    }

    fn assemble(
        vectors: &Vectors,
        sample: Option<&Vectors>,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        let material = Material::new(vectors, options)?;
        let index = match options.recipe.is_auto() {
            true => material.tried(vectors, sample, options, progress),
            false => material.named(options.recipe.clone(), options, progress),
        };
        let index = index.map_err(|error| material.by_row(error))?;
        // What cannot be encoded should fail here, not when it is saved.
        index.sections()?;
        Ok(index)
    }

    /// How the layouts did between which `auto` chose, the chosen one first. Empty where the recipe
    /// left nothing open, where there were too few rows for a trial, and in an index that was loaded:
    /// times differ from one run to the next, and equal indexes should be equal files.
    pub fn layout_trials(&self) -> &[LayoutTrial] {
        &self.trials
    }
}

/// The documents in the two forms that codecs and refiners are made from.
struct Material {
    preparation: Preparation,
    /// The metric among prepared vectors.
    metric: Metric,
    full: Vectors,
    prepared: Vectors,
    copies: Option<Copies>,
}

impl Material {
    fn new(vectors: &Vectors, options: &BuildOptions) -> Result<Self, IndexError> {
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
        Ok(Self { preparation, metric: preparation.prepared_metric(), full, prepared, copies })
    }

    /// The index of a recipe that leaves nothing open.
    fn named(
        &self,
        recipe: Recipe,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Index, IndexError> {
        let parts = compose::build(&recipe, &self.prepared, self.metric, &options.graph, progress)?;
        self.index(options, recipe, parts, &[])
    }

    /// The fastest of the layouts that the recipe leaves open, all on one graph.
    fn tried(
        &self,
        vectors: &Vectors,
        sample: Option<&Vectors>,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Index, IndexError> {
        let Self { prepared, metric, preparation, .. } = self;
        let whole = preparation.dim == preparation.input_dim;
        let questions = Questions::new(vectors, sample, options.metric)?;
        let mut candidates =
            layout::candidates(&options.recipe, prepared, *metric, whole)?.into_iter();
        let first = candidates.next().map(|recipe| self.named(recipe, options, progress));
        let mut indexes: Vec<Index> = first.into_iter().collect::<Result<_, _>>()?;
        for recipe in candidates.take_while(|_| questions.is_some()) {
            let (graph, refiners) = (indexes[0].graph.clone(), indexes[0].refiners.clone());
            let encoded = indexes.iter().find(|one| one.options.recipe.codecs() == recipe.codecs());
            let stage = match encoded {
                Some(encoded) => encoded.stage.recompose(&recipe, &graph)?,
                None => compose::encode(&recipe, &graph, prepared, *metric)?,
            };
            indexes.push(self.index(options, recipe, (graph, stage), &refiners)?);
        }
        layout::fastest(indexes, questions.as_ref())
    }

    /// `error` with the number of a row where it has that of a distinct vector.
    fn by_row(&self, mut error: IndexError) -> IndexError {
        use Unsuitable::{NotAByte, TooLarge};
        if let (Some(copies), IndexError::Unsuitable(NotAByte { row, .. } | TooLarge { row, .. })) =
            (&self.copies, &mut error)
        {
            *row = copies.rows(*row as u32)[0] as usize;
        }
        error
    }

    /// The index of `recipe`, with those refiners of `known` that it names.
    fn index(
        &self,
        options: &BuildOptions,
        recipe: Recipe,
        (graph, stage): Composition,
        known: &[Arc<dyn StoredRefiner>],
    ) -> Result<Index, IndexError> {
        let documents = Documents { full: &self.full, prepared: &self.prepared };
        let refiner = |name: &String| match known.iter().find(|one| one.version() == name) {
            Some(known) => Ok(known.clone()),
            None => compose::refiner(name, &documents, self.metric),
        };
        let refiners = recipe.refine().iter().map(refiner).collect::<Result<Vec<_>, _>>()?;
        let codes = stage.parts()?;
        let preparation = self.preparation;
        let fingerprint = Fingerprint {
            space: EmbeddingSpace::new(&options.provider, &options.model, preparation.input_dim),
            truncation: preparation.dim,
            metric: options.metric,
            centroid: codes.digest_of(&["center", "mean", "centroids"]),
            rotation: compose::rotation(&recipe, &codes),
            recipe: recipe.clone(),
            format: FORMAT,
        };
        drop(codes);
        Ok(Index {
            options: BuildOptions { recipe, ..options.clone() },
            preparation,
            fingerprint,
            graph,
            copies: self.copies.clone(),
            stage,
            refiners,
            trials: Vec::new(),
            digest: OnceLock::new(),
            idle: idle(),
        })
    }
}
