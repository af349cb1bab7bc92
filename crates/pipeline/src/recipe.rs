//! A recipe names one published version of each module.

use crinoid_quant::{
    Codes, Metric, Version,
    codec::{Float, U8Exact},
    versions::UnknownVersion,
};
use crinoid_search::Pipelined;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The most refiners that can follow one another.
pub const MAX_REFINERS: usize = 3;

/// Stands for a part of a recipe that is left to a trial.
pub(crate) const AUTO: &str = "auto";

/// The graph for vectors without shape.
const HNSW: &str = "hnsw@1";

/// Intrinsic dimension from which on vectors have none: descriptors and embeddings have 10 to 35.
const SHAPELESS: f64 = 45.0;

/// One version of each module, written `quant/graph/search/refine`.
///
/// The refine part may be a chain, coarse to fine: `sign@1/hnsw@1/heap@1/int8@1+float@1`. The quant
/// part may be two codecs, in the order of their use: on the codes of the first the graph is built,
/// those of the second are searched and kept: `sq8@1+int4@1/crinoid@1/pipelined@2/float@1`.
///
/// Names that versions had before are understood, and printed as they are today: `flat@2` is
/// `pipelined@2`. A search that has left the tree is refused in a text with the name of its successor,
/// which it becomes in a file.
///
/// The quant part, the graph part and the search part may be `auto`: then [`Index::build`](crate::Index::build)
/// chooses by what it counts on the data. `auto` alone is `auto/auto/auto/float@1`.
///
/// ```
/// use crinoid_pipeline::Recipe;
///
/// let recipe: Recipe = "sq8@2/crinoid@1/pipelined@4/float@1".parse()?;
/// assert_eq!(recipe, Recipe::default());
/// assert_eq!(recipe.graph(), "crinoid@1");
/// assert!("sq8@1/hnsw@9/pool@1/float@1".parse::<Recipe>().is_err());
/// # Ok::<(), crinoid_pipeline::RecipeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recipe {
    /// The codec that the graph is built on, where it is not the one that is searched.
    space: Option<String>,
    quant: String,
    graph: String,
    search: String,
    refine: Vec<String>,
}

/// A text that is no recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// It does not have four parts.
    #[error(
        "`{0}` is no recipe: write quant/graph/search/refine, e.g. sq8@2/crinoid@1/pipelined@2/float@1"
    )]
    Parts(String),
    /// A part names no published version.
    #[error("{module}: {source}")]
    Unknown {
        /// The module: `quant`, `graph`, `search` or `refine`.
        module: &'static str,
        /// What was wanted and what is known.
        source: UnknownVersion,
    },
    /// The quant part is neither one codec nor two different ones.
    #[error("`{0}` is neither a codec nor two different ones (to build on + to search)")]
    Codecs(String),
    /// The chain of refiners is too long, names one twice, or has `none@1` beside others.
    #[error("`{0}` is no chain of refiners: at most three, each once, none@1 only alone")]
    Chain(String),
}

impl Recipe {
    /// The codec that is searched, `name@number`, or `auto`.
    pub fn quant(&self) -> &str {
        &self.quant
    }

    /// The codec that the graph is built on, `name@number`: the one that is searched, unless the
    /// recipe names another.
    pub fn space(&self) -> &str {
        self.space.as_deref().unwrap_or(&self.quant)
    }

    /// Leaves the codec, the graph and the search to what the data ask for.
    pub fn auto() -> Self {
        let [quant, graph, search] = [(); 3].map(|()| AUTO.to_owned());
        Self { space: None, quant, graph, search, ..Self::default() }
    }

    /// Whether something is left to what the data ask for.
    pub fn is_auto(&self) -> bool {
        [&self.quant, &self.graph, &self.search].into_iter().any(|part| part == AUTO)
    }

    /// This recipe with a graph where that is left open. Our own wins where rows lie in some order; where
    /// they fill a space of so many dimensions that all of them are about as far from each other, the
    /// graph of HNSW finds more at equal work, and is built in half the time.
    pub(crate) fn linked(&self, dimension: Option<f64>) -> Self {
        let mut recipe = self.clone();
        if recipe.graph == AUTO {
            recipe.graph = match dimension {
                Some(dimension) if dimension >= SHAPELESS => HNSW.to_owned(),
                _ => crinoid_graph::versions::CHAMPION.to_owned(),
            };
        }
        recipe
    }

    /// This recipe with the graph of HNSW, on codes that lose nothing: for rows that it finds too few of.
    pub(crate) fn relinked(&self) -> Result<Self, RecipeError> {
        let codecs = match self.quant() {
            lossless @ (Float::VERSION | U8Exact::VERSION) => lossless.to_owned(),
            quant => format!("{}+{quant}", Float::VERSION),
        };
        self.with("graph", HNSW)?.with("quant", &codecs)
    }

    /// This recipe with a search where that is left open, neither of which leaves anything aside: under the inner
    /// product, whose answers fall apart into clusters that are hardly linked, one that starts in several places.
    pub(crate) fn searched(&self, metric: Metric) -> Self {
        let mut recipe = self.clone();
        if recipe.search == AUTO {
            let row = match metric {
                Metric::InnerProduct => Pipelined::BROAD,
                Metric::L2 | Metric::Cosine => Pipelined::THOROUGH,
            };
            recipe.search = row.version.to_owned();
        }
        recipe
    }

    /// The searches that may take the place of that one, the cheapest first.
    pub(crate) fn shorter_reach(&self, metric: Metric) -> &'static [&'static str] {
        match self.search == AUTO && metric != Metric::InnerProduct {
            true => &[
                Pipelined::DOUBTING.version,
                Pipelined::STEADY.version,
                Pipelined::CAUTIOUS.version,
                Pipelined::THOROUGH_STEADY.version,
            ],
            false => &[],
        }
    }

    /// The quant part as it is written: one codec, or `space+quant`.
    pub fn codecs(&self) -> String {
        self.space.iter().chain([&self.quant]).cloned().collect::<Vec<_>>().join("+")
    }

    /// The graph builder, `name@number`, or `auto`.
    pub fn graph(&self) -> &str {
        &self.graph
    }

    /// The search, `name@number`, or `auto`.
    pub fn search(&self) -> &str {
        &self.search
    }

    /// The refiners, `name@number`, in the order in which they run. `none@1` where there is none.
    pub fn refine(&self) -> &[String] {
        &self.refine
    }

    /// This recipe with another version of one module (`quant`, `graph`, `search`, `refine`), as
    /// comparisons of two versions need it.
    ///
    /// # Errors
    /// As [`FromStr`]; an unknown module counts as a missing part.
    pub fn with(&self, module: &str, version: &str) -> Result<Self, RecipeError> {
        let codecs = self.codecs();
        let [mut quant, mut graph, mut search] = [&*codecs, &*self.graph, &*self.search];
        let chain = self.refine.join("+");
        let mut refine = chain.as_str();
        *match module {
            "quant" => &mut quant,
            "graph" => &mut graph,
            "search" => &mut search,
            "refine" => &mut refine,
            _ => return Err(RecipeError::Parts(format!("{module}={version}"))),
        } = version;
        format!("{quant}/{graph}/{search}/{refine}").parse()
    }
}

/// `sq8@2/crinoid@1/pipelined@4/float@1`: the champions.
impl Default for Recipe {
    fn default() -> Self {
        Self {
            space: None,
            quant: crinoid_quant::versions::CHAMPION.to_owned(),
            graph: crinoid_graph::versions::CHAMPION.to_owned(),
            search: crinoid_search::versions::CHAMPION.to_owned(),
            refine: vec![crinoid_refine::versions::CHAMPION.to_owned()],
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { graph, search, refine, .. } = self;
        let quant = self.codecs();
        write!(f, "{quant}/{graph}/{search}/{}", refine.join("+"))
    }
}

impl FromStr for Recipe {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        if text.trim() == AUTO {
            return Ok(Self::auto());
        }
        let parts: Vec<&str> = text.trim().split('/').collect();
        let &[quant, graph, search, refine] = parts.as_slice() else {
            return Err(RecipeError::Parts(text.to_owned()));
        };
        let chain: Vec<&str> = refine.split('+').collect();
        let twice = (1..chain.len()).any(|i| chain[..i].contains(&chain[i]));
        let beside = chain.len() > 1 && chain.contains(&crinoid_refine::NoRefiner::VERSION);
        if chain.len() > MAX_REFINERS || twice || beside {
            return Err(RecipeError::Chain(refine.to_owned()));
        }
        let (space, quant) = match quant.split_once('+') {
            Some((space, quant)) if space != quant => (Some(space), quant),
            Some(_) => return Err(RecipeError::Codecs(quant.to_owned())),
            None => (None, quant),
        };
        let codec = |name| match name {
            AUTO if space.is_none() => Ok(AUTO.to_owned()),
            name => known("quant", crinoid_quant::versions::VERSIONS, name),
        };
        let recipe = Self {
            space: space.map(codec).transpose()?,
            quant: codec(quant)?,
            graph: match graph {
                AUTO => AUTO.to_owned(),
                graph => known("graph", crinoid_graph::versions::VERSIONS, graph)?,
            },
            search: match search {
                AUTO => AUTO.to_owned(),
                search => crinoid_search::versions::find(search)
                    .map(|search| search.version().to_string())
                    .map_err(|source| RecipeError::Unknown { module: "search", source })?,
            },
            refine: chain
                .into_iter()
                .map(|part| known("refine", crinoid_refine::versions::VERSIONS, part))
                .collect::<Result<_, _>>()?,
        };
        Ok(recipe)
    }
}

fn known(
    module: &'static str,
    versions: &'static [Version],
    name: &str,
) -> Result<String, RecipeError> {
    Version::find(versions, name)
        .map(Version::to_string)
        .map_err(|source| RecipeError::Unknown { module, source })
}

/// As [`FromStr`], but a search that has left the tree becomes its successor: what was written once
/// can be read.
impl TryFrom<String> for Recipe {
    type Error = RecipeError;

    fn try_from(text: String) -> Result<Self, RecipeError> {
        let search = text.split('/').nth(2).and_then(crinoid_search::versions::successor);
        match (search, text.split('/').collect::<Vec<_>>().as_slice()) {
            (Some(search), [quant, graph, _, refine]) => {
                format!("{quant}/{graph}/{search}/{refine}").parse()
            }
            _ => text.parse(),
        }
    }
}

impl From<Recipe> for String {
    fn from(recipe: Recipe) -> Self {
        recipe.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_round_trip_as_text() {
        for text in [
            "sq8@1/hnsw@1/pool@1/float@1",
            "sign@1/hnsw-closest@1/heap@1/int8@1+float@1",
            "sq8@1+int4@1/crinoid@1/pipelined@2/float@1",
            "auto/crinoid@1/pipelined@2/float@1",
            "sq8@2/auto/pipelined@2/float@1",
            "int4@1/crinoid@1/auto/float@1",
        ] {
            let recipe: Recipe = text.parse().unwrap();
            assert_eq!(recipe.to_string(), text);
        }
        assert_eq!(Recipe::default().to_string().parse(), Ok(Recipe::default()));
        assert_eq!("auto".parse::<Recipe>().unwrap().to_string(), "auto/auto/auto/float@1");
        let heap = Recipe::default().with("search", "heap@1").unwrap();
        assert_eq!(heap.to_string(), "sq8@2/crinoid@1/heap@1/float@1");
    }

    #[test]
    fn old_names_are_understood() {
        for (old, new) in crinoid_search::versions::ALIASES {
            let recipe: Recipe = format!("sq8@2/crinoid@1/{old}/float@1").parse().unwrap();
            assert_eq!(recipe.to_string(), format!("sq8@2/crinoid@1/{new}/float@1"));
            assert_eq!(Recipe::default().with("search", old).unwrap(), recipe);
        }
        let old = "sq8@2/crinoid@1/flat@2/float@1";
        let new = Recipe::default().with("search", "pipelined@2").unwrap();
        assert_eq!(old.parse::<Recipe>().unwrap(), new);
        let stored: Recipe = serde_json::from_str(&format!("\"{old}\"")).unwrap();
        assert_eq!(stored, new);
    }

    #[test]
    fn a_search_that_has_left_is_refused_in_a_text_and_replaced_in_a_file() {
        for (old, new) in crinoid_search::versions::RETIRED {
            let text = format!("sq8@2/crinoid@1/{old}/float@1");
            let error = text.parse::<Recipe>().unwrap_err().to_string();
            assert!(error.contains(&format!("it has left, use {new}")), "{error}");
            let stored: Recipe = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(stored.search(), *new);
        }
    }

    #[test]
    fn what_is_no_recipe_says_what_would_be() {
        let error = |text: &str| text.parse::<Recipe>().unwrap_err().to_string();
        assert!(error("sq8@1/hnsw@1").contains("quant/graph/search/refine"));
        assert!(error("sq9@1/hnsw@1/pool@1/float@1").contains("known: float@1, sign@1"));
        assert!(error("sq8@1+sq8@1/hnsw@1/pool@1/none@1").contains("two different ones"));
        assert!(error("sq8@1+auto/hnsw@1/pool@1/none@1").contains("known: float@1"));
        assert!(error("auto+int4@1/hnsw@1/pool@1/none@1").contains("known: float@1"));
        assert!(error("sq8@1+a@1/hnsw@1/pool@1/none@1").contains("known: float@1"));
        assert!(error("sq8@1/hnsw@1/pool@1/none@1+float@1").contains("none@1 only alone"));
        assert!(error("sq8@1/hnsw@1/pool@1/int8@1+int8@1").contains("each once"));
        assert!(Recipe::default().with("colour", "red@1").is_err());
    }
}
