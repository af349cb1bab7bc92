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
use crinoid_quant::{Isa, Scorer, key};
use frontier::Frontier;
use std::ops::Range;

/// A walk that measured fewer nodes than this may have started where no links lead out, among
/// duplicates for instance.
const ISLAND: usize = 256;

/// Octaves of `ef / k` up to ten times `k`.
const KNEE: f32 = std::f32::consts::LOG2_10;

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
    /// Nodes that are farther than the `k`-th best by this share of its distance, for each octave of
    /// `ef / k`, are of no interest. Infinity: all are.
    pub slack: f32,
    /// The power of the octaves that `slack` stands before: below 1, the first octaves count for more.
    pub power: f32,
    /// The same as `slack` for the octaves beyond ten times `k`.
    pub tail: f32,
    /// The reach counts from this place of the frontier where `k` is less: the very best alone says little
    /// about how far the next better one may hide.
    pub least: usize,
    /// Whether a walk that does not come closer looks at more rows: [`Doubt`].
    pub doubt: Option<Doubt>,
    /// Whether a walk that has ended hardly closer than it began tries another place: [`SecondLook`].
    pub second_look: Option<SecondLook>,
}

/// When a walk has started in the wrong place, and what it does then.
///
/// In sets that fall apart into clusters a walk that starts in the wrong one does not leave it. What it finds
/// there is hardly closer than the closest sample, which in turn is hardly closer than the next ones, since all
/// of them lie in other clusters than the query. Elsewhere a walk comes closer within a few hops, or has
/// started beside the query. So this costs next to nothing where one start is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// After how many hops the walk asks itself (or when it ends).
    pub after: u64,
    /// The closest node found is farther than this share of the closest sample's distance,
    pub progress: f32,
    /// and the fourth closest sample is nearer than so many times that distance.
    pub alike: f32,
    /// Then as many samples are measured as this share of the square root of the number of rows (from 64 to
    /// 1,024 with those at the start), and the walk goes on from the closest four as well.
    pub share: f32,
}

/// When a walk that has ended does not trust its answers, and what it does then.
///
/// A walk that started in the wrong cluster may well come closer, if only as far as that cluster lets it: by the hops
/// after which [`Doubt`] looks, it is past it. When it has ended the difference is plain. Then as many samples are measured
/// as in doubt; a small walk from the closest four that the first one never saw shows whether they lead to anything
/// nearer, and only if they do the search is made again from there, to which the answers of the first one are added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SecondLook {
    /// The best answer is farther than this share of the closest sample's distance,
    pub progress: f32,
    /// the fourth closest sample was nearer than so many times that distance,
    pub alike: f32,
    /// and of the new samples the closest that the walk never saw is nearer than so many times the best answer.
    pub near: f32,
}

impl Doubt {
    /// How many rows of `n` are measured in doubt.
    fn samples(&self, n: usize) -> usize {
        ((n as f32).sqrt() * self.share).min(1024.0) as usize
    }
}

impl Pipelined {
    /// `pipelined@2`: from the closest of 64 samples.
    pub const NEAREST: Self = Self {
        version: "pipelined@2",
        samples: 64,
        starts: 1,
        pipelined_from: 8,
        slack: 0.04,
        power: 1.0,
        tail: 0.04,
        least: 1,
        doubt: None,
        second_look: None,
    };

    /// `pipelined@3`: from the closest four of 256 samples, for sets that fall apart into clusters.
    ///
    /// Where clusters are hard to tell apart by distance and few links lead from one to the next, a walk that
    /// starts in the wrong one does not leave it: 64 sampled rows are too few to find the right one, and the
    /// closest of them may lie elsewhere.
    pub const WIDE: Self =
        Self { version: "pipelined@3", samples: 256, starts: 4, ..Self::NEAREST };

    /// `pipelined@4`: looks at more rows in [`Doubt`], the more the larger the set, and counts its reach from
    /// the tenth best where fewer are wanted.
    pub const DOUBTING: Self = Self {
        version: "pipelined@4",
        least: 10,
        doubt: Some(Doubt { after: 16, progress: 0.82, alike: 1.13, share: 1.5 }),
        ..Self::NEAREST
    };

    /// `pipelined@5`: `pipelined@4` with a reach half as far again up to an `ef` of ten times `k`.
    ///
    /// At `ef` 100 the older reach ends 1 to 5 points of recall below a search without one where distances
    /// crowd together (integers, independent dimensions); this one mostly stays within half a point, at 5 to 25 %
    /// fewer evaluations than without. Elsewhere it costs up to a fifth more at the same recall of 0.99.
    pub const FARTHER: Self =
        Self { version: "pipelined@5", slack: 0.06, tail: 0.02, ..Self::DOUBTING };

    /// `pipelined@6`: `pipelined@4` that leaves nothing aside: a beam as everybody else's.
    pub const UNLIMITED: Self = Self {
        version: "pipelined@6",
        slack: f32::INFINITY,
        tail: f32::INFINITY,
        ..Self::DOUBTING
    };

    /// `pipelined@7`: `pipelined@4` that leaves aside only what is far out of reach.
    ///
    /// Its answers are those of `pipelined@6` but for half a point of recall at most, at any `ef`, and it measures
    /// the fewer nodes for them the less the distances crowd together: from none fewer (32 independent dimensions)
    /// to half (12 dimensions).
    pub const CAUTIOUS: Self =
        Self { version: "pipelined@7", slack: 0.12, power: 0.65, tail: 0.045, ..Self::DOUBTING };

    /// `pipelined@8`: `pipelined@5` that goes on reaching farther beyond ten times `k`.
    ///
    /// A reach that hardly grows any more ends short of a recall of 0.999, whatever the `ef` (0.9989 on words of 25
    /// dimensions, 0.995 on 32 independent ones).
    pub const STEADY: Self = Self { version: "pipelined@8", tail: 0.05, ..Self::FARTHER };

    /// `pipelined@9`: `pipelined@3` without a reach, for inner products.
    ///
    /// A reach is a share of a distance, and a product has no zero from which to measure one. Where the best products
    /// are positive none of the pipelined searches has a reach; where they are negative, `pipelined@3` took the share of
    /// a number that says nothing, and ended 20 points of recall too early. Both walk alike otherwise.
    pub const BROAD: Self =
        Self { version: "pipelined@9", slack: f32::INFINITY, tail: f32::INFINITY, ..Self::WIDE };

    /// `pipelined@10`: `pipelined@6` that looks a second time where it ends hardly closer than it began.
    pub const THOROUGH: Self = Self {
        version: "pipelined@10",
        second_look: Some(SecondLook { progress: 0.75, alike: 1.3, near: 1.15 }),
        ..Self::UNLIMITED
    };

    /// `pipelined@11`: `pipelined@8` that looks a second time where it ends hardly closer than it began.
    ///
    /// Of 500 queries to 50,000 rows of 960 dimensions in 16 clusters, 14 end in the wrong one with every search before,
    /// up to an `ef` of 400.
    pub const THOROUGH_STEADY: Self =
        Self { version: "pipelined@11", second_look: Self::THOROUGH.second_look, ..Self::STEADY };

    /// The published rows, oldest first.
    pub const VERSIONS: [Self; 10] = [
        Self::NEAREST,
        Self::WIDE,
        Self::DOUBTING,
        Self::FARTHER,
        Self::UNLIMITED,
        Self::CAUTIOUS,
        Self::STEADY,
        Self::BROAD,
        Self::THOROUGH,
        Self::THOROUGH_STEADY,
    ];
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
        let before = found.len();
        let base = graph.base();
        let PipelinedMemory { frontier, visited, ids, keys } = memory;
        let most = self.doubt.map_or(0, |doubt| doubt.samples(graph.len()));
        let width = base.stride().max(self.samples).max(most) + BLOCK;
        if keys.len() < width {
            keys.resize(width, 0);
            ids.resize(width, 0);
        }
        visited.begin(graph);
        frontier.reset(ef, base.stride());
        let samples = self.samples.clamp(1, graph.len());
        let (sampled, sampled_keys) = (&mut ids[..samples], &mut keys[..samples]);
        entry::measure_samples(graph, scorer, sampled, sampled_keys, &mut counters);
        let mut closest = [Candidate::new(0, 0); MOST_STARTS];
        let starting = self.starts.clamp(1, MOST_STARTS.min(samples));
        closest[..starting].fill_with(|| entry::take_closest(sampled, sampled_keys));
        let first = scorer.distance(closest[0].key());
        // In doubt the fourth closest counts, wherever the walk starts. It is not picked, only counted up to:
        // this is asked of every query. Samples that were taken are as far as can be.
        let limit = |alike: f32, progress: f32| {
            let near = |key: &&u32| **key != u32::MAX && scorer.distance(**key) < first * alike;
            let alike = starting + sampled_keys.iter().filter(near).count();
            let is_open = most > samples && first > 0.0 && alike >= MOST_STARTS;
            is_open.then(|| scorer.key_of(first * progress))
        };
        let doubt = self
            .doubt
            .and_then(|doubt| limit(doubt.alike, doubt.progress).map(|limit| (doubt.after, limit)));
        let look = self.second_look.and_then(|look| limit(look.alike, look.progress));
        let reach = Reach::new(self, params.k.max(self.least).min(ef), ef);
        let mut walk = Walk { isa, base, scorer, frontier, visited, keys, reach, doubt };
        let (mut starts, mut sampled) = (closest.map(Candidate::id), samples);
        let (mut starts, mut branching, mut stranded) = (&mut starts[..starting], 1, false);
        let mut stage = Stage::First;
        // One loop, so that what is fast is compiled once.
        loop {
            walk.start(starts, branching, &mut counters);
            walk.run(ef >= self.pipelined_from, &mut counters);
            match stage {
                Stage::First => {}
                // Nothing nearer: the first walk's answers stand.
                Stage::Small if walk.best() >= found[before] => return counters,
                Stage::Small => {
                    let nearest = [0, 1, 2, 3].map(|place| walk.frontier.at(place));
                    let nearest = nearest.into_iter().filter(|&slot| slot != u64::MAX);
                    let mut len = 0;
                    for slot in nearest {
                        ids[len] = Candidate::from_bits(slot).id();
                        len += 1;
                    }
                    walk.visited.begin(graph);
                    walk.frontier.reset(ef, base.stride());
                    walk.reach = Reach::new(self, params.k.max(self.least).min(ef), ef);
                    (starts, branching, stage) = (&mut ids[..len], 0, Stage::Again);
                    continue;
                }
                Stage::Again => {
                    walk.add(&found[before..]);
                    found.truncate(before);
                    break;
                }
            }
            if walk.doubts(u64::MAX) {
                walk.doubt = None;
                sampled += most;
                let len = walk.sample(graph, &mut ids[..most], MOST_STARTS, &mut counters).0;
                (starts, branching) = (&mut ids[..len], 0);
                continue;
            }
            // Every node is reachable from the graph's entry, but perhaps not from the start: a walk that
            // ended among a few nodes goes on from there, however far that is.
            let reached = counters.distances as usize - sampled;
            match graph.entry_node() {
                Some(entry)
                    if !stranded && reached < ef.min(ISLAND) && !walk.visited.contains(entry) =>
                {
                    walk.reach = Reach::new(&Self::UNLIMITED, ef, ef);
                    counters.measured(1);
                    ids[0] = entry;
                    (starts, branching, stranded) = (&mut ids[..1], 1, true);
                    continue;
                }
                _ => {}
            }
            let (Some(limit), Some(look)) = (look, self.second_look) else { break };
            let best = walk.best();
            if key::unpack(best).0 < limit {
                break;
            }
            let (len, nearest) =
                walk.sample(graph, &mut ids[..most], 2 * MOST_STARTS, &mut counters);
            let near = scorer.distance(key::unpack(best).0) * look.near;
            if len == 0 || scorer.distance(nearest) >= near {
                break;
            }
            walk.frontier.write(found);
            walk.frontier.reset(SMALL, base.stride());
            walk.reach = Reach::new(&Self::UNLIMITED, SMALL, SMALL);
            (starts, branching, stage) = (&mut ids[..len], 0, Stage::Small);
        }
        walk.frontier.write(found);
        counters
    }
}

/// What the present walk is for.
#[derive(Clone, Copy)]
enum Stage {
    /// To find the answers.
    First,
    /// To find out whether there is anything nearer elsewhere.
    Small,
    /// To find the answers there.
    Again,
}

/// The ef of the walk that only finds out.
const SMALL: usize = 16;

/// One walk over the base layer.
struct Walk<'a, I, S> {
    isa: I,
    base: Adjacency<'a>,
    scorer: S,
    frontier: &'a mut Frontier,
    visited: &'a mut Visited,
    keys: &'a mut [u32],
    reach: Reach,
    /// While there is doubt: the hop after which to decide, and the key that has to be beaten.
    doubt: Option<(u64, u32)>,
}

impl<I: Isa, S: Scorer> Walk<'_, I, S> {
    /// Lets `nodes` in, then the neighbours of those from `branching` on, whose lists and rows are waited for
    /// together.
    #[inline(always)]
    fn start(&mut self, nodes: &[u32], branching: usize, counters: &mut Counters) {
        let mut windows = [const { 0..0 }; 2 * MOST_STARTS];
        let (own, near) = windows.split_at_mut(MOST_STARTS);
        for (window, &node) in own.iter_mut().zip(nodes) {
            *window = self.visited.push(node).unwrap_or(0..0);
        }
        let branches = &nodes[branching..];
        branches.iter().for_each(|&node| self.ask(node));
        for (window, &node) in near.iter_mut().zip(branches) {
            *window = self.gather(node);
            counters.expanded(window.len());
        }
        for window in windows.iter().filter(|window| !window.is_empty()) {
            self.measure(window);
        }
    }

    /// Measures as many samples as `ids` has room for. Of the `some` closest, up to four that were not visited are put at
    /// its front: how many, and the key of the closest of these.
    fn sample(
        &mut self,
        graph: &Graph,
        ids: &mut [u32],
        some: usize,
        counters: &mut Counters,
    ) -> (usize, u32) {
        let keys = &mut self.keys[..ids.len()];
        entry::measure_samples(graph, self.scorer, ids, keys, counters);
        let mut closest = [Candidate::new(u32::MAX, 0); MOST_STARTS];
        let mut len = 0;
        for _ in 0..some {
            let one = entry::take_closest(ids, keys);
            if len < MOST_STARTS && !self.visited.contains(one.id()) {
                closest[len] = one;
                len += 1;
            }
        }
        ids.iter_mut().zip(&closest[..len]).for_each(|(id, one)| *id = one.id());
        (len, closest[0].key())
    }

    /// The closest node found, as packed key and id.
    fn best(&self) -> u64 {
        Candidate::from_bits(self.frontier.at(0)).packed()
    }

    /// Lets `others`, packed keys and ids, into the frontier, but for those that this walk saw itself.
    fn add(&mut self, others: &[u64]) {
        for &one in others {
            let (key, id) = key::unpack(one);
            if !self.visited.contains(id) {
                let (mut keys, mut ids) = ([u32::MAX; BLOCK], [id; BLOCK]);
                (keys[0], ids[0]) = (key, id);
                self.frontier.insert(self.isa, &keys, &ids, 1, u64::MAX);
            }
        }
    }

    /// Whether there is a doubt and the walk has not come closer than where it started. One that has
    /// doubts no more.
    #[inline(always)]
    fn doubts(&mut self, after: u64) -> bool {
        let Some((hops, limit)) = self.doubt else { return false };
        if after < hops {
            return false;
        }
        if Candidate::from_bits(self.frontier.at(0)).key() < limit {
            self.doubt = None;
        }
        self.doubt.is_some()
    }

    /// Walks until no node within reach is unexpanded, or until there is a doubt to decide: with three steps
    /// in flight where `overlapped`, else step by step.
    #[inline(always)]
    fn run(&mut self, overlapped: bool, counters: &mut Counters) {
        let mut ready = 0..0; // the rows of this window are on their way
        let mut chosen = self.choose(); // this node's list is on its way
        let mut stops = false;
        loop {
            let next = if overlapped && !stops { self.choose() } else { None };
            let mut window = 0..0;
            if let Some(node) = chosen {
                window = self.gather(node);
                counters.expanded(window.len());
            }
            if overlapped {
                std::mem::swap(&mut window, &mut ready);
            }
            self.measure(&window);
            chosen = next;
            stops = self.doubts(counters.hops);
            if chosen.is_none() {
                if !stops {
                    chosen = self.choose();
                }
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
    fn new(row: &Pipelined, k: usize, ef: usize) -> Self {
        let Pipelined { slack, power, tail, .. } = *row;
        let octaves = (ef as f32 / k as f32).log2();
        let near = octaves.min(KNEE);
        let kth = (k < ef && slack.is_finite()).then_some(k - 1);
        Self {
            kth,
            factor: 1.0 + slack * near.powf(power) + tail * (octaves - near),
            decided_by: u64::MAX,
            limit: u64::MAX,
        }
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
