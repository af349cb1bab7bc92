//! What happens in a campaign, written down before it has an effect, and read back afterwards.

use super::{Settings, Trial};
use crate::exemplar::{Form, GateResult};
use crate::journal::{self, Journal, JournalError};
use crate::module::Module;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const FILE: &str = "journal.jsonl";

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Began(Settings),
    Tried(Trial),
    Gated { module: Module, digest: String, result: GateResult },
    Ended { module: Module, adopted: Option<Form>, standing: BTreeMap<String, f64> },
    Stood(BTreeMap<String, f64>),
}

/// The journal of events, read up to a point and written from there on.
pub(super) struct EventLog {
    journal: Journal,
    past: std::vec::IntoIter<Event>,
}

impl EventLog {
    /// Opens (or begins) the journal of the campaign in `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self, JournalError> {
        let (journal, contents) = Journal::open::<Event>(&folder.join(FILE))?;
        Ok(Self { journal, past: contents.records.into_iter() })
    }

    /// The next thing that happened before, if it is of the kind looked for.
    pub(super) fn replay<T>(&mut self, pick: impl FnOnce(&Event) -> Option<T>) -> Option<T> {
        let found = pick(self.past.as_slice().first()?);
        if found.is_some() {
            self.past.next();
        }
        found
    }

    /// The trial that comes next, if it was judged before and is the one at `place`.
    pub(super) fn upcoming(&self, place: Place) -> Option<&Trial> {
        match self.past.as_slice().first()? {
            Event::Tried(trial) if place.is_of(trial) => Some(trial),
            _ => None,
        }
    }

    /// Writes down what has happened, and waits until it is on the disk.
    pub(super) fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        self.journal.append(event)
    }
}

/// Where in a campaign a trial stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) module: Module,
    pub(super) round: u32,
    pub(super) index: u32,
    pub(super) attempt: u32,
}

impl Place {
    pub(super) fn is_of(self, trial: &Trial) -> bool {
        (trial.module, trial.round, trial.index, trial.attempt)
            == (self.module, self.round, self.index, self.attempt)
    }
}

/// The trials of a campaign that is over or under way, without running it.
///
/// # Errors
/// When the journal cannot be read.
pub fn trials(folder: &Path) -> Result<Vec<Trial>, JournalError> {
    let contents = journal::read::<Event>(&folder.join(FILE))?;
    let tried = contents.records.into_iter().filter_map(|event| match event {
        Event::Tried(trial) => Some(trial),
        _ => None,
    });
    Ok(tried.collect())
}
