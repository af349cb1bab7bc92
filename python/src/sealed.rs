//! `crinoid.Sealed`: rows in shards, in a folder.

use crate::{
    arrays::{self, Pair, Rows},
    errors::{FileError, OptionValueError, Raise},
    names, work,
};
use crinoid::{
    BuildOptions,
    shards::{Answer, Effort, OpenOptions, Plan, SealOptions, Sealed, ShardEntry, Store},
};
use crinoid_files::Ids;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::{
    exceptions::{PyTypeError, PyUserWarning},
    intern,
    prelude::*,
    types::PyDict,
};
use std::{collections::HashSet, ffi::CString, path::PathBuf, time::Duration};

/// Rows in shards, each an index file, and a manifest that names them.
#[pyclass(name = "Sealed", module = "crinoid", frozen)]
pub(crate) struct PySealed {
    sealed: Sealed,
}

/// How each shard is built: the options of `Index.build`.
fn options(metric: &str, given: Option<&Bound<'_, PyDict>>) -> PyResult<BuildOptions> {
    let mut options = BuildOptions::default().metric(arrays::metric(metric)?);
    let (mut provider, mut model) = (String::new(), String::new());
    for (name, value) in given.into_iter().flat_map(|given| given.iter()) {
        match &*name.extract::<String>()? {
            "m" => options.graph.m = value.extract()?,
            "ef_construction" => options.graph.ef_construction = value.extract()?,
            "seed" => options.graph.seed = value.extract()?,
            "recipe" => options.recipe = arrays::recipe(&value.extract::<String>()?)?,
            "truncate" => options.truncate = value.extract()?,
            "zero_rows" => options.zero_rows = arrays::zero_rows(&value.extract::<String>()?)?,
            "provider" => provider = value.extract()?,
            "model" => model = value.extract()?,
            other => {
                let text = format!("shards are built without an option `{other}`");
                return Err(PyTypeError::new_err(text));
            }
        }
    }
    Ok(options.embedding(&provider, &model))
}

/// Ids as numbers.
fn numbers(ids: &Bound<'_, PyAny>, rows: usize) -> PyResult<Vec<u64>> {
    match names::given(ids, rows)?.ids() {
        Ids::Numbers(ids) => Ok(ids.clone()),
        Ids::Texts(_) => Err(OptionValueError::new_err(
            "ids: rows of shards are called by ints: keep the strs in a table of your own",
        )),
    }
}

fn matrix(given: &Bound<'_, PyAny>) -> PyResult<crinoid::Vectors> {
    match arrays::rows(given, "X")? {
        Rows { single: true, .. } => Err(OptionValueError::new_err(
            "X: one vector where a matrix (n, d) is expected: write X[None, :]",
        )),
        Rows { vectors, .. } => Ok(vectors),
    }
}

fn from_json<'a, T: serde::Deserialize<'a>>(text: &'a str, what: &str) -> PyResult<T> {
    serde_json::from_str(text)
        .map_err(|error| OptionValueError::new_err(format!("{what}: {error}")))
}

fn to_json<T: serde::Serialize>(value: &T) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| FileError::new_err(error.to_string()))
}

impl PySealed {
    /// The ids that are given, or of which a function says so.
    fn ids_of(&self, py: Python<'_>, given: &Bound<'_, PyAny>) -> PyResult<HashSet<u64>> {
        if !given.is_callable() {
            let listed = match given.hasattr(intern!(py, "tolist"))? {
                true => given.call_method0(intern!(py, "tolist"))?,
                false => given.clone(),
            };
            let ids: PyResult<HashSet<u64>> =
                listed.try_iter()?.map(|id| id?.extract::<u64>()).collect();
            let text = "filter: ids (ints), or a function of the id, are expected";
            return ids.map_err(|_| OptionValueError::new_err(text));
        }
        let mut admitted = HashSet::new();
        for number in 0..self.sealed.manifest().shards.len() {
            let shard = py.detach(|| self.sealed.shard(number)).or_raise()?;
            for row in 0..shard.index().len() as u32 {
                let id = shard.id(row);
                if given.call1((id,))?.is_truthy()? {
                    admitted.insert(id);
                }
            }
        }
        Ok(admitted)
    }
}

#[pymethods]
impl PySealed {
    /// Opens a collection.
    #[new]
    #[pyo3(signature = (location, *, cache = None))]
    fn new(py: Python<'_>, location: PathBuf, cache: Option<PathBuf>) -> PyResult<Self> {
        let options = OpenOptions::default();
        let options = match cache {
            Some(folder) => options.cache(folder),
            None => options,
        };
        let open = || Sealed::open(Store::at(&location.to_string_lossy())?, &options);
        Ok(Self { sealed: py.detach(open).or_raise()? })
    }

    /// Cuts rows into shards, builds each, and publishes the collection.
    #[staticmethod]
    #[pyo3(signature = (location, X, metric = "l2", *, ids = None, shards = 4, routed = false, copies = 1, progress = None, threads = None, **keywords))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn build(
        py: Python<'_>,
        location: PathBuf,
        X: &Bound<'_, PyAny>,
        metric: &str,
        ids: Option<&Bound<'_, PyAny>>,
        shards: usize,
        routed: bool,
        copies: usize,
        progress: Option<&Bound<'_, PyAny>>,
        threads: Option<usize>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let rows = matrix(X)?;
        let ids = ids.map(|ids| numbers(ids, rows.len())).transpose()?;
        let seal = SealOptions::new(shards).build(options(metric, keywords)?);
        let seal = if routed { seal.routed(copies) } else { seal };
        let store = Store::at(&location.to_string_lossy()).or_raise()?;
        let listener = arrays::listener(py, progress)?;
        let sealed = work::build(py, threads, listener.as_ref(), |progress| {
            Sealed::build(store, &rows, ids.as_deref(), &seal, progress)
        })?;
        Ok(Self { sealed: sealed.or_raise()? })
    }

    /// How shards of rows like those of a sample are built, as JSON.
    #[staticmethod]
    #[pyo3(signature = (X, metric = "l2", **keywords))]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn plan(
        py: Python<'_>,
        X: &Bound<'_, PyAny>,
        metric: &str,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<String> {
        let (sample, options) = (matrix(X)?, options(metric, keywords)?);
        to_json(&py.detach(|| Plan::new(&sample, None, &options)).or_raise()?)
    }

    /// Builds a shard by a plan and writes its file: its entry of the manifest, as JSON.
    #[staticmethod]
    #[pyo3(signature = (location, plan, number, X, ids))]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn build_shard(
        py: Python<'_>,
        location: PathBuf,
        plan: &str,
        number: usize,
        X: &Bound<'_, PyAny>,
        ids: &Bound<'_, PyAny>,
    ) -> PyResult<String> {
        let (rows, plan): (_, Plan) = (matrix(X)?, from_json(plan, "plan")?);
        let ids = match ids.extract::<u64>() {
            Ok(first) => Err(first),
            Err(_) => Ok(numbers(ids, rows.len())?),
        };
        let store = Store::at(&location.to_string_lossy()).or_raise()?;
        let entry = work::build(py, None, None, |progress| {
            let ids = ids.as_deref().map_err(|first| *first);
            plan.build_shard(&store, (number, &rows), ids, None, progress)
        })?;
        to_json(&entry.or_raise()?)
    }

    /// Writes the manifest of shards that are there: the collection is open to all from now on.
    #[staticmethod]
    fn publish(location: PathBuf, plan: &str, rows: u64, entries: Vec<String>) -> PyResult<()> {
        let plan: Plan = from_json(plan, "plan")?;
        let entry = |text: &String| from_json::<ShardEntry>(text, "entries");
        let entries = entries.iter().map(entry).collect::<PyResult<Vec<_>>>()?;
        let store = Store::at(&location.to_string_lossy()).or_raise()?;
        plan.manifest(rows, entries).publish(&store).or_raise()
    }

    /// The `k` nearest rows to each query: `(ids, distances)`.
    #[pyo3(signature = (Q, k = 10, *, ef = None, recall = None, filter = None, shards = None, partial = false, threads = None))]
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
        shards: Option<usize>,
        partial: bool,
        threads: Option<usize>,
    ) -> PyResult<Pair<'py>> {
        let effort = Effort::from(arrays::search_options(k, ef, recall)?).partial(partial);
        let effort = shards.map_or(effort, |shards| effort.shards(shards));
        let Rows { vectors, single } = arrays::rows(Q, "Q")?;
        let admitted = filter.map(|given| self.ids_of(py, given)).transpose()?;
        let filter = admitted.map(|ids| py.detach(|| self.sealed.filter(|id| ids.contains(&id))));
        let filter = filter.transpose().or_raise()?;
        let pool = work::pool(threads)?;
        let ask = || self.sealed.search_batch(&vectors, &effort, filter.as_ref());
        let answers = py.detach(|| match &pool {
            Some(pool) => pool.install(ask),
            None => ask(),
        });
        let answers = answers.or_raise()?;
        if let Some(missing) = answers.iter().map(|one| &one.missing).find(|all| !all.is_empty()) {
            let text = format!("shards {missing:?} are missing: answers are among the others");
            let text = CString::new(text).unwrap_or_default();
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 1)?;
        }
        self.arrays(py, &answers, k, single)
    }

    /// The `k` nearest rows of one shard to each query: what an engine of its own merges.
    #[pyo3(signature = (number, Q, k = 10, *, ef = None, recall = None, filter = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn search_shard<'py>(
        &self,
        py: Python<'py>,
        number: usize,
        Q: &Bound<'py, PyAny>,
        k: usize,
        ef: Option<usize>,
        recall: Option<f32>,
        filter: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Pair<'py>> {
        let (search, queries) =
            (arrays::search_options(k, ef, recall)?, arrays::rows(Q, "Q")?.vectors);
        let shard = py.detach(|| self.sealed.shard(number)).or_raise()?;
        let admitted = filter.map(|given| self.ids_of(py, given)).transpose()?;
        let answers = py.detach(|| {
            let filter = admitted.map(|ids| shard.filter(|id| ids.contains(&id)));
            shard.search_batch(&queries, &search, filter.as_ref())
        });
        let answer = |found| Answer { found, ..Answer::default() };
        let answers: Vec<Answer> = answers.or_raise()?.into_iter().map(answer).collect();
        self.arrays(py, &answers, k, false)
    }

    /// The `k` nearest rows to one query, after measuring all of them: `(ids, distances)`.
    #[pyo3(signature = (q, k = 10))]
    fn search_exact<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        k: usize,
    ) -> PyResult<Pair<'py>> {
        let query = arrays::vector(q, "q")?;
        let answer = py.detach(|| self.sealed.search_exact(&query, k)).or_raise()?;
        self.arrays(py, &[answer], k, true)
    }

    /// Checks every byte of every shard.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.sealed.verify()).or_raise()
    }

    /// Deletes files that no manifest names any more.
    #[staticmethod]
    #[pyo3(signature = (location, *, older_than = 86_400.0))]
    fn sweep(py: Python<'_>, location: PathBuf, older_than: f64) -> PyResult<Vec<String>> {
        let grace = Duration::try_from_secs_f64(older_than).map_err(|_| {
            OptionValueError::new_err(format!("older_than is {older_than}: give seconds from 0 on"))
        })?;
        let sweep = || Sealed::sweep(&Store::at(&location.to_string_lossy())?, grace);
        py.detach(sweep).or_raise()
    }

    /// What the collection is made of.
    #[getter]
    fn manifest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = to_json(self.sealed.manifest())?;
        py.import(intern!(py, "json"))?.call_method1(intern!(py, "loads"), (text,))
    }

    #[getter]
    fn dim(&self) -> usize {
        self.sealed.manifest().space.dimension
    }

    #[getter]
    fn metric(&self) -> &'static str {
        self.sealed.manifest().metric.name()
    }

    #[getter]
    fn recipe(&self) -> String {
        self.sealed.manifest().recipe.to_string()
    }

    fn __len__(&self) -> usize {
        self.sealed.len() as usize
    }

    fn __repr__(&self) -> String {
        let manifest = self.sealed.manifest();
        let (rows, dim, shards) = (manifest.rows, manifest.space.dimension, manifest.shards.len());
        format!("crinoid.Sealed({rows} x {dim} in {shards} shards, metric='{}')", manifest.metric)
    }
}

impl PySealed {
    fn arrays<'py>(
        &self,
        py: Python<'py>,
        answers: &[Answer],
        k: usize,
        single: bool,
    ) -> PyResult<Pair<'py>> {
        let width = match single {
            true => answers.iter().map(|answer| answer.found.len()).max().unwrap_or(0),
            false => k.min(self.sealed.len() as usize),
        };
        let mut ids = vec![-1i64; answers.len() * width];
        let mut distances = vec![f32::INFINITY; ids.len()];
        for (query, answer) in answers.iter().enumerate() {
            for (place, one) in answer.found.iter().enumerate() {
                let at = query * width + place;
                (ids[at], distances[at]) = (one.id as i64, one.distance);
            }
        }
        let (ids, distances) = (PyArray1::from_vec(py, ids), PyArray1::from_vec(py, distances));
        if single {
            return Ok((ids.into_any(), distances.into_any()));
        }
        let shape = [answers.len(), width];
        Ok((ids.reshape(shape)?.into_any(), distances.reshape(shape)?.into_any()))
    }
}
