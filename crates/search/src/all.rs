//! Many queries at once, on the current rayon pool.

use crate::{Counters, Engine, Scratch, SearchParams};
use crinoid_quant::{Neighbor, Vectors};
use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
};

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
    let most = params.k.min(engine.len());
    let begin = Scratch::default;
    let answers = answer_all(queries.len(), most, begin, |scratch, row, answers| {
        let done = engine.search(queries.row(row), params, scratch, answers);
        Ok::<_, Infallible>(done)
    });
    match answers {
        Ok(answers) => answers,
        Err(never) => match never {},
    }
}

/// Answers to `queries` questions on the current rayon pool: at most `most` each, in the order of the
/// questions, whoever answers them. Each thread works with what `begin` gives it; `answer` writes
/// the answers to a question into a list. Nothing is allocated per question.
///
/// # Errors
/// What `answer` returns for the first question for which it fails.
///
/// # Panics
/// When `queries * most` answers are more than an allocation can have, like `Vec`.
pub fn answer_all<W, E: Send>(
    queries: usize,
    most: usize,
    begin: impl Fn() -> W + Sync,
    answer: impl Fn(&mut W, usize, &mut Vec<Neighbor>) -> Result<Counters, E> + Sync,
) -> Result<Answers, E> {
    let stride = most;
    let mut found = vec![Neighbor::new(0, 0.0); queries.saturating_mul(stride)];
    let mut counts = vec![0; queries];
    let rooms = found.chunks_mut(TASK.saturating_mul(stride).max(1));
    let tasks = Mutex::new(counts.chunks_mut(TASK).zip(rooms).enumerate());
    let counters = Mutex::new(Counters::default());
    let failed: Mutex<Option<(usize, E)>> = Mutex::new(None);
    let work = || {
        let (mut working, mut answers) = (begin(), Vec::new());
        let mut done = Counters::default();
        loop {
            let task = locked(&tasks).next();
            let Some((task, (counts, rooms))) = task else { break };
            for (place, (count, room)) in
                counts.iter_mut().zip(rooms.chunks_mut(stride.max(1))).enumerate()
            {
                let row = task * TASK + place;
                answers.clear();
                match answer(&mut working, row, &mut answers) {
                    Ok(counters) => done += counters,
                    Err(error) => {
                        let mut failed = locked(&failed);
                        if failed.as_ref().is_none_or(|(first, _)| row < *first) {
                            *failed = Some((row, error));
                        }
                        continue;
                    }
                }
                *count = answers.len().min(stride);
                room[..*count].copy_from_slice(&answers[..*count]);
            }
        }
        *locked(&counters) += done;
    };
    rayon::scope(|scope| (0..rayon::current_num_threads()).for_each(|_| scope.spawn(|_| work())));
    let counters = *locked(&counters);
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(Answers { found, stride, counts, counters }),
    }
}

/// A panic of another thread ends the batch by itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
