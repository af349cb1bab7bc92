//! `crinoid.Index`, its filters and its pages.

use crate::{
    arrays::{self, Pair, Rows},
    errors::{OptionValueError, Raise},
    names,
    table::{self, PyTable},
    work,
};
use crinoid::{BuildOptions, Ceiling, Index, Neighbor, Placement, SearchIter, Vectors};
use crinoid_files::{Ids, Names};
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

/// What pickles an index: a function, and what it is given.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyBytes>, Option<Bound<'py, PyAny>>));

/// Queries between two looks at Ctrl-C.
const CHUNK: usize = 4_096;

/// Vectors, frozen, that answer which of them are nearest to a query.
#[pyclass(name = "Index", module = "crinoid", frozen)]
pub(crate) struct PyIndex {
    pub(crate) index: Arc<Index>,
    /// What the rows are called; `None` where by their numbers.
    pub(crate) names: Option<Arc<Names>>,
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
    fn new(index: Index, names: Option<Arc<Names>>) -> Self {
        Self { index: Arc::new(index), names }
    }

    fn names(&self) -> Option<&Names> {
        self.names.as_deref()
    }

    fn filter_of(&self, given: &Bound<'_, PyAny>) -> PyResult<crinoid::Filter> {
        if let Ok(filter) = given.cast::<PyFilter>() {
            return Ok(filter.get().filter.clone());
        }
        let mask = arrays::mask(given, self.index.len(), self.names())?;
        Ok(self.index.filter(|row| mask[row as usize]))
    }
}

#[pymethods]
impl PyIndex {
    /// Builds an index of the rows of `X`, an `n x d` array.
    #[staticmethod]
    #[pyo3(name = "build")]
    #[pyo3(signature = (X, metric = None, *, ids = None, m = 16, ef_construction = 200, recipe = "auto", queries = None, truncate = None, zero_rows = "refuse", unchecked = false, seed = 42, provider = "", model = "", progress = None, threads = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn build(
        py: Python<'_>,
        X: &Bound<'_, PyAny>,
        metric: Option<&str>,
        ids: Option<&Bound<'_, PyAny>>,
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
        let table = X.cast::<PyTable>().ok();
        let names = match (ids, table) {
            (Some(ids), _) => Some(names::given(ids, vectors.len())?),
            (None, Some(table)) => table.get().names()?,
            (None, None) => None,
        };
        let declared = table.and_then(|table| table.get().metric);
        let options = BuildOptions::default()
            .metric(arrays::metric(metric.or(declared).unwrap_or("l2"))?)
            .recipe(arrays::recipe(recipe)?)
            .zero_rows(arrays::zero_rows(zero_rows)?)
            .embedding(provider, model)
            .truncate(truncate)
            .unchecked(unchecked);
        let mut builder =
            Index::builder().options(options).m(m).ef_construction(ef_construction).seed(seed);
        if let Some(queries) = queries {
            builder = builder.queries(arrays::rows(queries, "queries")?.vectors);
        }
        let listener = arrays::listener(py, progress)?;
        let built = work::build(py, threads, listener.as_ref(), |progress| {
            builder.progress(progress).build(vectors)
        })?;
        Ok(Self::new(built.or_raise()?, names.map(Arc::new)))
    }

    /// Builds an index of a file of vectors: what `read` and `build` do, one after the other.
    #[staticmethod]
    #[pyo3(signature = (path, metric = None, *, vectors = None, ids = None, **options))]
    fn from_file<'py>(
        py: Python<'py>,
        path: PathBuf,
        metric: Option<&str>,
        vectors: Option<String>,
        ids: Option<String>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let columns = table::options(vectors, ids, Vec::new(), false);
        let read = Bound::new(py, table::open(py, &path, &columns)?)?;
        let build = py.get_type::<Self>().getattr(intern!(py, "build"))?;
        build.call((read, metric), options)
    }

    /// The `k` nearest rows to each query: `(ids, distances)`.
    #[pyo3(signature = (Q, k = 10, *, ef = None, recall = None, filter = None, threads = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        Q: &Bound<'py, PyAny>,
        k: usize,
        ef: Option<usize>,
        recall: Option<f32>,
        filter: Option<&Bound<'py, PyAny>>,
        threads: Option<usize>,
    ) -> PyResult<Pair<'py>> {
        let options = arrays::search_options(k, ef, recall)?;
        let filter = filter.map(|given| self.filter_of(given)).transpose()?;
        let index = &self.index;
        let one = |query: &[f32]| {
            let answers = py.detach(|| match &filter {
                None => index.search_with(query, &options),
                Some(filter) => {
                    let mut answers = Vec::new();
                    let mut session = index.session();
                    let result = session.search_filtered(query, &options, filter, &mut answers);
                    result.map(|_| answers)
                }
            });
            arrays::one(py, &answers.or_raise()?, self.names())
        };
        if let Some(query) = arrays::plain(Q) {
            return one(&query);
        }
        let Rows { vectors, single } = arrays::rows(Q, "Q")?;
        if single {
            return one(vectors.row(0));
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
        let rows = found.iter().flat_map(crinoid::Answers::rows);
        arrays::many(py, n, width, rows, self.names())
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
        arrays::one(py, &answers, self.names())
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
        arrays::one(py, &answers, self.names())
    }

    /// An iterator over `(id, distance)` from the nearest row on.
    fn search_iter(&self, q: &Bound<'_, PyAny>) -> PyResult<PySearchIter> {
        let query = arrays::vector(q, "q")?;
        let pages = SearchIter::of(self.index.clone(), &query).or_raise()?;
        Ok(PySearchIter { pages: Mutex::new(pages), names: self.names.clone() })
    }

    /// The rows that a search may return: a mask of booleans, ids, or a function of the id.
    fn filter(&self, rows: &Bound<'_, PyAny>) -> PyResult<PyFilter> {
        Ok(PyFilter { filter: self.filter_of(rows)? })
    }

    /// The vector of one row, as the index keeps it.
    fn vector<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let row = names::row(id, self.names(), self.index.len())?;
        Ok(PyArray1::from_vec(py, self.index.vector(row).or_raise()?))
    }

    /// What the rows are called, by row: those that were given, else their numbers.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = u32::try_from(self.index.len()).unwrap_or(u32::MAX);
        names::array(py, self.names(), (0..rows).map(Some))
    }

    /// Writes the index to one file, atomically; its ids, where it has some, to `path` + `.ids`.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.index.save(&path)).or_raise()?;
        let digest = self.index.digest();
        py.detach(|| crinoid_files::names::save(&path, digest, self.names())).or_raise()
    }

    /// Reads an index that `save` or the command `crinoid build` wrote, after verifying all of it.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let index = py.detach(|| Index::load(&path)).or_raise()?;
        let names = names::load(&path, &index)?;
        Ok(Self::new(index, names))
    }

    /// As `load`, but the float rows stay in the file, and each query reads those that it needs.
    #[staticmethod]
    fn view(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let index = py.detach(|| Index::load_to(&path, Placement::RowsOnDisk)).or_raise()?;
        let names = names::load(&path, &index)?;
        Ok(Self::new(index, names))
    }

    /// The bytes that `save` would write.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut bytes = Vec::new();
        py.detach(|| self.index.save_to(&mut bytes)).or_raise()?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The index that `to_bytes` wrote.
    #[staticmethod]
    #[pyo3(signature = (bytes, ids = None))]
    fn from_bytes(py: Python<'_>, bytes: &[u8], ids: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let index = py.detach(|| Index::load_from(bytes)).or_raise()?;
        let names = ids.map(|ids| names::given(ids, index.len())).transpose()?;
        Ok(Self::new(index, names.map(Arc::new)))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let (py, one) = (slf.py(), slf.get());
        let load = slf.get_type().getattr(intern!(py, "from_bytes"))?;
        let ids = one.names().map(|names| names::whole(py, names)).transpose()?;
        Ok((load, (one.to_bytes(py)?, ids)))
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
    names: Option<Arc<Names>>,
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

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>, f32)>> {
        let next = py.detach(|| self.pages().next().transpose()).or_raise()?;
        let Some(Neighbor { id, distance }) = next else { return Ok(None) };
        let name = match self.names.as_deref().map(Names::ids) {
            None => id.into_pyobject(py)?.into_any(),
            Some(Ids::Numbers(ids)) => ids[id as usize].into_pyobject(py)?.into_any(),
            Some(Ids::Texts(ids)) => ids[id as usize].as_str().into_pyobject(py)?.into_any(),
        };
        Ok(Some((name, distance)))
    }

    /// The next `n` rows: `(ids, distances)`; fewer at the end.
    fn page<'py>(&self, py: Python<'py>, n: usize) -> PyResult<Pair<'py>> {
        let found: Result<Vec<Neighbor>, _> = py.detach(|| self.pages().by_ref().take(n).collect());
        arrays::one(py, &found.or_raise()?, self.names.as_deref())
    }
}
