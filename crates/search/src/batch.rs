//! Many queries at once, on the current rayon pool.

use crate::{Counters, Engine, Scratch, SearchParams};
use crinoid_quant::{Neighbor, Vectors};
use rayon::prelude::*;

/// Queries per task: long enough that the memory of a search is set up once in a while only.
const TASK: usize = 32;

/// The answers to every row of the prepared `queries`, in the order of the rows: what single calls
/// return, at any number of threads.
///
/// # Panics
/// When the queries have another dimension than the engine.
pub fn search_all(
    engine: &dyn Engine,
    queries: &Vectors,
    params: &SearchParams,
) -> Vec<(Vec<Neighbor>, Counters)> {
    (0..queries.len())
        .into_par_iter()
        .with_min_len(TASK)
        .map_init(Scratch::default, |scratch, row| {
            let mut found = Vec::new();
            let counters = engine.search(queries.row(row), params, scratch, &mut found);
            (found, counters)
        })
        .collect()
}
