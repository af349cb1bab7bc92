//! Whole configurations by name: the record's baseline, what the record shipped, and ours.

use crate::{
    index::{BuildOptions, SearchOptions},
    recipe::{Recipe, RecipeError},
};
use crinoid_graph::Params;
use crinoid_quant::Metric;
use crinoid_refine::Pool;

/// A recipe with everything that its numbers depend on.
///
/// ```
/// use crinoid_pipeline::{Index, Preset};
/// use crinoid_quant::Metric;
///
/// let preset = Preset::find("retriever")?;
/// let vectors: Vec<[f32; 8]> = (0..200).map(|i| [(i as f32).sin(); 8].map(|x| x + i as f32)).collect();
/// let options = preset.build_options(Metric::L2, 8)?.unchecked(true);
/// let index = Index::build(&vectors, &options, &())?;
/// assert_eq!(index.search_with(&vectors[9], &preset.search_options())?[0].id, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// The name, e.g. `record-ship`.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// The recipe.
    pub recipe: &'static str,
    /// Links per node; the base layer has twice as many.
    pub m: usize,
    /// Candidates of an insertion's search.
    pub ef_construction: usize,
    /// Whether empty link slots are filled with the nearest rejected candidates.
    pub backfill: bool,
    /// Leading dimensions that the search uses; vectors that are shorter are used whole.
    pub dimensions: Option<usize>,
    /// Width of the search's beam.
    pub ef: usize,
    /// Candidates that the first refiner sees.
    pub pool: Pool,
    /// Candidates that the second refiner sees.
    pub fine_pool: Pool,
    /// Candidates that leave the last refiner.
    pub k: usize,
    /// Texts that the reranker reads; 0 for none.
    pub rerank: usize,
}

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "record-baseline",
        summary: "the record before: closest-M, sequential, M 32, sign bits of 512 dimensions",
        recipe: "sign@1/hnsw-closest@1/heap@1/int8@1",
        m: 32,
        ef_construction: 400,
        backfill: false,
        dimensions: Some(512),
        // The record asks for 1,000 candidates: a beam of 200 is widened to as many.
        ef: 200,
        pool: Pool::Fixed(1000),
        fine_pool: Pool::Default,
        k: 100,
        rerank: 20,
    },
    Preset {
        name: "record-ship",
        summary: "the record after: Algorithm 4 with backfill, shuffled, M 64, ended by discovery",
        recipe: "sign@1/hnsw@1/discovery@1/int8@1+float@1",
        m: 64,
        ef_construction: 800,
        backfill: true,
        dimensions: Some(512),
        ef: 400,
        pool: Pool::Fixed(1000),
        fine_pool: Pool::Fixed(200),
        k: 50,
        rerank: 20,
    },
    Preset {
        name: "retriever",
        summary: "ours for text: 4-bit codes on a graph of bytes, the champions, floats for the best 200",
        recipe: "sq8@2+int4@1/crinoid@1/pipelined@2/float@1",
        m: 24,
        ef_construction: 200,
        backfill: false,
        dimensions: None,
        ef: 400,
        pool: Pool::Fixed(200),
        fine_pool: Pool::Default,
        k: 50,
        rerank: 20,
    },
    Preset {
        name: "default",
        summary: "centred int8 codes, the champions, float rescoring of twice as many as are wanted",
        recipe: "sq8@2/crinoid@1/pipelined@2/float@1",
        m: 16,
        ef_construction: 200,
        backfill: false,
        dimensions: None,
        ef: 100,
        pool: Pool::Default,
        fine_pool: Pool::Default,
        k: 10,
        rerank: 0,
    },
];

/// No preset has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown preset `{wanted}` (known: {known})")]
pub struct UnknownPreset {
    /// What was asked for.
    pub wanted: String,
    /// The names there are.
    pub known: String,
}

impl Preset {
    /// The preset called `name`.
    ///
    /// # Errors
    /// [`UnknownPreset`] lists the known ones.
    pub fn find(name: &str) -> Result<&'static Self, UnknownPreset> {
        PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| UnknownPreset {
            wanted: name.to_owned(),
            known: PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// How to build this for vectors of `dimension`, under `metric`.
    ///
    /// # Errors
    /// When a version of the recipe is not published any more.
    pub fn build_options(
        &self,
        metric: Metric,
        dimension: usize,
    ) -> Result<BuildOptions, RecipeError> {
        let recipe: Recipe = self.recipe.parse()?;
        let Self { m, ef_construction, backfill, .. } = *self;
        Ok(BuildOptions {
            recipe,
            metric,
            truncate: self.dimensions.filter(|&kept| kept < dimension),
            graph: Params { m, ef_construction, backfill, ..Params::default() },
            ..BuildOptions::default()
        })
    }

    /// How to search it.
    ///
    /// The beam is as wide as the first pool: asking for more candidates than the beam holds
    /// widens it in any case, and here it is said.
    pub fn search_options(&self) -> SearchOptions {
        let Self { k, pool, fine_pool, .. } = *self;
        let ef = match pool {
            Pool::Fixed(size) => self.ef.max(size),
            _ => self.ef,
        };
        SearchOptions::new(k, ef).pool(pool).fine_pool(fine_pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_complete_recipes() {
        for preset in PRESETS {
            let options = preset.build_options(Metric::Cosine, 768).unwrap();
            options.graph.validate().unwrap();
            assert_eq!(options.truncate, preset.dimensions);
            assert_eq!(preset.build_options(Metric::Cosine, 384).unwrap().truncate, None);
            let search = preset.search_options();
            assert!(search.k > 0 && preset.rerank <= search.k);
            assert_eq!(Preset::find(preset.name), Ok(preset));
        }
        let error = Preset::find("fastest").unwrap_err().to_string();
        assert!(error.contains("record-ship"), "{error}");
    }
}
