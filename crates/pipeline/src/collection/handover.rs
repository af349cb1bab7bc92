//! How a new state reaches those who search: one writer at a time makes it beside the old one, and shows
//! it whole. Who took the old one keeps it for as long as it likes.
//!
//! `tests/handover.rs` runs this file under loom, through every order of its steps.

use super::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The current state, and the right to replace it.
pub(super) struct Handover<S> {
    /// Held while the store and the state change together.
    writing: Mutex<()>,
    current: RwLock<Arc<S>>,
}

impl<S> Handover<S> {
    pub(super) fn new(state: S) -> Self {
        Self { writing: Mutex::new(()), current: RwLock::new(Arc::new(state)) }
    }

    /// The state now.
    pub(super) fn now(&self) -> Arc<S> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One writer at a time. One that panicked left either the old state or the new one in the
    /// store, as a crash would.
    pub(super) fn writer(&self) -> Writer<'_, S> {
        Writer { of: self, _alone: self.writing.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// Who may publish.
pub(super) struct Writer<'a, S> {
    of: &'a Handover<S>,
    _alone: MutexGuard<'a, ()>,
}

impl<S> Writer<'_, S> {
    /// The state now, which stays it until this writer publishes another.
    pub(super) fn now(&self) -> Arc<S> {
        self.of.now()
    }

    /// Shows a new state to whoever asks from now on.
    pub(super) fn publish(&self, state: S) {
        *self.of.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}
