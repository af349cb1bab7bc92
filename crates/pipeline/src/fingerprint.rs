//! Which embedding space and which scheme an index belongs to.
//!
//! Vectors of another model, or codes of another scheme, can be compared with an index bit by bit
//! and mean nothing. The fingerprint names everything that has to agree; what does not agree is
//! refused by name.

use crate::recipe::Recipe;
use crinoid_quant::Metric;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where vectors come from: who made them, with which model, and how long they are.
///
/// ```
/// use crinoid_pipeline::EmbeddingSpace;
///
/// let (index, query) = (EmbeddingSpace::new("local", "minilm", 384), EmbeddingSpace::new("local", "e5", 384));
/// assert_eq!(
///     index.check(&query).unwrap_err().to_string(),
///     "rebuild required: model is `e5`, but the index was built with `minilm`"
/// );
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmbeddingSpace {
    /// Who serves the model, e.g. `local`. Empty where the caller keeps no record.
    pub provider: String,
    /// The model, with its revision where there are several. Empty where unknown.
    pub model: String,
    /// Dimension of the vectors as they come from the model, before any truncation.
    pub dimension: usize,
}

/// Everything that must agree between an index and what is used with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Provider, model and dimension of the vectors.
    pub space: EmbeddingSpace,
    /// How many leading dimensions the search uses.
    pub truncation: usize,
    /// The metric.
    pub metric: Metric,
    /// Digest of the vector that the codec subtracts (its mean); 0 where it subtracts none.
    pub centroid: u64,
    /// Digest of the codec's rotation; 0 where it does not rotate.
    pub rotation: u64,
    /// The versions of all modules, which imply the schemes of the codes.
    pub recipe: Recipe,
    /// The format of the file.
    pub format: u32,
}

/// Two fingerprints, or a query and an index, do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rebuild required: {field} is `{found}`, but the index was built with `{built}`")]
pub struct Mismatch {
    /// What differs.
    pub field: Field,
    /// What the index has.
    pub built: String,
    /// What came.
    pub found: String,
}

/// One entry of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of the fingerprint's fields, documented there")]
pub enum Field {
    Provider,
    Model,
    Dimension,
    Truncation,
    Metric,
    Centroid,
    Rotation,
    Recipe,
    Format,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Provider => "provider",
            Field::Model => "model",
            Field::Dimension => "dimension",
            Field::Truncation => "truncation",
            Field::Metric => "metric",
            Field::Centroid => "centroid",
            Field::Rotation => "rotation",
            Field::Recipe => "recipe",
            Field::Format => "format",
        })
    }
}

impl EmbeddingSpace {
    /// A space by its three parts.
    pub fn new(provider: &str, model: &str, dimension: usize) -> Self {
        Self { provider: provider.to_owned(), model: model.to_owned(), dimension }
    }

    /// Checks that vectors of `other` may be compared with vectors of this space.
    ///
    /// # Errors
    /// Names the first of provider, model, dimension that differs.
    pub fn check(&self, other: &Self) -> Result<(), Mismatch> {
        same(Field::Provider, &self.provider, &other.provider)?;
        same(Field::Model, &self.model, &other.model)?;
        same(Field::Dimension, &self.dimension, &other.dimension)
    }
}

impl Fingerprint {
    /// Checks that `other` is the same in every respect: codes made under `other` may be searched
    /// with this index.
    ///
    /// # Errors
    /// Names the first field that differs, and both values.
    pub fn check(&self, other: &Self) -> Result<(), Mismatch> {
        self.space.check(&other.space)?;
        same(Field::Truncation, &self.truncation, &other.truncation)?;
        same(Field::Metric, &self.metric, &other.metric)?;
        same(Field::Format, &self.format, &other.format)?;
        same(Field::Recipe, &self.recipe, &other.recipe)?;
        same(Field::Centroid, &Hex(self.centroid), &Hex(other.centroid))?;
        same(Field::Rotation, &Hex(self.rotation), &Hex(other.rotation))
    }
}

#[derive(PartialEq)]
struct Hex(u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn same<T: PartialEq + fmt::Display>(field: Field, built: &T, found: &T) -> Result<(), Mismatch> {
    if built == found {
        return Ok(());
    }
    Err(Mismatch { field, built: built.to_string(), found: found.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_compared_and_named() {
        let built = Fingerprint {
            space: EmbeddingSpace::new("local", "minilm", 384),
            truncation: 256,
            metric: Metric::Cosine,
            centroid: 1,
            rotation: 2,
            recipe: Recipe::default(),
            format: 1,
        };
        built.check(&built).unwrap();
        type Edit = (Field, fn(&mut Fingerprint));
        let edits: [Edit; 9] = [
            (Field::Provider, |f| f.space.provider.push('x')),
            (Field::Model, |f| f.space.model.push('x')),
            (Field::Dimension, |f| f.space.dimension = 768),
            (Field::Truncation, |f| f.truncation = 384),
            (Field::Metric, |f| f.metric = Metric::L2),
            (Field::Centroid, |f| f.centroid = 9),
            (Field::Rotation, |f| f.rotation = 9),
            (Field::Recipe, |f| f.recipe = f.recipe.with("search", "heap@1").unwrap()),
            (Field::Format, |f| f.format = 2),
        ];
        for (field, edit) in edits {
            let mut other = built.clone();
            edit(&mut other);
            let error = built.check(&other).unwrap_err();
            assert_eq!(error.field, field);
            assert_ne!(error.built, error.found);
            assert!(error.to_string().starts_with("rebuild required"), "{error}");
        }
    }
}
