//! Long work without the interpreter: progress, Ctrl-C, threads.

use crate::errors::OptionValueError;
use crinoid::Progress;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

/// How long Ctrl-C may take to be noticed.
const TICK: Duration = Duration::from_millis(50);

/// More threads than any machine has cores to run.
const MAX_THREADS: usize = 4_096;

/// How far a build is, seen from two threads.
#[derive(Default)]
struct State {
    done: AtomicUsize,
    total: AtomicUsize,
    stop: AtomicBool,
}

impl Progress for State {
    fn report(&self, done: usize, total: usize) -> ControlFlow<()> {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        match self.stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Builds in another thread, while this one listens for Ctrl-C and tells `listener` how far it is,
/// as `listener(done, total)`. An exception in either ends the build.
pub(crate) fn build<T: Send>(
    py: Python<'_>,
    threads: Option<usize>,
    listener: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&dyn Progress) -> T + Send,
) -> PyResult<T> {
    let pool = pool(threads)?;
    let (state, (finished, mut end)) = (State::default(), mpsc::channel());
    let progress = &state;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let result = match pool {
                Some(pool) => pool.install(|| work(progress)),
                None => work(progress),
            };
            // The receiver waits for this to the end.
            let _ = finished.send(result);
        });
        let (mut raised, mut told) = (None, 0);
        loop {
            let result;
            (result, end) = py.detach(move || (end.recv_timeout(TICK), end));
            match result {
                Ok(result) => {
                    // Whoever listens hears of the end.
                    let total = state.total.load(Ordering::Relaxed);
                    if let Some(listener) = listener.filter(|_| raised.is_none()) {
                        listener.call1((total, total))?;
                    }
                    return raised.map_or(Ok(result), Err);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let text = "the build ended without a result";
                    return Err(pyo3::exceptions::PyRuntimeError::new_err(text));
                }
                Err(RecvTimeoutError::Timeout) if raised.is_some() => {}
                Err(RecvTimeoutError::Timeout) => {
                    let (done, total) =
                        (state.done.load(Ordering::Relaxed), state.total.load(Ordering::Relaxed));
                    let tell = listener.filter(|_| done != told);
                    let heard = py.check_signals().and_then(|()| match tell {
                        Some(listener) => listener.call1((done, total)).map(|_| ()),
                        None => Ok(()),
                    });
                    told = done;
                    if let Err(error) = heard {
                        state.stop.store(true, Ordering::Relaxed);
                        raised = Some(error);
                    }
                }
            }
        }
    })
}

/// A pool of `threads` threads, kept for the next call; `None` for the process's own.
pub(crate) fn pool(threads: Option<usize>) -> PyResult<Option<Arc<ThreadPool>>> {
    static POOLS: Mutex<Option<HashMap<usize, Arc<ThreadPool>>>> = Mutex::new(None);
    let Some(threads) = threads else { return Ok(None) };
    if !(1..=MAX_THREADS).contains(&threads) {
        let text = format!("threads is {threads}: give 1 to {MAX_THREADS}, or None for all");
        return Err(OptionValueError::new_err(text));
    }
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_with(HashMap::new);
    if let Some(pool) = pools.get(&threads) {
        return Ok(Some(pool.clone()));
    }
    let made = ThreadPoolBuilder::new().num_threads(threads).build();
    let made = made.map_err(|error| OptionValueError::new_err(format!("threads: {error}")))?;
    let pool = Arc::new(made);
    pools.insert(threads, pool.clone());
    Ok(Some(pool))
}
