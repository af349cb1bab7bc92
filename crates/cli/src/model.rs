//! Embedding models and cross-encoders in local folders, where this build has them.

#[cfg(not(feature = "candle"))]
use anyhow::bail;
use crinoid::{Vectors, rerank::Reranker};
use std::path::Path;

/// Who makes the vectors; part of an index's fingerprint.
pub(crate) const PROVIDER: &str = "candle";

/// A model that turns texts into vectors of unit length.
pub(crate) struct Model {
    #[cfg(feature = "candle")]
    embedder: crinoid::rerank::Embedder,
    #[cfg(not(feature = "candle"))]
    absent: std::convert::Infallible,
}

#[cfg(feature = "candle")]
impl Model {
    /// Loads a folder in the layout of sentence-transformers.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Self> {
        let options = crinoid::rerank::ModelOptions::default();
        Ok(Self { embedder: crinoid::rerank::Embedder::load(folder, options)? })
    }

    /// A row per text.
    pub(crate) fn embed(&self, texts: &[String]) -> anyhow::Result<Vectors> {
        Ok(self.embedder.embed(texts)?)
    }

    pub(crate) fn dim(&self) -> usize {
        self.embedder.dim()
    }

    /// How many texts were longer than the model reads, and how many tokens it reads.
    pub(crate) fn cut(&self) -> (u64, usize) {
        (self.embedder.truncated(), self.embedder.max_tokens())
    }
}

/// Loads a cross-encoder.
#[cfg(feature = "candle")]
pub(crate) fn reranker(folder: &Path) -> anyhow::Result<Box<dyn Reranker>> {
    let options = crinoid::rerank::ModelOptions::default();
    Ok(Box::new(crinoid::rerank::CrossEncoder::load(folder, options)?))
}

#[cfg(not(feature = "candle"))]
const REMEDY: &str = "this build has no models: cargo install --path crates/cli --features candle builds one that has";

#[cfg(not(feature = "candle"))]
impl Model {
    pub(crate) fn load(_: &Path) -> anyhow::Result<Self> {
        bail!(REMEDY)
    }

    pub(crate) fn embed(&self, _: &[String]) -> anyhow::Result<Vectors> {
        match self.absent {}
    }

    pub(crate) fn dim(&self) -> usize {
        match self.absent {}
    }

    pub(crate) fn cut(&self) -> (u64, usize) {
        match self.absent {}
    }
}

#[cfg(not(feature = "candle"))]
pub(crate) fn reranker(_: &Path) -> anyhow::Result<Box<dyn Reranker>> {
    bail!(REMEDY)
}

/// A model goes by the name of its folder.
pub(crate) fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
