//! The three-stage retriever: search, rescoring, cross-encoder, each reported.

use crate::{
    error::SearchError,
    fingerprint::{EmbeddingSpace, Mismatch},
    index::{Index, Report, SearchOptions, Session},
};
use crinoid_quant::Neighbor;
use crinoid_refine::{Pool, Reason, RerankError, Reranker, StageReport, rerank::checked_scores};
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
    /// The session searches another index than the retriever.
    #[error("the session is one of another index: make it with `retriever.index().session()`")]
    Session,
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
    /// The collection refused the query or cannot be read.
    #[cfg(feature = "collection")]
    #[error(transparent)]
    Collection(Box<dyn std::error::Error + Send + Sync>),
}

/// An index with an optional third stage: compressed graph search, rescoring, reranker.
///
/// Without a reranker it is a plain index that checks where queries come from.
///
/// ```
/// use crinoid_pipeline::{
///     BuildOptions, EmbeddingSpace, Index, QueryVector, Request, Retriever, SearchOptions,
/// };
/// use crinoid_quant::{Metric, Vectors};
/// use crinoid_refine::ScriptedReranker; // in earnest a `CrossEncoder` or a `CommandReranker`
///
/// let texts = vec!["open a file", "close a file", "sort a list"];
/// let vectors = Vectors::from_rows(&[[0.9, 0.1], [0.8, 0.3], [0.0, 1.0]])?;
/// let options = BuildOptions::default().metric(Metric::Cosine).embedding("local", "toy");
/// let index = Index::build(&vectors, &options, &())?;
///
/// let reranker = ScriptedReranker::new().with("shut it", "close a file", 2.0);
/// let retriever =
///     Retriever::new(&index, SearchOptions::for_k(2)).with_reranker(&reranker, &texts, 3);
/// let request = Request {
///     vector: QueryVector::Floats(&[1.0, 0.1]),
///     space: &EmbeddingSpace::new("local", "toy", 2),
///     text: Some("shut it"),
/// };
/// let answer = retriever.retrieve(&mut index.session(), &request)?;
/// assert_eq!((answer.hits[0].id, answer.hits[0].score), (1, Some(2.0)));
/// assert_eq!(answer.report.stages.last().unwrap().name, "scripted@1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Retriever<'a> {
    index: &'a Index,
    options: SearchOptions,
    rerank: Option<(&'a dyn Reranker, &'a dyn Texts, Pool)>,
    blend: Blend,
}

/// How the reranker's scores and the distances make one order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Blend {
    /// By the reranker's score alone; ties by distance.
    #[default]
    Rerank,
    /// By `weight` times the score plus `1 - weight` times the closeness, each scaled to 0..1
    /// over the candidates that were read.
    Weighted(f32),
}

impl<'a> Retriever<'a> {
    /// Stages 1 and 2 over `index`.
    pub fn new(index: &'a Index, options: SearchOptions) -> Self {
        Self { index, options, rerank: None, blend: Blend::Rerank }
    }

    /// Adds stage 3: `reranker` reads the texts of the best `pool` candidates. 0 switches it off.
    ///
    /// Under an adaptive pool the reranker reads those that lie close behind the first `min`;
    /// where only one is left, it reads nothing: the search is sure.
    pub fn with_reranker(
        self,
        reranker: &'a dyn Reranker,
        texts: &'a dyn Texts,
        pool: impl Into<Pool>,
    ) -> Self {
        let pool = pool.into();
        Self { rerank: (pool != Pool::Fixed(0)).then_some((reranker, texts, pool)), ..self }
    }

    /// Blends the reranker's scores with the distances.
    pub fn with_blend(self, blend: Blend) -> Self {
        Self { blend, ..self }
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
    /// When the session is one of another index, the query belongs to another embedding space, is a provider's own code, cannot be
    /// compared with the index, or the reranker fails.
    pub fn retrieve(
        &self,
        session: &mut Session<'_>,
        request: &Request<'_>,
    ) -> Result<Answer, RetrieverError> {
        if session.index().identity() != self.index.identity() {
            return Err(RetrieverError::Session);
        }
        self.index.fingerprint().space.check(request.space)?;
        let QueryVector::Floats(vector) = request.vector else {
            return Err(RetrieverError::NativeCodes);
        };
        let stage3 = self.rerank.zip(request.text);
        let ef = self.index.with_effort(&self.options)?.ef;
        let pool = stage3.map_or(0, |((_, _, pool), _)| pool.bound(1, ef, false));
        let options = SearchOptions { k: self.options.k.max(pool), ..self.options };
        if self.options.k == 0 {
            return Err(SearchError::ZeroK.into());
        }
        let mut candidates = Vec::new();
        let mut report = session.search(vector, &options, &mut candidates)?;
        let hit = |n: &Neighbor| Hit { id: n.id, distance: n.distance, score: None };
        let mut hits: Vec<Hit> = candidates.iter().map(hit).collect();
        if let Some(((reranker, texts, pool), question)) = stage3 {
            let stage = Rerank { reranker, texts, question, blend: self.blend };
            report.stages.push(stage.best(pool, &candidates, &mut hits)?);
        }
        hits.truncate(self.options.k);
        Ok(Answer { hits, report })
    }
}

/// Whether the first candidate is so far ahead of the second, measured by the spread of those
/// that an adaptive pool would read, that nothing can be gained by reading.
fn stands_out(candidates: &[Neighbor], pool: Pool) -> bool {
    let Pool::Adaptive { min, slack, .. } = pool else { return false };
    let rest = candidates.get(1..min.max(3).min(candidates.len())).unwrap_or_default();
    match (candidates.first(), rest.first(), rest.last()) {
        (Some(best), Some(second), Some(last)) => {
            second.distance - best.distance > (last.distance - second.distance) / slack
        }
        _ => false,
    }
}

/// Stage 3.
pub(crate) struct Rerank<'a> {
    pub(crate) reranker: &'a dyn Reranker,
    pub(crate) texts: &'a dyn Texts,
    pub(crate) question: &'a str,
    pub(crate) blend: Blend,
}

impl Rerank<'_> {
    /// Reads the texts of as many of the first hits as `pool` says, which are `candidates`, and puts them in order.
    pub(crate) fn best(
        &self,
        pool: Pool,
        candidates: &[Neighbor],
        hits: &mut [Hit],
    ) -> Result<StageReport, RerankError> {
        let keep = if let Pool::Adaptive { min, .. } = pool { min.max(2) } else { 1 };
        let (size, reason) = match stands_out(candidates, pool) {
            true => (0, Reason::TopGap),
            false => pool.choose(keep, candidates, false),
        };
        Ok(StageReport { reason, ..self.run(&mut hits[..size])? })
    }

    /// Scores the texts of `hits` and puts the scored ones first, in order of what they are worth.
    fn run(&self, hits: &mut [Hit]) -> Result<StageReport, RerankError> {
        let started = Instant::now();
        let entered = hits.len();
        let found: Vec<(usize, Cow<'_, str>)> = hits
            .iter()
            .enumerate()
            .filter_map(|(place, hit)| Some((place, self.texts.text(hit.id)?)))
            .collect();
        let read: Vec<&str> = found.iter().map(|(_, text)| &**text).collect();
        let mut scores = Vec::with_capacity(read.len());
        if !read.is_empty() {
            checked_scores(self.reranker, self.question, &read, &mut scores)?;
        }
        let missing = entered - found.len();
        for ((place, _), &score) in found.iter().zip(&scores) {
            hits[*place].score = Some(score);
        }
        let mut ranked: Vec<(f32, Hit)> =
            hits.iter().map(|hit| (self.worth(hit, hits), *hit)).collect();
        // Stable: equal worth stays in order of distance, and so do hits without a text, which
        // are worth less than any other.
        ranked.sort_by(|(a, x), (b, y)| {
            y.score.is_some().cmp(&x.score.is_some()).then(b.total_cmp(a))
        });
        for (hit, (_, ranked)) in hits.iter_mut().zip(ranked) {
            *hit = ranked;
        }
        Ok(StageReport {
            name: self.reranker.version(),
            entered,
            left: entered,
            missing,
            nanos: started.elapsed().as_nanos() as u64,
            reason: Reason::Default,
        })
    }

    /// What `hit` is worth among `hits`; higher is better.
    fn worth(&self, hit: &Hit, hits: &[Hit]) -> f32 {
        let Some(score) = hit.score else { return f32::NEG_INFINITY };
        match self.blend {
            Blend::Rerank => score,
            Blend::Weighted(weight) => {
                let scored = || hits.iter().filter(|hit| hit.score.is_some());
                let score = scaled(score, scored().filter_map(|hit| hit.score));
                let closeness = scaled(-hit.distance, scored().map(|hit| -hit.distance));
                weight * score + (1.0 - weight) * closeness
            }
        }
    }
}

/// `value` on a scale on which the least of `all` is 0 and the greatest 1; 0 where all are equal.
fn scaled(value: f32, all: impl Iterator<Item = f32>) -> f32 {
    let (least, greatest) =
        all.fold((f32::INFINITY, f32::NEG_INFINITY), |(l, g), x| (l.min(x), g.max(x)));
    let span = greatest - least;
    if span > 0.0 { (value - least) / span } else { 0.0 }
}
