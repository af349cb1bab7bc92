//! Attributes of a collection's rows as dictionaries, and filters as texts.

use crate::errors::{OptionValueError, Raise};
use crinoid::{
    CollectionError,
    attributes::{Attributes, FilterExpr, Kind, Schema, Value},
};
use pyo3::{
    intern,
    prelude::*,
    types::{PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple},
};

/// A value as it goes in; `None` for None.
fn value(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    let py = given.py();
    if given.is_none() {
        return Ok(None);
    }
    // What most values are, by type: an extraction that fails makes an exception that nobody sees.
    if let Ok(float) = given.cast_exact::<PyFloat>() {
        return Ok(Some(Value::Float(float.value())));
    }
    if !given.is_exact_instance_of::<PyInt>()
        && !given.is_exact_instance_of::<PyString>()
        && let Ok(flag) = given.extract::<bool>()
    {
        return Ok(Some(Value::Bool(flag)));
    }
    if let Ok(text) = given.cast::<PyString>() {
        return Ok(Some(Value::Text(text.to_cow()?.into_owned())));
    }
    if let Ok(int) = given.extract::<i64>() {
        return Ok(Some(Value::Int(int)));
    }
    if given.is_instance_of::<PyInt>() {
        let text =
            format!("attribute `{name}`: {given} has more than 64 bits: use a float or a str");
        return Err(OptionValueError::new_err(text));
    }
    if given.hasattr(intern!(py, "isoformat"))? {
        let text: String = given.call_method0(intern!(py, "isoformat"))?.extract()?;
        let time = Value::time(&text);
        return time.map(Some).ok_or_else(|| {
            let text = format!("attribute `{name}`: `{text}` is no date and no datetime");
            OptionValueError::new_err(text)
        });
    }
    if let Ok(float) = given.extract::<f64>() {
        return Ok(Some(Value::Float(float)));
    }
    let is_list = given.is_instance_of::<PyList>()
        || given.is_instance_of::<PyTuple>()
        || given.is_instance_of::<PySet>();
    if is_list {
        let texts = given.try_iter()?.map(|one| one?.extract::<String>());
        if let Ok(texts) = texts.collect::<PyResult<Vec<_>>>() {
            return Ok(Some(Value::List(texts)));
        }
    }
    let json = py.import(intern!(py, "json"))?;
    let text: String = json.call_method1(intern!(py, "dumps"), (given,))?.extract()?;
    Ok(Some(Value::Json(text)))
}

/// Names and values, `None` among them.
pub(crate) fn changes(given: &Bound<'_, PyDict>) -> PyResult<Vec<(String, Option<Value>)>> {
    let mut changes = Vec::with_capacity(given.len());
    for (name, one) in given.iter() {
        let name: String = name.extract()?;
        let one = value(&name, &one)?;
        changes.push((name, one));
    }
    Ok(changes)
}

fn one(given: &Bound<'_, PyAny>) -> PyResult<Attributes> {
    if given.is_none() {
        return Ok(Attributes::new());
    }
    let changes = changes(given.cast::<PyDict>()?)?;
    Ok(changes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// The attributes of `rows` rows: one dictionary for one row, or as many as rows; `None` for none.
pub(crate) fn given(given: Option<&Bound<'_, PyAny>>, rows: usize) -> PyResult<Vec<Attributes>> {
    let Some(given) = given else { return Ok(vec![Attributes::new(); rows]) };
    let all = match given.is_instance_of::<PyDict>() {
        true => vec![one(given)?],
        false => given.try_iter()?.map(|row| one(&row?)).collect::<PyResult<Vec<_>>>()?,
    };
    if all.len() != rows {
        let text = format!("attributes: {} dictionaries for {rows} rows", all.len());
        return Err(OptionValueError::new_err(text));
    }
    Ok(all)
}

/// Attributes as they come out.
pub(crate) fn given_back<'py>(
    py: Python<'py>,
    attributes: &Attributes,
) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (name, value) in attributes {
        match value {
            Value::Bool(flag) => all.set_item(name, flag)?,
            Value::Int(int) => all.set_item(name, int)?,
            Value::Float(float) => all.set_item(name, float)?,
            Value::Text(text) => all.set_item(name, text)?,
            Value::List(texts) => all.set_item(name, texts)?,
            Value::Time(_) => {
                let datetime = py.import(intern!(py, "datetime"))?.getattr("datetime")?;
                let text = value.to_string().replace('Z', "+00:00");
                all.set_item(name, datetime.call_method1(intern!(py, "fromisoformat"), (text,))?)?;
            }
            other => {
                let json = py.import(intern!(py, "json"))?;
                let text = other.to_string();
                all.set_item(name, json.call_method1(intern!(py, "loads"), (text,))?)?;
            }
        }
    }
    Ok(all)
}

/// A filter as text.
pub(crate) fn filter(text: &str) -> PyResult<FilterExpr> {
    text.parse::<FilterExpr>().map_err(CollectionError::from).or_raise()
}

/// Names and types.
pub(crate) fn schema(given: &Bound<'_, PyDict>) -> PyResult<Schema> {
    let mut schema = Schema::new();
    for (name, kind) in given.iter() {
        let (name, kind): (String, String) = (name.extract()?, kind.extract()?);
        let known = Kind::named(&kind).ok_or_else(|| {
            let kinds = Kind::ALL.map(Kind::name).join(", ");
            OptionValueError::new_err(format!("schema: `{name}`: `{kind}` is none of {kinds}"))
        })?;
        schema = schema.field(name, known);
    }
    Ok(schema)
}
