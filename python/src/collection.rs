//! `crinoid.Collection`: vectors that come and go, by the caller's own ids.

use crate::{
    arrays::{self, Rows},
    errors::{OptionValueError, Raise, StoreError, UnknownIdError},
    table,
};
use crinoid::{
    Batch, BuildOptions, Collection, CollectionOptions, ExternalId, Match, SearchOptions,
};
use crinoid_files::Ids;
use numpy::PyArray1;
use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    types::{PyList, PyString},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// A living set of vectors in a folder: updated while it is searched, durable, by ids that are
/// numbers or texts.
#[pyclass(name = "Collection", module = "crinoid", frozen)]
pub(crate) struct PyCollection {
    /// `None` once it is closed.
    collection: Mutex<Option<Arc<Collection>>>,
    folder: PathBuf,
}

/// An id as it goes in.
fn id(given: &Bound<'_, PyAny>) -> PyResult<ExternalId> {
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(text.to_cow()?.as_ref().into());
    }
    let number = given.extract::<u64>();
    number
        .map(ExternalId::from)
        .map_err(|_| PyTypeError::new_err("an id is a str, or an int from 0 to 2**64 - 1"))
}

/// One id, or many.
fn ids(given: &Bound<'_, PyAny>) -> PyResult<(Vec<ExternalId>, bool)> {
    if given.is_instance_of::<PyString>() || !given.hasattr(intern!(given.py(), "__iter__"))? {
        return Ok((vec![id(given)?], true));
    }
    let many = given.try_iter()?.map(|one| id(&one?)).collect::<PyResult<_>>()?;
    Ok((many, false))
}

/// An id as it comes out.
fn given_back<'py>(py: Python<'py>, id: &ExternalId) -> PyResult<Bound<'py, PyAny>> {
    Ok(match id {
        ExternalId::Number(number) => number.into_pyobject(py)?.into_any(),
        ExternalId::Text(text) => text.into_pyobject(py)?.into_any(),
    })
}

/// Answers as a list of ids and an array of distances.
fn answers<'py>(
    py: Python<'py>,
    found: &[Match],
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyArray1<f32>>)> {
    let ids = found.iter().map(|one| given_back(py, &one.id)).collect::<PyResult<Vec<_>>>()?;
    let distances: Vec<f32> = found.iter().map(|one| one.distance).collect();
    Ok((PyList::new(py, ids)?, PyArray1::from_vec(py, distances)))
}

impl PyCollection {
    fn open_one(&self) -> PyResult<Arc<Collection>> {
        let collection = self.collection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        collection.ok_or_else(|| {
            StoreError::new_err(format!("{}: the collection is closed", self.folder.display()))
        })
    }

    fn new(collection: Collection, folder: PathBuf) -> Self {
        Self { collection: Mutex::new(Some(Arc::new(collection))), folder }
    }
}

#[pymethods]
impl PyCollection {
    /// Makes an empty collection of `dim`-dimensional vectors in `folder`.
    #[staticmethod]
    #[pyo3(signature = (folder, dim, metric = "l2", *, m = 16, ef_construction = 200, recipe = None, seal_rows = None, max_dead = None, max_segments = None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    fn create(
        py: Python<'_>,
        folder: PathBuf,
        dim: usize,
        metric: &str,
        m: usize,
        ef_construction: usize,
        recipe: Option<&str>,
        seal_rows: Option<usize>,
        max_dead: Option<f64>,
        max_segments: Option<usize>,
    ) -> PyResult<Self> {
        let mut build = BuildOptions::default().metric(arrays::metric(metric)?);
        (build.graph.m, build.graph.ef_construction) = (m, ef_construction);
        if let Some(recipe) = recipe {
            build.recipe = arrays::recipe(recipe)?;
        }
        let usual = CollectionOptions::default();
        let options = CollectionOptions::default()
            .build(build)
            .seal_rows(seal_rows.unwrap_or(usual.seal_rows))
            .max_dead(max_dead.unwrap_or(usual.max_dead))
            .max_segments(max_segments.unwrap_or(usual.max_segments));
        let made = py.detach(|| Collection::create(&folder, dim, &options)).or_raise()?;
        Ok(Self::new(made, folder))
    }

    /// Opens the collection in `folder`, whatever state a crash left it in.
    #[staticmethod]
    fn open(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let opened = py.detach(|| Collection::open(&folder)).or_raise()?;
        Ok(Self::new(opened, folder))
    }

    /// Inserts or replaces vectors: one id and one vector, or as many of both. All or nothing, and
    /// durable when it returns.
    #[pyo3(name = "upsert")]
    fn upsert(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (names, _) = self::ids(ids)?;
        if names.is_empty() {
            return Ok(());
        }
        let Rows { vectors, .. } = arrays::rows(vectors, "vectors")?;
        if names.len() != vectors.len() {
            let text = format!("{} ids for {} vectors", names.len(), vectors.len());
            return Err(OptionValueError::new_err(text));
        }
        let mut batch = Batch::new();
        for (name, vector) in names.into_iter().zip(vectors.rows()) {
            batch.upsert(name, vector);
        }
        let collection = self.open_one()?;
        py.detach(|| collection.write(&batch)).or_raise()?;
        Ok(())
    }

    /// Inserts or replaces the rows of a file of vectors, block by block; says how many. Without a column
    /// of ids, rows go on counting after the largest number that is an id.
    #[pyo3(signature = (path, *, vectors = None, ids = None))]
    fn load_file(
        &self,
        py: Python<'_>,
        path: PathBuf,
        vectors: Option<String>,
        ids: Option<String>,
    ) -> PyResult<usize> {
        let collection = self.open_one()?;
        let options = table::options(vectors, ids, Vec::new(), false);
        let mut reader = py.detach(|| crinoid_files::open(&path, &options)).or_raise()?;
        let first = collection.snapshot().next_number();
        let next = |row: usize| first?.checked_add(row as u64);
        let mut done = 0;
        loop {
            // A block is durable when the next one is read.
            py.check_signals()?;
            let Some(block) = py.detach(|| reader.next().transpose()).or_raise()? else {
                return Ok(done);
            };
            let mut batch = Batch::new();
            for (at, vector) in block.vectors.rows().enumerate() {
                let id = match &block.ids {
                    Some(Ids::Numbers(ids)) => ExternalId::Number(ids[at]),
                    Some(Ids::Texts(ids)) => ExternalId::Text(ids[at].clone()),
                    None => next(done + at).map(ExternalId::Number).ok_or_else(|| {
                        OptionValueError::new_err("no numbers are left to count with: name a column by ids=")
                    })?,
                };
                batch.upsert(id, vector);
            }
            py.detach(|| collection.write(&batch)).or_raise()?;
            done += block.vectors.len();
        }
    }

    /// The ids of all vectors, numbers first, in order.
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let snapshot = self.open_one()?.snapshot();
        let mut ids: Vec<ExternalId> = snapshot.ids().cloned().collect();
        ids.sort_unstable();
        PyList::new(py, ids.iter().map(|id| given_back(py, id)).collect::<PyResult<Vec<_>>>()?)
    }

    /// Deletes vectors by id; says how many there were.
    fn delete(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut batch = Batch::new();
        for name in self::ids(ids)?.0 {
            batch.delete(name);
        }
        let collection = self.open_one()?;
        Ok(py.detach(|| collection.write(&batch)).or_raise()?.deleted)
    }

    /// The vector stored under `id`, as it was given. `UnknownIdError` where there is none.
    fn get<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let (name, collection) = (self::id(id)?, self.open_one()?);
        let stored = py.detach(|| collection.get(name.clone())).or_raise()?;
        let vector = stored
            .ok_or_else(|| UnknownIdError::new_err(format!("no vector has the id {name}")))?;
        Ok(PyArray1::from_vec(py, vector))
    }

    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (name, collection) = (self::id(id)?, self.open_one()?);
        Ok(py.detach(|| collection.get(name)).or_raise()?.is_some())
    }

    /// The `k` nearest vectors: `(ids, distances)` of one query, or a pair of lists of them of many.
    #[pyo3(signature = (Q, k = 10, *, ef = None))]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        Q: &Bound<'py, PyAny>,
        k: usize,
        ef: Option<usize>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let Rows { vectors, single } = arrays::rows(Q, "Q")?;
        let options = ef.map_or_else(|| SearchOptions::for_k(k), |ef| SearchOptions::new(k, ef));
        let snapshot = self.open_one()?.snapshot();
        let ask = |row| {
            py.check_signals()?;
            let found = py.detach(|| snapshot.search(vectors.row(row), &options)).or_raise()?;
            answers(py, &found)
        };
        if single {
            let (ids, distances) = ask(0)?;
            return Ok((ids.into_any(), distances.into_any()));
        }
        let (ids, distances): (Vec<_>, Vec<_>) =
            (0..vectors.len()).map(ask).collect::<PyResult<Vec<_>>>()?.into_iter().unzip();
        Ok((PyList::new(py, ids)?.into_any(), PyList::new(py, distances)?.into_any()))
    }

    /// Makes an index file of all rows that are not in one yet.
    fn seal(&self, py: Python<'_>) -> PyResult<()> {
        let collection = self.open_one()?;
        py.detach(|| collection.seal()).or_raise()
    }

    /// Rewrites everything into one index file without dead rows.
    fn compact(&self, py: Python<'_>) -> PyResult<()> {
        let collection = self.open_one()?;
        py.detach(|| collection.compact()).or_raise()
    }

    /// Lets go of the folder. Searches that run end first; everything else raises from now on.
    fn close(&self) {
        let mut collection = self.collection.lock().unwrap_or_else(PoisonError::into_inner);
        *collection = None;
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.open_one()?.len())
    }

    fn __repr__(&self) -> String {
        let folder = self.folder.display();
        match self.open_one() {
            Ok(collection) => {
                format!("crinoid.Collection('{folder}', {} vectors)", collection.len())
            }
            Err(_) => format!("crinoid.Collection('{folder}', closed)"),
        }
    }
}
