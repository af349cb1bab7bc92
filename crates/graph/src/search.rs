//! The search that construction uses: one sorted pool, no tricks that depend on history.

use crate::{
    candidate::Candidate, layer_space::LayerSpace, link_table::LinkTable, scratch::Scratch,
};

/// How hard a search looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How many candidates it keeps.
    pub(crate) ef: usize,
    /// When it gives up before all of them are expanded.
    pub(crate) patience: Option<Patience>,
}

/// Ends a search that has stopped to improve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// So many expansions in a row
    pub(crate) expansions: usize,
    /// that brought nothing into so many nearest.
    pub(crate) nearest: usize,
}

impl From<usize> for Effort {
    /// Keeps `ef` candidates and expands them all.
    fn from(ef: usize) -> Self {
        Self { ef, patience: None }
    }
}

/// Searches one layer for the `ef` slots nearest to the point `from`, starting at the slots `starts`.
///
/// Leaves them in `scratch.pool`, ascending by (key, slot), and what it expanded on its way in
/// `scratch.expanded`. Algorithm 2 of Malkov & Yashunin with
/// a sorted array for both heaps; ends when every candidate in the pool has been expanded, or its
/// patience. All unseen neighbours of a node are measured in one call.
pub(crate) fn best_first(
    layer_space: LayerSpace<'_>,
    rows: &LinkTable,
    from: u32,
    starts: &[u32],
    effort: impl Into<Effort>,
    scratch: &mut Scratch,
) {
    let Effort { ef, patience } = effort.into();
    let Scratch { visited, pool, expanded, todo, keys, .. } = scratch;
    visited.begin(rows.len());
    pool.clear();
    expanded.clear();
    visited.gather(starts, todo);
    keys.resize(todo.len(), 0);
    layer_space.keys(from, todo, keys);
    pool.extend(todo.iter().zip(keys.iter()).map(|(&slot, &key)| Candidate::new(key, slot)));
    pool.sort_unstable();
    pool.truncate(ef);
    let (mut cursor, mut idle) = (0, 0);
    while let Some(&next) = pool.get(cursor) {
        if next.is_flagged() {
            cursor += 1;
            continue;
        }
        pool[cursor] = next.flagged();
        expanded.push(next);
        visited.gather(rows.ids(next.id()), todo);
        cursor += 1;
        if let Some(after) = pool.get(cursor) {
            rows.prefetch(after.id());
        }
        keys.resize(todo.len(), 0);
        layer_space.keys(from, todo, keys);
        let mut first = usize::MAX;
        for (&slot, &key) in todo.iter().zip(keys.iter()) {
            let found = Candidate::new(key, slot);
            if pool.len() == ef {
                if pool[ef - 1] < found {
                    continue;
                }
                pool.pop();
            }
            let place = pool.partition_point(|&other| other < found);
            pool.insert(place, found);
            first = first.min(place);
            if place <= cursor {
                cursor = place;
                rows.prefetch(slot);
            }
        }
        if let Some(Patience { expansions, nearest }) = patience {
            idle = if first < nearest { 0 } else { idle + 1 };
            if idle == expansions {
                break;
            }
        }
    }
}
