//! `crinoid.Collection`: vectors that come and go, by the caller's own ids.

use crate::{
    arrays::{self, Rows},
    attributes,
    errors::{Exception, OptionValueError, Raise, StoreError, UnknownIdError},
    events::PyEvents,
    table,
};
use crinoid::{
    Batch, BuildOptions, Collection, CollectionOptions, ExternalId, Follower, Fusion,
    HybridOptions, Match, Matches, Readable, Row, SearchOptions, Snapshot, Written,
    tables::{self, TableError, attributes_of},
};
use crinoid_files::{Column, Ids, Values};
use numpy::PyArray1;
use pyo3::{
    exceptions::PyTypeError,
    intern,
    prelude::*,
    types::{PyDict, PyList, PyString},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A living set of vectors in a folder: updated while it is searched, durable, by ids that are
/// numbers or texts.
#[pyclass(name = "Collection", module = "crinoid", frozen)]
pub(crate) struct PyCollection {
    /// `None` once it is closed.
    opened: Mutex<Option<Opened>>,
    folder: PathBuf,
}

/// A collection of one's own, or one that another process may write.
#[derive(Clone)]
enum Opened {
    Own(Arc<Collection>),
    Followed(Arc<Follower>),
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
pub(crate) fn given_back<'py>(py: Python<'py>, id: &ExternalId) -> PyResult<Bound<'py, PyAny>> {
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

/// Ids and scores.
#[expect(clippy::type_complexity, reason = "a pair, as Python has it")]
fn scored<'py, 'a>(
    py: Python<'py>,
    found: impl Iterator<Item = (&'a ExternalId, f64)>,
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyArray1<f64>>)> {
    let (ids, scores): (Vec<_>, Vec<f64>) = found.unzip();
    let ids = ids.into_iter().map(|id| given_back(py, id)).collect::<PyResult<Vec<_>>>()?;
    Ok((PyList::new(py, ids)?, PyArray1::from_vec(py, scores)))
}

impl PyCollection {
    fn opened(&self) -> PyResult<Opened> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        opened.ok_or_else(|| {
            StoreError::new_err(format!("{}: the collection is closed", self.folder.display()))
        })
    }

    /// To write to it.
    fn open_one(&self) -> PyResult<Arc<Collection>> {
        match self.opened()? {
            Opened::Own(collection) => Ok(collection),
            Opened::Followed(_) => Err(StoreError::new_err(format!(
                "{}: this was opened by Collection.follow, for reading alone",
                self.folder.display()
            ))),
        }
    }

    /// To read it.
    pub(crate) fn readable(&self) -> PyResult<Arc<dyn Readable>> {
        Ok(match self.opened()? {
            Opened::Own(collection) => collection,
            Opened::Followed(follower) => follower,
        })
    }

    fn new(opened: Opened, folder: PathBuf) -> Self {
        Self { opened: Mutex::new(Some(opened)), folder }
    }

    fn own(collection: Collection, folder: PathBuf) -> Self {
        Self::new(Opened::Own(Arc::new(collection)), folder)
    }

    /// All rows, or those that a filter admits.
    pub(crate) fn among(&self, filter: Option<&str>) -> PyResult<Arc<Snapshot>> {
        let snapshot = self.readable()?.snapshot();
        match filter {
            Some(filter) => {
                snapshot.filtered(&attributes::filter(filter)?).map(Arc::new).or_raise()
            }
            None => Ok(snapshot),
        }
    }

    /// What is stored under an id; `UnknownIdError` where there is nothing.
    fn row(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<Row> {
        let (name, collection) = ([self::id(id)?], self.readable()?);
        let stored = py.detach(|| collection.get_many(&name)).or_raise()?.pop().flatten();
        stored.ok_or_else(|| UnknownIdError::new_err(format!("no vector has the id {}", name[0])))
    }

    /// Rows under their ids: those of ids that are there are replaced, or left where `only_new`.
    fn put(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        attributes: Option<&Bound<'_, PyAny>>,
        texts: Option<&Bound<'_, PyAny>>,
        only_new: bool,
    ) -> PyResult<Written> {
        let (names, _) = self::ids(ids)?;
        if names.is_empty() {
            return Ok(Written::default());
        }
        let Rows { vectors, .. } = arrays::rows(vectors, "vectors")?;
        if names.len() != vectors.len() {
            let text = format!("{} ids for {} vectors", names.len(), vectors.len());
            return Err(OptionValueError::new_err(text));
        }
        let attributes = attributes::given(attributes, names.len())?;
        let texts = given_texts(texts, names.len())?;
        let mut batch = Batch::new();
        let rows = names.into_iter().zip(vectors.rows()).zip(attributes).zip(texts);
        for (((name, vector), attributes), text) in rows {
            let row = Row { vector: vector.to_vec(), attributes, text };
            match only_new {
                true => batch.insert_row(name, row),
                false => batch.upsert_row(name, row),
            };
        }
        let collection = self.open_one()?;
        py.detach(|| collection.write(&batch)).or_raise()
    }
}

/// One text, or one for each of `rows`, `None` among them.
fn given_texts(given: Option<&Bound<'_, PyAny>>, rows: usize) -> PyResult<Vec<Option<String>>> {
    let Some(given) = given else { return Ok(vec![None; rows]) };
    let texts: Vec<Option<String>> = match given.is_instance_of::<PyString>() {
        true => vec![Some(given.extract()?)],
        false => given.try_iter()?.map(|text| text?.extract()).collect::<PyResult<_>>()?,
    };
    if texts.len() != rows {
        return Err(OptionValueError::new_err(format!("{} texts for {rows} ids", texts.len())));
    }
    Ok(texts)
}

/// "rrf", or the weight of the vectors.
pub(crate) fn fusion(given: &Bound<'_, PyAny>) -> PyResult<Fusion> {
    let wrong = "fuse: 'rrf', or the weight of the vectors, 0 to 1";
    match given.extract::<f64>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => Ok(Fusion::Weighted(weight)),
        Err(_) if given.extract::<&str>().is_ok_and(|word| word == "rrf") => Ok(Fusion::default()),
        _ => Err(OptionValueError::new_err(wrong)),
    }
}

/// Why rows were not exported.
enum Exported {
    Rows(TableError),
    File(crinoid_files::FileError),
}

impl From<TableError> for Exported {
    fn from(error: TableError) -> Self {
        Self::Rows(error)
    }
}

impl From<crinoid_files::FileError> for Exported {
    fn from(error: crinoid_files::FileError) -> Self {
        Self::File(error)
    }
}

impl Exception for Exported {
    fn exception(self) -> PyErr {
        match self {
            Exported::Rows(TableError::Collection(error)) => error.exception(),
            Exported::Rows(error) => OptionValueError::new_err(error.to_string()),
            Exported::File(error) => error.exception(),
        }
    }
}

/// The rows of a collection from the nearest on; made by `Collection.search_iter`.
#[pyclass(name = "Matches", module = "crinoid", frozen)]
pub(crate) struct PyMatches {
    matches: Mutex<Matches>,
}

impl PyMatches {
    fn matches(&self) -> MutexGuard<'_, Matches> {
        self.matches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyMatches {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>, f32)>> {
        let next = py.detach(|| self.matches().next().transpose()).or_raise()?;
        next.map(|found| Ok((given_back(py, &found.id)?, found.distance))).transpose()
    }

    /// The next `n` rows: `(ids, distances)`; fewer at the end.
    fn page<'py>(
        &self,
        py: Python<'py>,
        n: usize,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyArray1<f32>>)> {
        let found: Result<Vec<Match>, _> = py.detach(|| self.matches().by_ref().take(n).collect());
        answers(py, &found.or_raise()?)
    }
}

#[pymethods]
impl PyCollection {
    /// Makes an empty collection of `dim`-dimensional vectors in `folder`.
    #[staticmethod]
    #[pyo3(signature = (folder, dim, metric = "l2", *, m = 16, ef_construction = 200, recipe = None, seal_rows = None, max_dead = None, max_segments = None, schema = None))]
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
        schema: Option<&Bound<'_, PyDict>>,
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
        let options = match schema {
            Some(schema) => options.schema(attributes::schema(schema)?),
            None => options,
        };
        let made = py.detach(|| Collection::create(&folder, dim, &options)).or_raise()?;
        Ok(Self::own(made, folder))
    }

    /// Opens the collection in `folder`, whatever state a crash left it in. `shared`: other processes may read
    /// meanwhile.
    #[staticmethod]
    #[pyo3(signature = (folder, *, shared = false))]
    fn open(py: Python<'_>, folder: PathBuf, shared: bool) -> PyResult<Self> {
        let open = || match shared {
            true => Collection::open_shared(&folder),
            false => Collection::open(&folder),
        };
        let opened = py.detach(open).or_raise()?;
        Ok(Self::own(opened, folder))
    }

    /// Opens the collection in `folder` for reading alone, beside a process that has it open `shared`, or none.
    #[staticmethod]
    fn follow(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let follower = py.detach(|| Follower::open(&folder)).or_raise()?;
        Ok(Self::new(Opened::Followed(Arc::new(follower)), folder))
    }

    /// Takes over what another process has written since; says whether there was anything.
    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        match self.opened()? {
            Opened::Own(_) => Ok(false),
            Opened::Followed(follower) => py.detach(|| follower.refresh()).or_raise(),
        }
    }

    /// Inserts or replaces vectors, their attributes and their texts: one id and one vector, or as many of both.
    /// All or nothing, and durable when it returns.
    #[pyo3(signature = (ids, vectors, attributes = None, texts = None))]
    fn upsert(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        attributes: Option<&Bound<'_, PyAny>>,
        texts: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.put(py, ids, vectors, attributes, texts, false).map(|_| ())
    }

    /// As `upsert`, but leaves what is stored under an id; says how many were new.
    #[pyo3(signature = (ids, vectors, attributes = None, texts = None))]
    fn insert(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        vectors: &Bound<'_, PyAny>,
        attributes: Option<&Bound<'_, PyAny>>,
        texts: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        self.put(py, ids, vectors, attributes, texts, true).map(|written| written.inserted)
    }

    /// Sets attributes of one row or of many, and removes those that are None; the others and the vectors
    /// stay. Says how many rows there were.
    fn update(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        changes: &Bound<'_, PyDict>,
    ) -> PyResult<usize> {
        let changes = attributes::changes(changes)?;
        let mut batch = Batch::new();
        for name in self::ids(ids)?.0 {
            batch.update(name, changes.clone());
        }
        let collection = self.open_one()?;
        Ok(py.detach(|| collection.write(&batch)).or_raise()?.updated)
    }

    /// Inserts or replaces the rows of a file of vectors, block by block; says how many. Without a column
    /// of ids, rows go on counting after the largest number that is an id.
    #[pyo3(signature = (path, *, vectors = None, ids = None, attributes = Vec::new(), text = None))]
    fn load_file(
        &self,
        py: Python<'_>,
        path: PathBuf,
        vectors: Option<String>,
        ids: Option<String>,
        mut attributes: Vec<String>,
        text: Option<String>,
    ) -> PyResult<usize> {
        let collection = self.open_one()?;
        let has_text = text.is_some();
        if let Some(text) = text.as_ref().filter(|text| attributes.contains(text)) {
            let why = format!("text: the column `{text}` is among the attributes");
            return Err(OptionValueError::new_err(why));
        }
        // One more column, the last.
        attributes.extend(text);
        let options = table::options(vectors, ids, attributes, false);
        let mut reader = py.detach(|| crinoid_files::open(&path, &options)).or_raise()?;
        let first = collection.snapshot().next_number();
        let next = |row: usize| first?.checked_add(row as u64);
        let mut done = 0;
        loop {
            // A block is durable when the next one is read.
            py.check_signals()?;
            let Some(mut block) = py.detach(|| reader.next().transpose()).or_raise()? else {
                return Ok(done);
            };
            let texts = match has_text.then(|| block.attributes.pop()).flatten() {
                Some(Column { values: Values::Texts(texts), .. }) => Some(texts),
                Some(Column { name, values }) => {
                    let why = format!("text: the column `{name}` holds {}", values.kind());
                    return Err(OptionValueError::new_err(why));
                }
                None => None,
            };
            let mut batch = Batch::new();
            for (at, vector) in block.vectors.rows().enumerate() {
                let id = match &block.ids {
                    Some(Ids::Numbers(ids)) => ExternalId::Number(ids[at]),
                    Some(Ids::Texts(ids)) => ExternalId::Text(ids[at].clone()),
                    None => next(done + at).map(ExternalId::Number).ok_or_else(|| {
                        OptionValueError::new_err(
                            "no numbers are left to count with: name a column by ids=",
                        )
                    })?,
                };
                let text = texts.as_ref().and_then(|texts| texts[at].clone());
                let attributes = attributes_of(&block.attributes, at);
                batch.upsert_row(id, Row { vector: vector.to_vec(), attributes, text });
            }
            py.detach(|| collection.write(&batch)).or_raise()?;
            done += block.vectors.len();
        }
    }

    /// The ids of all vectors, or of those that a filter admits, in order, numbers first: at most `limit`,
    /// beginning after the id `after`.
    #[pyo3(signature = (filter = None, *, after = None, limit = None))]
    fn ids<'py>(
        &self,
        py: Python<'py>,
        filter: Option<&str>,
        after: Option<&Bound<'py, PyAny>>,
        limit: Option<usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let snapshot = self.among(filter)?;
        let after = after.map(id).transpose()?;
        let ids = py.detach(|| snapshot.list(after.as_ref(), limit.unwrap_or(snapshot.len())));
        PyList::new(py, ids.iter().map(|id| given_back(py, id)).collect::<PyResult<Vec<_>>>()?)
    }

    /// How many vectors a filter admits.
    #[pyo3(signature = (filter = None))]
    fn count(&self, filter: Option<&str>) -> PyResult<usize> {
        Ok(self.among(filter)?.len())
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
        Ok(PyArray1::from_vec(py, self.row(py, id)?.vector))
    }

    /// The attributes stored under `id`. `UnknownIdError` where there is nothing.
    fn attributes<'py>(
        &self,
        py: Python<'py>,
        id: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        attributes::given_back(py, &self.row(py, id)?.attributes)
    }

    /// What is stored under each of `ids`, all at one time: `(vector, attributes)`, None where there is
    /// nothing.
    #[expect(clippy::type_complexity, reason = "a pair, as Python has it")]
    fn get_many<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Option<(Bound<'py, PyArray1<f32>>, Bound<'py, PyDict>)>>> {
        let (names, collection) = (self::ids(ids)?.0, self.readable()?);
        let rows = py.detach(|| collection.get_many(&names)).or_raise()?;
        let pair = |row: Option<crinoid::Row>| {
            let pair = |row: crinoid::Row| {
                let attributes = attributes::given_back(py, &row.attributes)?;
                Ok((PyArray1::from_vec(py, row.vector), attributes))
            };
            row.map(pair).transpose()
        };
        rows.into_iter().map(pair).collect()
    }

    /// The texts stored under `ids`, all at one time; None where there is none. One id, one text.
    fn texts<'py>(&self, py: Python<'py>, ids: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let ((names, single), collection) = (self::ids(ids)?, self.readable()?);
        let mut texts = py.detach(|| collection.texts(&names)).or_raise()?;
        match single {
            true => Ok(texts.pop().flatten().into_pyobject(py)?.into_any()),
            false => Ok(texts.into_pyobject(py)?.into_any()),
        }
    }

    /// The `k` rows whose texts fit the words best by BM25: `(ids, scores)`, higher is better.
    #[pyo3(signature = (text, k = 10, *, filter = None))]
    #[expect(clippy::type_complexity, reason = "a pair, as Python has it")]
    fn search_text<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        k: usize,
        filter: Option<&str>,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyArray1<f64>>)> {
        let snapshot = self.among(filter)?;
        let found = py.detach(|| snapshot.search_text(text, k)).or_raise()?;
        scored(py, found.iter().map(|found| (&found.id, found.score)))
    }

    /// The `k` rows that are best by vector and by words together: `(ids, scores)`, higher is better. `fuse`:
    /// 'rrf' (reciprocal rank fusion), or the weight of the vectors, 0 to 1.
    #[pyo3(signature = (q, text, k = 10, *, ef = None, filter = None, fuse = None, pool = None))]
    #[expect(clippy::type_complexity, reason = "a pair, as Python has it")]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    fn search_hybrid<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        text: &str,
        k: usize,
        ef: Option<usize>,
        filter: Option<&str>,
        fuse: Option<&Bound<'py, PyAny>>,
        pool: Option<usize>,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyArray1<f64>>)> {
        let query = arrays::vector(q, "q")?;
        let mut options = HybridOptions::for_k(k);
        if let Some(ef) = ef {
            options = options.search(SearchOptions::for_k(k).ef(ef));
        }
        if let Some(fuse) = fuse {
            options = options.fusion(fusion(fuse)?);
        }
        if let Some(pool) = pool {
            options = options.pool(pool);
        }
        let snapshot = self.among(filter)?;
        let found = py.detach(|| snapshot.search_hybrid(&query, text, &options)).or_raise()?;
        scored(py, found.iter().map(|found| (&found.id, found.score)))
    }

    fn __contains__(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        let (name, collection) = ([self::id(id)?], self.readable()?);
        Ok(py.detach(|| collection.get_many(&name)).or_raise()?.pop().flatten().is_some())
    }

    /// The `k` nearest vectors: `(ids, distances)` of one query, or a pair of lists of them of many; among the
    /// rows that `filter` admits, where one is given.
    #[pyo3(signature = (Q, k = 10, *, ef = None, recall = None, filter = None, exact = false))]
    #[expect(non_snake_case, reason = "a matrix, as everybody there calls it")]
    #[expect(clippy::too_many_arguments, reason = "keywords of a Python function")]
    fn search<'py>(
        &self,
        py: Python<'py>,
        Q: &Bound<'py, PyAny>,
        k: usize,
        ef: Option<usize>,
        recall: Option<f32>,
        filter: Option<&str>,
        exact: bool,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let Rows { vectors, single } = arrays::rows(Q, "Q")?;
        if ef.is_some() && recall.is_some() {
            return Err(OptionValueError::new_err("ef and recall: give one of them, not both"));
        }
        let options = SearchOptions::for_k(k);
        let options = match (ef, recall) {
            (Some(ef), _) => options.ef(ef),
            (None, Some(recall)) => options.recall(recall),
            (None, None) => options,
        };
        let snapshot = self.among(filter)?;
        let ask = |row| {
            py.check_signals()?;
            let found = py.detach(|| match exact {
                true => snapshot.search_exact(vectors.row(row), k),
                false => snapshot.search(vectors.row(row), &options),
            });
            answers(py, &found.or_raise()?)
        };
        if single {
            let (ids, distances) = ask(0)?;
            return Ok((ids.into_any(), distances.into_any()));
        }
        let (ids, distances): (Vec<_>, Vec<_>) =
            (0..vectors.len()).map(ask).collect::<PyResult<Vec<_>>>()?.into_iter().unzip();
        Ok((PyList::new(py, ids)?.into_any(), PyList::new(py, distances)?.into_any()))
    }

    /// All vectors within `radius` of the query (a distance of the metric, inclusive), nearest first:
    /// `(ids, distances)`.
    #[pyo3(signature = (q, radius, *, filter = None))]
    #[expect(clippy::type_complexity, reason = "a pair, as Python has it")]
    fn search_range<'py>(
        &self,
        py: Python<'py>,
        q: &Bound<'py, PyAny>,
        radius: f32,
        filter: Option<&str>,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyArray1<f32>>)> {
        let query = arrays::vector(q, "q")?;
        let snapshot = self.among(filter)?;
        let found = py.detach(|| snapshot.search_range(&query, radius)).or_raise()?;
        answers(py, &found)
    }

    /// The vectors from the nearest on, as many as the caller takes: an iterator of `(id, distance)`.
    #[pyo3(signature = (q, *, filter = None))]
    fn search_iter(
        &self,
        py: Python<'_>,
        q: &Bound<'_, PyAny>,
        filter: Option<&str>,
    ) -> PyResult<PyMatches> {
        let query = arrays::vector(q, "q")?;
        let snapshot = self.among(filter)?;
        let matches = py.detach(|| snapshot.search_iter(&query)).or_raise()?;
        Ok(PyMatches { matches: Mutex::new(matches) })
    }

    /// Writes all rows with their attributes and texts as Parquet or Arrow, by the path's extension; says how many.
    fn export(&self, py: Python<'_>, path: PathBuf) -> PyResult<usize> {
        let collection = self.readable()?;
        let write = || -> Result<usize, Exported> {
            let ids = collection.snapshot().list(None, usize::MAX);
            let table = tables::table_of(&*collection, &ids)?;
            crinoid_files::write_table(&path, &table)?;
            Ok(ids.len())
        };
        py.detach(write).or_raise()
    }

    /// What maintenance does from now on.
    fn events(&self) -> PyResult<PyEvents> {
        Ok(PyEvents { events: Mutex::new(self.open_one()?.events()) })
    }

    /// What it is at: a dictionary of sizes, and how maintenance gets on.
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let status = self.open_one()?.status();
        let facts = PyDict::new(py);
        facts.set_item("rows", status.rows)?;
        facts.set_item("segments", status.segments)?;
        facts.set_item("dead", status.dead)?;
        facts.set_item("unsealed", status.unsealed)?;
        facts.set_item("building", status.building)?;
        facts.set_item("bytes", status.bytes)?;
        facts.set_item("failure", status.failure.map(|failure| failure.why))?;
        Ok(facts)
    }

    /// Waits until all is sealed and compacted that should be.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let collection = self.open_one()?;
        py.detach(|| collection.flush()).or_raise()
    }

    /// Reads everything that is stored and compares it with its checksums: a line for each problem.
    fn verify(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let collection = self.open_one()?;
        Ok(py.detach(|| collection.verify()).or_raise()?.problems)
    }

    /// Deletes all rows that a filter admits; says how many.
    fn delete_where(&self, py: Python<'_>, filter: &str) -> PyResult<usize> {
        let (filter, collection) = (attributes::filter(filter)?, self.open_one()?);
        py.detach(|| collection.delete_where(&filter)).or_raise()
    }

    /// Copies the collection to a new folder, while it is used.
    fn backup(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        let collection = self.open_one()?;
        py.detach(|| collection.backup(folder)).or_raise()
    }

    /// Makes of a damaged collection one of what can still be read of it.
    #[staticmethod]
    fn repair(py: Python<'_>, folder: PathBuf) -> PyResult<Bound<'_, PyDict>> {
        let repair = py.detach(|| Collection::repair(&folder)).or_raise()?;
        let facts = PyDict::new(py);
        facts.set_item("rows", repair.rows)?;
        facts.set_item("restored", repair.restored)?;
        facts.set_item("lost", repair.lost)?;
        facts.set_item("kept", repair.kept)?;
        Ok(facts)
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
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.close();
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.readable()?.snapshot().len())
    }

    fn __repr__(&self) -> String {
        let folder = self.folder.display();
        match self.readable() {
            Ok(collection) => {
                let rows = collection.snapshot().len();
                format!("crinoid.Collection('{folder}', {rows} vectors)")
            }
            Err(_) => format!("crinoid.Collection('{folder}', closed)"),
        }
    }
}
