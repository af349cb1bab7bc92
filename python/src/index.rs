//! `crinoid.Index`, its filters and its pages.

use crate::{
    arrays::{self, Pair, Rows},
    errors::{OptionValueError, Raise, UnknownIdError},
    work,
};
use crinoid::{BuildOptions, Ceiling, Index, Neighbor, SearchIter, SearchOptions, Vectors};
use numpy::PyArray1;
use pyo3::{
    intern,
    prelude::*,
    types::{PyBytes, PyDict, PyList},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Queries between two looks at Ctrl-C.
const CHUNK: usize = 4_096;

/// Vectors, frozen, that answer which of them are nearest to a query.
#[pyclass(name = "Index", module = "crinoid", frozen)]
pub(crate) struct PyIndex {
    pub(crate) index: Arc<Index>,
}

/// The rows of one index that a search may return; made by `Index.filter`.
#[pyclass(name = "Filter", module = "crinoid", frozen)]
pub(crate) struct PyFilter {
    filter: crinoid::Filter,
}

#[pymethods]
impl PyFilter {
    fn __len__(&self) -> usize {
        self.filter.rows().count()
    }

    fn __repr__(&self) -> String {
        format!(
            "crinoid.Filter({} of {} rows)",
            self.filter.rows().count(),
            self.filter.rows().len()
        )
    }
}

impl PyIndex {
    fn new(index: Index) -> Self {
        Self { index: Arc::new(index) }
    }

    fn options(&self, k: usize, ef: Option<usize>) -> SearchOptions {
        match ef {
            Some(ef) => SearchOptions::new(k, ef),
            None => SearchOptions::for_k(k),
        }
    }

    fn filter_of(&self, given: &Bound<'_, PyAny>) -> PyResult<crinoid::Filter> {
        if let Ok(filter) = given.cast::<PyFilter>() {
            return Ok(filter.get().filter.clone());
        }
        let mask = arrays::mask(given, self.index.len())?;
        Ok(self.index.filter(|row| mask[row as usize]))
    }

    fn row(&self, id: i64) -> PyResult<u32> {
        u32::try_from(id).map_err(|_| {
            let len = self.index.len();
            UnknownIdError::new_err(format!(
                "there is no row {id}: the index has {len} rows, from 0 on"
            ))
        })
    }
}

#[pymethods]
impl PyIndex {
    /// Builds an index of the rows of `X`, an `n x d` array.
    #[staticmethod]
    #[pyo3(name = "build")]
    #[pyo3(signature = (X, metric = "l2", *, m = 16, ef_construction = 200, recipe = "auto", queries = None, truncate = None, zero_rows = "refuse", unchecked = false, seed = 42, provider = "", model = "", progress = None, threads = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn build(
        py: Python<'_>,
        X: &Bound<'_, PyAny>,
        metric: &str,
        m: usize,
        ef_construction: usize,
        recipe: &str,
        queries: Option<&Bound<'_, PyAny>>,
        truncate: Option<usize>,
        zero_rows: &str,
        unchecked: bool,
        seed: u64,
        provider: &str,
        model: &str,
        progress: Option<&Bound<'_, PyAny>>,
        threads: Option<usize>,
    ) -> PyResult<Self> {
        let Rows { vectors, single } = arrays::rows(X, "X")?;
        if single {
            return Err(OptionValueError::new_err(
                "X: one vector where a matrix (n, d) is expected: write X[None, :]",
            ));
        }
        let options = BuildOptions {
            metric: arrays::metric(metric)?,
            recipe: arrays::recipe(recipe)?,
            zero_rows: arrays::zero_rows(zero_rows)?,
            provider: provider.to_owned(),
            model: model.to_owned(),
            truncate,
            unchecked,
            ..BuildOptions::default()
        };
        let mut builder =
            Index::builder().options(options).m(m).ef_construction(ef_construction).seed(seed);
        if let Some(queries) = queries {
            builder = builder.queries(arrays::rows(queries, "queries")?.vectors);
        }
        let listener = arrays::listener(py, progress)?;
        let built = work::build(py, threads, listener.as_ref(), |progress| {
            builder.progress(progress).build(vectors)
        })?;
        Ok(Self::new(built.or_raise()?))
    }

    /// The `k` nearest rows to each query: `(ids, distances)`.
    #[pyo3(signature = (Q, k = 10, *, ef = None, filter = None, threads = None))]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        Q: &Bound<'py, PyAny>,
        k: usize,
        ef: Option<usize>,
        filter: Option<&Bound<'py, PyAny>>,
        threads: Option<usize>,
    ) -> PyResult<Pair<'py>> {
        let options = self.options(k, ef);
        let filter = filter.map(|given| self.filter_of(given)).transpose()?;
        let Rows { vectors, single } = arrays::rows(Q, "Q")?;
        let index = &self.index;
        if single {
            let answers = py.detach(|| match &filter {
                None => index.search_with(vectors.row(0), &options),
                Some(filter) => {
                    let mut answers = Vec::new();
                    let result = index.session().search_filtered(
                        vectors.row(0),
                        &options,
                        filter,
                        &mut answers,
                    );
                    result.map(|_| answers)
                }
            });
            return Ok(arrays::one(py, &answers.or_raise()?));
        }
        let pool = work::pool(threads)?;
        let (n, width, dim) = (vectors.len(), k.min(index.len()), vectors.dim());
        let mut found = Vec::with_capacity(n.div_ceil(CHUNK));
        for chunk in vectors.as_slice().chunks((CHUNK * dim).max(1)) {
            py.check_signals()?;
            let ask = || {
                let queries = Vectors::new(chunk, dim).map_err(crinoid::SearchError::from)?;
                index.search_batch_with(&queries, &options, filter.as_ref())
            };
            let answers = py.detach(|| match &pool {
                Some(pool) => pool.install(ask),
                None => ask(),
            });
            found.push(answers.or_raise()?);
        }
        if n == 0 {
            py.detach(|| index.search_batch_with(&vectors, &options, None)).or_raise()?;
        }
        Ok(arrays::many(py, n, width, found.iter().flat_map(crinoid::Answers::rows)))
    }

    /// The `k` nearest rows to one query after measuring all of them: `(ids, distances)`.
    #[pyo3(signature = (q, k = 10))]
    fn search_exact<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        k: usize,
    ) -> PyResult<Pair<'py>> {
        let query = arrays::vector(q, "q")?;
        let answers = py.detach(|| self.index.search_exact(&query, k)).or_raise()?;
        Ok(arrays::one(py, &answers))
    }

    /// The rows within `radius` of one query, nearest first: `(ids, distances)`.
    #[pyo3(signature = (q, radius))]
    fn range_search<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        radius: f32,
    ) -> PyResult<Pair<'py>> {
        let query = arrays::vector(q, "q")?;
        let answers = py.detach(|| self.index.search_range(&query, radius)).or_raise()?;
        Ok(arrays::one(py, &answers))
    }

    /// An iterator over `(id, distance)` from the nearest row on.
    fn search_iter(&self, q: &Bound<'_, PyAny>) -> PyResult<PySearchIter> {
        let query = arrays::vector(q, "q")?;
        let pages = SearchIter::of(self.index.clone(), &query).or_raise()?;
        Ok(PySearchIter { pages: Mutex::new(pages) })
    }

    /// The rows that a search may return: a mask of booleans, row numbers, or a function of the row number.
    fn filter(&self, rows: &Bound<'_, PyAny>) -> PyResult<PyFilter> {
        Ok(PyFilter { filter: self.filter_of(rows)? })
    }

    /// The vector of one row, as the index keeps it.
    fn vector<'py>(&self, py: Python<'py>, id: i64) -> PyResult<Bound<'py, PyArray1<f32>>> {
        Ok(PyArray1::from_vec(py, self.index.vector(self.row(id)?).or_raise()?))
    }

    /// Writes the index to one file, atomically.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.index.save(&path)).or_raise()
    }

    /// Reads an index that `save` wrote, after verifying all of it.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Ok(Self::new(py.detach(|| Index::load(&path)).or_raise()?))
    }

    /// The bytes that `save` would write.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut bytes = Vec::new();
        py.detach(|| self.index.save_to(&mut bytes)).or_raise()?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The index that `to_bytes` wrote.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        Ok(Self::new(py.detach(|| Index::load_from(bytes)).or_raise()?))
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let load = slf.get_type().getattr(intern!(slf.py(), "from_bytes"))?;
        Ok((load, (slf.get().to_bytes(slf.py())?,)))
    }

    /// What was chosen when the index was built, and how large it is, as a dictionary.
    fn report<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (index, report) = (&self.index, PyDict::new(py));
        let options = index.options();
        report.set_item("recipe", options.recipe.to_string())?;
        report.set_item("metric", options.metric.name())?;
        report.set_item("rows", index.len())?;
        report.set_item("dim", index.dim())?;
        report.set_item("truncate", options.truncate)?;
        report.set_item("m", options.graph.m)?;
        report.set_item("ef_construction", options.graph.ef_construction)?;
        report.set_item("seed", options.graph.seed)?;
        report.set_item("provider", &options.provider)?;
        report.set_item("model", &options.model)?;
        let (sizes, bytes) = (index.bytes(), PyDict::new(py));
        bytes.set_item("graph", sizes.graph)?;
        bytes.set_item("codes", sizes.codes)?;
        bytes.set_item("refine", sizes.refine)?;
        bytes.set_item("copies", sizes.copies)?;
        bytes.set_item("total", sizes.total())?;
        report.set_item("bytes", bytes)?;
        report.set_item("choice", index.report().to_string())?;
        let candidates = PyList::empty(py);
        for one in &index.report().candidates {
            let candidate = PyDict::new(py);
            candidate.set_item("recipe", &one.recipe)?;
            candidate.set_item("verdict", format!("{:?}", one.verdict).to_lowercase())?;
            candidate.set_item("bytes", one.bytes)?;
            candidate.set_item("widened", one.widened)?;
            candidate.set_item("cost", one.cost)?;
            let ceilings = PyList::empty(py);
            for Ceiling { probes, queries, at_10, at_100, .. } in &one.ceilings {
                let ceiling = PyDict::new(py);
                ceiling.set_item("probes", probes.to_string())?;
                ceiling.set_item("queries", queries)?;
                ceiling.set_item("at_10", at_10)?;
                ceiling.set_item("at_100", at_100)?;
                ceilings.append(ceiling)?;
            }
            candidate.set_item("ceilings", ceilings)?;
            candidates.append(candidate)?;
        }
        report.set_item("candidates", candidates)?;
        report.set_item("digest", format!("{:016x}", index.digest()))?;
        Ok(report)
    }

    /// How many dimensions vectors and queries have.
    #[getter]
    fn dim(&self) -> usize {
        self.index.dim()
    }

    /// What "close" means: `l2`, `ip` or `cosine`.
    #[getter]
    fn metric(&self) -> &'static str {
        self.index.metric().name()
    }

    /// One version of each module.
    #[getter]
    fn recipe(&self) -> String {
        self.index.options().recipe.to_string()
    }

    fn __len__(&self) -> usize {
        self.index.len()
    }

    fn __repr__(&self) -> String {
        let (index, options) = (&self.index, self.index.options());
        let (len, dim, metric) = (index.len(), index.dim(), options.metric);
        format!("crinoid.Index({len} x {dim}, metric='{metric}', recipe='{}')", options.recipe)
    }
}

/// Rows from the nearest on.
#[pyclass(name = "SearchIter", module = "crinoid", frozen)]
pub(crate) struct PySearchIter {
    pages: Mutex<SearchIter<'static>>,
}

impl PySearchIter {
    fn pages(&self) -> MutexGuard<'_, SearchIter<'static>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PySearchIter {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<(i64, f32)>> {
        let next = py.detach(|| self.pages().next().transpose()).or_raise()?;
        Ok(next.map(|Neighbor { id, distance }| (id.into(), distance)))
    }

    /// The next `n` rows: `(ids, distances)`; fewer at the end.
    fn page<'py>(&self, py: Python<'py>, n: usize) -> PyResult<Pair<'py>> {
        let found: Result<Vec<Neighbor>, _> = py.detach(|| self.pages().by_ref().take(n).collect());
        Ok(arrays::one(py, &found.or_raise()?))
    }
}
