//! Telling others what maintenance does.

use super::types::Event;
use std::sync::{
    Mutex, PoisonError,
    mpsc::{Receiver, Sender, channel},
};

/// Who wants to know.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Vec<Sender<Event>>>);

impl Listeners {
    pub(super) fn add(&self) -> Receiver<Event> {
        let (sender, receiver) = channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    /// Tells everybody; who has gone is forgotten.
    pub(super) fn tell(&self, event: &Event) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|sender| sender.send(event.clone()).is_ok());
    }
}
