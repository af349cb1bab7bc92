//! Progress on standard error, where somebody watches.

use crate::global::Global;
use crinoid::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{ops::ControlFlow, time::Duration};

/// Shows how far something is, until it is dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// A bar with a label. Nothing is drawn where standard error is no terminal.
    pub(crate) fn new(global: &Global, label: &str) -> Self {
        let bar = ProgressBar::new(0).with_message(label.to_owned());
        if global.quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{msg:24} {bar:40} {percent:>3} % {eta:>5}");
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    /// A spinner, for work whose length nobody knows.
    pub(crate) fn spin(global: &Global, label: &str) -> Self {
        let bar = Self::new(global, label);
        if let Ok(style) = ProgressStyle::with_template("{msg:24} {spinner}") {
            bar.0.set_style(style);
        }
        bar.0.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// How far.
    pub(crate) fn at(&self, done: usize, of: usize) {
        self.0.set_length(of as u64);
        self.0.set_position(done as u64);
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
