//! Three stages, and queries from elsewhere.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_pipeline::{
    Blend, EmbeddingSpace, Field, Index, QueryVector, Request, Retriever, RetrieverError,
    SearchOptions,
};
use crinoid_quant::Metric;
use crinoid_refine::{Pool, Reason, ScriptedReranker};

fn index() -> Index {
    let recipe = "sign@1/hnsw@1/pool@1/int8@1+float@1";
    Index::build(&clustered(300, 16, 1), &options(recipe, Metric::Cosine), &()).unwrap()
}

#[test]
fn the_reranker_has_the_last_word_on_what_it_read() {
    let (index, base) = (index(), clustered(300, 16, 1));
    let space = EmbeddingSpace::new("test", "noise", 16);
    let vector = QueryVector::Floats(base.row(42));
    let request = Request { vector, space: &space, text: Some("query") };
    let search = SearchOptions::new(8, 200);
    let mut session = index.session();

    let plain = Retriever::new(&index, search).retrieve(&mut session, &request).unwrap();
    assert_eq!(plain.hits[0].id, 42);
    assert!(plain.hits.iter().all(|hit| hit.score.is_none()));

    // The third becomes first; the second has no text; the sixth is not read.
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|place| plain.hits[place].id);
    let texts = Partial { texts: (0..300).map(|id| format!("text {id}")).collect(), missing: b };
    let reranker = ScriptedReranker::new().with("query", &format!("text {c}"), 0.9).with(
        "query",
        &format!("text {f}"),
        5.0,
    );
    let retriever = Retriever::new(&index, search).with_reranker(&reranker, &texts, 5);
    let answer = retriever.retrieve(&mut session, &request).unwrap();
    let ids: Vec<u32> = answer.hits.iter().map(|hit| hit.id).collect();
    assert_eq!(ids[..6], [c, a, d, e, b, f]);
    assert_eq!(answer.hits[0].score, Some(0.9));
    assert_eq!(answer.hits[4].score, None);
    let names: Vec<&str> = answer.report.stages.iter().map(|stage| stage.name).collect();
    assert_eq!(names, ["pool@1", "int8@1", "float@1", "scripted@1"]);
    let stage3 = answer.report.stages[3];
    assert_eq!((stage3.entered, stage3.missing), (5, 1));

    let without_text = Request { text: None, ..request };
    let answer = retriever.retrieve(&mut session, &without_text).unwrap();
    assert_eq!(answer.hits, plain.hits);
}

struct Partial {
    texts: Vec<String>,
    missing: u32,
}

impl crinoid_pipeline::Texts for Partial {
    fn text(&self, id: u32) -> Option<std::borrow::Cow<'_, str>> {
        if id == self.missing { None } else { self.texts.text(id) }
    }
}

#[test]
fn queries_from_another_space_and_native_codes_are_refused() {
    let index = index();
    let retriever = Retriever::new(&index, SearchOptions::for_k(3));
    let mut session = index.session();
    let mut ask = |vector: QueryVector<'_>, space: EmbeddingSpace| {
        retriever.retrieve(&mut session, &Request { vector, space: &space, text: None })
    };
    let floats = [1.0; 16];
    let here = || EmbeddingSpace::new("test", "noise", 16);
    ask(QueryVector::Floats(&floats), here()).unwrap();
    for (space, field) in [
        (EmbeddingSpace::new("other", "noise", 16), Field::Provider),
        (EmbeddingSpace::new("test", "noise-2", 16), Field::Model),
        (EmbeddingSpace::new("test", "noise", 32), Field::Dimension),
    ] {
        let error = ask(QueryVector::Floats(&floats), space).unwrap_err();
        assert!(error.to_string().starts_with("rebuild required"), "{error}");
        assert!(matches!(error, RetrieverError::Mismatch(mismatch) if mismatch.field == field));
    }
    for native in [QueryVector::NativeBinary(&[0; 2]), QueryVector::NativeInt8(&[0; 16])] {
        assert!(matches!(ask(native, here()), Err(RetrieverError::NativeCodes)));
    }
}

#[test]
fn a_blend_weighs_scores_against_distances() {
    let (index, base) = (index(), clustered(300, 16, 1));
    let space = EmbeddingSpace::new("test", "noise", 16);
    let vector = QueryVector::Floats(base.row(42));
    let request = Request { vector, space: &space, text: Some("query") };
    let texts: Vec<String> = (0..300).map(|id| format!("text {id}")).collect();
    let search = SearchOptions::new(8, 200);
    let mut session = index.session();
    let plain = Retriever::new(&index, search).retrieve(&mut session, &request).unwrap();
    let last = plain.hits[4].id;
    let reranker = ScriptedReranker::new().with("query", &format!("text {last}"), 1.0);
    let mut first = |blend| {
        let retriever =
            Retriever::new(&index, search).with_reranker(&reranker, &texts, 5).with_blend(blend);
        retriever.retrieve(&mut session, &request).unwrap().hits[0].id
    };
    assert_eq!(first(Blend::Rerank), last);
    assert_eq!(first(Blend::Weighted(0.9)), last);
    assert_eq!(first(Blend::Weighted(0.1)), 42);
}

#[test]
fn an_adaptive_reranker_reads_nothing_when_the_search_is_sure() {
    let (index, base) = (index(), clustered(300, 16, 1));
    let space = EmbeddingSpace::new("test", "noise", 16);
    let texts: Vec<String> = (0..300).map(|id| format!("text {id}")).collect();
    let reranker = ScriptedReranker::new();
    let mut session = index.session();
    let mut entered = |vector: &[f32], slack| {
        let pool = Pool::Adaptive { min: 4, max: 20, slack };
        let retriever = Retriever::new(&index, SearchOptions::new(10, 200))
            .with_reranker(&reranker, &texts, pool);
        let vector = QueryVector::Floats(vector);
        let request = Request { vector, space: &space, text: Some("query") };
        let answer = retriever.retrieve(&mut session, &request).unwrap();
        let stage = answer.report.stages[3];
        (stage.entered, stage.reason)
    };
    // The query is a document: nothing else comes near.
    let (read, reason) = entered(base.row(42), 1.0);
    assert_eq!((read, reason), (0, Reason::TopGap));
    // From nowhere in particular everything is about equally far.
    let far: Vec<f32> = (0..16).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let (read, _) = entered(&far, 0.5);
    assert!((4..=20).contains(&read), "{read}");
}

#[test]
fn a_session_of_another_index_is_refused() {
    let rows: Vec<[f32; 2]> = (0..50).map(|i| [i as f32, 1.0]).collect();
    let [index, other] = [0, 1].map(|_| Index::builder().build(&rows).unwrap());
    let retriever = Retriever::new(&index, SearchOptions::for_k(3));
    let space = index.fingerprint().space.clone();
    let vector = QueryVector::Floats(&[7.0, 1.0]);
    let request = Request { vector, space: &space, text: None };
    let error = retriever.retrieve(&mut other.session(), &request).unwrap_err();
    assert!(matches!(error, RetrieverError::Session), "{error}");
    assert!(error.to_string().contains("retriever.index().session()"), "{error}");
    let answer = retriever.retrieve(&mut retriever.index().session(), &request).unwrap();
    assert_eq!(answer.hits[0].id, 7);
}
