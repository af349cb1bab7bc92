//! What the rows of an index are called, as they go in and come out.

use crate::errors::{OptionValueError, Raise, UnknownIdError};
use crinoid_files::{Ids, Names};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::{
    intern,
    prelude::*,
    types::{PyList, PyString},
};

/// So many ids are copied.
const FEW: usize = 4_096;

/// The names that a caller gives: ints or strs, as many as rows.
pub(crate) fn given(ids: &Bound<'_, PyAny>, rows: usize) -> PyResult<Names> {
    let py = ids.py();
    // Arrays of numpy hold numbers of their own kinds.
    let listed = match ids.hasattr(intern!(py, "tolist"))? {
        true => ids.call_method0(intern!(py, "tolist"))?,
        false => ids.clone(),
    };
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for (row, id) in listed.try_iter()?.enumerate() {
        let id = id?;
        match id.cast::<PyString>() {
            Ok(text) => texts.push(text.to_cow()?.into_owned()),
            Err(_) => numbers.push(id.extract::<i64>().ok().and_then(|id| u64::try_from(id).ok()).ok_or_else(
                || {
                    let text = format!(
                        "ids: row {row}: an id is a str, or an int from 0 to 2**63 - 1, all of one kind"
                    );
                    OptionValueError::new_err(text)
                },
            )?),
        }
        if !texts.is_empty() && !numbers.is_empty() {
            let text = format!("ids: row {row}: ints and strs are mixed: use one kind");
            return Err(OptionValueError::new_err(text));
        }
    }
    let ids = if texts.is_empty() { Ids::Numbers(numbers) } else { Ids::Texts(texts) };
    if ids.len() != rows {
        let text = format!("ids: {} ids for {rows} rows", ids.len());
        return Err(OptionValueError::new_err(text));
    }
    unique(ids)
}

/// Names, no two alike.
pub(crate) fn unique(ids: Ids) -> PyResult<Names> {
    if let Ids::Numbers(numbers) = &ids
        && let Some(row) = numbers.iter().position(|&id| i64::try_from(id).is_err())
    {
        let text = format!("ids: row {row}: {} exceeds 2**63 - 1: use strs", numbers[row]);
        return Err(OptionValueError::new_err(text));
    }
    match Names::new(ids.clone()) {
        Ok(names) => Ok(names),
        Err((first, second)) => {
            let id = ids.text(second).unwrap_or_default();
            let text =
                format!("ids: row {second}: `{id}` is that of row {first} too: ids must differ");
            Err(OptionValueError::new_err(text))
        }
    }
}

/// Numbers as an array of int64, texts as an array of str objects; `None` where there is no row.
pub(crate) fn array<'py>(
    py: Python<'py>,
    names: Option<&Names>,
    rows: impl Iterator<Item = Option<u32>>,
) -> PyResult<Bound<'py, PyAny>> {
    let ids = match names.map(Names::ids) {
        Some(Ids::Texts(ids)) => {
            let list = PyList::empty(py);
            for row in rows {
                list.append(row.map(|row| ids[row as usize].as_str()))?;
            }
            let numpy = py.import(intern!(py, "numpy"))?;
            return numpy.call_method1(intern!(py, "array"), (list, "object"));
        }
        Some(Ids::Numbers(ids)) => Some(ids),
        None => None,
    };
    let id = |row: Option<u32>| match (row, ids) {
        (None, _) => -1,
        (Some(row), None) => i64::from(row),
        (Some(row), Some(ids)) => ids[row as usize] as i64,
    };
    let ids: Vec<i64> = rows.map(id).collect();
    // An array that owns a vector of Rust's costs more than copying a few answers.
    Ok(match ids.len() < FEW {
        true => PyArray1::from_slice(py, &ids).into_any(),
        false => PyArray1::from_vec(py, ids).into_any(),
    })
}

/// The row that is called so.
pub(crate) fn row(given: &Bound<'_, PyAny>, names: Option<&Names>, rows: usize) -> PyResult<u32> {
    let number = given.extract::<i64>().ok();
    let found = match names {
        None => number.and_then(|id| u32::try_from(id).ok()).filter(|&row| (row as usize) < rows),
        Some(names) => match given.cast::<PyString>() {
            Ok(text) if matches!(names.ids(), Ids::Texts(_)) => names.row_of(&text.to_cow()?),
            Ok(_) => None,
            Err(_) => {
                number.and_then(|id| u64::try_from(id).ok()).and_then(|id| names.row_of_number(id))
            }
        },
    };
    found.ok_or_else(|| {
        let id = given.repr().map_or_else(|_| "that".to_owned(), |repr| repr.to_string());
        UnknownIdError::new_err(match names {
            None => format!("there is no row {id}: the index has {rows} rows, from 0 on"),
            Some(_) => format!("no row is called {id}: index.ids are the names there are"),
        })
    })
}

/// Names as their own sort of column: one per row.
pub(crate) fn whole<'py>(py: Python<'py>, names: &Names) -> PyResult<Bound<'py, PyAny>> {
    let rows = u32::try_from(names.ids().len()).unwrap_or(u32::MAX);
    array(py, Some(names), (0..rows).map(Some))
}

/// The names beside the index in a file.
pub(crate) fn load(
    path: &std::path::Path,
    index: &crinoid::Index,
) -> PyResult<Option<std::sync::Arc<Names>>> {
    let names = crinoid_files::names::load(path, index.digest(), index.len()).or_raise()?;
    Ok(names.map(std::sync::Arc::new))
}

/// An array of one axis as one of two.
pub(crate) fn reshaped<'py>(
    array: Bound<'py, PyAny>,
    n: usize,
    k: usize,
) -> PyResult<Bound<'py, PyAny>> {
    if let Ok(numbers) = array.cast::<PyArray1<i64>>() {
        return Ok(numbers.reshape([n, k])?.into_any());
    }
    array.call_method1(intern!(array.py(), "reshape"), (n, k))
}
