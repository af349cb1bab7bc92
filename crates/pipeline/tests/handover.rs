//! The hand-over of snapshots in every order of its steps that a machine could take: the collection's own
//! `handover.rs` with loom's locks, and sets of rows in place of vectors.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]
#![allow(unreachable_pub, dead_code, reason = "the file is part of the collection")]

use std::collections::BTreeSet;

#[path = "../src/collection/handover.rs"]
mod handover;
mod sync {
    pub use loom::sync::{Arc, Mutex, MutexGuard, RwLock};
    pub use std::sync::PoisonError;
}

/// What a collection's threads share.
struct Shared {
    state: handover::Handover<State>,
    /// What the transactional file says: the rows that are alive.
    store: sync::Mutex<Rows>,
}

type Rows = BTreeSet<u64>;

/// Some rows, as `part.rs` has them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Part {
    /// What makes it this part at whatever time.
    body: u64,
    alive: Rows,
    sealed: bool,
    frozen: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    parts: Vec<Part>,
}

impl State {
    fn alive(&self) -> Rows {
        let all: Vec<u64> = self.parts.iter().flat_map(|part| &part.alive).copied().collect();
        let distinct: Rows = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len(), "a row in two parts: {self:?}");
        distinct
    }
}

/// `Collection::write`: row 1 goes, row `added` comes.
fn write(shared: &Shared, added: u64) {
    let writer = shared.state.writer();
    {
        let mut store = shared.store.lock().unwrap();
        store.remove(&1);
        store.insert(added);
    }
    let mut parts = writer.now().parts.clone();
    for part in &mut parts {
        part.alive.remove(&1);
    }
    let new = Part { body: added, alive: [added].into(), ..Part::default() };
    match parts.last() {
        // `merge_small`: never into a part that is being rewritten.
        Some(last) if !last.sealed && !last.frozen => {
            let merged: Rows = last.alive.iter().copied().chain([added]).collect();
            parts.pop();
            parts.push(Part { alive: merged, ..new });
        }
        _ => parts.push(new),
    }
    writer.publish(State { parts });
}

/// `Inner::rewrite`: freezes the parts in memory, builds a segment of them without a lock, and puts it in
/// their place. `looks_again`: whether it asks which rows have died meanwhile, as it must.
fn seal(shared: &Shared, looks_again: bool) {
    let victims = {
        let writer = shared.state.writer();
        let mut parts = writer.now().parts.clone();
        let victims: Vec<Part> = parts.iter().filter(|part| !part.sealed).cloned().collect();
        parts.iter_mut().filter(|part| !part.sealed).for_each(|part| part.frozen = true);
        writer.publish(State { parts });
        victims
    };
    let built: Rows = victims.iter().flat_map(|part| &part.alive).copied().collect();
    loom::thread::yield_now();
    let writer = shared.state.writer();
    let is_victim = |part: &&Part| victims.iter().any(|victim| victim.body == part.body);
    let now = writer.now();
    let present: Rows =
        now.parts.iter().filter(is_victim).flat_map(|part| &part.alive).copied().collect();
    let alive = built.into_iter().filter(|row| !looks_again || present.contains(row)).collect();
    let segment = Part { body: 100, alive, sealed: true, frozen: false };
    let others = now.parts.iter().filter(|part| !is_victim(part)).cloned();
    let parts = [segment].into_iter().chain(others).collect();
    writer.publish(State { parts });
}

/// A writer, a rewrite and a search at once.
fn model(looks_again: bool) {
    let first = Part { body: 0, alive: [1, 2].into(), ..Part::default() };
    let shared = sync::Arc::new(Shared {
        state: handover::Handover::new(State { parts: vec![first] }),
        store: sync::Mutex::new([1, 2].into()),
    });
    let writes = loom::thread::spawn({
        let shared = shared.clone();
        move || write(&shared, 3)
    });
    let rewrites = loom::thread::spawn({
        let shared = shared.clone();
        move || seal(&shared, looks_again)
    });
    // A search: each state is the one before the batch or the one after it, and never the one before again.
    let (before, after): (Rows, Rows) = ([1, 2].into(), [2, 3].into());
    let held = shared.state.now();
    let first = held.alive();
    let second = shared.state.now().alive();
    assert!(first == before || first == after, "half a batch: {first:?}");
    assert!(second == after || first == before && second == before, "{first:?}, then {second:?}");
    writes.join().unwrap();
    rewrites.join().unwrap();
    assert_eq!(held.alive(), first, "a snapshot changed");
    assert_eq!(shared.state.now().alive(), *shared.store.lock().unwrap());
}

#[test]
fn no_order_of_steps_shows_half_a_batch_or_brings_a_dead_row_back() {
    loom::model(|| model(true));
}

/// The model has teeth: a rewrite that does not look again brings back what was deleted meanwhile.
#[test]
#[should_panic]
fn a_rewrite_that_does_not_look_again_is_found_out() {
    loom::model(|| model(false));
}
