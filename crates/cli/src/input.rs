//! Vectors in.

use crate::{
    bar::Bar,
    global::{Columns, Global},
};
use anyhow::{Context, bail, ensure};
use crinoid::{Metric, Vectors};
use crinoid_files::{Format, Options, Reader, Table, hdf5, open, open_json_lines};
use std::{io::stdin, path::Path};

/// What `-` means: JSON lines on standard input.
pub(crate) fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens a file of vectors, or JSON lines on standard input.
pub(crate) fn open_vectors(
    path: &Path,
    columns: &Columns,
    queries: bool,
) -> anyhow::Result<Reader> {
    open_with(path, columns, &[], queries)
}

/// Opens a file of vectors, or JSON lines on standard input, with further columns.
pub(crate) fn open_rows(
    path: &Path,
    columns: &Columns,
    attributes: &[String],
) -> anyhow::Result<Reader> {
    open_with(path, columns, attributes, false)
}

fn open_with(
    path: &Path,
    columns: &Columns,
    attributes: &[String],
    queries: bool,
) -> anyhow::Result<Reader> {
    let (vectors, ids) = (columns.vector.clone(), columns.ids.clone());
    let options = Options { vectors, ids, attributes: attributes.to_vec(), queries };
    Ok(match is_pipe(path) {
        true => open_json_lines("standard input", Box::new(stdin()), &options)?,
        false => open(path, &options)?,
    })
}

/// Reads all rows.
pub(crate) fn read_vectors(
    global: &Global,
    path: &Path,
    columns: &Columns,
    queries: bool,
) -> anyhow::Result<Table> {
    let bar = Bar::spin(global, "reading");
    let table = open_vectors(path, columns, queries)?.rest()?;
    drop(bar);
    let rows = table.vectors.len();
    ensure!(rows > 0, "{}: there are no rows in it", path.display());
    Ok(table)
}

/// The metric that a file declares (HDF5 alone does).
pub(crate) fn declared(path: &Path) -> anyhow::Result<Option<Metric>> {
    if is_pipe(path) || !matches!(Format::of(path), Ok(Format::Hdf5)) {
        return Ok(None);
    }
    Ok(hdf5::File::open(path)?.distance()?.map(|distance| distance.metric))
}

/// A vector as typed: numbers, separated by commas or blanks, in brackets or not.
pub(crate) fn parse_vector(text: &str) -> anyhow::Result<Vec<f32>> {
    let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
    let words = inner.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let mut values = Vec::new();
    for (at, word) in words.enumerate() {
        let value: f32 = word
            .parse()
            .with_context(|| format!("--vector: `{word}` at place {at} is no number"))?;
        ensure!(value.is_finite(), "--vector: `{word}` at place {at} is not finite");
        values.push(value);
    }
    if values.is_empty() {
        bail!("--vector: no numbers in `{text}`: write them as 0.1,0.2,0.3");
    }
    Ok(values)
}

/// Typed vectors as rows.
pub(crate) fn typed(texts: &[String]) -> anyhow::Result<Vectors> {
    let rows: Vec<Vec<f32>> =
        texts.iter().map(|text| parse_vector(text)).collect::<anyhow::Result<_>>()?;
    Vectors::from_rows(&rows).context("--vector")
}

#[cfg(test)]
mod tests {
    use super::parse_vector;

    #[test]
    fn vectors_are_typed_in_many_ways() {
        for text in ["1,2.5,-3", "[1, 2.5, -3]", " 1 2.5 -3e0 "] {
            assert_eq!(parse_vector(text).ok(), Some(vec![1.0, 2.5, -3.0]));
        }
        for text in ["", "[]", "1,x", "1,inf", "nan"] {
            assert!(parse_vector(text).is_err(), "{text}");
        }
    }
}
