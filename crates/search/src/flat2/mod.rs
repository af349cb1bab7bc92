//! `flat@2`: `flat@1` with every step of the loop made cheaper.
//!
//! A hop is a chain of dependent cache misses: pop a node, load its list, load the rows of the
//! list. As in `flat@1` three hops overlap. What is new: visited bits that stay in the first-level cache
//! and are tested sixteen at a time; newcomers that enter the frontier in registers; batches that
//! are always whole.

mod frontier;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod seen;

use crate::{Beam, Counters, Search, SearchParams, entry};
use crinoid_graph::{Adjacency, Graph};
use crinoid_quant::{Isa, Scorer, key};
use frontier::{BLOCK, Frontier, id};
use seen::Seen;
use std::ops::Range;

/// A walk that measured fewer nodes than this may have started where no links lead out, among
/// duplicates for instance.
const ISLAND: usize = 256;

/// The most rows that a walk starts from.
const MOST_STARTS: usize = 4;

/// The search `flat@2`.
#[derive(Clone, Copy, Debug)]
pub struct Flat2 {
    /// How many evenly spaced rows are measured to find the one where the walk starts.
    pub entries: usize,
    /// Below this `ef` the walk takes one step at a time: the extra hops of choosing early then
    /// cost more than the overlap gains.
    pub pipelined_from: usize,
    /// Nodes that are farther than the `k`-th best by this share of its distance, times
    /// `log2(ef / k)`, are of no interest. Infinity: all are.
    pub slack: f32,
    /// From how many of the measured rows the walk starts, at most 4. The links of all of them are
    /// followed, wherever the closest one leads.
    pub starts: usize,
}

impl Default for Flat2 {
    fn default() -> Self {
        Self { entries: 64, pipelined_from: 8, slack: 0.04, starts: 1 }
    }
}

/// What the loop writes to.
#[derive(Debug, Default)]
pub(crate) struct Lanes2 {
    frontier: Frontier,
    seen: Seen,
    ids: Vec<u32>,
    keys: Vec<u32>,
}

impl Search for Flat2 {
    const VERSION: &'static str = "flat@2";

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        beam: &mut Beam,
    ) -> Counters {
        let mut counters = Counters::default();
        let Beam { found, lanes2, .. } = beam;
        found.clear();
        if graph.is_empty() {
            return counters;
        }
        let ef = params.beam_width(graph.len());
        // The reach leaves now more, now fewer of them.
        found.reserve(ef);
        let base = graph.base();
        let Lanes2 { frontier, seen, ids, keys } = lanes2;
        let width = base.stride().max(self.entries) + BLOCK;
        if keys.len() < width {
            keys.resize(width, 0);
            ids.resize(width, 0);
        }
        seen.begin(graph.len(), base.stride());
        frontier.reset(ef, base.stride());
        let start = entry::sampled(self.entries, graph, scorer, ids, keys, &mut counters);
        let measured = self.entries.clamp(1, graph.len());
        let mut starts = [key::unpack(start).1; MOST_STARTS];
        let starts = &mut starts[..self.starts.clamp(1, MOST_STARTS.min(measured))];
        if starts.len() > 1 {
            starts.fill_with(|| take_closest(&ids[..measured], &mut keys[..measured]));
        }
        let reach = Reach::new(params.k.min(ef), ef, self.slack);
        let mut walk = Walk { isa, base, scorer, frontier, seen, keys, reach };
        for &start in &*starts {
            walk.enter(start);
        }
        walk.branch_out(&starts[1..], &mut counters);
        walk.run(ef >= self.pipelined_from, &mut counters);
        // Every node is reachable from the graph's entry, but perhaps not from the start: a walk that
        // ended among a few nodes goes on from there, however far that is.
        let reached = counters.distances as usize - measured;
        if let Some(entry) = graph.entry_node()
            && reached < ef.min(ISLAND)
        {
            walk.reach = Reach::new(ef, ef, f32::INFINITY);
            if walk.enter(entry) {
                counters.measured(1);
                walk.run(ef >= self.pipelined_from, &mut counters);
            }
        }
        walk.frontier.write(found);
        counters
    }
}

/// The closest of the measured rows (ties: the first), which is then as far as can be.
#[inline(always)]
fn take_closest(ids: &[u32], keys: &mut [u32]) -> u32 {
    let least = keys.iter().fold(u32::MAX, |least, &key| least.min(key));
    let place = keys.iter().position(|&key| key == least).unwrap_or(0);
    keys[place] = u32::MAX;
    ids[place]
}

/// One walk over the base layer.
struct Walk<'a, I, S> {
    isa: I,
    base: Adjacency<'a>,
    scorer: S,
    frontier: &'a mut Frontier,
    seen: &'a mut Seen,
    keys: &'a mut [u32],
    reach: Reach,
}

impl<I: Isa, S: Scorer> Walk<'_, I, S> {
    /// Lets a node in from outside; whether it is new.
    #[inline(always)]
    fn enter(&mut self, node: u32) -> bool {
        let window = self.seen.push(node);
        if let Some(window) = &window {
            self.measure(window);
        }
        window.is_some()
    }

    /// Lets the neighbours of `nodes` in, whose lists and rows are waited for together.
    #[inline(always)]
    fn branch_out(&mut self, nodes: &[u32], counters: &mut Counters) {
        let mut windows = [const { 0..0 }; MOST_STARTS];
        for &node in nodes {
            self.ask(node);
        }
        for (window, &node) in windows.iter_mut().zip(nodes) {
            *window = self.gather(node);
            counters.expanded(window.len());
        }
        for window in &windows[..nodes.len()] {
            self.measure(window);
        }
    }

    /// Walks until no node within reach is unexpanded.
    #[inline(always)]
    fn run(&mut self, overlapped: bool, counters: &mut Counters) {
        match overlapped {
            true => self.overlapped(counters),
            false => self.step_by_step(counters),
        }
    }

    /// Expands the best unexpanded node until there is none.
    #[inline(always)]
    fn step_by_step(&mut self, counters: &mut Counters) {
        while let Some(node) = self.choose() {
            let window = self.gather(node);
            counters.expanded(window.len());
            self.measure(&window);
        }
    }

    /// The same with three steps in flight.
    #[inline(always)]
    fn overlapped(&mut self, counters: &mut Counters) {
        let mut ready = 0..0; // the rows of this window are on their way
        let mut listed = self.choose(); // this node's list is on its way
        loop {
            let chosen = self.choose();
            let mut next = 0..0;
            if let Some(node) = listed {
                next = self.gather(node);
                counters.expanded(next.len());
            }
            self.measure(&ready);
            ready = next;
            listed = chosen;
            if listed.is_none() {
                listed = self.choose();
                if listed.is_none() && ready.is_empty() {
                    return;
                }
            }
        }
    }

    /// Takes the best unexpanded node and asks for its list.
    #[inline(always)]
    fn choose(&mut self) -> Option<u32> {
        let slot = self.frontier.pop(self.isa)?;
        if slot >= self.reach.limit {
            return None;
        }
        let node = id(slot);
        self.ask(node);
        Some(node)
    }

    /// Asks for the list of `node`.
    #[inline(always)]
    fn ask(&self, node: u32) {
        let first = node as usize * self.base.stride();
        for line in 0..self.base.stride() / 16 {
            self.isa.prefetch(self.base.links(), first + 16 * line);
        }
    }

    /// The unseen neighbours of `node`, from now on seen; their rows are asked for.
    #[inline(always)]
    fn gather(&mut self, node: u32) -> Range<usize> {
        let (scorer, lines) = (self.scorer, self.scorer.lines());
        self.seen.gather(self.isa, self.base.row(node), |id| scorer.prefetch(id, lines))
    }

    /// Computes the distances of a window and lets the close ones into the frontier.
    #[inline(always)]
    fn measure(&mut self, window: &Range<usize>) {
        let ids = self.seen.window(window);
        let keys = &mut self.keys[..ids.len()];
        self.scorer.keys(ids, keys);
        self.frontier.insert(self.isa, keys, ids, window.len(), self.reach.limit);
        self.reach.update(self.frontier, self.scorer);
    }
}

/// How far from the query a node may be and still be of interest.
struct Reach {
    /// The place of the candidate that decides, where there is a limit.
    kth: Option<usize>,
    factor: f32,
    /// The candidate from which the limit was computed.
    decided_by: u64,
    /// Slots from here on are too far.
    limit: u64,
}

impl Reach {
    #[inline(always)]
    fn new(k: usize, ef: usize, slack: f32) -> Self {
        let octaves = (ef as f32 / k as f32).log2();
        let kth = (k < ef && slack.is_finite()).then_some(k - 1);
        Self { kth, factor: 1.0 + slack * octaves, decided_by: u64::MAX, limit: u64::MAX }
    }

    #[inline(always)]
    fn update<S: Scorer>(&mut self, frontier: &mut Frontier, scorer: S) {
        let Some(kth) = self.kth else { return };
        let slot = frontier.at(kth);
        if slot == self.decided_by {
            return;
        }
        self.decided_by = slot;
        let distance = scorer.distance((slot >> 32) as u32);
        // Inner products have no zero from which to measure: there the walk goes on.
        if distance > 0.0 {
            let key = scorer.key_of(distance * self.factor);
            self.limit = frontier::slot(key.saturating_add(1), 0);
            frontier.cut(self.limit, kth + 1);
        }
    }
}
