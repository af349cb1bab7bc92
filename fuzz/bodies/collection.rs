//! Operations on a collection, beside a map that does the same.

use super::script::Script;
use crinoid_pipeline::{
    SearchOptions,
    collection::{Batch, Collection, CollectionOptions, ExternalId},
};
use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

const DIM: usize = 3;

/// What a collection should be.
type Model = BTreeMap<ExternalId, Vec<f32>>;

fn options() -> CollectionOptions {
    let mut options = CollectionOptions::default().seal_rows(9).max_dead(0.3).max_segments(2);
    options.build.recipe = "sq8@1/hnsw@1/pool@1/float@1".parse().unwrap();
    (options.build.graph.m, options.build.graph.ef_construction) = (4, 30);
    options
}

fn id(script: &mut Script<'_>) -> ExternalId {
    match script.byte() % 24 {
        text if text % 3 == 0 => ExternalId::from(format!("id {text}")),
        number => ExternalId::from(u64::from(number)),
    }
}

fn vector(script: &mut Script<'_>) -> Vec<f32> {
    (0..DIM).map(|_| f32::from(script.byte() as i8) / 16.0).collect()
}

/// Answers are those of a scan, and what is stored is what was written.
fn check(collection: &Collection, model: &Model, query: &[f32]) {
    assert_eq!(collection.len(), model.len());
    // So wide a search finds all of so few.
    let found = collection.search(query, &SearchOptions::new(5, 200).pool(200)).unwrap();
    let distance = |x: &[f32]| query.iter().zip(x).map(|(q, x)| (q - x) * (q - x)).sum::<f32>();
    let mut truth: Vec<f32> = model.values().map(|x| distance(x)).collect();
    truth.sort_by(f32::total_cmp);
    truth.truncate(5);
    assert_eq!(found.len(), truth.len());
    for (answer, truth) in found.iter().zip(truth) {
        assert!((answer.distance - truth).abs() < 1e-3, "{answer:?}, {truth}");
        assert!((distance(&model[&answer.id]) - truth).abs() < 1e-3, "{answer:?}, {truth}");
    }
    for (id, vector) in model.iter().take(4) {
        assert_eq!(collection.get(id.clone()).unwrap().as_ref(), Some(vector));
    }
}

/// Does what the bytes say and compares after every step.
pub fn run(data: &[u8]) -> bool {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("crinoid-fuzz-c-{}-{run}", std::process::id()));
    let mut collection = Collection::create(&folder, DIM, &options()).unwrap();
    let (mut script, mut model) = (Script(data), Model::new());
    while !script.is_over() {
        match script.byte() % 16 {
            0..=9 => {
                let mut batch = Batch::new();
                for _ in 0..1 + script.byte() % 6 {
                    let id = id(&mut script);
                    if script.byte() % 4 == 0 {
                        batch.delete(id.clone());
                        model.remove(&id);
                    } else {
                        let vector = vector(&mut script);
                        batch.upsert(id.clone(), &vector);
                        model.insert(id, vector);
                    }
                }
                collection.write(&batch).unwrap();
            }
            10 => {
                let mut batch = Batch::new();
                batch.upsert(id(&mut script), &[0.0; DIM]).upsert("bad", &[f32::NAN; DIM]);
                assert!(collection.write(&batch).is_err(), "and nothing of it is written");
            }
            11 => collection.flush().unwrap(),
            12 => collection.seal().unwrap(),
            13 => collection.compact().unwrap(),
            14 => assert_eq!(collection.verify().unwrap().problems, [""; 0]),
            _ => {
                drop(collection);
                collection = Collection::open(&folder).unwrap();
            }
        }
        check(&collection, &model, &vector(&mut script));
    }
    drop(collection);
    fs::remove_dir_all(&folder).unwrap();
    true
}
