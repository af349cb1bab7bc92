//! What a stage did: how many went in, how many came out, how long it took, and why so many.

use std::{fmt, ops::Deref};

/// One stage of one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageReport {
    /// The version that ran, `name@number`.
    pub name: &'static str,
    /// How many candidates went in. For the search: how many nodes it expanded.
    pub entered: usize,
    /// How many candidates came out.
    pub left: usize,
    /// How many candidates had nothing to be scored by (no vector, no text). They follow the
    /// scored ones.
    pub missing: usize,
    /// Wall-clock nanoseconds.
    pub nanos: u64,
    /// Why `entered` is what it is.
    pub reason: Reason,
}

/// Why a stage saw as many candidates as it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The default of the stage.
    #[default]
    Default,
    /// The caller said how many.
    Fixed,
    /// The beam was narrower than the number of answers that are wanted, and widened to it.
    Raised,
    /// The answers stand out from the candidates behind them: the least will do.
    TopGap,
    /// So many candidates lie close behind the answers.
    Spread,
    /// There were no more candidates than that.
    Exhausted,
    /// The stage was asked to do nothing.
    Skipped,
}

impl Reason {
    /// One or two words for tables.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Default => "default",
            Reason::Fixed => "fixed",
            Reason::Raised => "raised",
            Reason::TopGap => "top gap",
            Reason::Spread => "spread",
            Reason::Exhausted => "exhausted",
            Reason::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The most stages a query can pass: search, three refiners, reranker, one to spare.
pub const MAX_STAGES: usize = 6;

/// The stages of one query, in order, without an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    reports: [StageReport; MAX_STAGES],
    len: usize,
}

impl Stages {
    /// Appends a stage; a seventh is dropped.
    pub fn push(&mut self, report: StageReport) {
        if let Some(slot) = self.reports.get_mut(self.len) {
            *slot = report;
            self.len += 1;
        }
    }

    /// Nanoseconds of all stages together.
    pub fn nanos(&self) -> u64 {
        self.iter().map(|stage| stage.nanos).sum()
    }
}

impl Deref for Stages {
    type Target = [StageReport];

    fn deref(&self) -> &[StageReport] {
        &self.reports[..self.len]
    }
}
