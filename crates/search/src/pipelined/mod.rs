//! `pipelined@N`: best-first search with three hops in flight, our champion.
//!
//! A hop is a chain of dependent cache misses: pop a node, load its list, load the rows of the list. Best-first
//! search does one hop after the other and waits three times in each. Here a node is chosen two steps before
//! its neighbours are measured, so that the misses of three hops overlap:
//!
//! ```text
//! measure S evenly spaced rows; let the closest into the frontier, as visited
//! chosen = pop(); ask for its list
//! loop:
//!     next   = pop(); ask for its list                 step 1 of hop i + 2
//!     window = the unvisited neighbours of `chosen`;   step 2 of hop i + 1
//!              mark them visited; ask for their rows
//!     measure the window before; let those below       step 3 of hop i
//!         min(worst of a full frontier, reach) in
//!     chosen = next
//!     until nothing is chosen and no window is left
//! answer: the frontier, closest first
//!
//! pop = the closest unexpanded candidate, unless it is beyond reach
//! ```
//!
//! A node is thus chosen before the neighbours of the two before it are known: a few more hops to the same
//! recall, which the overlap more than pays for, except at the smallest beams
//! ([`pipelined_from`](Pipelined::pipelined_from)). *Reach* is a distance beyond which nodes are of no interest:
//! a little more than that of the `k`-th best ([`slack`](Pipelined::slack)).
//!
//! # Padding
//!
//! The small steps work on whole vectors of eight values and never look where one ends:
//!
//! * rows of a graph are whole cache lines (16 ids); unused slots are [`NONE`](crinoid_graph::NONE), and the first of them
//!   ends the row;
//! * windows ([`Visited`]) start at multiples of 8 and are repeated up to one: the last node fills the rest. So a
//!   window is measured up to a multiple of 8, each id a valid one, and the *count* says how many keys are meant;
//! * keys have room for a row and 8 more; newcomers for a row and 16 more, as eight are stored at a time;
//! * the frontier's blocks are eight slots; slots without a candidate are all ones, which sorts after every
//!   candidate and counts as expanded. What a full frontier drops falls into the rest of its last block.
//!
//! # What made it fast
//!
//! Visited bits that stay in the first-level cache, tested sixteen at a time; newcomers that enter the frontier in
//! registers, without a branch; batches that are always whole. Rows of parameters are published versions;
//! `pipelined@1`, with visited bytes and a frontier in memory, has left the tree.

mod frontier;

use crate::{Counters, Search, SearchParams, block::BLOCK, entry, visited::Visited};
use crinoid_graph::{Adjacency, Candidate, Graph};
use crinoid_quant::{Isa, Scorer};
use frontier::Frontier;
use std::ops::Range;

/// A walk that measured fewer nodes than this may have started where no links lead out, among
/// duplicates for instance.
const ISLAND: usize = 256;

/// The most rows that a walk starts from.
const MOST_STARTS: usize = 4;

/// A pipelined search: a row of parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pipelined {
    /// The version, `name@number`.
    pub version: &'static str,
    /// How many evenly spaced rows are measured to find the one where the walk starts.
    pub samples: usize,
    /// From how many of the measured rows the walk starts, at most 4. The links of all of them are
    /// followed, wherever the closest one leads.
    pub starts: usize,
    /// Below this `ef` the walk takes one step at a time: the extra hops of choosing early then
    /// cost more than the overlap gains.
    pub pipelined_from: usize,
    /// Nodes that are farther than the `k`-th best by this share of its distance, times
    /// `log2(ef / k)`, are of no interest. Infinity: all are.
    pub slack: f32,
}

impl Pipelined {
    /// `pipelined@2`: from the closest of 64 samples.
    pub const NEAREST: Self =
        Self { version: "pipelined@2", samples: 64, starts: 1, pipelined_from: 8, slack: 0.04 };

    /// `pipelined@3`: from the closest four of 256 samples, for sets that fall apart into clusters.
    ///
    /// Where clusters are hard to tell apart by distance and few links lead from one to the next, a walk that
    /// starts in the wrong one does not leave it: 64 sampled rows are too few to find the right one, and the
    /// closest of them may lie elsewhere.
    pub const WIDE: Self =
        Self { version: "pipelined@3", samples: 256, starts: 4, ..Self::NEAREST };

    /// `pipelined@4`: `pipelined@2` with a reach half as far again.
    ///
    /// At `ef` 100 the older reach ends 1 to 5 points of recall below a search without one where distances
    /// crowd together (integers, independent dimensions); whoever compares libraries at equal `ef` finds
    /// that. This one stays within half a point, at 5 to 25 % fewer evaluations than without. At equal
    /// recall both need as many.
    pub const FARTHER: Self = Self { version: "pipelined@4", slack: 0.06, ..Self::NEAREST };

    /// The published rows, oldest first.
    pub const VERSIONS: [Self; 3] = [Self::NEAREST, Self::WIDE, Self::FARTHER];
}

/// What a pipelined search writes to.
#[derive(Debug, Default)]
pub struct PipelinedMemory {
    frontier: Frontier,
    visited: Visited,
    ids: Vec<u32>,
    keys: Vec<u32>,
}

impl Search for Pipelined {
    type Memory = PipelinedMemory;

    fn version(&self) -> &'static str {
        self.version
    }

    #[inline(always)]
    fn search<I: Isa, S: Scorer>(
        &self,
        isa: I,
        graph: &Graph,
        scorer: S,
        params: &SearchParams,
        memory: &mut PipelinedMemory,
        found: &mut Vec<u64>,
    ) -> Counters {
        let mut counters = Counters::default();
        if graph.is_empty() {
            return counters;
        }
        let ef = params.beam_width(graph.len());
        // The reach leaves now more, now fewer of them.
        found.reserve(ef);
        let base = graph.base();
        let PipelinedMemory { frontier, visited, ids, keys } = memory;
        let width = base.stride().max(self.samples) + BLOCK;
        if keys.len() < width {
            keys.resize(width, 0);
            ids.resize(width, 0);
        }
        visited.begin(graph);
        frontier.reset(ef, base.stride());
        let samples = self.samples.clamp(1, graph.len());
        let (sampled, sampled_keys) = (&mut ids[..samples], &mut keys[..samples]);
        entry::measure_samples(graph, scorer, sampled, sampled_keys, &mut counters);
        let mut starts = [0; MOST_STARTS];
        let starts = &mut starts[..self.starts.clamp(1, MOST_STARTS.min(samples))];
        starts.fill_with(|| entry::take_closest(sampled, sampled_keys));
        let reach = Reach::new(params.k.min(ef), ef, self.slack);
        let mut walk = Walk { isa, base, scorer, frontier, visited, keys, reach };
        for &start in &*starts {
            walk.enter(start);
        }
        walk.branch_out(&starts[1..], &mut counters);
        walk.run(ef >= self.pipelined_from, &mut counters);
        // Every node is reachable from the graph's entry, but perhaps not from the start: a walk that
        // ended among a few nodes goes on from there, however far that is.
        let reached = counters.distances as usize - samples;
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

/// One walk over the base layer.
struct Walk<'a, I, S> {
    isa: I,
    base: Adjacency<'a>,
    scorer: S,
    frontier: &'a mut Frontier,
    visited: &'a mut Visited,
    keys: &'a mut [u32],
    reach: Reach,
}

impl<I: Isa, S: Scorer> Walk<'_, I, S> {
    /// Lets a node in from outside; whether it is new.
    #[inline(always)]
    fn enter(&mut self, node: u32) -> bool {
        let window = self.visited.push(node);
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
        let mut chosen = self.choose(); // this node's list is on its way
        loop {
            let next = self.choose();
            let mut window = 0..0;
            if let Some(node) = chosen {
                window = self.gather(node);
                counters.expanded(window.len());
            }
            self.measure(&ready);
            ready = window;
            chosen = next;
            if chosen.is_none() {
                chosen = self.choose();
                if chosen.is_none() && ready.is_empty() {
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
        let node = Candidate::from_bits(slot).id();
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

    /// The unvisited neighbours of `node`, from now on visited; their rows are asked for.
    #[inline(always)]
    fn gather(&mut self, node: u32) -> Range<usize> {
        let (scorer, lines) = (self.scorer, self.scorer.lines());
        self.visited.gather(self.isa, self.base, node, |id| scorer.prefetch(id, lines))
    }

    /// Computes the distances of a window and lets the close ones into the frontier.
    #[inline(always)]
    fn measure(&mut self, window: &Range<usize>) {
        let ids = self.visited.window(window);
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
        let distance = scorer.distance(Candidate::from_bits(slot).key());
        // Inner products have no zero from which to measure: there the walk goes on.
        if distance > 0.0 {
            let key = scorer.key_of(distance * self.factor);
            self.limit = Candidate::new(key.saturating_add(1), 0).bits();
            frontier.cut(self.limit, kth + 1);
        }
    }
}
