//! Attributes of a collection's rows, and filters over them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{clustered, options};
use crinoid_pipeline::{
    SearchOptions,
    collection::{
        Attributes, Batch, Collection, CollectionError, CollectionOptions, Comparison, ExternalId,
        FilterExpr, Kind, MAX_ATTRIBUTE_TEXT, MAX_ATTRIBUTES, Schema, Value, Way,
    },
};
use crinoid_quant::Metric;

const DIM: usize = 8;

fn small() -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", Metric::L2))
        .seal_rows(1_000_000)
}

fn named(entries: &[(&str, Value)]) -> Attributes {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn change(name: &str, value: impl Into<Value>) -> (String, Option<Value>) {
    (name.to_owned(), Some(value.into()))
}

/// 2,000 rows in a segment and 500 beside it; `n` counts them.
fn counted(folder: &std::path::Path) -> Collection {
    let collection = Collection::create(folder, DIM, &small()).unwrap();
    for (first, rows) in [(0, 2_000), (2_000, 500)] {
        let mut batch = Batch::new();
        for (at, vector) in clustered(rows, DIM, first as u64 + 7).rows().enumerate() {
            let n = first + at;
            let tags: Vec<String> =
                [3, 5].iter().filter(|d| n % *d == 0).map(ToString::to_string).collect();
            let attributes = named(&[("n", (n as i64).into()), ("tags", tags.into())]);
            batch.upsert_with(n as u64, vector, attributes);
        }
        collection.write(&batch).unwrap();
        if first == 0 {
            collection.seal().unwrap();
        }
    }
    collection
}

#[test]
fn the_way_of_a_search_is_chosen_by_how_many_rows_a_filter_admits() {
    let folder = tempfile::tempdir().unwrap();
    let collection = counted(folder.path());
    let query = clustered(1, DIM, 3);
    let search = SearchOptions::new(10, 20);
    for (filter, admitted, way) in [
        ("n >= 0", [2_000, 500], Way::Walk),
        ("n < 1800", [1_800, 0], Way::Widened),
        ("n < 40", [40, 0], Way::Scan),
        ("n > 1990 AND n < 2003", [9, 3], Way::Scan),
        ("n < 0", [0, 0], Way::Skipped),
        ("tags CONTAINS \"3\" AND NOT tags CONTAINS \"5\"", [533, 134], Way::Scan),
    ] {
        let rows = collection.filtered(&filter.parse().unwrap()).unwrap();
        let (found, reports) = rows.search_with_report(query.row(0), &search).unwrap();
        assert_eq!(
            reports.iter().map(|part| part.admitted).collect::<Vec<_>>(),
            admitted,
            "{filter}"
        );
        assert_eq!(rows.len(), admitted.iter().sum::<usize>(), "{filter}");
        assert_eq!(reports[0].way, way, "{filter}: {reports:?}");
        let beside = if admitted[1] == 0 { Way::Skipped } else { Way::Scan };
        assert_eq!((reports[1].way, reports[1].segment), (beside, None), "{filter}");
        assert_eq!(found.len(), rows.len().min(10));
        let exact = rows.search_exact(query.row(0), 10).unwrap();
        let hits = found.iter().filter(|one| exact.contains(one)).count();
        assert!(hits * 10 >= exact.len() * 8, "{filter}: {hits} of {}", exact.len());
    }
}

#[test]
fn rows_are_updated_inserted_and_deleted_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), 2, &small()).unwrap();
    let mut batch = Batch::new();
    batch
        .upsert_with("a", &[1.0, 0.0], named(&[("lang", "rust".into()), ("stars", 3.into())]))
        .insert("a", &[9.0, 9.0], named(&[("lang", "c".into())]))
        .insert("b", &[0.0, 1.0], named(&[("lang", "c".into())]))
        .update("b", [change("stars", 1), ("lang".to_owned(), None)])
        .update("nobody", [change("stars", 1)]);
    let written = collection.write(&batch).unwrap();
    assert_eq!((written.inserted, written.updated), (2, 1));
    assert_eq!((written.kept, written.missing), (1, 1));
    let row = |id: &str| collection.get_row(id).unwrap().unwrap();
    assert_eq!(row("a").attributes, named(&[("lang", "rust".into()), ("stars", 3.into())]));
    assert_eq!(
        (row("b").vector, row("b").attributes),
        (vec![0.0, 1.0], named(&[("stars", 1.into())]))
    );
    collection.seal().unwrap();
    assert!(collection.update("a", [change("stars", 30)]).unwrap());
    assert!(!collection.update("nobody", [change("stars", 30)]).unwrap());
    let many = collection.filtered(&"stars > 10".parse().unwrap()).unwrap();
    assert_eq!(many.list(None, 9), ["a".into()]);
    assert_eq!(collection.snapshot().segments(), 1, "the vector stayed where it was");
    // An upsert replaces everything; an update beside it in the same batch is its own.
    collection.upsert("a", &[1.0, 1.0]).unwrap();
    assert_eq!(row("a").attributes, Attributes::new());
    let without = FilterExpr::is_null("stars");
    assert_eq!(collection.filtered(&without).unwrap().list(None, 9), ["a".into()]);
    assert_eq!(collection.delete_where(&without).unwrap(), 1);
    assert_eq!(collection.delete_where(&without).unwrap(), 0);
    assert_eq!(collection.snapshot().list(None, 9), ["b".into()]);
    assert_eq!(many.list(None, 9), ["a".into()], "a snapshot stays as it was");
}

#[test]
fn a_schema_is_kept_to() {
    let folder = tempfile::tempdir().unwrap();
    let schema = Schema::new()
        .field("lang", Kind::Text)
        .field("price", Kind::Float)
        .field("at", Kind::Time)
        .field("tags", Kind::List)
        .field("more", Kind::Json);
    let options = small().schema(schema.clone());
    drop(Collection::create(folder.path(), 2, &options).unwrap());
    let collection = Collection::open(folder.path()).unwrap();
    assert_eq!(collection.options().schema, Some(schema));
    let put = |name: &str, value: Value| {
        let mut batch = Batch::new();
        batch.upsert_with("x", &[1.0, 2.0], named(&[(name, value)]));
        collection.write(&batch).map(|_| collection.get_row("x").unwrap().unwrap().attributes)
    };
    // What can be taken without loss is.
    assert_eq!(put("price", 3.into()).unwrap(), named(&[("price", Value::Float(3.0))]));
    let noon = Value::Time(1_796_040_000_000_000);
    assert_eq!(put("at", "2026-11-30T13:00:00+01:00".into()).unwrap(), named(&[("at", noon)]));
    assert_eq!(put("more", 3.into()).unwrap(), named(&[("more", Value::Json("3".to_owned()))]));
    for (name, value, why) in [
        ("lagn", "rust".into(), "no such attribute (there are: at, lang, more, price, tags)"),
        ("lang", 7.into(), "7 is of type int, not text"),
        ("price", i64::MAX.into(), "not float"),
        ("price", f64::NAN.into(), "not finite"),
        ("at", "noon".into(), "no time of RFC 3339"),
        ("tags", "simd".into(), "not list"),
    ] {
        let error = put(name, value).unwrap_err();
        assert!(
            matches!(&error, CollectionError::Attribute { id, name: named, .. } if *id == "x".into() && named == name)
        );
        assert!(error.to_string().contains(why), "{error}");
    }
    for (filter, why) in [
        ("lagn = \"rust\"", "`lagn`: the schema has no such attribute"),
        ("lang > 3", "`lang`: it is of type text, not to be compared with 3"),
        ("NOT (price = 1 OR tags = \"simd\")", "lists CONTAIN"),
        ("price CONTAINS \"simd\"", "only lists contain"),
        ("at < \"noon\"", "times are texts"),
        ("more = 3", "only kept"),
        ("nothing IS NULL", "`nothing`"),
    ] {
        let error = collection.filtered(&filter.parse().unwrap()).unwrap_err();
        assert!(matches!(error, CollectionError::FilterAttribute { .. }));
        assert!(error.to_string().contains(why), "{filter}: {error}");
    }
    for filter in ["price > 1", "price IN (1, 2.5)", "at < \"2026-01-01\"", "more IS NOT NULL"] {
        collection.filtered(&filter.parse().unwrap()).unwrap();
    }
}

#[test]
fn attributes_have_limits_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), 1, &small()).unwrap();
    let json = |len: usize| Value::Json(format!("\"{}\"", "x".repeat(len)));
    for (name, value, fits) in [
        ("", Value::Int(1), false),
        ("x", Value::Text("x".repeat(MAX_ATTRIBUTE_TEXT)), true),
        ("x", Value::Text("x".repeat(MAX_ATTRIBUTE_TEXT + 1)), false),
        ("x", Value::List(vec!["x".repeat(MAX_ATTRIBUTE_TEXT + 1)]), false),
        ("x", Value::Float(f64::INFINITY), false),
        ("x", Value::Time(i64::MAX), false),
        ("x", Value::Json("{".to_owned()), false),
        ("x", json(MAX_ATTRIBUTES - 100), true),
        ("x", json(MAX_ATTRIBUTES), false),
    ] {
        let mut batch = Batch::new();
        batch.upsert(1u64, &[1.0]).upsert_with(2u64, &[2.0], named(&[(name, value)]));
        let written = collection.write(&batch);
        assert_eq!(written.is_ok(), fits, "{written:?}");
        assert_eq!(collection.len(), if fits { 2 } else { 0 });
        if fits {
            collection.delete_where(&FilterExpr::is_null("nothing")).unwrap();
        } else {
            assert!(matches!(written, Err(CollectionError::Attribute { .. })));
        }
    }
    // Two that fit, and together do not.
    collection.upsert(1u64, &[1.0]).unwrap();
    let half = || json(MAX_ATTRIBUTES / 2);
    collection.update(1u64, [("a".to_owned(), Some(half()))]).unwrap();
    let mut batch = Batch::new();
    batch.upsert(7u64, &[7.0]).update(1u64, [("b".to_owned(), Some(half()))]);
    let error = collection.write(&batch).unwrap_err();
    assert!(matches!(error, CollectionError::Attribute { .. }), "{error}");
    assert_eq!(collection.len(), 1);
    assert_eq!(collection.get_row(1u64).unwrap().unwrap().attributes.len(), 1);
    assert!(collection.verify().unwrap().is_sound());
}

#[test]
fn stores_that_are_older_than_attributes_get_them() {
    let folder = tempfile::tempdir().unwrap();
    let collection = Collection::create(folder.path(), 1, &small()).unwrap();
    collection.upsert("a", &[1.0]).unwrap();
    drop(collection);
    let db = redb::Database::open(folder.path().join("rows.redb")).unwrap();
    let write = db.begin_write().unwrap();
    let table = redb::TableDefinition::<u64, &[u8]>::new("attributes 2");
    assert!(write.delete_table(table).unwrap());
    write.commit().unwrap();
    drop(db);
    let collection = Collection::open(folder.path()).unwrap();
    assert_eq!(collection.get_row("a").unwrap().unwrap().attributes, Attributes::new());
    assert!(collection.update("a", [change("x", 1)]).unwrap());
    drop(collection);
    let collection = Collection::open(folder.path()).unwrap();
    let filter = FilterExpr::compare("x", Comparison::Equal, 1);
    assert_eq!(collection.filtered(&filter).unwrap().len(), 1);
}

#[test]
fn filters_narrow_each_other_and_ids_come_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let collection = counted(folder.path());
    let threes = collection.filtered(&"tags CONTAINS \"3\"".parse().unwrap()).unwrap();
    let both = threes.filtered(&"n > 2000".parse().unwrap()).unwrap();
    let wanted: Vec<ExternalId> =
        (2_001..2_500u64).filter(|n| n % 3 == 0).map(Into::into).collect();
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = both.list(after.as_ref(), 50);
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        all.extend(page);
    }
    assert_eq!(all, wanted);
    assert_eq!(both.list(None, 0), []);
    // A page of answers, and the next.
    let query = clustered(1, DIM, 3);
    let both = std::sync::Arc::new(both);
    let pages: Vec<_> = both.search_iter(query.row(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(pages, both.search_exact(query.row(0), 1_000).unwrap());
}
