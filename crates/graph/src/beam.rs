//! The search that construction uses: one sorted pool, no tricks that depend on history.

use crate::{candidate::Candidate, ground::Ground, rows::Rows, scratch::Scratch};

/// Searches one layer for the `ef` slots nearest to the point `from`, starting at slot `start`.
///
/// Leaves them in `scratch.pool`, ascending by (key, slot), and what it expanded on its way in
/// `scratch.expanded`. Algorithm 2 of Malkov & Yashunin with
/// a sorted array for both heaps; ends when every candidate in the pool has been expanded. All
/// unseen neighbours of a node are measured in one call.
pub(crate) fn search(
    ground: Ground<'_>,
    rows: &Rows,
    from: u32,
    start: u32,
    ef: usize,
    scratch: &mut Scratch,
) {
    let Scratch { visited, pool, expanded, todo, keys, .. } = scratch;
    visited.begin(rows.len());
    pool.clear();
    expanded.clear();
    let mut first = [0];
    ground.keys(from, &[start], &mut first);
    visited.insert(start);
    pool.push(Candidate::new(first[0], start));
    let mut cursor = 0;
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
        ground.keys(from, todo, keys);
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
            if place <= cursor {
                cursor = place;
                rows.prefetch(slot);
            }
        }
    }
}
