//! Once a search has run, its like allocates nothing.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod common;

use common::{clustered, knn_graph};
use crinoid_quant::{
    Codes, Metric,
    codec::{Float, Sq8},
};
use crinoid_search::{Engine, Exact, Scratch, SearchParams, versions};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged; counting touches a constant-initialised
// thread local without a destructor, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; `block` came from `System`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as above; `block` came from `System`.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn check(engine: &dyn Engine, dim: usize) {
    let queries = clustered(100, dim, 3);
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let params = SearchParams::new(20, 60);
    let mut run = |rows: std::ops::Range<usize>| {
        let before = ALLOCATIONS.get();
        for row in rows {
            engine.search(queries.row(row), &params, &mut scratch, &mut out);
        }
        ALLOCATIONS.get() - before
    };
    assert_ne!(run(0..1), 0, "the counter counts");
    // Enough searches for the visited list to wrap around.
    for _ in 0..3 {
        assert_eq!(run(1..100), 0, "{}", engine.version());
    }
}

#[test]
fn no_allocation_in_steady_state() {
    let dim = 19;
    let vectors = clustered(1500, dim, 1);
    let graph = Arc::new(knn_graph(&vectors, 12, true));
    let float = Arc::new(Float::train(&vectors, Metric::L2));
    let bytes = Arc::new(Sq8::train(&vectors, Metric::L2));
    for version in versions::PUBLISHED {
        check(&version.compose(graph.clone(), float.clone()).unwrap(), dim);
        check(&version.compose(graph.clone(), bytes.clone()).unwrap(), dim);
    }
    check(&Exact::new(float), dim);
    check(&Exact::new(bytes), dim);
}
