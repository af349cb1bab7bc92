//! A warm session allocates nothing, whatever the recipe.

#![allow(unsafe_code, reason = "a counting allocator has to implement an unsafe trait")]
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, options, suitable};
use crinoid_pipeline::{Index, Recipe, SearchOptions};
use crinoid_quant::Metric;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down has no counter any more; nobody counts there.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_session_allocates_nothing() {
    let recipes = ["quant", "search", "refine"].into_iter().flat_map(|module| {
        let versions = match module {
            "quant" => crinoid_quant::versions::VERSIONS,
            "search" => crinoid_search::versions::VERSIONS,
            _ => crinoid_refine::versions::VERSIONS,
        };
        versions.iter().map(move |v| Recipe::default().with(module, &v.to_string()).unwrap())
    });
    let chain: Recipe = "sign@1/hnsw@1/pool@1/int8@1+float@1".parse().unwrap();
    for recipe in recipes.chain([chain]) {
        let sets = [(1_500, 1), (50, 2)]
            .map(|(n, seed)| suitable(&recipe, Metric::L2, clustered(n, 40, seed)).unwrap());
        let [base, queries] = sets;
        let mut options = options(&recipe.to_string(), Metric::L2);
        options.truncate = Some(32);
        let index = Index::build(&base, &options, &()).unwrap();
        let (mut session, mut answers) = (index.session(), Vec::new());
        let search = SearchOptions::new(10, 80);
        let mut pass = || {
            let before = ALLOCATIONS.get();
            for query in queries.rows() {
                session.search(query, &search, &mut answers).unwrap();
            }
            ALLOCATIONS.get() - before
        };
        assert!(pass() > 0, "the counter counts");
        assert_eq!(pass(), 0, "{recipe}");
    }
}
