//! The best-first walk that several versions share, and the rules by which it may end early.
//!
//! Without a rule a walk ends when every candidate in the pool has been expanded. A [`Stop`] is told of
//! every hop and may end it before; any version can use any rule, and an outside one can bring its own.

use crate::{Counters, beam::Lists, entry, linear_pool::LinearPool, visited::Visited};
use crinoid_graph::Graph;
use crinoid_quant::{Isa, Scorer, key};

/// Decides, hop by hop, whether a walk has seen enough.
pub trait Stop {
    /// A measured node has entered the pool at `place`, 0 for the closest.
    fn entered(&mut self, place: usize);

    /// A hop is over that measured `measured` nodes; whether the walk is to end.
    fn ends(&mut self, measured: usize) -> bool;
}

/// No rule: the walk ends with its candidates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exhausted;

impl Stop for Exhausted {
    #[inline(always)]
    fn entered(&mut self, _place: usize) {}

    #[inline(always)]
    fn ends(&mut self, _measured: usize) -> bool {
        false
    }
}

/// Both rules: whichever says so first ends the walk.
impl<A: Stop, B: Stop> Stop for (A, B) {
    #[inline(always)]
    fn entered(&mut self, place: usize) {
        self.0.entered(place);
        self.1.entered(place);
    }

    #[inline(always)]
    fn ends(&mut self, measured: usize) -> bool {
        // Both are told of the hop.
        let (first, second) = (self.0.ends(measured), self.1.ends(measured));
        first || second
    }
}

/// Hops over which a [`DiscoveryRate`] is taken.
const WINDOW: usize = 16;

/// Ends when few measured nodes enter the pool any more (the record's fix 4).
#[derive(Clone, Copy, Debug)]
pub struct DiscoveryRate {
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
    pub fn new(rules: [(f32, f32); 2], width: usize) -> Self {
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
pub struct AdaptiveEffort {
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
    pub fn new(width: usize, hard: f32) -> Self {
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
pub struct Convergence {
    k: usize,
    patience: usize,
    idle: usize,
    improved: bool,
}

impl Convergence {
    /// More than `patience` hops without a change among the best `k` end the walk.
    pub fn new(k: usize, patience: usize) -> Self {
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

/// A walk over the base layer of a graph.
pub(crate) struct Walk<'a, I, S> {
    pub(crate) isa: I,
    pub(crate) graph: &'a Graph,
    pub(crate) scorer: S,
    pub(crate) visited: &'a mut Visited,
    pub(crate) lists: &'a mut Lists,
    pub(crate) pool: &'a mut LinearPool,
    /// Cache lines asked for of each unseen row.
    pub(crate) lines: usize,
    /// Whether the list of a node that becomes the next to be expanded is asked for at once.
    pub(crate) look_ahead: bool,
}

impl<I: Isa, S: Scorer> Walk<'_, I, S> {
    /// Begins with a pool of `width` that holds the end of the descent through the upper layers.
    #[inline(always)]
    pub(crate) fn begin(&mut self, width: usize, counters: &mut Counters) {
        self.visited.begin(self.graph.len());
        self.pool.reset(width);
        if let Some(start) = entry::descend(self.graph, self.scorer, self.lists, counters) {
            let (key, node) = key::unpack(start);
            self.visited.insert(node);
            self.pool.insert(key, node);
        }
    }

    /// Expands the closest unexpanded candidate until there is none, or `stop` says so.
    #[inline(always)]
    pub(crate) fn run(&mut self, stop: &mut impl Stop, counters: &mut Counters) {
        let base = self.graph.base();
        while let Some(node) = self.pool.pop() {
            self.lists.ids.clear();
            for &near in base.neighbors(node) {
                if self.visited.insert(near) {
                    self.scorer.prefetch(near, self.lines);
                    self.lists.ids.push(near);
                }
            }
            self.lists.measure(self.scorer);
            counters.expanded(self.lists.ids.len());
            for (key, id) in self.lists.pairs() {
                if let Some(place) = self.pool.insert(key, id) {
                    stop.entered(place);
                    if self.look_ahead && place == self.pool.cursor() {
                        self.isa.prefetch(base.links(), id as usize * base.stride());
                    }
                }
            }
            if stop.ends(self.lists.ids.len()) {
                break;
            }
        }
    }
}
