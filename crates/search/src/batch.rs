//! Many queries at once, on the current rayon pool.

use crate::{Counters, Engine, Scratch, SearchParams};
use crinoid_quant::{Neighbor, Vectors};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Queries that a thread takes at a time: many enough that taking them costs nothing, few enough
/// that all threads end together.
const TASK: usize = 32;

/// The answers to a batch, in one piece of memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Room for `stride` answers per query.
    found: Vec<Neighbor>,
    stride: usize,
    /// How many there are of each query.
    counts: Vec<usize>,
    counters: Counters,
}

impl Answers {
    /// How many queries were answered.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether there was no query.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The answers to query number `row`, nearest first.
    ///
    /// # Panics
    /// When there is no such query.
    pub fn row(&self, row: usize) -> &[Neighbor] {
        &self.found[row * self.stride..][..self.counts[row]]
    }

    /// The answers to every query, in the order of the queries.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[Neighbor]> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// The work of all queries together.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// The answers to every row of the prepared `queries`, in the order of the rows: what single calls
/// return, at any number of threads. Nothing is allocated per query.
///
/// # Panics
/// When the queries have another dimension than the engine.
pub fn search_all(engine: &dyn Engine, queries: &Vectors, params: &SearchParams) -> Answers {
    let stride = params.k.min(engine.len());
    let mut found = vec![Neighbor::new(0, 0.0); queries.len() * stride];
    let mut counts = vec![0; queries.len()];
    let rooms = found.chunks_mut((TASK * stride).max(1));
    let tasks = Mutex::new(counts.chunks_mut(TASK).zip(rooms).enumerate());
    let counters = Mutex::new(Counters::default());
    let work = || {
        let (mut scratch, mut answers) = (Scratch::default(), Vec::new());
        let mut done = Counters::default();
        loop {
            let task = locked(&tasks).next();
            let Some((task, (counts, rooms))) = task else { break };
            for (place, (count, room)) in
                counts.iter_mut().zip(rooms.chunks_mut(stride)).enumerate()
            {
                let query = queries.row(task * TASK + place);
                done += engine.search(query, params, &mut scratch, &mut answers);
                *count = answers.len();
                room[..answers.len()].copy_from_slice(&answers);
            }
        }
        *locked(&counters) += done;
    };
    rayon::scope(|scope| (0..rayon::current_num_threads()).for_each(|_| scope.spawn(|_| work())));
    let counters = *locked(&counters);
    Answers { found, stride, counts, counters }
}

/// A panic of another thread ends the batch by itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
