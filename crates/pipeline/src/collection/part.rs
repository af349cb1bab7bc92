//! Some rows and how to search them.

use super::{
    attributes::Attributes,
    columns::{Columns, Described},
    expression::FilterExpr,
    texts::PartTexts,
    types::ExternalId,
    values::{Added, NewRow},
};
use crate::index::{Filter, Index};
use crinoid_quant::{Buffer, Codes, Metric, Preparation, Vectors, codec::Float};
use crinoid_search::{Bitmap, Exact};
use std::sync::Arc;

/// Rows whose vectors never change, which of them are dead by now, and their attributes now. Cloning shares the
/// rows.
#[derive(Clone)]
pub(super) struct Part {
    body: Arc<Body>,
    dead: Arc<Dead>,
    described: Described,
    /// Whether it is being rewritten: nothing may be merged with it.
    frozen: bool,
    /// Those of the live rows that a filter admits; `None` where all count.
    chosen: Option<Arc<Chosen>>,
}

/// Some rows of a part, as those who search it want them.
pub(super) enum Chosen {
    /// Of a segment.
    Filter(Filter),
    /// Of rows in memory.
    Places(Bitmap),
}

impl Chosen {
    pub(super) fn places(&self) -> &Bitmap {
        match self {
            Chosen::Filter(filter) => filter.rows(),
            Chosen::Places(places) => places,
        }
    }
}

struct Body {
    /// Ascending.
    rows: Vec<u64>,
    /// `None` for rows that were dead already when the part was opened.
    ids: Vec<Option<ExternalId>>,
    kind: Kind,
    texts: Arc<PartTexts>,
}

/// How the rows are searched.
pub(super) enum Kind {
    /// A segment file.
    Segment { number: u64, index: Arc<Index> },
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
    fn new(
        rows: Vec<(u64, Option<ExternalId>)>,
        kind: Kind,
        described: Described,
        texts: Arc<PartTexts>,
    ) -> Self {
        let mut dead = Dead { bits: vec![0; rows.len().div_ceil(64)], count: 0 };
        for (place, _) in rows.iter().enumerate().filter(|(_, (_, id))| id.is_none()) {
            dead.bits[place / 64] |= 1 << (place % 64);
            dead.count += 1;
        }
        let (rows, ids) = rows.into_iter().unzip();
        let (body, dead) = (Arc::new(Body { rows, ids, kind, texts }), Arc::new(dead));
        Self { body, dead, described, frozen: false, chosen: None }
    }

    /// A segment over `rows`, in the order of the index's rows; those without an id are dead.
    pub(super) fn segment(
        number: u64,
        index: Arc<Index>,
        rows: Vec<(u64, Option<ExternalId>)>,
        described: Described,
        texts: Arc<PartTexts>,
    ) -> Self {
        Self::new(rows, Kind::Segment { number, index }, described, texts)
    }

    /// Rows in memory. `full` are prepared vectors with all dimensions.
    pub(super) fn memory(
        rows: Vec<(u64, ExternalId)>,
        full: Vectors,
        metric: Metric,
        described: Described,
        texts: PartTexts,
    ) -> Self {
        let metric = Preparation::new(metric, full.dim()).prepared_metric();
        let scan = Exact::new(Arc::new(Float::train(&full, metric)));
        let rows = rows.into_iter().map(|(row, id)| (row, Some(id))).collect();
        Self::new(rows, Kind::Memory { full, scan }, described, Arc::new(texts))
    }

    /// What a batch added; not empty.
    pub(super) fn from_added(added: Added, metric: Metric) -> Self {
        let dim = added.values().next().map_or(1, |row| row.full.len().max(1));
        let mut values = Buffer::zeroed(added.len() * dim);
        let mut slots = values.make_mut().chunks_exact_mut(dim);
        let mut rows = Vec::with_capacity(added.len());
        let mut columns = Columns::default();
        let mut texts = Vec::with_capacity(added.len());
        for (place, (row, NewRow { id, full, attributes, text })) in (0..).zip(added) {
            // All are of one dimension.
            if let Some(slot) = slots.next().filter(|slot| slot.len() == full.len()) {
                slot.copy_from_slice(&full);
            }
            rows.push((row, id));
            columns.insert(place, &attributes);
            texts.push(text);
        }
        // Checked when the batch was prepared: finite, all of one dimension.
        let full = Vectors::new(values, dim).unwrap_or_else(|_| Vectors::empty(dim));
        let texts = PartTexts::in_memory(texts);
        Self::memory(rows, full, metric, Described::new(columns), texts)
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

    /// Live rows; of a part among some of its rows, those of them.
    pub(super) fn live(&self) -> usize {
        match self.chosen() {
            Some(chosen) => chosen.places().count(),
            None => self.len() - self.dead(),
        }
    }

    /// The live rows that a filter admits, where one does.
    pub(super) fn chosen(&self) -> Option<&Chosen> {
        self.chosen.as_deref()
    }

    /// This part among those of its rows alone that `filter` admits.
    pub(super) fn among(&self, filter: &FilterExpr) -> Self {
        let mut places = Bitmap::new(self.len());
        for place in self.described.admitted(filter, self.len() as u32) {
            if self.id(place as usize).is_some() {
                places.insert(place);
            }
        }
        let chosen = match self.kind() {
            Kind::Segment { index, .. } => Chosen::Filter(index.filter_rows(places)),
            Kind::Memory { .. } => Chosen::Places(places),
        };
        Self { chosen: Some(Arc::new(chosen)), ..self.clone() }
    }

    /// The rows, dead or alive, ascending.
    pub(super) fn rows(&self) -> &[u64] {
        &self.body.rows
    }

    /// The words of the rows' texts, the dead ones' among them; `None` where no row has a text.
    #[cfg(feature = "text")]
    pub(super) fn words(
        &self,
    ) -> Result<Option<&super::words::Words>, super::types::CollectionError> {
        self.body.texts.words()
    }

    /// Whether the row at `place` is dead.
    #[cfg(feature = "text")]
    pub(super) fn is_dead(&self, place: usize) -> bool {
        self.dead.has(place)
    }

    /// The places of the dead rows.
    #[cfg(feature = "text")]
    pub(super) fn dead_places(&self) -> impl Iterator<Item = usize> + '_ {
        let dead = (0..self.len()).filter(|place| self.dead.has(*place));
        dead.take(self.dead.count)
    }

    /// The rows' texts, the dead ones' among them.
    pub(super) fn texts(&self) -> Arc<PartTexts> {
        self.body.texts.clone()
    }

    /// The rows' attributes, the dead ones' among them.
    pub(super) fn described(&self) -> &Described {
        &self.described
    }

    /// The id of the row at `place`, if it is alive, and admitted where a filter admits rows.
    pub(super) fn id(&self, place: usize) -> Option<&ExternalId> {
        let out = |chosen: &Chosen| !chosen.places().contains(place as u32);
        match self.dead.has(place) || self.chosen().is_some_and(out) {
            true => None,
            false => self.body.ids[place].as_ref(),
        }
    }

    /// The live rows and their ids.
    pub(super) fn live_rows(&self) -> impl Iterator<Item = (u64, ExternalId)> + '_ {
        let rows = self.body.rows.iter().enumerate();
        rows.filter_map(|(place, &row)| Some((row, self.id(place)?.clone())))
    }

    /// Gives `row` other attributes; says whether it is one of this part's. While the part is being rewritten,
    /// changes stay apart, so that what takes its place can take them over.
    pub(super) fn describe(&mut self, row: u64, attributes: &Arc<Attributes>) -> bool {
        let Ok(place) = self.body.rows.binary_search(&row) else { return false };
        let len = self.len();
        self.described.change(place as u32, attributes.clone(), len, !self.frozen);
        true
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

/// So many parts in memory of about one size are merged into one.
const FEW: usize = 4;

/// Merges the last parts in memory into one while there are [`FEW`] of the last one's size or smaller, dead rows left
/// out: there are never more than a logarithmic number of parts, and a row is copied as often. (Merging by twos copied
/// it twice as often, for two thirds of the parts.)
pub(super) fn merge_small(parts: &mut Vec<Part>, metric: Metric) {
    let size = |part: &Part| part.live().max(1).ilog(FEW);
    while let Some(last) = parts.last() {
        let most = size(last);
        let small = |part: &&Part| part.is_memory() && !part.frozen && size(part) <= most;
        let many = parts.iter().rev().take_while(small).count();
        if many < FEW {
            return;
        }
        let small = parts.split_off(parts.len() - many);
        parts.extend(merged(&small, metric));
    }
}

/// The live rows of parts in memory as one part, if there are any.
fn merged(parts: &[Part], metric: Metric) -> Option<Part> {
    let live = parts.iter().map(Part::live).sum();
    let dim = parts.iter().find_map(|part| match part.kind() {
        Kind::Memory { full, .. } => Some(full.dim().max(1)),
        Kind::Segment { .. } => None,
    })?;
    let (mut rows, mut texts) = (Vec::with_capacity(live), Vec::with_capacity(live));
    let mut values = Buffer::zeroed(live * dim);
    let mut slots = values.make_mut().chunks_exact_mut(dim);
    let mut moved: Vec<Vec<Option<u32>>> = Vec::with_capacity(parts.len());
    for part in parts {
        let mut places = vec![None; part.len()];
        if let Kind::Memory { full, .. } = part.kind() {
            for (place, vector) in full.rows().enumerate() {
                if let Some(id) = part.id(place)
                    && let Some(slot) = slots.next()
                {
                    places[place] = Some(rows.len() as u32);
                    rows.push((part.body.rows[place], id.clone()));
                    slot.copy_from_slice(vector);
                    texts.push(part.body.texts.get(place));
                }
            }
        }
        moved.push(places);
    }
    let described = parts.iter().zip(&moved).map(|(part, places)| {
        let moved = |place: u32| places[place as usize];
        (&part.described, moved)
    });
    let described = Described::gathered(described);
    let full = Vectors::new(values, dim).ok().filter(|_| !rows.is_empty())?;
    Some(Part::memory(rows, full, metric, described, PartTexts::in_memory(texts)))
}
