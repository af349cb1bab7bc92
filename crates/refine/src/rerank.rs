//! Stage 3: scoring pairs of texts.

use crate::error::RerankError;
use std::collections::HashMap;

/// A model that reads a query and candidate texts and says how relevant each is.
///
/// Expensive per text, so it sees ten to twenty. Implementations are free to batch.
pub trait Reranker: Send + Sync {
    /// What it is, for reports: `kind@number`.
    fn version(&self) -> &'static str;

    /// Writes one score per text, in order, into `scores` (cleared first). **Higher is more
    /// relevant.**
    ///
    /// # Errors
    /// When the model fails. It must not leave out texts in silence: callers check the number of
    /// scores.
    fn score(&self, query: &str, texts: &[&str], scores: &mut Vec<f32>) -> Result<(), RerankError>;
}

/// Scores `texts` with `reranker` and checks what comes back.
///
/// # Errors
/// The reranker's own, a wrong number of scores, a score that is not finite.
pub fn checked_scores(
    reranker: &dyn Reranker,
    query: &str,
    texts: &[&str],
    scores: &mut Vec<f32>,
) -> Result<(), RerankError> {
    scores.clear();
    reranker.score(query, texts, scores)?;
    let reranker = reranker.version();
    if scores.len() != texts.len() {
        return Err(RerankError::Count { reranker, got: scores.len(), want: texts.len() });
    }
    match scores.iter().position(|score| !score.is_finite()) {
        Some(text) => Err(RerankError::NotANumber { reranker, text }),
        None => Ok(()),
    }
}

/// A reranker that knows its answers beforehand: for tests, and for replaying recorded scores.
///
/// An unknown pair scores 0.
#[derive(Clone, Debug, Default)]
pub struct ScriptedReranker {
    scores: HashMap<(String, String), f32>,
}

impl ScriptedReranker {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the pair of `query` and `text` score `score`.
    pub fn with(mut self, query: &str, text: &str, score: f32) -> Self {
        self.scores.insert((query.to_owned(), text.to_owned()), score);
        self
    }
}

impl Reranker for ScriptedReranker {
    fn version(&self) -> &'static str {
        "scripted@1"
    }

    fn score(&self, query: &str, texts: &[&str], scores: &mut Vec<f32>) -> Result<(), RerankError> {
        scores.clear();
        scores.extend(texts.iter().map(|&text| {
            let pair = (query.to_owned(), text.to_owned());
            self.scores.get(&pair).copied().unwrap_or(0.0)
        }));
        Ok(())
    }
}
