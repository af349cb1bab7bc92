//! The rules by which a best-first walk may end early.
//!
//! Without a rule a walk ends when every candidate in the pool has been expanded. A [`Stop`] is told of
//! every hop and may end the walk before.

/// Decides, hop by hop, whether a walk has seen enough.
pub(crate) trait Stop {
    /// A measured node has entered the pool at `place`, 0 for the closest.
    fn entered(&mut self, place: usize);

    /// A hop is over that measured `measured` nodes; whether the walk is to end.
    fn ends(&mut self, measured: usize) -> bool;
}

/// No rule, where there is none.
impl<R: Stop> Stop for Option<R> {
    #[inline(always)]
    fn entered(&mut self, place: usize) {
        if let Some(rule) = self {
            rule.entered(place);
        }
    }

    #[inline(always)]
    fn ends(&mut self, measured: usize) -> bool {
        self.as_mut().is_some_and(|rule| rule.ends(measured))
    }
}

/// All rules are told of every hop; whichever says so first ends the walk.
impl<A: Stop, B: Stop, C: Stop> Stop for (A, B, C) {
    #[inline(always)]
    fn entered(&mut self, place: usize) {
        self.0.entered(place);
        self.1.entered(place);
        self.2.entered(place);
    }

    #[inline(always)]
    fn ends(&mut self, measured: usize) -> bool {
        let ends = [self.0.ends(measured), self.1.ends(measured), self.2.ends(measured)];
        ends.contains(&true)
    }
}

/// Hops over which a [`DiscoveryRate`] is taken.
const WINDOW: usize = 16;

/// Ends when few measured nodes enter the pool any more (the record's fix 4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiscoveryRate {
    rules: [(f32, f32); 2],
    width: usize,
    hops: usize,
    entered: u32,
    /// Measured and entered in each of the last hops.
    window: [(u32, u32); WINDOW],
}

impl DiscoveryRate {
    /// Of a pool of `width`: from the progress of a rule on (hops as a share of the width), a rate below
    /// its second number ends the walk.
    pub(crate) fn new(rules: [(f32, f32); 2], width: usize) -> Self {
        Self { rules, width, hops: 0, entered: 0, window: [(0, 0); WINDOW] }
    }
}

impl Stop for DiscoveryRate {
    #[inline(always)]
    fn entered(&mut self, _place: usize) {
        self.entered += 1;
    }

    #[inline(always)]
    fn ends(&mut self, measured: usize) -> bool {
        self.window[self.hops % WINDOW] = (measured as u32, std::mem::take(&mut self.entered));
        self.hops += 1;
        if self.hops < WINDOW {
            return false;
        }
        let sum = |all: (u32, u32), hop: &(u32, u32)| (all.0 + hop.0, all.1 + hop.1);
        let (all, new) = self.window.iter().fold((0, 0), sum);
        let rate = new as f32 / all.max(1) as f32;
        let progress = self.hops as f32 / self.width as f32;
        self.rules.iter().any(|rule| progress > rule.0 && rate < rule.1)
    }
}

/// Ends after a number of hops that depends on how settled the best candidates are early on (the
/// record's fix 7).
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdaptiveEffort {
    width: usize,
    hard: f32,
    budget: usize,
    hops: usize,
    /// Nodes measured in the hops that decide, and how many of them came among the best.
    measured: usize,
    improved: usize,
}

impl AdaptiveEffort {
    /// Candidates among which a newcomer counts.
    const BEST: usize = 10;

    /// For a beam of `width`: half its hops where the second 16 hops brought nothing among the best
    /// ten, one and a half times its hops where a share of `hard` of the measured did, else its hops.
    pub(crate) fn new(width: usize, hard: f32) -> Self {
        Self { width, hard, budget: usize::MAX, hops: 0, measured: 0, improved: 0 }
    }
}

impl Stop for AdaptiveEffort {
    #[inline(always)]
    fn entered(&mut self, place: usize) {
        let decides = (WINDOW..2 * WINDOW).contains(&self.hops);
        self.improved += usize::from(decides && place < Self::BEST);
    }

    #[inline(always)]
    fn ends(&mut self, measured: usize) -> bool {
        self.measured += if self.hops >= WINDOW { measured } else { 0 };
        self.hops += 1;
        if self.hops == 2 * WINDOW {
            let rate = self.improved as f32 / self.measured.max(1) as f32;
            self.budget = match self.improved {
                0 => self.width / 2,
                _ if rate >= self.hard => self.width + self.width / 2,
                _ => self.width,
            };
        }
        self.hops >= self.budget
    }
}

/// Ends after too many hops in a row that left the best `k` as they were (CRINN section 6.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convergence {
    k: usize,
    patience: usize,
    idle: usize,
    improved: bool,
}

impl Convergence {
    /// More than `patience` hops without a change among the best `k` end the walk.
    pub(crate) fn new(k: usize, patience: usize) -> Self {
        Self { k, patience, idle: 0, improved: false }
    }
}

impl Stop for Convergence {
    #[inline(always)]
    fn entered(&mut self, place: usize) {
        self.improved |= place < self.k;
    }

    #[inline(always)]
    fn ends(&mut self, _measured: usize) -> bool {
        self.idle = if std::mem::take(&mut self.improved) { 0 } else { self.idle + 1 };
        self.idle > self.patience
    }
}
