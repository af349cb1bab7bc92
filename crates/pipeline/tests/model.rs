//! Random operations on a collection, beside a map and an exact scan of it, in every metric.
//!
//! `CRINOID_MODEL_CASES` says how many sequences are tried.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod common;

use common::{distance, options};
use crinoid_pipeline::{
    SearchOptions,
    collection::{
        Attributes, Batch, Collection, CollectionOptions, ExternalId, FilterExpr, Row, Value,
    },
};
use crinoid_quant::Metric;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const DIM: usize = 4;
const DAY: i64 = 86_400_000_000;

type Model = BTreeMap<ExternalId, Row>;

fn kept(metric: Metric) -> CollectionOptions {
    CollectionOptions::default()
        .build(options("sq8@1/hnsw@1/pool@1/float@1", metric))
        .seal_rows(12)
        .max_dead(0.3)
        .max_segments(2)
}

/// What happens to one id.
#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<f32>, Attributes),
    Insert(Vec<f32>, Attributes),
    Update(Vec<(String, Option<Value>)>),
    Delete,
}

#[derive(Clone, Debug)]
enum Operation {
    Write(Vec<(ExternalId, Step)>),
    Flush,
    Seal,
    Compact,
    Verify,
    Reopen,
}

fn id() -> impl Strategy<Value = ExternalId> {
    (0u64..40).prop_map(|id| match id % 3 {
        0 => ExternalId::from(format!("id {id}")),
        _ => ExternalId::from(id),
    })
}

fn vector() -> impl Strategy<Value = Vec<f32>> {
    let value = (-9i8..10).prop_map(|x| f32::from(x) / 4.0);
    vec(value, DIM).prop_filter("no direction", |vector| vector.iter().any(|&x| x != 0.0))
}

fn attribute() -> impl Strategy<Value = (String, Value)> {
    prop_oneof![
        (0i64..6).prop_map(|n| ("n".to_owned(), Value::Int(n))),
        (0i32..12).prop_map(|half| ("n".to_owned(), Value::Float(f64::from(half) / 2.0))),
        "[abc]".prop_map(|lang| ("lang".to_owned(), Value::Text(lang))),
        vec("[xyz]", 0..3).prop_map(|tags| ("tags".to_owned(), Value::List(tags))),
        any::<bool>().prop_map(|flag| ("flag".to_owned(), Value::Bool(flag))),
        (0i64..5).prop_map(|day| ("at".to_owned(), Value::Time(day * DAY))),
        Just(("json".to_owned(), Value::Json("{\"a\": [1, 2]}".to_owned()))),
    ]
}

fn attributes() -> impl Strategy<Value = Attributes> {
    vec(attribute(), 0..4).prop_map(|some| some.into_iter().collect())
}

fn step() -> impl Strategy<Value = Step> {
    let change = (attribute(), any::<bool>())
        .prop_map(|((name, value), keep)| (name, if keep { Some(value) } else { None }));
    prop_oneof![
        5 => (vector(), attributes()).prop_map(|(vector, more)| Step::Upsert(vector, more)),
        1 => (vector(), attributes()).prop_map(|(vector, more)| Step::Insert(vector, more)),
        2 => vec(change, 0..3).prop_map(Step::Update),
        2 => Just(Step::Delete),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => vec((id(), step()), 1..9).prop_map(Operation::Write),
        1 => Just(Operation::Flush),
        1 => Just(Operation::Seal),
        1 => Just(Operation::Compact),
        1 => Just(Operation::Verify),
        2 => Just(Operation::Reopen),
    ]
}

/// A filter as text, and what it means, said in another way.
#[derive(Clone)]
struct Filter {
    text: String,
    admits: Arc<dyn Fn(&Attributes) -> bool>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Filter {
    fn new(text: impl Into<String>, admits: impl Fn(&Attributes) -> bool + 'static) -> Self {
        Self { text: text.into(), admits: Arc::new(admits) }
    }
}

fn simple_filter() -> impl Strategy<Value = Filter> {
    /// Not a number where there is none.
    fn number(row: &Attributes) -> f64 {
        match row.get("n") {
            Some(Value::Int(n)) => *n as f64,
            Some(Value::Float(n)) => *n,
            _ => f64::NAN,
        }
    }
    fn is(row: &Attributes, name: &str, value: impl Into<Value>) -> bool {
        row.get(name) == Some(&value.into())
    }
    prop_oneof![
        (0i32..6).prop_map(|n| {
            Filter::new(format!("n > {n}"), move |row| number(row) > f64::from(n))
        }),
        (0i32..12).prop_map(|half| {
            let n = f64::from(half) / 2.0;
            Filter::new(format!("n = {n:?}"), move |row| number(row) == n)
        }),
        (0i32..6).prop_map(|n| {
            // Rows without a number compare in no way.
            Filter::new(format!("n != {n}"), move |row| (number(row) - f64::from(n)).abs() > 0.0)
        }),
        "[abc]".prop_map(|lang| {
            Filter::new(format!("lang = \"{lang}\""), move |row| is(row, "lang", &*lang))
        }),
        "[xyz]".prop_map(|tag| {
            Filter::new(format!("tags contains \"{tag}\""), move |row| {
                matches!(row.get("tags"), Some(Value::List(tags)) if tags.contains(&tag))
            })
        }),
        select(vec!["n", "lang", "tags", "flag", "at", "json", "nothing"]).prop_map(|name| {
            Filter::new(format!("{name} IS NULL"), move |row| !row.contains_key(name))
        }),
        any::<bool>().prop_map(|flag| {
            Filter::new(format!("flag = {flag}"), move |row| is(row, "flag", flag))
        }),
        (1u8..6).prop_map(|day| {
            Filter::new(format!("at >= \"1970-01-0{day}\""), move |row| {
                let from = (i64::from(day) - 1) * DAY;
                matches!(row.get("at"), Some(Value::Time(at)) if *at >= from)
            })
        }),
        Just(Filter::new("lang IN (\"a\", \"c\", 7)", |row| {
            is(row, "lang", "a") || is(row, "lang", "c")
        })),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    (simple_filter(), simple_filter(), 0..5).prop_map(|(a, b, form)| {
        let (first, second) = (a.admits.clone(), b.admits.clone());
        match form {
            0 => Filter::new(format!("({}) AND {}", a.text, b.text), move |row| {
                first(row) && second(row)
            }),
            1 => Filter::new(format!("{} OR {}", a.text, b.text), move |row| {
                first(row) || second(row)
            }),
            2 => Filter::new(format!("NOT {}", a.text), move |row| !first(row)),
            _ => a,
        }
    })
}

fn apply(model: &mut Model, steps: &[(ExternalId, Step)]) {
    for (id, step) in steps {
        match step.clone() {
            Step::Upsert(vector, attributes) => {
                model.insert(id.clone(), Row::new(vector).attributes(attributes));
            }
            Step::Insert(vector, attributes) => {
                let row = Row::new(vector).attributes(attributes);
                model.entry(id.clone()).or_insert(row);
            }
            Step::Update(changes) => {
                let Some(row) = model.get_mut(id) else { continue };
                for (name, value) in changes {
                    match value {
                        Some(value) => row.attributes.insert(name, value),
                        None => row.attributes.remove(&name),
                    };
                }
            }
            Step::Delete => drop(model.remove(id)),
        }
    }
}

fn batch(steps: &[(ExternalId, Step)]) -> Batch {
    let mut batch = Batch::new();
    for (id, step) in steps {
        match step.clone() {
            Step::Upsert(vector, more) => batch.upsert_with(id.clone(), &vector, more),
            Step::Insert(vector, more) => batch.insert(id.clone(), &vector, more),
            Step::Update(changes) => batch.update(id.clone(), changes),
            Step::Delete => batch.delete(id.clone()),
        };
    }
    batch
}

/// The answers have the distances of `truth`, nearest first, each that of the vector of its id, none twice.
fn same(
    metric: Metric,
    query: &[f32],
    model: &Model,
    found: impl IntoIterator<Item = (ExternalId, f32)>,
    truth: &[f32],
) {
    let found: Vec<_> = found.into_iter().collect();
    assert_eq!(found.len(), truth.len(), "{found:?}, not {truth:?}");
    let ids: std::collections::BTreeSet<_> = found.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), found.len(), "twice: {found:?}");
    for ((id, near), truth) in found.iter().zip(truth) {
        assert!((near - truth).abs() < 1e-4, "{found:?}, not {truth:?}");
        assert!((distance(metric, query, &model[id].vector) - near).abs() < 1e-4, "{id}");
    }
}

fn check(
    collection: &Collection,
    model: &Model,
    metric: Metric,
    query: &[f32],
    Filter { text, admits }: &Filter,
) {
    assert_eq!(collection.len(), model.len());
    let filter: FilterExpr = text.parse().unwrap();
    let whole = collection.snapshot();
    let wide = SearchOptions::new(5, 400).pool(400);
    for (snapshot, admitted) in [
        (whole.clone(), model.iter().collect::<Vec<_>>()),
        (
            collection.filtered(&filter).unwrap(),
            model.iter().filter(|(_, row)| admits(&row.attributes)).collect(),
        ),
    ] {
        assert_eq!(snapshot.len(), admitted.len(), "{text}");
        let ids: Vec<ExternalId> = admitted.iter().map(|(id, _)| (*id).clone()).collect();
        assert_eq!(snapshot.list(None, 100), ids, "{text}");
        if let Some(third) = ids.get(2) {
            assert_eq!(snapshot.list(Some(third), 4), ids[3..ids.len().min(7)], "{text}");
        }
        let mut truth: Vec<f32> =
            admitted.iter().map(|(_, row)| distance(metric, query, &row.vector)).collect();
        truth.sort_by(f32::total_cmp);
        let five = &truth[..truth.len().min(5)];
        let pair = |found: crinoid_pipeline::collection::Match| (found.id, found.distance);
        let (found, reports) = snapshot.search_with_report(query, &wide).unwrap();
        assert_eq!(reports.iter().map(|part| part.admitted).sum::<usize>(), admitted.len());
        same(metric, query, model, found.into_iter().map(pair), five);
        let found = snapshot.search_exact(query, 5).unwrap();
        same(metric, query, model, found.into_iter().map(pair), five);
        let twice: Vec<f32> = [query, query].concat();
        for found in snapshot.search_batch((&twice[..], DIM), &wide).unwrap() {
            same(metric, query, model, found.into_iter().map(pair), five);
        }
        // Between two distances, so that rounding decides nothing.
        let radius = truth.iter().copied().find(|&far| far > truth[0] + 0.5).map(|far| far - 1e-3);
        if let Some(radius) = radius {
            let inside = truth.partition_point(|&near| near <= radius);
            let found = snapshot.search_range(query, radius).unwrap();
            same(metric, query, model, found.into_iter().map(pair), &truth[..inside]);
        }
        let pages = snapshot.search_iter(query).unwrap().map(|found| pair(found.unwrap()));
        let mut pages: Vec<_> = pages.collect();
        // What is found late may be nearer.
        pages.sort_by(|a, b| a.1.total_cmp(&b.1));
        same(metric, query, model, pages, &truth);
    }
    let mut ids: Vec<ExternalId> = model.keys().take(6).cloned().collect();
    ids.push("nobody".into());
    let rows = collection.get_many(&ids).unwrap();
    assert_eq!(rows, ids.iter().map(|id| model.get(id).cloned()).collect::<Vec<_>>());
}

#[test]
fn a_collection_is_what_a_map_and_a_scan_are() {
    let cases = std::env::var("CRINOID_MODEL_CASES").ok().map(|cases| cases.parse().unwrap());
    let config =
        Config { cases: cases.unwrap_or(24), failure_persistence: None, ..Config::default() };
    let sequence = (select(Metric::ALL.to_vec()), vec((operation(), vector(), filter()), 1..24));
    let outcome = TestRunner::new(config).run(&sequence, |(metric, operations)| {
        let folder = tempfile::tempdir().unwrap();
        let mut collection = Collection::create(folder.path(), DIM, &kept(metric)).unwrap();
        let mut model = Model::new();
        for (operation, query, filter) in operations {
            match operation {
                Operation::Write(steps) => {
                    collection.write(&batch(&steps)).unwrap();
                    apply(&mut model, &steps);
                }
                Operation::Flush => collection.flush().unwrap(),
                Operation::Seal => collection.seal().unwrap(),
                Operation::Compact => collection.compact().unwrap(),
                Operation::Verify => {
                    let verified = collection.verify().unwrap();
                    assert!(verified.is_sound(), "{verified:?}");
                }
                Operation::Reopen => {
                    drop(collection);
                    collection = Collection::open(folder.path()).unwrap();
                    assert_eq!(collection.recovery(), Default::default());
                }
            }
            check(&collection, &model, metric, &query, &filter);
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Attributes that change while their rows are rewritten are those of the rewritten rows.
#[test]
fn attributes_change_while_segments_are_built() {
    let folder = tempfile::tempdir().unwrap();
    let mut collection = Collection::create(folder.path(), 2, &kept(Metric::L2)).unwrap();
    let row = |n: i64| Attributes::from([("n".to_owned(), Value::Int(n))]);
    let mut batch = Batch::new();
    for id in 0..60u64 {
        batch.upsert_with(id, &[id as f32, 1.0], row(-1));
    }
    collection.write(&batch).unwrap();
    for _ in 0..3 {
        let done = AtomicBool::new(false);
        let last = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut last = [-1i64; 60];
                let mut at = 0;
                while !done.load(Ordering::Relaxed) || at < 200 {
                    let id = at as usize * 17 % 60;
                    // A replaced vector makes compaction worth while.
                    if at % 5 == 0 {
                        let mut batch = Batch::new();
                        batch.upsert_with(id as u64, &[id as f32, 2.0], row(at));
                        collection.write(&batch).unwrap();
                    } else {
                        let change = ("n".to_owned(), Some(Value::Int(at)));
                        assert!(collection.update(id as u64, [change]).unwrap());
                    }
                    last[id] = at;
                    at += 1;
                }
                last
            });
            for _ in 0..20 {
                collection.compact().unwrap();
            }
            done.store(true, Ordering::Relaxed);
            writer.join().unwrap()
        });
        for _ in 0..2 {
            for (id, &n) in last.iter().enumerate().filter(|(_, n)| **n >= 0) {
                let filter = FilterExpr::equal("n", n);
                let ids = collection.filtered(&filter).unwrap().list(None, 60);
                assert_eq!(ids, [ExternalId::from(id as u64)], "n = {n}");
                let stored = collection.get_row(id as u64).unwrap().unwrap();
                assert_eq!(stored.attributes, row(n));
            }
            drop(collection);
            collection = Collection::open(folder.path()).unwrap();
        }
    }
}
