//! `crinoid.read`: the files that people have, as arrays.

use crate::{errors::Raise, names};
use crinoid::Vectors;
use crinoid_files::{Column, Format, Ids, Options, Table, Values, hdf5};
use numpy::{PyArray1, PyArray2, PyArrayMethods};
use pyo3::{
    intern,
    prelude::*,
    types::{PyDict, PyList},
};
use std::path::{Path, PathBuf};

/// The rows of a file: vectors, ids and attributes.
#[pyclass(name = "Table", module = "crinoid", frozen)]
pub(crate) struct PyTable {
    pub(crate) vectors: Vectors,
    pub(crate) ids: Option<Ids>,
    attributes: Vec<Column>,
    pub(crate) metric: Option<&'static str>,
}

/// Where things are in a file.
pub(crate) fn options(
    vectors: Option<String>,
    ids: Option<String>,
    attributes: Vec<String>,
    queries: bool,
) -> Options {
    Options { vectors, ids, attributes, queries }
}

/// Reads a whole file.
pub(crate) fn open(py: Python<'_>, path: &Path, options: &Options) -> PyResult<PyTable> {
    let read = || {
        let Table { vectors, ids, attributes } = crinoid_files::read(path, options)?;
        let metric = match Format::of(path)? {
            Format::Hdf5 => hdf5::File::open(path)?.distance()?.map(|one| one.metric.name()),
            _ => None,
        };
        Ok::<_, crinoid_files::FileError>(PyTable { vectors, ids, attributes, metric })
    };
    py.detach(read).or_raise()
}

/// Reads a file of vectors: npy, npz, HDF5, Parquet, Arrow, Feather, safetensors, JSON lines, fbin, fvecs
/// and their kin.
#[pyfunction]
#[pyo3(signature = (path, *, vectors = None, ids = None, attributes = Vec::new(), queries = false))]
pub(crate) fn read(
    py: Python<'_>,
    path: PathBuf,
    vectors: Option<String>,
    ids: Option<String>,
    attributes: Vec<String>,
    queries: bool,
) -> PyResult<PyTable> {
    open(py, &path, &options(vectors, ids, attributes, queries))
}

#[pymethods]
impl PyTable {
    /// The vectors, `n x d`, a copy.
    #[getter]
    fn vectors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let flat = PyArray1::from_slice(py, self.vectors.as_slice());
        flat.reshape([self.vectors.len(), self.vectors.dim()])
    }

    /// The names of the rows; `None` where no column was asked for.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.ids {
            None => Ok(None),
            Some(Ids::Numbers(ids)) => Ok(Some(PyArray1::from_slice(py, ids).into_any())),
            Some(Ids::Texts(ids)) => objects(py, ids.iter().map(Some)).map(Some),
        }
    }

    /// The columns that were asked for, an array each. Where a row has no value, floats are NaN, and
    /// other columns hold objects, `None` among them.
    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for Column { name, values } in &self.attributes {
            let array = match values {
                Values::Integers(values) => match values.iter().copied().collect() {
                    Some(whole) => PyArray1::<i64>::from_vec(py, whole).into_any(),
                    None => objects(py, values.iter().copied())?,
                },
                Values::Flags(values) => match values.iter().copied().collect() {
                    Some(whole) => PyArray1::<bool>::from_vec(py, whole).into_any(),
                    None => objects(py, values.iter().copied())?,
                },
                Values::Floats(values) => {
                    let values = values.iter().map(|value| value.unwrap_or(f64::NAN));
                    PyArray1::from_vec(py, values.collect()).into_any()
                }
                Values::Texts(values) => objects(py, values.iter().map(Option::as_ref))?,
                Values::Lists(values) => objects(py, values.iter().map(Option::as_ref))?,
                // None is "not a time".
                Values::Times(values) => {
                    let micros = values.iter().map(|time| time.unwrap_or(i64::MIN)).collect();
                    let micros = PyArray1::<i64>::from_vec(py, micros);
                    micros.call_method1(intern!(py, "view"), ("datetime64[us]",))?
                }
            };
            all.set_item(name, array)?;
        }
        Ok(all)
    }

    /// What the file declares as its metric; `None` where it does not.
    #[getter]
    fn metric(&self) -> Option<&'static str> {
        self.metric
    }

    fn __len__(&self) -> usize {
        self.vectors.len()
    }

    fn __repr__(&self) -> String {
        let names: Vec<&str> = self.attributes.iter().map(|one| one.name.as_str()).collect();
        let ids = if self.ids.is_some() { "with ids" } else { "without ids" };
        let (rows, dim, names) = (self.vectors.len(), self.vectors.dim(), names.join(", "));
        format!("crinoid.Table({rows} x {dim}, {ids}, attributes: [{names}])")
    }
}

/// An array of Python's own objects.
fn objects<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    values: impl Iterator<Item = T>,
) -> PyResult<Bound<'py, PyAny>> {
    let list = PyList::empty(py);
    for value in values {
        list.append(value)?;
    }
    let numpy = py.import(intern!(py, "numpy"))?;
    numpy.call_method1(intern!(py, "array"), (list, "object"))
}

impl PyTable {
    /// The names of the rows, for an index.
    pub(crate) fn names(&self) -> PyResult<Option<crinoid_files::Names>> {
        self.ids.clone().map(names::unique).transpose()
    }

    /// The vectors; shared, not copied.
    pub(crate) fn shared(&self) -> Vectors {
        self.vectors.clone()
    }
}
