//! A progress bar on whatever takes longer than a second; silent where nobody watches.

use crinoid_graph::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::{ops::ControlFlow, time::Duration};

/// Shows how far a build or a scan is.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar with a label.
    pub(crate) fn new(label: &str) -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {percent} % {eta}");
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
}

impl Progress for Bar {
    fn report(&self, done: usize, total: usize) -> ControlFlow<()> {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
        ControlFlow::Continue(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
