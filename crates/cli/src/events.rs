//! `--events`: what maintenance does, on standard error as it happens.

use crate::{global::Global, say};
use crinoid::{Collection, Event};
use serde_json::json;
use std::thread::{self, JoinHandle};

/// Tells from now on what happens, until the collection is closed.
pub(crate) fn tell(global: &Global, collection: &Collection) -> JoinHandle<()> {
    let (events, as_json) = (collection.events(), global.json);
    thread::spawn(move || {
        for event in events {
            say::beside(&line(&event, as_json));
        }
    })
}

fn line(event: &Event, as_json: bool) -> String {
    match event {
        Event::Built { segment, rows, replaced, took } if as_json => json!({
            "event": "built", "segment": segment, "rows": rows, "replaced": replaced,
            "seconds": took.as_secs_f64(),
        })
        .to_string(),
        Event::Built { segment: Some(segment), rows, replaced, took } => {
            format!(
                "built segment {segment}: {rows} rows in {took:.1?}, in the place of {replaced:?}"
            )
        }
        Event::Built { replaced, .. } => format!("no row is left of the segments {replaced:?}"),
        Event::Failed(failure) if as_json => json!({
            "event": "failed", "why": failure.why, "attempts": failure.attempts,
            "pause_seconds": failure.pause.as_secs_f64(),
        })
        .to_string(),
        Event::Failed(failure) => {
            format!("no segment: {}; once more in {:?}", failure.why, failure.pause)
        }
        other => format!("{other:?}"),
    }
}
