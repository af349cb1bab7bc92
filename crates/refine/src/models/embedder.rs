//! Texts to vectors.

use super::{
    ModelError, ModelOptions,
    encoder::{Encoder, mean_pooled},
    folder::{Folder, object},
    tokens::Tokens,
};
use crinoid_quant::Vectors;
use serde_json::Value;
use std::{fmt, path::Path};

/// A sentence encoder: the mean of a text's hidden states, of unit length.
///
/// Gives what `sentence-transformers` gives for a model of the modules transformer, mean pooling,
/// normalisation (all-MiniLM-L6-v2 is one), to 1e-4.
pub struct Embedder {
    encoder: Encoder,
    tokens: Tokens,
}

impl Embedder {
    /// Loads the model in `folder`.
    ///
    /// # Errors
    /// When a file is missing or damaged, the architecture is not known, or the folder asks for
    /// another pooling than the mean.
    pub fn load(folder: impl AsRef<Path>, options: ModelOptions) -> Result<Self, ModelError> {
        let folder = Folder::open(folder.as_ref())?;
        check_pooling(&folder)?;
        let weights = folder.weights()?;
        let encoder = Encoder::load(&folder, &weights)?;
        let tokens = Tokens::open(&folder, (encoder.positions(), encoder.pad_id()), options)?;
        Ok(Self { encoder, tokens })
    }

    /// One row per text, in order, of unit length.
    ///
    /// # Errors
    /// When a text cannot be made into tokens, or the forward pass fails.
    pub fn embed<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vectors, ModelError> {
        // Texts of like length together: a batch is padded to its longest.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&text| (texts[text].as_ref().len(), text));
        let mut values = vec![0.0; texts.len() * self.dim()];
        for places in order.chunks(self.tokens.batch()) {
            let batch =
                self.tokens.encode(places.iter().map(|&at| texts[at].as_ref()).collect())?;
            let pooled = mean_pooled(&self.encoder.forward(&batch)?, &batch.mask)?;
            let norms = pooled.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(1e-12f32)?;
            let rows = pooled.broadcast_div(&norms)?.to_vec2::<f32>()?;
            for (&at, row) in places.iter().zip(rows) {
                values[at * self.dim()..][..self.dim()].copy_from_slice(&row);
            }
        }
        Vectors::new(values.as_slice(), self.dim())
            .map_err(|error| ModelError::Tokens(error.to_string()))
    }

    /// Dimension of the vectors.
    pub fn dim(&self) -> usize {
        self.encoder.hidden()
    }

    /// The most tokens that are read of a text.
    pub fn max_tokens(&self) -> usize {
        self.tokens.limit()
    }

    /// How many texts were cut to [`max_tokens`](Self::max_tokens) so far.
    pub fn truncated(&self) -> u64 {
        self.tokens.truncated()
    }
}

/// Refuses a folder whose `1_Pooling/config.json` asks for anything but the mean of all tokens.
fn check_pooling(folder: &Folder) -> Result<(), ModelError> {
    let path = folder.file("1_Pooling/config.json");
    if !path.exists() {
        return Ok(());
    }
    let pooling = object(&path)?;
    let modes = pooling.iter().filter(|(name, _)| name.starts_with("pooling_mode"));
    let other = modes
        .filter(|(name, on)| {
            name.as_str() != "pooling_mode_mean_tokens" && *on == &Value::Bool(true)
        })
        .map(|(name, _)| name.clone())
        .next();
    match other {
        Some(field) => {
            let why = "only the mean of all tokens is supported".to_owned();
            Err(ModelError::Config { path, field, why })
        }
        None => Ok(()),
    }
}

impl fmt::Debug for Embedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedder({} dimensions, {} tokens)", self.dim(), self.max_tokens())
    }
}
