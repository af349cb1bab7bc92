//! `crinoid.Events`: what maintenance of a collection does.

use crate::errors::OptionValueError;
use crinoid::Event;
use pyo3::{prelude::*, types::PyDict};
use std::{
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

/// What maintenance does, as it happens; made by `Collection.events`.
#[pyclass(name = "Events", module = "crinoid", frozen)]
pub(crate) struct PyEvents {
    pub(crate) events: Mutex<Receiver<Event>>,
}

#[pymethods]
impl PyEvents {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        loop {
            // So that somebody can interrupt it.
            py.check_signals()?;
            match self.wait(py, Duration::from_millis(100)) {
                Ok(event) => return told(py, &event).map(Some),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// The next event, or None where none comes within `timeout` seconds.
    fn next<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Option<Bound<'py, PyDict>>> {
        let timeout = Duration::try_from_secs_f64(timeout)
            .map_err(|error| OptionValueError::new_err(format!("timeout: {error}")))?;
        self.wait(py, timeout).ok().map(|event| told(py, &event)).transpose()
    }
}

impl PyEvents {
    fn wait(&self, py: Python<'_>, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        py.detach(|| {
            let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            events.recv_timeout(timeout)
        })
    }
}

/// An event as a dictionary.
fn told<'py>(py: Python<'py>, event: &Event) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    match event {
        Event::Built { segment, rows, replaced, took } => {
            facts.set_item("event", "built")?;
            facts.set_item("segment", segment)?;
            facts.set_item("rows", rows)?;
            facts.set_item("replaced", replaced.as_slice())?;
            facts.set_item("seconds", took.as_secs_f64())?;
        }
        Event::Failed(failure) => {
            facts.set_item("event", "failed")?;
            facts.set_item("why", &failure.why)?;
            facts.set_item("attempts", failure.attempts)?;
            facts.set_item("pause_seconds", failure.pause.as_secs_f64())?;
        }
        _ => facts.set_item("event", format!("{event:?}"))?,
    }
    Ok(facts)
}
