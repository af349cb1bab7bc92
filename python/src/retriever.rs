//! `crinoid.Retriever`: an index or a collection whose best candidates are read by a reranker of Python.

use crate::{
    arrays,
    collection::{PyCollection, fusion, given_back},
    errors::{Exception, OptionValueError, Raise},
    index::PyIndex,
    names,
};
use crinoid::{
    CollectionError, CollectionRetriever, EmbeddingSpace, QueryVector, Request, Retriever,
    RetrieverError, SearchOptions, Texts,
    rerank::{RerankError, Reranker},
};
use numpy::PyArray1;
use pyo3::{
    intern,
    prelude::*,
    types::{PyDict, PyList, PyTuple},
};
use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
};

/// An index with texts, or a collection with its own, and a reranker on top.
#[pyclass(name = "Retriever", module = "crinoid", frozen)]
pub(crate) struct PyRetriever {
    rows: Rows,
    reranker: Py<PyAny>,
    pool: usize,
    /// Whether the reranker is asked by `predict`, as cross-encoders of sentence-transformers are.
    predicts: bool,
}

/// What is searched.
enum Rows {
    Index(Py<PyIndex>, Own),
    Collection(Py<PyCollection>),
}

/// Ids, distances and scores.
type Found<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

/// The texts, by row.
struct Own(Vec<Option<String>>);

impl Texts for Own {
    fn text(&self, id: u32) -> Option<Cow<'_, str>> {
        self.0.get(id as usize)?.as_deref().map(Cow::Borrowed)
    }
}

/// A function of Python, and what it raised.
struct Called<'a> {
    retriever: &'a PyRetriever,
    raised: Mutex<Option<PyErr>>,
}

impl Reranker for Called<'_> {
    fn version(&self) -> &'static str {
        "python@1"
    }

    fn score(&self, query: &str, texts: &[&str], scores: &mut Vec<f32>) -> Result<(), RerankError> {
        scores.clear();
        let asked = Python::attach(|py| -> PyResult<Vec<f32>> {
            let reranker = self.retriever.reranker.bind(py);
            let given = match self.retriever.predicts {
                true => {
                    let pairs = texts.iter().map(|text| PyTuple::new(py, [query, text]));
                    let pairs = PyList::new(py, pairs.collect::<PyResult<Vec<_>>>()?)?;
                    reranker.call_method1(intern!(py, "predict"), (pairs,))?
                }
                false => reranker.call1((query, PyList::new(py, texts)?))?,
            };
            given.try_iter()?.map(|score| score?.extract()).collect()
        });
        match asked {
            Ok(all) => {
                scores.extend(all);
                Ok(())
            }
            Err(error) => {
                let why = error.to_string();
                *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(RerankError::Failed { reranker: "python@1", why })
            }
        }
    }
}

impl Exception for RetrieverError {
    fn exception(self) -> PyErr {
        match self {
            RetrieverError::Search(error) => error.exception(),
            RetrieverError::Collection(error) => match error.downcast::<CollectionError>() {
                Ok(error) => error.exception(),
                Err(other) => OptionValueError::new_err(other.to_string()),
            },
            other => OptionValueError::new_err(other.to_string()),
        }
    }
}

impl Own {
    /// A text per row, or a dictionary of texts by id.
    fn new(one: &PyIndex, texts: &Bound<'_, PyAny>) -> PyResult<Self> {
        let rows = one.index.len();
        let texts: Vec<Option<String>> = match texts.cast::<PyDict>() {
            Ok(by_id) => {
                let mut all = vec![None; rows];
                for (id, text) in by_id {
                    let row = names::row(&id, one.names.as_deref(), rows)?;
                    all[row as usize] = text.extract()?;
                }
                all
            }
            Err(_) => texts.extract()?,
        };
        if texts.len() != rows {
            let text = format!("texts: {} texts for {rows} rows of the index", texts.len());
            return Err(OptionValueError::new_err(text));
        }
        Ok(Self(texts))
    }
}

/// Distances and scores as arrays, NaN where there is none.
fn arrays_of<'py>(
    py: Python<'py>,
    found: impl Iterator<Item = (Option<f32>, Option<f32>)>,
) -> (Bound<'py, PyAny>, Bound<'py, PyAny>) {
    let (distances, scores): (Vec<_>, Vec<_>) = found.unzip();
    let array = |values: Vec<Option<f32>>| {
        let values = values.into_iter().map(|value| value.unwrap_or(f32::NAN)).collect();
        PyArray1::from_vec(py, values).into_any()
    };
    (array(distances), array(scores))
}

impl Called<'_> {
    /// What the function raised, or else what became of the search.
    fn outcome<T>(self, answer: Result<T, RetrieverError>) -> PyResult<T> {
        match self.raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => answer.or_raise(),
        }
    }
}

impl PyRetriever {
    fn in_index<'py>(
        &self,
        py: Python<'py>,
        (one, texts): (&PyIndex, &Own),
        (query, question): (&[f32], &str),
        options: SearchOptions,
    ) -> PyResult<Found<'py>> {
        let called = Called { retriever: self, raised: Mutex::new(None) };
        let space = &one.index.fingerprint().space;
        let space = EmbeddingSpace::new(&space.provider, &space.model, query.len());
        let answer = py.detach(|| {
            let retriever =
                Retriever::new(&one.index, options).with_reranker(&called, texts, self.pool);
            let vector = QueryVector::Floats(query);
            let request = Request { vector, space: &space, text: Some(question) };
            retriever.retrieve(&mut one.index.session(), &request)
        });
        let hits = called.outcome(answer)?.hits;
        let ids = names::array(py, one.names.as_deref(), hits.iter().map(|hit| Some(hit.id)))?;
        let found = hits.iter().map(|hit| (Some(hit.distance), hit.score));
        let (distances, scores) = arrays_of(py, found);
        Ok((ids, distances, scores))
    }

    fn in_collection<'py>(
        &self,
        py: Python<'py>,
        collection: &PyCollection,
        (query, question): (&[f32], &str),
        options: SearchOptions,
        (filter, fuse): (Option<&str>, Option<&Bound<'py, PyAny>>),
    ) -> PyResult<Found<'py>> {
        let (snapshot, rows) = (collection.among(filter)?, collection.readable()?);
        let fusion = fuse.map(fusion).transpose()?;
        let called = Called { retriever: self, raised: Mutex::new(None) };
        let build = &rows.options().build;
        let space = EmbeddingSpace::new(&build.provider, &build.model, query.len());
        let answer = py.detach(|| {
            let retriever = CollectionRetriever::new(&*rows, options);
            let retriever = retriever.with_reranker(&called, self.pool);
            let retriever = match fusion {
                Some(fusion) => retriever.with_words(fusion),
                None => retriever,
            };
            let vector = QueryVector::Floats(query);
            let request = Request { vector, space: &space, text: Some(question) };
            retriever.retrieve_among(&snapshot, &request)
        });
        let (found, _) = called.outcome(answer)?;
        let ids = found.iter().map(|found| given_back(py, &found.id));
        let ids = PyList::new(py, ids.collect::<PyResult<Vec<_>>>()?)?.into_any();
        let (distances, scores) =
            arrays_of(py, found.iter().map(|found| (found.distance, found.score)));
        Ok((ids, distances, scores))
    }
}

#[pymethods]
impl PyRetriever {
    /// `rows`: an index with `texts`, a text per row, or `None` for a row without one; where the index has ids, a
    /// dictionary of texts by id does as well. Or a collection, which has its own texts. `reranker`: a function
    /// `(question, texts) -> scores`, or an object with `predict(pairs)`. `pool`: how many of the best texts it reads.
    #[new]
    #[pyo3(signature = (rows, texts, reranker, *, pool = 20))]
    fn new(
        rows: &Bound<'_, PyAny>,
        texts: &Bound<'_, PyAny>,
        reranker: &Bound<'_, PyAny>,
        pool: usize,
    ) -> PyResult<Self> {
        let predicts = reranker.hasattr(intern!(reranker.py(), "predict"))?;
        if !predicts && !reranker.is_callable() {
            return Err(OptionValueError::new_err(
                "reranker: a function (question, texts) -> scores, or an object with predict(pairs)",
            ));
        }
        if pool == 0 {
            return Err(OptionValueError::new_err(
                "pool is 0: the reranker reads at least one text",
            ));
        }
        let rows = match rows.cast::<PyCollection>() {
            Ok(_) if !texts.is_none() => {
                return Err(OptionValueError::new_err(
                    "texts: a collection has its own: give None",
                ));
            }
            Ok(collection) => Rows::Collection(collection.clone().unbind()),
            Err(_) => {
                let index = rows.cast::<PyIndex>()?;
                Rows::Index(index.clone().unbind(), Own::new(index.get(), texts)?)
            }
        };
        Ok(Self { rows, reranker: reranker.clone().unbind(), pool, predicts })
    }

    /// The best `k` rows to a question: `(ids, distances, scores)`. The rows whose texts were read come
    /// first, by score; the others follow by distance, with NaN for a score. Of a collection: among the rows that
    /// `filter` admits; with `fuse` by vector and by words, as `search_hybrid`, and a row that words alone found has
    /// NaN for a distance.
    #[pyo3(signature = (q, question, k = 10, *, ef = None, filter = None, fuse = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        question: &str,
        k: usize,
        ef: Option<usize>,
        filter: Option<&str>,
        fuse: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Found<'py>> {
        let query = arrays::vector(q, "q")?;
        let options = ef.map_or_else(|| SearchOptions::for_k(k), |ef| SearchOptions::new(k, ef));
        match &self.rows {
            Rows::Index(..) if filter.is_some() || fuse.is_some() => {
                Err(OptionValueError::new_err(
                    "filter and fuse: an index has no attributes and no words: take a collection",
                ))
            }
            Rows::Index(index, texts) => {
                self.in_index(py, (index.get(), texts), (&query, question), options)
            }
            Rows::Collection(collection) => {
                let how = (filter, fuse);
                self.in_collection(py, collection.get(), (&query, question), options, how)
            }
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match &self.rows {
            Rows::Index(_, texts) => {
                format!("crinoid.Retriever({} texts, pool={})", texts.0.len(), self.pool)
            }
            Rows::Collection(collection) => {
                let collection = collection.bind(py).as_any();
                format!("crinoid.Retriever({collection}, pool={})", self.pool)
            }
        }
    }
}
