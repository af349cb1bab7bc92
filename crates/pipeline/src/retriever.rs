//! The three-stage retriever: search, rescoring, cross-encoder, each reported.

use crate::{
    error::SearchError,
    fingerprint::{EmbeddingSpace, Mismatch},
    index::Index,
    session::{Report, SearchOptions, Session},
};
use crinoid_quant::Neighbor;
use crinoid_refine::{Reason, RerankError, Reranker, StageReport, rerank::checked_scores};
use std::{borrow::Cow, time::Instant};

/// The texts behind the ids of an index.
pub trait Texts: Send + Sync {
    /// The text of row `id`; `None` where there is none.
    fn text(&self, id: u32) -> Option<Cow<'_, str>>;
}

impl<T: AsRef<str> + Send + Sync> Texts for Vec<T> {
    fn text(&self, id: u32) -> Option<Cow<'_, str>> {
        self.get(id as usize).map(|text| Cow::Borrowed(text.as_ref()))
    }
}

/// A query's vector, as it came.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum QueryVector<'a> {
    /// The embedding as floats: the only form that is accepted.
    Floats(&'a [f32]),
    /// A provider's own binary code, which went through another pipeline than the documents.
    NativeBinary(&'a [u8]),
    /// A provider's own int8 code, likewise.
    NativeInt8(&'a [i8]),
}

/// One question to a [`Retriever`].
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The embedding of the question.
    pub vector: QueryVector<'a>,
    /// Who made the embedding; must be what made the index.
    pub space: &'a EmbeddingSpace,
    /// The question as text, for the reranker. Without it stage 3 is skipped.
    pub text: Option<&'a str>,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The row.
    pub id: u32,
    /// Its distance after the last refiner; lower is closer.
    pub distance: f32,
    /// The reranker's score, higher is more relevant; `None` where it did not see the text.
    pub score: Option<f32>,
}

/// The answers to one request, and what each stage did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The best hits first: those that the reranker scored by score, then the others by distance.
    pub hits: Vec<Hit>,
    /// Counters and stages; the reranker is the last stage.
    pub report: Report,
}

/// A request cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetrieverError {
    /// The query comes from another embedding space than the index.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The query is a provider's own code.
    #[error(
        "a provider's own codes cannot be compared with this index: its documents were truncated, \
         normalised and quantised here; send the floats"
    )]
    NativeCodes,
    /// The search refused the query.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The reranker failed.
    #[error(transparent)]
    Rerank(#[from] RerankError),
}

/// An index with an optional third stage: compressed graph search, rescoring, reranker.
///
/// Without a reranker it is a plain index that checks where queries come from.
pub struct Retriever<'a> {
    index: &'a Index,
    options: SearchOptions,
    rerank: Option<(&'a dyn Reranker, &'a dyn Texts, usize)>,
}

impl<'a> Retriever<'a> {
    /// Stages 1 and 2 over `index`.
    pub fn new(index: &'a Index, options: SearchOptions) -> Self {
        Self { index, options, rerank: None }
    }

    /// Adds stage 3: `reranker` reads the texts of the best `pool` candidates. 0 switches it off.
    pub fn with_reranker(
        self,
        reranker: &'a dyn Reranker,
        texts: &'a dyn Texts,
        pool: usize,
    ) -> Self {
        Self { rerank: (pool > 0).then_some((reranker, texts, pool)), ..self }
    }

    /// The index that is searched.
    pub fn index(&self) -> &'a Index {
        self.index
    }

    /// Answers one request in `session`, which must be one of this retriever's index.
    ///
    /// A candidate without a text is not scored: it follows the scored ones, and is counted as
    /// missing.
    ///
    /// # Errors
    /// When the query belongs to another embedding space, is a provider's own code, cannot be
    /// compared with the index, or the reranker fails.
    pub fn retrieve(
        &self,
        session: &mut Session<'_>,
        request: &Request<'_>,
    ) -> Result<Answer, RetrieverError> {
        self.index.fingerprint().space.check(request.space)?;
        let QueryVector::Floats(vector) = request.vector else {
            return Err(RetrieverError::NativeCodes);
        };
        let stage3 = self.rerank.zip(request.text);
        let pool = stage3.map_or(0, |((_, _, pool), _)| pool);
        let options = SearchOptions { k: self.options.k.max(pool), ..self.options };
        if self.options.k == 0 {
            return Err(SearchError::ZeroK.into());
        }
        let mut candidates = Vec::new();
        let mut report = session.search(vector, &options, &mut candidates)?;
        let hit = |n: &Neighbor| Hit { id: n.id, distance: n.distance, score: None };
        let mut hits: Vec<Hit> = candidates.iter().map(hit).collect();
        if let Some(((reranker, texts, pool), question)) = stage3 {
            let rerank = rerank(reranker, texts, question, pool, &mut hits)?;
            report.stages.push(rerank);
        }
        hits.truncate(self.options.k);
        Ok(Answer { hits, report })
    }
}

/// Scores the texts of the first `pool` hits and puts the scored ones in order of their scores.
fn rerank(
    reranker: &dyn Reranker,
    texts: &dyn Texts,
    question: &str,
    pool: usize,
    hits: &mut [Hit],
) -> Result<StageReport, RerankError> {
    let started = Instant::now();
    let entered = pool.min(hits.len());
    let found: Vec<(usize, Cow<'_, str>)> = hits[..entered]
        .iter()
        .enumerate()
        .filter_map(|(place, hit)| Some((place, texts.text(hit.id)?)))
        .collect();
    let read: Vec<&str> = found.iter().map(|(_, text)| &**text).collect();
    let mut scores = Vec::with_capacity(read.len());
    if !read.is_empty() {
        checked_scores(reranker, question, &read, &mut scores)?;
    }
    for ((place, _), &score) in found.iter().zip(&scores) {
        hits[*place].score = Some(score);
    }
    // Stable: unscored hits keep their order and follow; equal scores stay in order of distance.
    let rank = |hit: &Hit| hit.score.unwrap_or(f32::NEG_INFINITY);
    hits.sort_by(|a, b| {
        b.score.is_some().cmp(&a.score.is_some()).then(rank(b).total_cmp(&rank(a)))
    });
    Ok(StageReport {
        name: reranker.version(),
        entered,
        left: entered,
        missing: entered - found.len(),
        nanos: started.elapsed().as_nanos() as u64,
        reason: if entered < pool { Reason::Exhausted } else { Reason::Fixed },
    })
}
