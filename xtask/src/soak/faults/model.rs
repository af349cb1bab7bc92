//! What a collection should be: a map beside it, and the batches that both get.

use anyhow::{Result, ensure};
use crinoid_pipeline::{
    SearchOptions,
    collection::{Batch, Collection, CollectionOptions, ExternalId},
};
use crinoid_quant::{
    Metric,
    random::{below, hash, unit},
};
use std::collections::BTreeMap;

/// Ids that batches name.
const IDS: usize = 400;

/// The kinds of collections, by number.
pub(super) fn options(kind: u64) -> CollectionOptions {
    const RECIPES: [&str; 5] = [
        "sq8@1/hnsw@1/pool@1/float@1",
        "sq8@2/crinoid@1/pipelined@2/float@1",
        "int4@1/hnsw@1/heap@1/int8@1+float@1",
        "float@1/vamana@1/pool@1/float@1",
        "rabitq1@1/hnsw@1/pipelined@2/float@1",
    ];
    let mut options = CollectionOptions::default()
        .seal_rows(20 + below(kind, 1, 60))
        .max_dead(0.1 + 0.4 * unit(kind, 2))
        .max_segments(1 + below(kind, 3, 4))
        .rows_on_disk(hash(kind, 4).is_multiple_of(2));
    if let Ok(recipe) = RECIPES[below(kind, 5, RECIPES.len())].parse() {
        options.build.recipe = recipe;
    }
    options.build.metric = Metric::ALL[below(kind, 6, Metric::ALL.len())];
    (options.build.graph.m, options.build.graph.ef_construction) = (8, 60);
    options.build.unchecked = true;
    options
}

/// The dimension of collections of a kind.
pub(super) fn dim(kind: u64) -> usize {
    2 + below(kind, 7, 30)
}

/// A vector that is never zero.
pub(super) fn vector(dim: usize, seed: u64) -> Vec<f32> {
    (0..dim as u64).map(|at| 0.001 + (unit(seed, at) * 2.0 - 1.0) as f32).collect()
}

/// The rows that a collection should have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model(pub(super) BTreeMap<ExternalId, Vec<f32>>);

/// Batch number `at` of a collection: the same for whoever writes it and for whoever checks.
pub(super) fn batch(kind: u64, at: u64) -> Vec<(ExternalId, Option<Vec<f32>>)> {
    let seed = hash(kind, at);
    let entry = |place: u64| {
        let roll = hash(seed, place);
        let number = below(roll, 0, IDS) as u64;
        let id = match number % 3 {
            0 => ExternalId::from(format!("row {number}")),
            _ => ExternalId::from(number),
        };
        (id, (!hash(roll, 1).is_multiple_of(4)).then(|| vector(dim(kind), roll)))
    };
    (0..1 + below(seed, 1_000, 12) as u64).map(entry).collect()
}

/// As a batch of the collection's.
pub(super) fn entries(kind: u64, at: u64) -> Batch {
    let mut entries = Batch::new();
    for (id, vector) in batch(kind, at) {
        match vector {
            Some(vector) => entries.upsert(id, &vector),
            None => entries.delete(id),
        };
    }
    entries
}

impl Model {
    /// Does what batch number `at` does.
    pub(super) fn apply(&mut self, kind: u64, at: u64) {
        for (id, vector) in batch(kind, at) {
            match vector {
                Some(vector) => self.0.insert(id, vector),
                None => self.0.remove(&id),
            };
        }
    }

    /// Holds a collection against the model: each row, and the answers to a few queries.
    ///
    /// # Errors
    /// What is different; the collection's own errors.
    pub(super) fn check(&self, collection: &Collection, seed: u64) -> Result<()> {
        let (got, want) = (collection.len(), self.0.len());
        ensure!(got == want, "{got} rows, and {want} were written");
        for number in 0..IDS as u64 {
            for id in [ExternalId::from(number), ExternalId::from(format!("row {number}"))] {
                let found = collection.get(id.clone())?;
                ensure!(
                    found.as_ref() == self.0.get(&id),
                    "{id} is not what was written: {found:?}"
                );
            }
        }
        self.check_answers(collection, seed)
    }

    /// Answers are rows that were written, at their true distances, in order; the nearest is found.
    pub(super) fn check_answers(&self, collection: &Collection, seed: u64) -> Result<()> {
        let metric = collection.options().build.metric;
        let Some(dim) = self.0.values().next().map(Vec::len) else { return Ok(()) };
        for probe in 0..3 {
            let query = vector(dim, hash(seed, probe));
            let found = collection.search(&query, &SearchOptions::new(10, 400).pool(400))?;
            ensure!(found.len() == self.0.len().min(10), "{} answers", found.len());
            ensure!(found.is_sorted_by(|a, b| a.distance <= b.distance), "not in order: {found:?}");
            for answer in &found {
                let Some(row) = self.0.get(&answer.id) else {
                    anyhow::bail!("nobody wrote {}", answer.id);
                };
                let distance = true_distance(metric, &query, row);
                let slack = 1e-3 * (1.0 + distance.abs());
                let off = (f64::from(answer.distance) - distance).abs();
                ensure!(off < slack, "{answer:?}, and its distance is {distance}");
                let twice = found.iter().filter(|other| other.id == answer.id).count();
                ensure!(twice == 1, "{} is there {twice} times", answer.id);
            }
        }
        Ok(())
    }
}

/// The distance in f64, as the metric defines it.
pub(super) fn true_distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = || a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let dot: f64 = pairs().map(|(a, b)| a * b).sum();
    let norm = |x: &[f32]| x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    match metric {
        Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum(),
        Metric::InnerProduct => -dot,
        Metric::Cosine => 2.0 - 2.0 * dot / (norm(a) * norm(b)),
    }
}
