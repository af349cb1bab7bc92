//! Rows with attributes and texts, the batches that change them, and what a collection of them should say.

use anyhow::{Result, ensure};
use crinoid_pipeline::collection::{
    Attributes, Batch, Collection, ExternalId, FilterExpr, Row, Snapshot, Value,
};
use crinoid_quant::random::{below, hash, unit};
use std::collections::BTreeMap;

/// How many values the attribute `n` has, which updates change.
const VALUES: usize = 5;

/// How many different words the texts say.
pub(super) const WORDS: u64 = 40;

/// What batches look like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) dim: usize,
    /// Ids that they name.
    pub(super) ids: usize,
    /// Entries of a batch, at most.
    pub(super) entries: usize,
    /// Groups that vectors come in.
    pub(super) clusters: usize,
    pub(super) seed: u64,
}

/// What happens to an id.
enum Change {
    Put(Row),
    Update(i64),
    Delete,
}

impl Shape {
    /// A vector of one of the groups, never zero.
    pub(super) fn vector(&self, roll: u64) -> Vec<f32> {
        let centre = hash(self.seed ^ 0xce47, below(roll, 900, self.clusters) as u64);
        let value = |at| 0.001 + unit(centre, at) * 2.0 - 1.0 + (unit(roll, at) - 0.5) * 0.8;
        (0..self.dim as u64).map(|at| value(at) as f32).collect()
    }

    /// Batch number `at`: the same for whoever writes it and for whoever checks.
    fn changes(&self, at: u64) -> impl Iterator<Item = (ExternalId, Change)> + '_ {
        let seed = hash(self.seed, at);
        (0..1 + below(seed, 1_000, self.entries) as u64).map(move |place| {
            let roll = hash(seed, place);
            let number = below(roll, 0, self.ids) as u64;
            let id = match number % 3 {
                0 => ExternalId::from(format!("row {number}")),
                _ => ExternalId::from(number),
            };
            let change = match hash(roll, 1) % 10 {
                0 => Change::Delete,
                1 | 2 => Change::Update(below(roll, 2, VALUES) as i64),
                3 => Change::Put(Row::new(self.vector(roll))),
                _ => {
                    let word = hash(roll, 3) % WORDS;
                    let share = below(roll, 4, 1_000) as i64;
                    let attributes = Attributes::from([
                        ("n".to_owned(), Value::Int(below(roll, 5, VALUES) as i64)),
                        ("share".to_owned(), Value::Int(share)),
                        // What the text says, which no update changes.
                        ("word".to_owned(), Value::Int(word as i64)),
                    ]);
                    let text = format!("text {roll} says word{word}");
                    Change::Put(Row::new(self.vector(roll)).attributes(attributes).text(text))
                }
            };
            (id, change)
        })
    }

    /// As a batch of the collection's.
    pub(super) fn batch(&self, at: u64) -> Batch {
        let mut batch = Batch::new();
        for (id, change) in self.changes(at) {
            match change {
                Change::Put(row) => batch.upsert_row(id, row),
                Change::Update(n) => batch.update(id, [("n".to_owned(), Some(Value::Int(n)))]),
                Change::Delete => batch.delete(id),
            };
        }
        batch
    }
}

/// The rows that a collection should have.
#[derive(Clone, Debug, Default)]
pub(super) struct Model(BTreeMap<ExternalId, Row>);

impl Model {
    /// Does what batch number `at` does.
    pub(super) fn apply(&mut self, shape: &Shape, at: u64) {
        for (id, change) in shape.changes(at) {
            match change {
                Change::Put(row) => drop(self.0.insert(id, row)),
                Change::Update(n) => {
                    if let Some(row) = self.0.get_mut(&id) {
                        row.attributes.insert("n".to_owned(), Value::Int(n));
                    }
                }
                Change::Delete => drop(self.0.remove(&id)),
            }
        }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Holds every row, every value of a filter and some words against a collection that nobody writes to.
    ///
    /// # Errors
    /// What is different; the collection's own errors.
    pub(super) fn check(&self, collection: &Collection, seed: u64) -> Result<()> {
        let snapshot = collection.snapshot();
        let ids: Vec<ExternalId> = self.0.keys().cloned().collect();
        let listed = snapshot.list(None, usize::MAX);
        ensure!(listed == ids, "{} ids, and {} were written", listed.len(), ids.len());
        for block in ids.chunks(1_024) {
            for (id, found) in block.iter().zip(collection.get_many(block)?) {
                ensure!(
                    found.as_ref() == self.0.get(id),
                    "{id} is not what was written: {found:?}"
                );
            }
        }
        for n in 0..VALUES as i64 {
            let is = |row: &Row| row.attributes.get("n") == Some(&Value::Int(n));
            let want: Vec<ExternalId> =
                self.0.iter().filter(|(_, row)| is(row)).map(|(id, _)| id.clone()).collect();
            let found = snapshot.filtered(&FilterExpr::equal("n", n))?.list(None, usize::MAX);
            ensure!(found == want, "n = {n}: {} rows, and {} have it", found.len(), want.len());
        }
        (0..3).try_for_each(|probe| words_agree(&snapshot, hash(seed, probe) % WORDS))
    }

    /// A digest of all rows.
    pub(super) fn digest(&self) -> u64 {
        let lines = self.0.iter().map(|(id, row)| format!("{id} {row:?}\n"));
        lines.fold(0, |digest, line| hash(digest, xxhash_rust::xxh3::xxh3_64(line.as_bytes())))
    }
}

/// The rows whose texts say a word are those whose attributes say so.
///
/// # Errors
/// Where they are not; the collection's own errors.
pub(super) fn words_agree(snapshot: &Snapshot, word: u64) -> Result<()> {
    let want = snapshot.filtered(&FilterExpr::equal("word", word as i64))?.list(None, usize::MAX);
    let found = snapshot.search_text(&format!("word{word}"), snapshot.len().max(1))?;
    let mut found: Vec<ExternalId> = found.into_iter().map(|found| found.id).collect();
    found.sort();
    ensure!(found == want, "word{word}: {} texts, and {} rows say it", found.len(), want.len());
    Ok(())
}
