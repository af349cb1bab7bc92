//! A retriever over a collection: by vector or by vector and words, then a reranker that reads the stored texts.

#[cfg(feature = "text")]
use super::{Fusion, HybridOptions};
use super::{
    Readable, Snapshot,
    types::{CollectionError, ExternalId},
};
use crate::{
    error::SearchError,
    fingerprint::EmbeddingSpace,
    index::SearchOptions,
    retriever::{Blend, Hit, QueryVector, Request, Rerank, RetrieverError, Texts},
};
use crinoid_quant::Neighbor;
use crinoid_refine::{Pool, Reranker, StageReport};
use std::{borrow::Cow, fmt};

/// One answer of a [`CollectionRetriever`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retrieved {
    /// The caller's id.
    pub id: ExternalId,
    /// The stored text, where there is one.
    pub text: Option<String>,
    /// The distance, where the row was found by vector.
    pub distance: Option<f32>,
    /// What both searches together say, where there were two; higher is better.
    pub fused: Option<f64>,
    /// The reranker's score, higher is more relevant; `None` where it did not see the text.
    pub score: Option<f32>,
}

/// A collection with what follows a search: its answers' texts, and an optional reranker that reads them.
///
/// ```
/// # #[cfg(feature = "collection")] {
/// use crinoid_pipeline::{
///     BuildOptions, EmbeddingSpace, QueryVector, Request, SearchOptions,
///     collection::{Batch, Collection, CollectionOptions, CollectionRetriever, Row},
/// };
/// use crinoid_refine::ScriptedReranker; // in earnest a `CrossEncoder` or a `CommandReranker`
///
/// let folder = std::env::temp_dir().join(format!("crinoid-retrieve-{}", std::process::id()));
/// let build = BuildOptions::default().embedding("local", "toy");
/// let collection = Collection::create(&folder, 2, &CollectionOptions::default().build(build))?;
/// let mut batch = Batch::new();
/// batch.upsert_row("open", Row::new([0.9, 0.1]).text("open a file"));
/// batch.upsert_row("close", Row::new([0.8, 0.3]).text("close a file"));
/// collection.write(&batch)?;
///
/// let reranker = ScriptedReranker::new().with("shut it", "close a file", 2.0);
/// let retriever =
///     CollectionRetriever::new(&collection, SearchOptions::for_k(2)).with_reranker(&reranker, 2);
/// let request = Request {
///     vector: QueryVector::Floats(&[1.0, 0.1]),
///     space: &EmbeddingSpace::new("local", "toy", 2),
///     text: Some("shut it"),
/// };
/// let found = retriever.retrieve(&request)?;
/// assert_eq!((&found[0].id, found[0].text.as_deref()), (&"close".into(), Some("close a file")));
/// # drop(collection); std::fs::remove_dir_all(&folder)?; }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CollectionRetriever<'a> {
    collection: &'a dyn Readable,
    options: SearchOptions,
    #[cfg(feature = "text")]
    fusion: Option<Fusion>,
    rerank: Option<(&'a dyn Reranker, Pool)>,
    blend: Blend,
}

/// The stored texts of candidates, by their places.
struct Stored(Vec<Option<String>>);

impl Texts for Stored {
    fn text(&self, id: u32) -> Option<Cow<'_, str>> {
        self.0.get(id as usize)?.as_deref().map(Cow::Borrowed)
    }
}

impl<'a> CollectionRetriever<'a> {
    /// Answers by vector, of a [`Collection`](super::Collection) or a [`Follower`](super::Follower).
    pub fn new(collection: &'a dyn Readable, options: SearchOptions) -> Self {
        Self {
            collection,
            options,
            #[cfg(feature = "text")]
            fusion: None,
            rerank: None,
            blend: Blend::default(),
        }
    }

    /// Searches the request's text as well, where it has one, and fuses both.
    #[cfg(feature = "text")]
    #[must_use]
    pub fn with_words(self, fusion: Fusion) -> Self {
        Self { fusion: Some(fusion), ..self }
    }

    /// Adds a reranker, which reads the texts of the best `pool` candidates. 0 switches it off.
    #[must_use]
    pub fn with_reranker(self, reranker: &'a dyn Reranker, pool: impl Into<Pool>) -> Self {
        let pool = pool.into();
        Self { rerank: (pool != Pool::Fixed(0)).then_some((reranker, pool)), ..self }
    }

    /// Blends the reranker's scores with the order before it.
    #[must_use]
    pub fn with_blend(self, blend: Blend) -> Self {
        Self { blend, ..self }
    }

    /// Answers one request by the collection as it is now.
    ///
    /// A candidate without a text is not scored: it follows the scored ones.
    ///
    /// # Errors
    /// When the query belongs to another embedding space than the collection's options say, is a provider's own
    /// code, cannot be compared with the vectors, or the reranker fails.
    pub fn retrieve(&self, request: &Request<'_>) -> Result<Vec<Retrieved>, RetrieverError> {
        self.retrieve_among(&self.collection.snapshot(), request).map(|(found, _)| found)
    }

    /// As [`retrieve`](Self::retrieve), among the rows of a snapshot of this collection (one that is filtered), and
    /// what the reranker did, where it was asked.
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve).
    pub fn retrieve_among(
        &self,
        snapshot: &Snapshot,
        request: &Request<'_>,
    ) -> Result<(Vec<Retrieved>, Option<StageReport>), RetrieverError> {
        let build = &self.collection.options().build;
        let dim = snapshot.preparation().input_dim;
        EmbeddingSpace::new(&build.provider, &build.model, dim).check(request.space)?;
        let QueryVector::Floats(vector) = request.vector else {
            return Err(RetrieverError::NativeCodes);
        };
        let k = self.options.k;
        if k == 0 {
            return Err(SearchError::ZeroK.into());
        }
        let stage3 = self.rerank.zip(request.text);
        let pool = stage3.map_or(0, |((_, pool), _)| pool.bound(1, self.options.ef.max(k), false));
        let options = SearchOptions { k: k.max(pool), ..self.options };
        let mut found = self.search(snapshot, vector, request.text, options)?;
        let ids: Vec<ExternalId> = found.iter().map(|found| found.id.clone()).collect();
        let texts = Stored(self.collection.texts(&ids).map_err(refused)?);
        let mut report = None;
        let mut order: Vec<Hit> = (0..)
            .zip(&found)
            .map(|(id, found)| {
                let distance = found.fused.map_or(found.distance, |fused| Some(-fused as f32));
                Hit { id, distance: distance.unwrap_or(f32::INFINITY), score: None }
            })
            .collect();
        if let Some(((reranker, pool), question)) = stage3 {
            let candidates: Vec<Neighbor> =
                order.iter().map(|hit| Neighbor::new(hit.id, hit.distance)).collect();
            let stage = Rerank { reranker, texts: &texts, question, blend: self.blend };
            report = Some(stage.best(pool, &candidates, &mut order)?);
        }
        order.truncate(k);
        let Stored(mut texts) = texts;
        let answers = order.into_iter().map(|hit| {
            let at = hit.id as usize;
            let empty = Retrieved::from_vector(ExternalId::Number(0), None);
            let text = texts[at].take();
            Retrieved { text, score: hit.score, ..std::mem::replace(&mut found[at], empty) }
        });
        Ok((answers.collect(), report))
    }

    fn search(
        &self,
        snapshot: &Snapshot,
        vector: &[f32],
        text: Option<&str>,
        options: SearchOptions,
    ) -> Result<Vec<Retrieved>, RetrieverError> {
        #[cfg(feature = "text")]
        if let Some((fusion, text)) = self.fusion.zip(text) {
            let options = HybridOptions::for_k(options.k).search(options).fusion(fusion);
            let found = snapshot.search_hybrid(vector, text, &options).map_err(refused)?;
            let one = |found: super::HybridMatch| Retrieved {
                fused: Some(found.score),
                ..Retrieved::from_vector(found.id, found.distance)
            };
            return Ok(found.into_iter().map(one).collect());
        }
        let _ = text;
        let found = snapshot.search(vector, &options).map_err(refused)?;
        let one = |found: super::Match| Retrieved::from_vector(found.id, Some(found.distance));
        Ok(found.into_iter().map(one).collect())
    }
}

impl Retrieved {
    fn from_vector(id: ExternalId, distance: Option<f32>) -> Self {
        Self { id, text: None, distance, fused: None, score: None }
    }
}

impl fmt::Debug for CollectionRetriever<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionRetriever({:?})", self.collection)
    }
}

fn refused(error: CollectionError) -> RetrieverError {
    RetrieverError::Collection(Box::new(error))
}
