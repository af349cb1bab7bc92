//! A search whose decisions are declared knobs, for the policy of [`crate::knobs`] to set.
//!
//! With the current value of every knob it walks exactly as `pool@1` does. A published version
//! has its decisions compiled in; this one reads them at run time, which costs a predictable
//! branch here and there, on both sides of a comparison alike.

use crate::exemplar::Value;
use crate::knobs::Knob;
use crinoid_graph::{Candidate, Graph};
use crinoid_quant::{Isa, Scorer, key};
use crinoid_search::{Batch, Counters, Search, SearchParams, Visited, entry};

/// The decisions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuned {
    /// Cache lines prefetched of each unseen row; 0 prefetches nothing.
    pub lines: usize,
    /// Nodes expanded together: their unseen neighbours are measured in one batch.
    pub batch: usize,
    /// Whether keys are held against the tail of a full pool before the place is searched for.
    pub test_tail: bool,
    /// Whether the walk descends through the upper layers, or starts at the entry node.
    pub descend: bool,
    /// The walk ends when the closest unexpanded node is farther than `1 + gamma` times the k-th;
    /// 0 never ends it so (squared distances).
    pub gamma: f32,
    /// The walk ends after this many expansions in a row that improved none of the k best; 0
    /// never ends it so.
    pub patience: usize,
    /// The beam's width as a multiple of the `ef` asked for.
    pub width: f32,
}

impl Default for Tuned {
    /// What `pool@1` does.
    fn default() -> Self {
        Self {
            lines: 8,
            batch: 1,
            test_tail: false,
            descend: true,
            gamma: 0.0,
            patience: 0,
            width: 1.0,
        }
    }
}

impl Tuned {
    /// The version.
    pub const VERSION: &'static str = "tuned@0";

    /// The knobs, with what `pool@1` does as the current values.
    pub fn knobs() -> Vec<Knob> {
        let switch = || vec![Value::Switch(false), Value::Switch(true)];
        let (lines, batch) = (Value::wholes(&[0, 1, 2, 4, 8]), Value::wholes(&[1, 2, 3, 4]));
        let (gamma, width) = (Value::reals(&[0.0, 0.2, 0.4, 0.8]), Value::reals(&[0.8, 1.0, 1.2]));
        let patience = Value::wholes(&[0, 8, 16, 32, 64]);
        vec![
            Knob::new("lines", "cache lines prefetched per row", lines, 4),
            Knob::new("batch", "nodes expanded together", batch, 0),
            Knob::new("test_tail", "test keys against the pool's tail first", switch(), 0),
            Knob::new("descend", "descend through the upper layers", switch(), 1),
            Knob::new("gamma", "slack of the distance stop", gamma, 0),
            Knob::new("patience", "expansions without gain", patience, 0),
            Knob::new("width", "beam per ef", width, 1),
        ]
    }

    /// Sets the knob `name`; `false` when there is no such knob or the value does not fit.
    pub fn set(&mut self, name: &str, value: &serde_json::Value) -> bool {
        let whole = || value.as_u64().and_then(|v| usize::try_from(v).ok()).filter(|v| *v <= 4096);
        let real = || value.as_f64().filter(|v| (0.0..=16.0).contains(v)).map(|v| v as f32);
        match (name, whole(), real(), value.as_bool()) {
            ("lines", Some(value), ..) => self.lines = value,
            ("batch", Some(value @ 1..), ..) => self.batch = value,
            ("patience", Some(value), ..) => self.patience = value,
            ("gamma", _, Some(value), _) => self.gamma = value,
            ("width", _, Some(value), _) if value > 0.0 => self.width = value,
            ("test_tail", .., Some(value)) => self.test_tail = value,
            ("descend", .., Some(value)) => self.descend = value,
            _ => return false,
        }
        true
    }
}

/// What it writes to.
#[derive(Debug, Default)]
pub struct TunedMemory {
    visited: Visited,
    batch: Batch,
    /// Ascending; flagged once they are expanded.
    pool: Vec<Candidate>,
}

impl Search for Tuned {
    type Memory = TunedMemory;

    fn version(&self) -> &'static str {
        Self::VERSION
    }

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        _isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        memory: &mut TunedMemory,
        found: &mut Vec<u64>,
    ) -> Counters {
        let mut counters = Counters::default();
        let TunedMemory { visited, batch, pool } = memory;
        pool.clear();
        let ef = (params.ef as f32 * self.width) as usize;
        let width = SearchParams { ef, ..*params }.beam_width(graph.len());
        let start = if self.descend {
            entry::descend(graph, scorer, batch, &mut counters)
        } else {
            counters.measured(usize::from(!graph.is_empty()));
            graph.entry_node().map(|node| key::pack(scorer.key(node), graph.entry()))
        };
        let Some(start) = start.filter(|_| width > 0) else { return counters };
        visited.begin(graph);
        let (key, node) = key::unpack(start);
        visited.insert(node);
        pool.reserve(width + 1);
        pool.push(Candidate::new(key, node));

        let (base, lines) = (graph.base(), scorer.lines().min(self.lines));
        let best = params.k.clamp(1, width);
        let (mut cursor, mut barren) = (0, 0);
        'walk: while cursor < pool.len() {
            batch.ids.clear();
            for _ in 0..self.batch {
                let Some(entry) = pool.get_mut(cursor) else { break };
                let (key, node) = (entry.key(), entry.id());
                *entry = entry.flagged();
                if self.gamma > 0.0 && pool.len() >= best {
                    let limit = scorer.distance(pool[best - 1].key());
                    if scorer.distance(key) > limit * (1.0 + self.gamma) {
                        break 'walk;
                    }
                }
                for &neighbor in base.neighbors(node) {
                    if visited.insert(neighbor) {
                        if lines > 0 {
                            scorer.prefetch(neighbor, lines);
                        }
                        batch.ids.push(neighbor);
                    }
                }
                counters.hops += 1;
                cursor = next(pool, cursor);
            }
            counters.measured(batch.ids.len());
            batch.measure(scorer);
            let mut gain = false;
            for (key, id) in batch.pairs() {
                let entry = Candidate::new(key, id);
                if self.test_tail && pool.len() == width && pool.last().is_some_and(|&t| entry > t)
                {
                    continue;
                }
                let place = pool.partition_point(|&other| other < entry);
                if place == width {
                    continue;
                }
                if pool.len() == width {
                    pool.pop();
                }
                pool.insert(place, entry);
                cursor = cursor.min(place);
                gain |= place < best;
            }
            if self.patience > 0 {
                barren = if gain || pool.len() < best { 0 } else { barren + 1 };
                if barren >= self.patience {
                    break;
                }
            }
        }
        found.extend(pool.iter().map(|entry| entry.packed()));
        counters
    }
}

/// The first unexpanded entry behind `cursor`.
#[inline(always)]
fn next(pool: &[Candidate], mut cursor: usize) -> usize {
    while pool.get(cursor).is_some_and(|entry| entry.is_flagged()) {
        cursor += 1;
    }
    cursor
}
