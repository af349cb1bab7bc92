//! `crinoid.Retriever`: an index whose best candidates are read by a reranker of Python.

use crate::{
    arrays,
    errors::{Exception, OptionValueError, Raise},
    index::PyIndex,
    names,
};
use crinoid::{
    EmbeddingSpace, QueryVector, Request, Retriever, RetrieverError, SearchOptions, Texts,
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

/// An index with texts and a reranker on top.
#[pyclass(name = "Retriever", module = "crinoid", frozen)]
pub(crate) struct PyRetriever {
    index: Py<PyIndex>,
    texts: Own,
    reranker: Py<PyAny>,
    pool: usize,
    /// Whether the reranker is asked by `predict`, as cross-encoders of sentence-transformers are.
    predicts: bool,
}

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
            other => OptionValueError::new_err(other.to_string()),
        }
    }
}

#[pymethods]
impl PyRetriever {
    /// `texts`: a text per row of the index, or `None` for a row without one; where the index has ids, a
    /// dictionary of texts by id does as well. `reranker`: a function `(question, texts) -> scores`, or an
    /// object with `predict(pairs)`. `pool`: how many of the best texts it reads.
    #[new]
    #[pyo3(signature = (index, texts, reranker, *, pool = 20))]
    fn new(
        py: Python<'_>,
        index: Py<PyIndex>,
        texts: &Bound<'_, PyAny>,
        reranker: &Bound<'_, PyAny>,
        pool: usize,
    ) -> PyResult<Self> {
        let predicts = reranker.hasattr(intern!(py, "predict"))?;
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
        let one = index.get();
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
        Ok(Self { index, texts: Own(texts), reranker: reranker.clone().unbind(), pool, predicts })
    }

    /// The best `k` rows to a question: `(ids, distances, scores)`. The rows whose texts were read come
    /// first, by score; the others follow by distance, with NaN for a score.
    #[pyo3(signature = (q, question, k = 10, *, ef = None))]
    fn search<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        question: &str,
        k: usize,
        ef: Option<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let query = arrays::vector(q, "q")?;
        let one = self.index.get();
        let options = ef.map_or_else(|| SearchOptions::for_k(k), |ef| SearchOptions::new(k, ef));
        let called = Called { retriever: self, raised: Mutex::new(None) };
        let space = &one.index.fingerprint().space;
        let space = EmbeddingSpace::new(&space.provider, &space.model, query.len());
        let answer = py.detach(|| {
            let retriever =
                Retriever::new(&one.index, options).with_reranker(&called, &self.texts, self.pool);
            let vector = QueryVector::Floats(&query);
            let request = Request { vector, space: &space, text: Some(question) };
            retriever.retrieve(&mut one.index.session(), &request)
        });
        let raised = called.raised.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(error) = raised {
            return Err(error);
        }
        let hits = answer.or_raise()?.hits;
        let ids = names::array(py, one.names.as_deref(), hits.iter().map(|hit| Some(hit.id)))?;
        let distances = hits.iter().map(|hit| hit.distance).collect();
        let scores = hits.iter().map(|hit| hit.score.unwrap_or(f32::NAN)).collect();
        let array = |values: Vec<f32>| PyArray1::from_vec(py, values).into_any();
        Ok((ids, array(distances), array(scores)))
    }

    fn __repr__(&self) -> String {
        format!("crinoid.Retriever({} texts, pool={})", self.texts.0.len(), self.pool)
    }
}
