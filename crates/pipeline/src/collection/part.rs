//! Some rows and how to search them.

use super::{store::Added, types::ExternalId};
use crate::index::Index;
use crinoid_quant::{Codes, Metric, Preparation, Vectors, codec::Float};
use crinoid_search::Exact;
use std::sync::Arc;

/// Rows that never change, and which of them are dead by now. Cloning shares the rows.
#[derive(Clone)]
pub(super) struct Part {
    body: Arc<Body>,
    dead: Arc<Dead>,
    /// Whether it is being rewritten: nothing may be merged with it.
    frozen: bool,
}

struct Body {
    /// Ascending.
    rows: Vec<u64>,
    /// `None` for rows that were dead already when the part was opened.
    ids: Vec<Option<ExternalId>>,
    kind: Kind,
}

/// How the rows are searched.
pub(super) enum Kind {
    /// A segment file.
    Segment { number: u64, index: Box<Index> },
    /// A scan over a few rows, prepared, with all dimensions.
    Memory { full: Vectors, scan: Exact },
}

/// One bit per row.
#[derive(Clone)]
struct Dead {
    bits: Vec<u64>,
    count: usize,
}

impl Dead {
    fn has(&self, place: usize) -> bool {
        self.bits[place / 64] >> (place % 64) & 1 == 1
    }
}

impl Part {
    fn new(rows: Vec<(u64, Option<ExternalId>)>, kind: Kind) -> Self {
        let mut dead = Dead { bits: vec![0; rows.len().div_ceil(64)], count: 0 };
        for (place, _) in rows.iter().enumerate().filter(|(_, (_, id))| id.is_none()) {
            dead.bits[place / 64] |= 1 << (place % 64);
            dead.count += 1;
        }
        let (rows, ids) = rows.into_iter().unzip();
        Self { body: Arc::new(Body { rows, ids, kind }), dead: Arc::new(dead), frozen: false }
    }

    /// A segment over `rows`, in the order of the index's rows; those without an id are dead.
    pub(super) fn segment(number: u64, index: Index, rows: Vec<(u64, Option<ExternalId>)>) -> Self {
        Self::new(rows, Kind::Segment { number, index: Box::new(index) })
    }

    /// Rows in memory. `full` are prepared vectors with all dimensions.
    pub(super) fn memory(rows: Vec<(u64, ExternalId)>, full: Vectors, metric: Metric) -> Self {
        let metric = Preparation::new(metric, full.dim()).prepared_metric();
        let scan = Exact::new(Arc::new(Float::train(&full, metric)));
        let rows = rows.into_iter().map(|(row, id)| (row, Some(id))).collect();
        Self::new(rows, Kind::Memory { full, scan })
    }

    /// What a batch added; not empty.
    pub(super) fn from_added(added: Added, metric: Metric) -> Self {
        let mut values = Vec::new();
        let mut dim = 0;
        let mut rows = Vec::with_capacity(added.len());
        for (row, (id, full)) in added {
            dim = full.len();
            values.extend(full);
            rows.push((row, id));
        }
        // Checked when the batch was prepared: finite, all of one dimension.
        let full = Vectors::new(values.as_slice(), dim).unwrap_or_else(|_| Vectors::empty(dim));
        Self::memory(rows, full, metric)
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.body.kind
    }

    pub(super) fn is_memory(&self) -> bool {
        matches!(self.body.kind, Kind::Memory { .. })
    }

    /// The segment's number.
    pub(super) fn number(&self) -> Option<u64> {
        match self.body.kind {
            Kind::Segment { number, .. } => Some(number),
            Kind::Memory { .. } => None,
        }
    }

    /// Whether `other` is this part, at whatever time.
    pub(super) fn is_of(&self, other: &Part) -> bool {
        Arc::ptr_eq(&self.body, &other.body)
    }

    /// This part, to be left as it is, or not any more.
    pub(super) fn frozen(&self, frozen: bool) -> Self {
        Self { frozen, ..self.clone() }
    }

    /// Rows, dead or alive.
    pub(super) fn len(&self) -> usize {
        self.body.rows.len()
    }

    /// Dead rows.
    pub(super) fn dead(&self) -> usize {
        self.dead.count
    }

    /// Live rows.
    pub(super) fn live(&self) -> usize {
        self.len() - self.dead()
    }

    /// The id of the row at `place`, if it is alive.
    pub(super) fn id(&self, place: usize) -> Option<&ExternalId> {
        if self.dead.has(place) { None } else { self.body.ids[place].as_ref() }
    }

    /// The live rows and their ids.
    pub(super) fn live_rows(&self) -> impl Iterator<Item = (u64, ExternalId)> + '_ {
        let rows = self.body.rows.iter().enumerate();
        rows.filter_map(|(place, &row)| Some((row, self.id(place)?.clone())))
    }

    /// Marks `row` dead; says whether it is one of this part's.
    pub(super) fn kill(&mut self, row: u64) -> bool {
        let Ok(place) = self.body.rows.binary_search(&row) else { return false };
        if !self.dead.has(place) {
            let dead = Arc::make_mut(&mut self.dead);
            dead.bits[place / 64] |= 1 << (place % 64);
            dead.count += 1;
        }
        true
    }
}

/// Merges the last part in memory with those before it while they are no larger, dead rows left
/// out: there are never more than a logarithmic number of parts, and a row is copied as often.
pub(super) fn merge_small(parts: &mut Vec<Part>, metric: Metric) {
    while let [.., a, b] = parts.as_slice() {
        let (Kind::Memory { full: first, .. }, Kind::Memory { full: second, .. }) =
            (a.kind(), b.kind())
        else {
            return;
        };
        if a.live() > b.live() || a.frozen || b.frozen {
            return;
        }
        let (mut rows, mut values) = (Vec::new(), Vec::new());
        for (part, full) in [(a, first), (b, second)] {
            for (place, vector) in full.rows().enumerate() {
                if let Some(id) = part.id(place) {
                    rows.push((part.body.rows[place], id.clone()));
                    values.extend_from_slice(vector);
                }
            }
        }
        let dim = first.dim();
        parts.truncate(parts.len() - 2);
        if let Ok(full) = Vectors::new(values.as_slice(), dim)
            && !rows.is_empty()
        {
            parts.push(Part::memory(rows, full, metric));
        }
    }
}
