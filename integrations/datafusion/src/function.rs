//! `ann` and `ann_build` in SQL: what their arguments mean.

use crate::{
    build::{BuildTable, Rows},
    files::is_files,
    options::is_partial,
    table::{AnnTable, Asked},
};
use datafusion::{
    arrow::{
        array::{Array, Float32Array, StringArray},
        compute::cast,
        datatypes::DataType,
    },
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{Result, ScalarValue, plan_err},
    logical_expr::Expr,
};
use std::sync::Arc;

/// `ann(collection, queries, k [, effort [, ids]])`: the `k` nearest rows to each query.
///
/// `queries` is the name of a table with a column `vector` (and `id`, which the answers call `query`), or one vector: an
/// array of numbers, or its text `'[0.1, 0.2]'`. `effort` is an `ef` (an integer), a recall (such as 0.95) or `'exact'`.
/// `ids` is the name of a table with a column `id`: only these rows may be answers. After `SET crinoid.partial = true`
/// shards that are missing are left out, and counted in a column `missing`.
#[derive(Debug)]
pub struct AnnFunction;

/// `ann_build(table | files, column, collection, shards [, metric [, ids]])`: builds a collection of the rows of a table,
/// or of files.
///
/// `files` is a path, in the last part of which `*` and `?` stand for other letters, or an array of such; `column` is `''`
/// where they have no columns.
/// `ids` is the column with the rows' ids; without it they count from 0.
#[derive(Debug)]
pub struct AnnBuildFunction;

const ANN: &str = "ann(collection, queries, k [, ef | recall | 'exact' [, ids]])";
const BUILD: &str = "ann_build(table | files, column, collection, shards [, metric [, ids]])";

impl TableFunctionImpl for AnnFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let (place, queries, k, rest) = match args.exprs() {
            [place, queries, k, rest @ ..] if rest.len() <= 2 => (place, queries, k, rest),
            other => return plan_err!("{} arguments where {ANN} is expected", other.len()),
        };
        let queries = match (text(queries), vector(queries)) {
            (Some(text), _) if text.trim_start().starts_with('[') => Asked::Vector(parsed(&text)?),
            (Some(table), _) => Asked::Table(table),
            (None, Some(vector)) => Asked::Vector(vector),
            (None, None) => {
                return plan_err!(
                    "{ANN}: queries are the name of a table, or an array of numbers, not {queries}"
                );
            }
        };
        let mut table =
            AnnTable::new(named(place, "collection", ANN)?, queries, count(k, "k", ANN)?);
        table = table.partial(is_partial(args.session().config_options()));
        if let Some(effort) = rest.first() {
            table = match (number(effort), text(effort).as_deref()) {
                (Some(Number::Whole(ef)), _) if ef > 0 => table.ef(ef as usize),
                (Some(Number::Share(share)), _) if share > 0.0 && share <= 1.0 => {
                    table.recall(share as f32)
                }
                (None, Some("exact")) => table.exact(),
                _ => {
                    return plan_err!(
                        "{ANN}: effort is an ef from 1 on, a recall up to 1.0, or 'exact'"
                    );
                }
            };
        }
        if let Some(ids) = rest.get(1) {
            table = table.among(named(ids, "ids", ANN)?);
        }
        Ok(Arc::new(table))
    }
}

impl TableFunctionImpl for AnnBuildFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let (rows, column, place, shards, rest) = match args.exprs() {
            [rows, column, place, shards, rest @ ..] if rest.len() <= 2 => {
                (rows, column, place, shards, rest)
            }
            other => return plan_err!("{} arguments where {BUILD} is expected", other.len()),
        };
        let metric = rest.first().map(|metric| named(metric, "metric", BUILD)).transpose()?;
        let ids = rest.get(1).map(|ids| named(ids, "ids", BUILD)).transpose()?;
        let rows = match (text(rows), texts(rows)) {
            (Some(text), _) if is_files(&text) => Rows::Files(vec![text]),
            (Some(table), _) => Rows::Table(table),
            (None, Some(files)) if !files.is_empty() => Rows::Files(files),
            _ => return plan_err!("{BUILD}: rows are those of a table or of files, not {rows}"),
        };
        let [column, place] = [(column, "column"), (place, "collection")]
            .map(|(expr, what)| named(expr, what, BUILD));
        let metric = metric.as_deref().unwrap_or("l2");
        let Ok(metric) = metric.parse() else {
            return plan_err!("{BUILD}: the metric is l2, ip or cosine, not `{metric}`");
        };
        Ok(Arc::new(BuildTable {
            rows,
            column: column?,
            location: place?,
            shards: count(shards, "shards", BUILD)?,
            metric,
            ids,
        }))
    }
}

enum Number {
    Whole(i64),
    Share(f64),
}

fn number(expr: &Expr) -> Option<Number> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(whole)), _) => Some(Number::Whole(*whole)),
        Expr::Literal(ScalarValue::UInt64(Some(whole)), _) => {
            Some(Number::Whole(i64::try_from(*whole).unwrap_or(i64::MAX)))
        }
        Expr::Literal(ScalarValue::Float64(Some(share)), _) => Some(Number::Share(*share)),
        Expr::Literal(ScalarValue::Decimal128(Some(value), _, scale), _) => {
            Some(Number::Share(*value as f64 / 10f64.powi(i32::from(*scale))))
        }
        Expr::Negative(inner) => number(inner).map(|number| match number {
            Number::Whole(whole) => Number::Whole(-whole),
            Number::Share(share) => Number::Share(-share),
        }),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    }
}

/// An array of literal texts.
fn texts(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Literal(ScalarValue::List(list), _) if list.value_type().is_string() => {
            let texts = cast(list.values(), &DataType::Utf8).ok()?;
            let texts = texts.as_any().downcast_ref::<StringArray>()?;
            texts.iter().map(|text| text.map(str::to_owned)).collect()
        }
        Expr::ScalarFunction(function) if function.name() == "make_array" => {
            function.args.iter().map(text).collect()
        }
        _ => None,
    }
}

fn named(expr: &Expr, what: &str, usage: &str) -> Result<String> {
    match text(expr) {
        Some(text) => Ok(text),
        None => plan_err!("{usage}: {what} is a text in quotes"),
    }
}

fn count(expr: &Expr, what: &str, usage: &str) -> Result<usize> {
    match number(expr) {
        Some(Number::Whole(whole)) if whole > 0 => Ok(whole as usize),
        _ => plan_err!("{usage}: {what} is a number from 1 on"),
    }
}

/// An array of literal numbers.
fn vector(expr: &Expr) -> Option<Vec<f32>> {
    if let Expr::Literal(ScalarValue::List(list), _) = expr {
        let numbers = cast(list.values(), &DataType::Float32).ok()?;
        let numbers = numbers.as_any().downcast_ref::<Float32Array>()?;
        return (list.len() == 1 && numbers.null_count() == 0).then(|| numbers.values().to_vec());
    }
    let Expr::ScalarFunction(function) = expr else { return None };
    let numbers = function.args.iter().map(|value| {
        number(value).map(|number| match number {
            Number::Whole(whole) => whole as f32,
            Number::Share(share) => share as f32,
        })
    });
    (function.name() == "make_array").then(|| numbers.collect()).flatten()
}

fn parsed(text: &str) -> Result<Vec<f32>> {
    match serde_json::from_str(text) {
        Ok(values) => Ok(values),
        Err(error) => plan_err!("{ANN}: `{text}` is no array of numbers: {error}"),
    }
}
