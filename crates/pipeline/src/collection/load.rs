//! What a store says at one time, as parts to search.

use super::{
    attributes::Attributes,
    columns::{Columns, Described},
    part::{Kind, Part},
    segment_name,
    store::View,
    texts::{PartTexts, load_words},
    types::{CollectionError, CollectionOptions, ExternalId},
};
use crate::index::Index;
use crinoid_quant::Preparation;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A segment whose file is missing or damaged: its number, and its rows, the dead ones without an id.
pub(super) type Broken = (u64, Vec<(u64, Option<ExternalId>)>);

/// Parts, and those segments that could not be read.
pub(super) struct Loaded {
    pub(super) parts: Vec<Part>,
    pub(super) broken: Vec<Broken>,
    /// The attributes of all rows that have any.
    pub(super) attributes: BTreeMap<u64, Attributes>,
}

/// The attributes of rows, in this order.
pub(super) fn described(
    attributes: &BTreeMap<u64, Attributes>,
    rows: impl Iterator<Item = u64>,
) -> Described {
    let mut columns = Columns::default();
    for (place, row) in (0..).zip(rows) {
        if let Some(attributes) = attributes.get(&row) {
            columns.insert(place, attributes);
        }
    }
    Described::new(columns)
}

/// Reads everything. Segments that one of `known` parts has in memory are taken from there. Files of words that are
/// missing are written only where `repair` allows it.
pub(super) fn load(
    view: &View,
    folder: &Path,
    (options, preparation): (&CollectionOptions, &Preparation),
    known: &[Part],
    repair: bool,
) -> Result<Loaded, CollectionError> {
    let (mut names, attributes) = (view.names()?, view.attributes()?);
    let (mut parts, mut broken) = (Vec::new(), Vec::new());
    for (number, segment) in view.segments()? {
        let live: Vec<_> = segment.rows.iter().map(|row| (*row, names.remove(row))).collect();
        let same = |part: &&Part| part.number() == Some(number);
        if let Some(part) = known.iter().find(same)
            && let Kind::Segment { index, .. } = part.kind()
            && index.digest() == segment.digest
        {
            let described = described(&attributes, segment.rows.iter().copied());
            parts.push(Part::segment(number, index.clone(), live, described, part.texts()));
            continue;
        }
        let path = folder.join(segment_name(number));
        match Index::load_to(&path, options.placement()) {
            Ok(index) if index.digest() == segment.digest && index.len() == live.len() => {
                let described = described(&attributes, segment.rows.iter().copied());
                let named = (number, segment.digest);
                let texts = load_words(folder, view, named, &segment.rows, repair)?;
                let (index, texts) = (Arc::new(index), Arc::new(texts));
                parts.push(Part::segment(number, index, live, described, texts));
            }
            // The rows are in the store; the file is only derived from them.
            _ => broken.push((number, live)),
        }
    }
    if !names.is_empty() {
        parts.push(in_memory(view, (options, preparation), names, &attributes)?);
    }
    Ok(Loaded { parts, broken, attributes })
}

/// Rows as a part to scan.
pub(super) fn in_memory(
    view: &View,
    (options, preparation): (&CollectionOptions, &Preparation),
    rows: BTreeMap<u64, ExternalId>,
    attributes: &BTreeMap<u64, Attributes>,
) -> Result<Part, CollectionError> {
    let full = view.prepared(&rows, preparation)?;
    let described = described(attributes, rows.keys().copied());
    let known = view.texts(rows.keys().copied())?;
    let texts = PartTexts::in_memory(rows.keys().map(|row| known.get(row).cloned()).collect());
    Ok(Part::memory(rows.into_iter().collect(), full, options.build.metric, described, texts))
}
