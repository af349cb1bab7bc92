//! Scoring a query against texts by reading both together.

use super::{
    ModelError, ModelOptions,
    encoder::{Encoder, Head},
    folder::Folder,
    tokens::Tokens,
};
use crate::{error::RerankError, rerank::Reranker};
use serde_json::Value;
use std::{fmt, path::Path};

/// A transformer with a classification head of one label: query and text in, relevance out.
///
/// Reads BERT (and MiniLM), RoBERTa, XLM-RoBERTa and ModernBERT classifiers as
/// `transformers` writes them (`...ForSequenceClassification`). The score is the logit, before any
/// sigmoid, which would not change the order.
pub struct CrossEncoder {
    encoder: Encoder,
    head: Head,
    tokens: Tokens,
}

impl CrossEncoder {
    /// The version, `name@number`.
    pub const VERSION: &'static str = "cross-encoder@1";

    /// Loads the model in `folder`.
    ///
    /// # Errors
    /// When a file is missing or damaged, the architecture is not one of those above, or the head
    /// has more labels than one.
    pub fn load(folder: impl AsRef<Path>, options: ModelOptions) -> Result<Self, ModelError> {
        let folder = Folder::open(folder.as_ref())?;
        let labels = folder.field("id2label").and_then(Value::as_object).map(|map| map.len());
        let labels = labels.or(folder.number("num_labels").ok());
        if labels.is_some_and(|labels| labels != 1) {
            return Err(folder.wrong("id2label", "a relevance model has one label"));
        }
        let weights = folder.weights()?;
        let encoder = Encoder::load(&folder, &weights)?;
        let head = encoder.head(&folder, &weights)?;
        let tokens = Tokens::open(&folder, (encoder.positions(), encoder.pad_id()), options)?;
        Ok(Self { encoder, head, tokens })
    }

    /// How many pairs were cut to [`max_tokens`](Self::max_tokens) so far.
    pub fn truncated(&self) -> u64 {
        self.tokens.truncated()
    }

    /// The most tokens that are read of a query and a text together.
    pub fn max_tokens(&self) -> usize {
        self.tokens.limit()
    }

    fn logits(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>, ModelError> {
        let mut logits = Vec::with_capacity(texts.len());
        for texts in texts.chunks(self.tokens.batch()) {
            let pairs: Vec<(&str, &str)> = texts.iter().map(|&text| (query, text)).collect();
            let batch = self.tokens.encode(pairs)?;
            let hidden = self.encoder.forward(&batch)?;
            logits.extend(self.head.forward(&hidden, &batch)?);
        }
        Ok(logits)
    }
}

impl Reranker for CrossEncoder {
    fn version(&self) -> &'static str {
        Self::VERSION
    }

    fn score(&self, query: &str, texts: &[&str], scores: &mut Vec<f32>) -> Result<(), RerankError> {
        scores.clear();
        scores.extend(self.logits(query, texts).map_err(|error| RerankError::Failed {
            reranker: Self::VERSION,
            why: error.to_string(),
        })?);
        Ok(())
    }
}

impl fmt::Debug for CrossEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrossEncoder({} hidden, {} tokens)", self.encoder.hidden(), self.max_tokens())
    }
}
