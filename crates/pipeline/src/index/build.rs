//! From vectors and a recipe to an index.

use super::{
    BuildReport, Index,
    choice::{Choice, Data, FEW, Known},
    effort::{Efforts, FEWEST, Forgotten, QUERIES},
    idle, links,
};
use crate::{
    compose::{self, Documents},
    container::FORMAT,
    error::{IndexError, SearchError},
    fingerprint::{EmbeddingSpace, Fingerprint},
    recipe::{AUTO, Recipe},
    truncation::check_truncation,
};
use crinoid_graph::{BuildError, Copies, Graph, Params, Progress};
use crinoid_quant::{
    IntoVectors, Metric, Preparation, Space, Vectors, codes::Unsuitable, random, vectors::check_dim,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    ops::ControlFlow,
    sync::{Arc, OnceLock},
};

/// Seed of the queries that are kept out of everything until the end.
const HELD_OUT: u64 = 0x0CA1_1B8A;

/// How an index is built.
///
/// ```
/// use crinoid_pipeline::BuildOptions;
/// use crinoid_quant::Metric;
///
/// let mut options = BuildOptions::default().metric(Metric::Cosine).truncate(256);
/// options.graph.m = 24;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BuildOptions {
    /// One version of each module; `auto` in the place of the codec, the graph or the search leaves it to what
    /// the data ask for.
    pub recipe: Recipe,
    /// Takes the recipe's codec without asking whether it can tell these vectors apart. For
    /// laboratories: baselines are often meant to be bad.
    #[serde(default)]
    pub unchecked: bool,
    /// What "close" means.
    pub metric: Metric,
    /// What becomes of rows of zeros under the cosine.
    #[serde(default)]
    pub zero_rows: ZeroRows,
    /// How many leading dimensions the search uses (Matryoshka); all where `None`. The float
    /// refiner always uses all.
    pub truncate: Option<usize>,
    /// The graph builder's parameters.
    pub graph: Params,
    /// The most links that a node gets to rows which answer the same questions: those of the sample, and
    /// under the inner product made-up ones. `None` is as many as `graph.m`, where the metric or the sample
    /// asks for them; 0 is never.
    #[serde(default)]
    pub answer_links: Option<usize>,
    /// Who serves the embedding model; only recorded and compared.
    pub provider: String,
    /// The embedding model; only recorded and compared.
    pub model: String,
}

/// What becomes of rows of zeros under the cosine, where they have no direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ZeroRows {
    /// They are refused by number.
    #[default]
    Refuse,
    /// They are kept, at right angles to everything: their distance to any query is 2 (a cosine of 0, as
    /// ann-benchmarks counts). To a query of zeros all rows are that far.
    Keep,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            recipe: Recipe::auto(),
            unchecked: false,
            metric: Metric::L2,
            zero_rows: ZeroRows::default(),
            truncate: None,
            graph: Params::default(),
            answer_links: None,
            provider: String::new(),
            model: String::new(),
        }
    }
}

impl BuildOptions {
    /// These options with another recipe.
    #[must_use]
    pub fn recipe(self, recipe: Recipe) -> Self {
        Self { recipe, ..self }
    }

    /// These options with codes that are taken as they are, or not.
    #[must_use]
    pub fn unchecked(self, unchecked: bool) -> Self {
        Self { unchecked, ..self }
    }

    /// These options with another metric.
    #[must_use]
    pub fn metric(self, metric: Metric) -> Self {
        Self { metric, ..self }
    }

    /// These options with another fate of rows of zeros.
    #[must_use]
    pub fn zero_rows(self, zero_rows: ZeroRows) -> Self {
        Self { zero_rows, ..self }
    }

    /// These options with another number of leading dimensions, or all.
    #[must_use]
    pub fn truncate(self, dimensions: impl Into<Option<usize>>) -> Self {
        Self { truncate: dimensions.into(), ..self }
    }

    /// These options with other parameters of the graph.
    #[must_use]
    pub fn graph(self, graph: Params) -> Self {
        Self { graph, ..self }
    }

    /// These options with another number of links to rows that answer the same questions.
    #[must_use]
    pub fn answer_links(self, links: impl Into<Option<usize>>) -> Self {
        Self { answer_links: links.into(), ..self }
    }

    /// These options for the vectors of another model.
    #[must_use]
    pub fn embedding(self, provider: &str, model: &str) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned(), ..self }
    }
}

impl Index {
    /// Encodes `vectors`, builds a graph over them, and composes a search, on the current rayon
    /// pool. The answers' ids are row numbers. Rows that are the same vector once they are prepared
    /// share one node, one code and one row of each refiner.
    ///
    /// Where the recipe's codec is `auto`, as it is by default, the codes are chosen that answer a sample
    /// of rows, of points between them and of points far outside as floats would, at the least cost
    /// ([`report`](Self::report)). The index names them in its [`options`](Self::options), as if it had
    /// been asked for them. Codes that the recipe names are asked the same questions.
    ///
    /// # Errors
    /// When the recipe cannot be composed, a vector has no direction under the cosine, the
    /// truncation exceeds the dimension, a parameter is out of range, or `progress` breaks off;
    /// [`IndexError::Lossy`] when the codes that the recipe names cannot reach a recall of 0.95 on these
    /// vectors.
    pub fn build<F>(
        vectors: impl IntoVectors<F>,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        Self::assemble(&vectors.into_vectors()?, None, options, progress)
    }

    /// As [`build`](Self::build), with some queries like those that will come: the codes must answer
    /// these as well, and rows that answer the same of them are linked where they come from elsewhere than
    /// rows. A few hundred are enough. A quarter of them, 256 at most, is kept out of all that, and asked in
    /// the end what recall the index reaches ([`SearchOptions::recall`](crate::SearchOptions::recall)).
    ///
    /// ```
    /// use crinoid_pipeline::{BuildOptions, Index, ProbeKind};
    /// use crinoid_quant::Vectors;
    ///
    /// let rows: Vec<[f32; 2]> = (0..100).map(|i| [i as f32, (i % 10) as f32]).collect();
    /// let queries = Vectors::from_rows(&[[41.7, 3.2], [8.1, 8.0]])?;
    /// let options = BuildOptions::default();
    /// let index = Index::build_for(&Vectors::from_rows(&rows)?, &queries, &options, &())?;
    /// let asked = index.report().ceilings().last().unwrap();
    /// assert_eq!((asked.probes, asked.at_10), (ProbeKind::Asked, 1.0));
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

    /// What [`build`](Self::build) would find out about the data and choose, without building anything:
    /// minutes of a large build cost seconds here.
    ///
    /// # Errors
    /// As `build`, but for those of the graph.
    pub fn plan<F>(
        vectors: impl IntoVectors<F>,
        sample: Option<&Vectors>,
        options: &BuildOptions,
    ) -> Result<BuildReport, IndexError> {
        let material = Material::new(&vectors.into_vectors()?, options)?;
        let asked = material.asked(sample)?;
        let choice = material.choose(asked.as_ref(), options);
        Ok(choice.map_err(|error| material.by_row(error))?.report)
    }

    fn assemble(
        vectors: &Vectors,
        sample: Option<&Vectors>,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Self, IndexError> {
        let material = Material::new(vectors, options)?;
        let index = material.index(sample, options, progress);
        let index = index.map_err(|error| material.by_row(error))?;
        // What cannot be encoded should fail here, not when it is saved.
        index.to_sections()?;
        Ok(index)
    }
}

/// A sample of queries in two: those that codes and links are chosen for, and a quarter that is kept out
/// of everything until it is asked what recall the index reaches.
fn split(sample: &Vectors) -> Result<(Option<Vectors>, Option<Vectors>), IndexError> {
    let held = random::sample(HELD_OUT, sample.len(), (sample.len() / 4).min(QUERIES));
    let (mut used, mut kept) = (Vec::new(), Vec::new());
    for (number, row) in sample.rows().enumerate() {
        match held.contains(&(number as u32)) {
            true => kept.push(row),
            false => used.push(row),
        }
    }
    let vectors =
        |rows: Vec<&[f32]>| (!rows.is_empty()).then(|| Vectors::from_rows(&rows)).transpose();
    Ok((vectors(used)?, vectors(kept)?))
}

/// The documents in the two forms that codecs and refiners are made from.
struct Material {
    preparation: Preparation,
    /// The metric among prepared vectors.
    metric: Metric,
    full: Vectors,
    prepared: Vectors,
    copies: Option<Copies>,
    /// Rows of zeros, for which another row stands in.
    zeros: Vec<u32>,
}

/// Tells of a second piece of work as long as the first.
struct Again<'a>(&'a dyn Progress);

impl Progress for Again<'_> {
    fn report(&self, done: usize, total: usize) -> ControlFlow<()> {
        self.0.report(total + done, 2 * total)
    }
}

/// Rows of zeros under the cosine, where they are welcome.
fn zero_rows(vectors: &Vectors, options: &BuildOptions) -> Result<Vec<u32>, IndexError> {
    if !options.metric.normalises() {
        return Ok(Vec::new());
    }
    let rows = vectors.as_slice().par_chunks(vectors.dim()).enumerate();
    let zeros = rows.filter(|(_, row)| row.iter().all(|&x| x == 0.0));
    let zeros: Vec<u32> = zeros.map(|(row, _)| row as u32).collect();
    match options.zero_rows {
        ZeroRows::Refuse if !zeros.is_empty() => Err(IndexError::ZeroRows { rows: zeros }),
        _ => Ok(zeros),
    }
}

/// `vectors` with a copy of the first other row in the place of each row of zeros: it adds no node to
/// the graph, and answers leave it out.
fn stand_in(vectors: &Vectors, zeros: &[u32]) -> Result<Vectors, IndexError> {
    let dim = vectors.dim();
    let other = (0..vectors.len()).find(|&row| zeros.binary_search(&(row as u32)).is_err());
    let mut axis = vec![0.0; dim];
    axis[0] = 1.0;
    let other = other.map_or(&axis[..], |row| vectors.row(row));
    let mut values = vectors.as_slice().to_vec();
    for &row in zeros {
        values[row as usize * dim..][..dim].copy_from_slice(other);
    }
    Ok(Vectors::new(values.as_slice(), dim)?)
}

impl Material {
    fn new(vectors: &Vectors, options: &BuildOptions) -> Result<Self, IndexError> {
        check_dim(vectors.dim())?;
        let all = Preparation::new(options.metric, vectors.dim());
        let preparation = match options.truncate {
            Some(dim) => {
                check_truncation(&options.model, dim)?;
                all.truncated(dim)?
            }
            None => all,
        };
        let all = all.fitted(vectors);
        let preparation = Preparation { exponent: all.exponent, ..preparation };
        let zeros = zero_rows(vectors, options)?;
        let stand_ins = (!zeros.is_empty()).then(|| stand_in(vectors, &zeros)).transpose()?;
        let vectors = stand_ins.as_ref().unwrap_or(vectors);
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
        let metric = preparation.prepared_metric();
        Ok(Self { preparation, metric, full, prepared, copies, zeros })
    }

    /// The caller's queries, prepared.
    fn asked(&self, sample: Option<&Vectors>) -> Result<Option<Vectors>, IndexError> {
        let asked = sample.map(|sample| self.preparation.apply_all(sample)).transpose();
        Ok(asked.map_err(SearchError::from)?)
    }

    /// What recall `index` reaches at what effort, on queries that had no part in its making.
    fn efforts(
        &self,
        index: &mut Index,
        kept_out: Option<&Vectors>,
        forgotten: Option<Forgotten>,
        known: &Known,
        rivals: &[&str],
    ) -> Result<Efforts, IndexError> {
        // Where dimensions were cut off, the neighbours are those of less than the whole rows.
        let known = (self.preparation.dim == self.preparation.input_dim).then_some(known);
        let efforts = match (kept_out, forgotten) {
            (_, Some(forgotten)) => {
                index.efforts_without([&self.full, &self.prepared], forgotten, known, rivals)
            }
            (Some(queries), None) if !self.full.is_empty() => {
                let prepare = |how: Preparation| how.apply_all(queries).map_err(SearchError::from);
                let full = prepare(self.preparation.whole())?;
                index.efforts_for(&self.full, [&full, &prepare(self.preparation)?], rivals)
            }
            _ => Ok(Efforts::default()),
        };
        Ok(index.efforts_of_few(&self.full, known, efforts?))
    }

    /// Chooses the codes, or checks those that the recipe names.
    fn choose(
        &self,
        asked: Option<&Vectors>,
        options: &BuildOptions,
    ) -> Result<Choice, IndexError> {
        let Self { preparation, metric, prepared, .. } = self;
        let normalises = options.metric.normalises();
        let data = Data {
            prepared,
            metric: *metric,
            on_sphere: normalises,
            whole: preparation.dim == preparation.input_dim,
            asked,
        };
        let recipe = options.recipe.searched(*metric);
        let mut choice = match recipe.quant() == AUTO {
            true => Choice::open(&recipe, &data)?,
            false => Choice::named(&recipe, &data, options.unchecked)?,
        };
        let report = &mut choice.report;
        (report.exponent, report.zero_rows) = (preparation.exponent, self.zeros.clone());
        report.answer_links = options.answer_links;
        report.scans = options.recipe.search() == AUTO && !options.unchecked;
        report.keeps_zeros = normalises && options.zero_rows == ZeroRows::Keep;
        Ok(choice)
    }

    /// Chooses or checks the codes, builds the graph and composes everything.
    fn index(
        &self,
        sample: Option<&Vectors>,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Index, IndexError> {
        let Self { preparation, metric, full, prepared, copies, .. } = self;
        let (sample, kept_out) = match sample {
            Some(sample) => split(sample)?,
            None => (None, None),
        };
        let asked = self.asked(sample.as_ref())?;
        let choice = self.choose(asked.as_ref(), options)?;
        let Choice { recipe, space, codes, report, known } = choice;
        let graph = self.graph(&recipe, &*space.space(), asked.as_ref(), options, progress)?;
        let kept_out = kept_out.filter(|queries| queries.len() >= FEWEST && !options.unchecked);
        let forgotten = match kept_out.is_none() && !options.unchecked {
            true => Forgotten::by(&graph, &*space.space(), &known)?,
            false => None,
        };
        let codes = match (codes, recipe.quant() == recipe.space()) {
            (Some(codes), _) => codes,
            (None, true) => space,
            (None, false) => {
                drop(space);
                compose::encode(recipe.quant(), prepared, *metric)?
            }
        };
        let stage = codes.stage(&recipe, &graph)?;
        let documents = Documents { full, prepared };
        let refiner = |name: &String| compose::refiner(name, &*stage, &documents, *metric);
        let refiners = recipe.refine().iter().map(refiner).collect::<Result<Vec<_>, _>>()?;
        let parts = stage.parts()?;
        let fingerprint = Fingerprint {
            space: EmbeddingSpace::new(&options.provider, &options.model, preparation.input_dim),
            truncation: preparation.dim,
            metric: options.metric,
            centroid: parts.digest_of(&["center", "mean", "centroids"]),
            rotation: compose::rotation(&recipe, &parts),
            recipe: recipe.clone(),
            format: FORMAT,
        };
        drop(parts);
        let mut index = Index {
            options: BuildOptions { recipe, ..options.clone() },
            preparation: *preparation,
            fingerprint,
            graph,
            copies: copies.clone(),
            stage,
            refiners,
            report,
            digest: OnceLock::new(),
            idle: idle(),
        };
        let rivals = match full.len() <= FEW {
            true => &[],
            false => options.recipe.shorter_reach(*metric),
        };
        let out = kept_out.as_ref();
        index.report.efforts = self.efforts(&mut index, out, forgotten, &known, rivals)?;
        if index.report.efforts.is_troubled() && options.recipe.graph() == AUTO && full.len() <= FEW
        {
            let open = options.recipe.searched(*metric);
            let recipe = index.options.recipe.relinked()?.with("search", open.search())?;
            if recipe != index.options.recipe {
                let queries = [asked.as_ref(), out];
                self.relink(&mut index, &recipe, queries, &known, rivals, progress)?;
            }
        }
        if let Some(chosen) = index.report.candidates.first_mut() {
            chosen.recipe = index.options.recipe.to_string();
        }
        Ok(index)
    }

    /// The graph that `recipe` names over `space`, with links between answers of the same queries.
    fn graph(
        &self,
        recipe: &Recipe,
        space: &dyn Space,
        asked: Option<&Vectors>,
        options: &BuildOptions,
        progress: &dyn Progress,
    ) -> Result<Arc<Graph>, IndexError> {
        let graph = compose::graph(recipe.graph(), space, &options.graph, progress)?;
        let extra = options.answer_links.unwrap_or(options.graph.m);
        let linked =
            links::between_answers(graph, space, &self.prepared, self.metric, asked, extra);
        Ok(Arc::new(linked.map_err(BuildError::from)?))
    }

    /// Makes of `index` what it would be by `recipe`, which has another graph, where that finds more.
    fn relink(
        &self,
        index: &mut Index,
        recipe: &Recipe,
        [asked, kept_out]: [Option<&Vectors>; 2],
        known: &Known,
        rivals: &[&str],
        progress: &dyn Progress,
    ) -> Result<(), IndexError> {
        let codes = compose::encode(recipe.space(), &self.prepared, self.metric)?;
        let space = &*codes.space();
        let graph = self.graph(recipe, space, asked, &index.options, &Again(progress))?;
        let forgotten = match kept_out {
            Some(_) => None,
            None => Forgotten::by(&graph, space, known)?,
        };
        let stage = index.stage.recompose(recipe, &graph)?;
        let fingerprint = Fingerprint { recipe: recipe.clone(), ..index.fingerprint.clone() };
        let options = BuildOptions { recipe: recipe.clone(), ..index.options.clone() };
        let first = (
            std::mem::replace(&mut index.stage, stage),
            std::mem::replace(&mut index.graph, graph),
            std::mem::replace(&mut index.fingerprint, fingerprint),
            std::mem::replace(&mut index.options, options),
        );
        let efforts = self.efforts(index, kept_out, forgotten, known, rivals)?;
        match efforts.finds_more(&index.report.efforts) {
            true => index.report.efforts = efforts,
            false => (index.stage, index.graph, index.fingerprint, index.options) = first,
        }
        Ok(())
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
}
