//! How every shard is built: decided once, so that shards can be compared and built anywhere.

use crate::{
    Manifest, ShardEntry, ShardError, Store,
    manifest::{FORMAT, IdsOf},
    routing::Region,
    shard::IDS,
};
use crinoid_graph::Progress;
use crinoid_pipeline::{BuildOptions, EmbeddingSpace, Index, IndexError, Recipe};
use crinoid_quant::{
    Codes, Vectors,
    codec::{Float, Half, U8Exact},
};
use crinoid_refine::NoRefiner;
use serde::{Deserialize, Serialize};

/// The options of every shard's build, with a recipe that leaves nothing open. It can be sent to where shards are
/// built: as JSON, by `serde`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// How each shard is built.
    pub options: BuildOptions,
    /// The dimension of the vectors.
    pub dimension: usize,
}

impl Plan {
    /// The plan for rows like those of `sample`, of which as many are right as a shard will have; `queries` are some
    /// like those that will come.
    ///
    /// # Errors
    /// When the options cannot be met on these rows, or name a recipe whose distances mean something else in each
    /// shard.
    pub fn new(
        sample: &Vectors,
        queries: Option<&Vectors>,
        options: &BuildOptions,
    ) -> Result<Self, ShardError> {
        let mut options = options.clone();
        if options.recipe.is_auto() {
            let report = Index::plan(sample, queries, &options)?;
            let chosen = report.candidates.first();
            let chosen = chosen.map(|chosen| chosen.recipe.parse::<Recipe>()).transpose();
            let chosen = chosen.map_err(IndexError::from)?.unwrap_or_default();
            // A recipe that is named has pools of the usual width. Where these would not do, floats always do.
            options.recipe = match report.widened > 1.0 {
                true => chosen.with("quant", Float::VERSION).map_err(IndexError::from)?,
                false => chosen,
            };
        }
        let recipe = &options.recipe;
        match is_comparable(recipe) {
            true => Ok(Self { options, dimension: sample.dim() }),
            false => Err(ShardError::Incomparable { recipe: recipe.to_string() }),
        }
    }

    /// Builds a shard of `rows` and writes its file to `store`. The rows' ids are `ids`, or count from `ids_from`.
    /// Nobody finds it before a [manifest](Self::manifest) that names it is published.
    ///
    /// # Errors
    /// When there are more or fewer ids than rows, the rows cannot be indexed by this plan, or the store refuses.
    pub fn build_shard(
        &self,
        store: &Store,
        (number, rows): (usize, &Vectors),
        ids: Result<&[u64], u64>,
        region: Option<Region>,
        progress: &dyn Progress,
    ) -> Result<ShardEntry, ShardError> {
        let failed = |file: &str| {
            let file = file.to_owned();
            move |source| ShardError::Shard { shard: number, file, source: Box::new(source) }
        };
        let index = Index::build(rows, &self.options, progress).map_err(failed("building"))?;
        let mut sections = index.to_sections().map_err(failed("building"))?;
        let ids = match ids {
            Ok(ids) if ids.len() != rows.len() => {
                return Err(ShardError::Ids { ids: ids.len(), rows: rows.len() });
            }
            Ok(ids) => {
                let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
                sections.push(IDS, bytes);
                IdsOf::Section
            }
            Err(first) => IdsOf::From(first),
        };
        let digest = sections.digest().map_err(|error| failed("building")(error.into()))?;
        let file = format!("{digest:016x}.cri");
        let bytes = sections.to_bytes().map_err(|error| failed(&file)(error.into()))?;
        let len = bytes.len() as u64;
        store.put(&file, bytes)?;
        Ok(ShardEntry {
            file,
            bytes: len,
            digest: format!("{digest:016x}"),
            rows: rows.len() as u64,
            ids,
            region,
        })
    }

    /// The manifest of a collection of `rows` rows in these shards.
    pub fn manifest(&self, rows: u64, shards: Vec<ShardEntry>) -> Manifest {
        let BuildOptions { recipe, metric, truncate, provider, model, .. } = &self.options;
        Manifest {
            format: FORMAT,
            space: EmbeddingSpace::new(provider, model, self.dimension),
            metric: *metric,
            truncation: *truncate,
            recipe: recipe.clone(),
            rows,
            shards,
        }
    }
}

/// Whether a distance means the same in every shard: it is measured on codes that are made of a row alone.
fn is_comparable(recipe: &Recipe) -> bool {
    const ALONE: [&str; 3] = [Float::VERSION, Half::VERSION, U8Exact::VERSION];
    let last = recipe.refine().last().map(String::as_str);
    ALONE.contains(&last.filter(|&last| last != NoRefiner::VERSION).unwrap_or(recipe.quant()))
}
