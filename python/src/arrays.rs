//! Arrays on their way in and out.

use crate::{
    errors::{OptionValueError, Raise, VectorValueError},
    names,
    table::PyTable,
};
use crinoid::{Neighbor, SearchOptions, Vectors};
use crinoid_files::Names;
use half::f16;
use numpy::{
    Element, PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArray2, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::{
    intern,
    prelude::*,
    types::{PyBool, PyString},
};

/// The numbers that vectors may have.
const DTYPES: &str = "float32, float64, float16, int8 or uint8";

/// One vector or many, as they came.
pub(crate) struct Rows {
    pub(crate) vectors: Vectors,
    /// Whether it was a single vector, not a matrix of one row.
    pub(crate) single: bool,
}

/// A single vector of `float32` values in a row, copied: what most callers ask with, at a third of the cost
/// of [`rows`]. `None` for anything else.
pub(crate) fn plain(given: &Bound<'_, PyAny>) -> Option<Vec<f32>> {
    let array: &Bound<'_, PyArray1<f32>> = given.cast().ok()?;
    Some(array.try_readonly().ok()?.as_slice().ok()?.to_vec())
}

/// Reads a vector (`d`) or a matrix (`n x d`) from anything that numpy takes for an array, or that
/// speaks DLPack. Copied once, before the interpreter is released, so that nobody changes it meanwhile.
pub(crate) fn rows(given: &Bound<'_, PyAny>, what: &str) -> PyResult<Rows> {
    if let Ok(table) = given.cast::<PyTable>() {
        return Ok(Rows { vectors: table.get().shared(), single: false });
    }
    let array = as_array(given)?;
    let (shape, single) = match array.shape() {
        [n, d] => ([*n, *d], false),
        [d] => ([1, *d], true),
        shape => {
            let text = format!(
                "{what}: {} dimensions where a vector (d) or a matrix (n, d) is expected",
                shape.len()
            );
            return Err(VectorValueError::new_err(text));
        }
    };
    let vectors = match () {
        () if shape[0] == 0 && shape[1] > 0 => Some(Ok(Vectors::empty(shape[1]))),
        () => read::<f32>(&array, shape)
            .or_else(|| read::<f64>(&array, shape))
            .or_else(|| read::<f16>(&array, shape))
            .or_else(|| read::<i8>(&array, shape))
            .or_else(|| read::<u8>(&array, shape)),
    };
    match vectors {
        Some(vectors) => Ok(Rows {
            vectors: vectors
                .map_err(|error| VectorValueError::new_err(format!("{what}: {error}")))?,
            single,
        }),
        None => {
            let dtype = array.dtype();
            let text = format!(
                "{what}: dtype {dtype} where {DTYPES} is expected: convert by .astype('float32')"
            );
            Err(VectorValueError::new_err(text))
        }
    }
}

fn as_array<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let py = given.py();
    if let Ok(array) = given.cast::<PyUntypedArray>() {
        return Ok(array.clone());
    }
    let numpy = py.import(intern!(py, "numpy"))?;
    let converted = if given.hasattr(intern!(py, "__array__"))? {
        numpy.call_method1(intern!(py, "asarray"), (given,))?
    } else if given.hasattr(intern!(py, "__dlpack__"))? {
        numpy.call_method1(intern!(py, "from_dlpack"), (given,))?
    } else {
        numpy.call_method1(intern!(py, "asarray"), (given, "float32"))?
    };
    Ok(converted.cast_into::<PyUntypedArray>()?)
}

/// The rows, where `T` is what they consist of.
fn read<T>(
    array: &Bound<'_, PyUntypedArray>,
    shape: [usize; 2],
) -> Option<Result<Vectors, crinoid::VectorError>>
where
    T: Element + crinoid::Number,
{
    let array: &Bound<'_, PyArrayDyn<T>> = array.cast().ok()?;
    let matrix: PyReadonlyArray2<'_, T> = array.reshape(shape).ok()?.try_readonly().ok()?;
    Some(Vectors::from_rows(matrix.as_array()))
}

/// Answers as a pair of arrays: ids (`int64`, -1 where there is no answer) and distances (`float32`,
/// infinite there), `n x k`; of a single query, as many as there are.
pub(crate) type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

pub(crate) fn one<'py>(
    py: Python<'py>,
    answers: &[Neighbor],
    names: Option<&Names>,
) -> PyResult<Pair<'py>> {
    let ids = names::array(py, names, answers.iter().map(|near| Some(near.id)))?;
    let distances: Vec<f32> = answers.iter().map(|near| near.distance).collect();
    Ok((ids, PyArray1::from_slice(py, &distances).into_any()))
}

pub(crate) fn many<'py, 'a>(
    py: Python<'py>,
    n: usize,
    k: usize,
    answers: impl Iterator<Item = &'a [Neighbor]>,
    names: Option<&Names>,
) -> PyResult<Pair<'py>> {
    let (mut rows, mut distances) = (vec![None; n * k], vec![f32::INFINITY; n * k]);
    for (query, found) in answers.enumerate() {
        for (place, near) in found.iter().enumerate() {
            rows[query * k + place] = Some(near.id);
            distances[query * k + place] = near.distance;
        }
    }
    let ids = names::reshaped(names::array(py, names, rows.into_iter())?, n, k)?;
    Ok((ids, PyArray1::from_vec(py, distances).reshape([n, k])?.into_any()))
}

/// Which of `len` rows are admitted by a mask of booleans, by ids, or by a function of the id.
pub(crate) fn mask(
    given: &Bound<'_, PyAny>,
    len: usize,
    names: Option<&Names>,
) -> PyResult<Vec<bool>> {
    let py = given.py();
    if given.is_callable() {
        let ids = match names {
            Some(names) => names::whole(py, names)?.call_method0(intern!(py, "tolist"))?,
            None => pyo3::types::PyRange::new(py, 0, len as isize)?.into_any(),
        };
        return ids.try_iter()?.map(|id| given.call1((id?,))?.is_truthy()).collect();
    }
    let expected = || {
        let text = "filter: a mask of booleans, ids, or a function of the id is expected";
        OptionValueError::new_err(text)
    };
    if let Ok(array) = given.cast::<PyUntypedArray>().cloned().or_else(|_| {
        let numpy = py.import(intern!(py, "numpy"))?;
        let listed = numpy.call_method1(intern!(py, "asarray"), (given,))?;
        PyResult::Ok(listed.cast_into::<PyUntypedArray>()?)
    }) {
        if let Ok(flags) = array.cast::<PyArray1<bool>>() {
            let flags = flags.readonly().as_array().to_vec();
            if flags.len() != len {
                let text =
                    format!("filter: a mask of {} rows where the index has {len}", flags.len());
                return Err(OptionValueError::new_err(text));
            }
            return Ok(flags);
        }
        if names.is_none() {
            let array = array.call_method1(intern!(py, "astype"), ("int64",))?;
            let numbers = array.cast::<PyArray1<i64>>().map_err(|_| expected())?;
            let mut admitted = vec![false; len];
            for &number in numbers.readonly().as_array() {
                let place = usize::try_from(number).ok().and_then(|place| admitted.get_mut(place));
                let text = || format!("filter: row {number} where the index has {len}");
                *place.ok_or_else(|| OptionValueError::new_err(text()))? = true;
            }
            return Ok(admitted);
        }
    }
    let mut admitted = vec![false; len];
    if given.is_instance_of::<PyString>() {
        return Err(expected());
    }
    for id in given.try_iter().map_err(|_| expected())? {
        let row = names::row(&id?, names, len);
        let row =
            row.map_err(|error| OptionValueError::new_err(format!("filter: {}", error.value(py))))?;
        admitted[row as usize] = true;
    }
    Ok(admitted)
}

/// A single vector.
pub(crate) fn vector(given: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<f32>> {
    let Rows { vectors, .. } = rows(given, what)?;
    if vectors.len() != 1 {
        let text = format!("{what}: {} vectors where one is expected", vectors.len());
        return Err(VectorValueError::new_err(text));
    }
    Ok(vectors.row(0).to_vec())
}

/// How many answers, and with what effort.
pub(crate) fn search_options(
    k: usize,
    ef: Option<usize>,
    recall: Option<f32>,
) -> PyResult<SearchOptions> {
    match (ef, recall) {
        (Some(_), Some(_)) => {
            Err(OptionValueError::new_err("ef and recall: give one of them, not both"))
        }
        (Some(ef), None) => Ok(SearchOptions::new(k, ef)),
        (None, Some(recall)) => Ok(SearchOptions::for_k(k).recall(recall)),
        (None, None) => Ok(SearchOptions::for_k(k)),
    }
}

/// A metric by its name.
pub(crate) fn metric(name: &str) -> PyResult<crinoid::Metric> {
    name.parse()
        .map_err(|error: crinoid::UnknownMetric| OptionValueError::new_err(error.to_string()))
}

/// What becomes of rows of zeros, by its name.
pub(crate) fn zero_rows(name: &str) -> PyResult<crinoid::ZeroRows> {
    match name {
        "refuse" => Ok(crinoid::ZeroRows::Refuse),
        "keep" => Ok(crinoid::ZeroRows::Keep),
        _ => {
            Err(OptionValueError::new_err(format!("zero_rows is 'refuse' or 'keep', not '{name}'")))
        }
    }
}

/// A recipe by its text.
pub(crate) fn recipe(text: &str) -> PyResult<crinoid::Recipe> {
    text.parse::<crinoid::Recipe>().map_err(crinoid::IndexError::from).or_raise()
}

/// Who is told how far a build is: a function `(done, total)`; a line on the terminal, where there is
/// one, unless it is `False`.
pub(crate) fn listener<'py>(
    py: Python<'py>,
    given: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    match given {
        Some(given) if given.is(PyBool::new(py, false)) => Ok(None),
        Some(given) if given.is_callable() => Ok(Some(given.clone())),
        Some(given) if !given.is(PyBool::new(py, true)) => {
            let text = "progress is True, False or a function of (done, total)";
            Err(OptionValueError::new_err(text))
        }
        _ => {
            let module = py.import(intern!(py, "crinoid._progress"))?;
            let listener = module.getattr(intern!(py, "listener"))?.call0()?;
            Ok((!listener.is_none()).then_some(listener))
        }
    }
}
