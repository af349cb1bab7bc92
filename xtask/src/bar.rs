//! A progress bar on whatever takes longer than a second; silent where nobody watches.

use crinoid_graph::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::{ops::ControlFlow, time::Duration};

/// Shows how far something is, until it is dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar with a label.
    pub(crate) fn new(label: &str) -> Self {
        let style = ProgressStyle::with_template("{msg:28} {bar:40} {percent:>3} % {eta:>5}");
        let bar = ProgressBar::new(0).with_message(label.to_owned());
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// A spinner for work whose length nobody knows.
    pub(crate) fn spin(label: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Another label.
    pub(crate) fn label(&self, label: impl Into<String>) {
        self.0.set_message(label.into());
    }

    /// How far.
    pub(crate) fn at(&self, done: usize, of: usize) {
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
    }

    /// Prints without tearing the bar.
    pub(crate) fn say(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// A step further.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Progress for Bar {
    fn report(&self, done: usize, total: usize) -> ControlFlow<()> {
        self.at(done, total);
        ControlFlow::Continue(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
