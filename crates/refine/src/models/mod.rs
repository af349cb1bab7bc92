//! Transformers on candle (feature `candle`): text in, vectors and relevance out.
//!
//! A model is a local folder as its publisher ships it: `config.json`, `model.safetensors`,
//! `tokenizer.json`. Nothing is downloaded. Runs on the CPU, in `f32`.
//!
//! | file | what is in it |
//! |---|---|
//! | `cross_encoder` | [`CrossEncoder`]: a query and texts to scores, a [`Reranker`](crate::Reranker) |
//! | `embedder` | [`Embedder`]: texts to vectors of unit length |
//! | `encoder` | BERT, RoBERTa and ModernBERT behind one face |
//! | `tokens` | texts to padded batches of token ids |
//! | `folder` | reading a model's files |
//!
//! **Truncation.** A text, or a pair of texts, of more than `max_tokens` tokens is cut; of a pair,
//! tokens go from the end of the longer text first. Both models count what they cut.
//!
//! **Repeatability.** The same texts in the same call give the same bits. A text beside others is
//! padded to the longest of its batch, which can change its result in the last digit or two.

mod cross_encoder;
mod embedder;
mod encoder;
mod folder;
mod tokens;

pub use cross_encoder::CrossEncoder;
pub use embedder::Embedder;

use std::path::PathBuf;

/// How a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelOptions {
    /// Texts per forward pass, at least 1.
    pub batch: usize,
    /// Tokens of a text or pair, special ones included, after which it is cut. `None` for what the
    /// folder's `sentence_bert_config.json` says, else for all that the model has positions for;
    /// never more than that.
    pub max_tokens: Option<usize>,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { batch: 16, max_tokens: None }
    }
}

/// A model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the folder cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the folder says something that does not make a model.
    #[error("{}: {field}: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The field, or the part of the file.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// A tensor is missing, has another shape, or the file is damaged.
    #[error("{}: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the tensor's name.
        source: candle_core::Error,
    },
    /// An option is out of range.
    #[error("{option} = {value} is out of range ({range})")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: usize,
        /// What it may be.
        range: &'static str,
    },
    /// A text cannot be made into tokens.
    #[error("tokens: {0}")]
    Tokens(String),
    /// The forward pass failed.
    #[error("forward pass: {0}")]
    Forward(#[from] candle_core::Error),
}
