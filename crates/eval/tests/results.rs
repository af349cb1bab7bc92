//! result.json keeps its published schema, old results stay readable, pages hold what they show.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crinoid_eval::report::{Origin, ReadError, ResultFile, SCHEMA, book, page, text};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn published() -> Value {
    serde_json::from_str(include_str!("../schema/result-1.json")).unwrap()
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/results/result-1.json")
}

/// As much of JSON Schema as the published schema uses; and it must name every field.
fn check(schema: &Value, value: &Value, at: &str) {
    let object = schema.as_object().unwrap();
    for keyword in object.keys() {
        let known = ["$schema", "title", "description", "type", "required", "properties", "items"];
        assert!(known.iter().chain(&["enum", "minimum", "maximum"]).any(|k| k == keyword));
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value} is none of {allowed:?}");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let is = |name: &str| match name {
        "number" => value.is_number(),
        "integer" => value.is_u64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    assert!(types.iter().any(|name| is(name)), "{at}: {value} is no {types:?}");
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(name.as_str().unwrap()), "{at}: no {name}");
        }
        for (name, field) in fields {
            let of = properties.get(name).unwrap_or_else(|| panic!("{at}.{name} is unpublished"));
            check(of, field, &format!("{at}.{name}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&schema["items"], item, &format!("{at}[{index}]"));
    }
}

#[test]
fn an_old_result_is_read_and_what_is_written_keeps_the_schema() {
    let old = ResultFile::read(&committed()).unwrap();
    assert_eq!(old.schema, 1);
    assert_eq!(old.subjects.len(), 2);
    assert!(old.verdict.is_some() && !old.comparisons[0].deltas.is_empty());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.json");
    old.write(&file).unwrap();
    assert_eq!(ResultFile::read(&file).unwrap(), old);
    for path in [&committed(), &file] {
        let written: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        check(&published(), &written, "result");
    }
}

#[test]
fn the_least_result_is_readable_and_worse_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.json");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        ResultFile::read(&file)
    };
    let least = r#"{"schema":1,"command":"ab","title":"t","subjects":[],
        "data":{"name":"d","rows":1,"dim":1,"queries":1,"metric":"l2"}}"#;
    let result = read(least).unwrap();
    assert!(text(&result).contains('t') && page("p", &[result]).contains("</html>"));
    assert!(matches!(read("{"), Err(ReadError::Format { .. })));
    assert!(matches!(read(r#"{"schema":1}"#), Err(ReadError::Format { .. })));
    let newer = format!(r#"{{"schema":{},"new":true}}"#, SCHEMA + 1);
    assert!(matches!(read(&newer), Err(ReadError::Newer { .. })));
    let gone = ResultFile::read(&folder.path().join("none"));
    assert!(matches!(gone, Err(ReadError::Io { .. })));
}

#[test]
fn the_page_stands_alone_and_shows_what_was_measured() {
    let mut result = ResultFile::read(&committed()).unwrap();
    result.title = "<b>&\"".to_owned();
    let page = page("All", &[result.clone(), result.clone()]);
    assert!(page.starts_with("<!doctype html>") && page.contains("prefers-color-scheme: dark"));
    assert!(!page.contains("http") && !page.contains("<script") && !page.contains("<b>&\""));
    assert!(page.contains("&lt;b&gt;&amp;&quot;"));
    assert_eq!(page.matches("<svg").count(), 2);
    let timed = |k: usize| {
        let points = result.subjects.iter().flat_map(|subject| &subject.points);
        points.filter(|point| point.k == k && point.qps.is_some()).count()
    };
    assert_eq!(page.matches("<circle").count(), 2 * timed(result.settings.k));
    assert!(page.contains(&result.subjects[0].label) && page.contains("recall@10"));
    // As many opening as closing tags, the void ones aside.
    for tag in ["article", "table", "tr", "td", "svg", "figure", "ul", "li", "div", "p", "text"] {
        let opening = page.matches(&format!("<{tag}>")).count();
        let opening = opening + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opening, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    let table = text(&result);
    for delta in &result.comparisons[0].deltas {
        assert!(table.contains(&delta.quantity), "{}", delta.quantity);
    }
}

#[test]
fn the_document_is_what_the_records_make_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut records = Vec::new();
    for entry in std::fs::read_dir(root.join("records")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let record = ResultFile::read(&path).unwrap();
            let complete = !record.origin.arguments.is_empty() && !record.data.digest.is_empty();
            assert!(complete && !record.origin.commit.is_empty(), "{}", path.display());
            records.push(record);
        }
    }
    let there = std::fs::read_to_string(root.join("docs/results.md")).unwrap();
    assert!(there == book(&records), "run `cargo xtask results`");
}

#[test]
fn a_chapter_says_how_to_measure_it_again() {
    let words = ["cargo", "xtask", "ab", "--data", "my set"].map(str::to_owned);
    let origin = Origin {
        arguments: words.to_vec(),
        commit: "0123abc".to_owned(),
        dirty: true,
        rustc: "rustc 1.95.0".to_owned(),
    };
    let record = ResultFile { origin, ..ResultFile::read(&committed()).unwrap() };
    let book = book(std::slice::from_ref(&record));
    for part in ["`cargo xtask ab --data 'my set'`", "0123abc, with changes", "rustc 1.95.0"] {
        assert!(book.contains(part), "{book}");
    }
    assert!(book.contains(&record.data.digest) && book.contains(&record.subjects[0].label));
    assert!(book.contains("QPS at 0.95") && book.contains("verdict"));
}
