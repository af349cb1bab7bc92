//! Hierarchical navigable small worlds, built by deterministic parallel batches.
//!
//! Points are inserted in batches. Every point of a batch searches the graph as it was before the
//! batch, in parallel, and also sees the points of its batch that come before it, which it is
//! measured against one by one; so it finds what one-by-one insertion would have shown it, except
//! that paths *through* its batch are missing. Then links go in: each point writes its own list;
//! the reverse links are sorted by target, and each target takes its newcomers on its own. No
//! locks, no races: the graph is a function of points and parameters alone.

use crate::{
    adjacency::{Graph, Layer, NONE, stride_of},
    builder::{BuildError, Builder, Params, Progress},
    candidate::Candidate,
    layer_space::LayerSpace,
    levels,
    link_table::{Link, LinkTable, Policy},
    order::{Order, batch_len},
    scratch::{Scratch, ScratchPool},
    search::{self, Effort, Patience},
    select::{RELAXED_THEN_STRICT, Rule, select},
};
use crinoid_quant::{Buffer, Space};
use rayon::prelude::*;

/// One published version: an insertion order and a rule per layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hnsw {
    pub(crate) version: &'static str,
    pub(crate) order: Order,
    /// Base and upper policy for given parameters.
    pub(crate) policies: fn(&Params) -> (Policy, Policy),
    /// How hard the search for a point's neighbours looks.
    pub(crate) effort: fn(&Params) -> Effort,
    /// Where searches of the base layer start: below the upper layers, and at so many other nodes.
    pub(crate) other_entries: usize,
}

/// Lists cut back to `m` when they pass `2 m`, on every layer.
fn cut(rule: Rule, params: &Params) -> (Policy, Policy) {
    let policy = Policy { rule, cap: 2 * params.m, keep: params.m };
    (policy, policy)
}

/// `2 m` on the base layer and `m` above, never more.
fn wide(rule: Rule, params: &Params) -> (Policy, Policy) {
    let policy = |size| Policy { rule, cap: size, keep: size };
    (policy(2 * params.m), policy(params.m))
}

/// Algorithm 4.
fn diverse(params: &Params) -> Rule {
    Rule::Diverse { backfill: params.backfill }
}

/// A version with one entry and plain searches.
const fn plain(
    version: &'static str,
    order: Order,
    policies: fn(&Params) -> (Policy, Policy),
) -> Hnsw {
    Hnsw {
        version,
        order,
        policies,
        effort: |params| params.ef_construction.into(),
        other_entries: 0,
    }
}

/// The record's baseline, its fixes 2b (a wide base layer), 3 (shuffle) and 2 (Algorithm 4), each
/// alone, 2 and 2b together, all three (which is what everyone means by HNSW), and CRINN's.
pub(crate) const VERSIONS: [Hnsw; 7] = [
    plain("hnsw-closest@1", Order::Sequential, |params| cut(Rule::Closest, params)),
    plain("hnsw-closest-wide@1", Order::Sequential, |params| wide(Rule::Closest, params)),
    plain("hnsw-closest-shuffled@1", Order::Shuffle, |params| cut(Rule::Closest, params)),
    plain("hnsw-narrow@1", Order::Sequential, |params| cut(diverse(params), params)),
    plain("hnsw-ordered@1", Order::Sequential, |params| wide(diverse(params), params)),
    plain("hnsw@1", Order::Shuffle, |params| wide(diverse(params), params)),
    // What CRINN made of it: pools twice as wide (`1 + 14.5 x 0.07`, its dynamic `ef` at its excess of
    // recall) in searches that end when they stop to improve, up to nine entries, and its pruning.
    // Its third change, more prefetching, is what every builder here does.
    Hnsw {
        version: "hnsw-crinn@1",
        order: Order::Shuffle,
        policies: |params| wide(RELAXED_THEN_STRICT, params),
        effort: |params| Effort {
            ef: 2 * params.ef_construction,
            patience: Some(Patience { expansions: 64, nearest: params.ef_construction / 2 }),
        },
        other_entries: 8,
    },
];

impl Builder for Hnsw {
    fn version(&self) -> &'static str {
        self.version
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        params.validate_for(space.len())?;
        let order = self.order.points(space.len(), params.seed);
        let mut growth = Growth::new(space, params, self);
        let mut done = 0;
        for batch in order.chunks(batch_len(order.len())) {
            if progress.report(done, order.len()).is_break() {
                return Err(BuildError::Cancelled);
            }
            growth.insert(batch);
            done += batch.len();
        }
        if progress.report(done, order.len()).is_break() {
            return Err(BuildError::Cancelled);
        }
        growth.freeze()
    }
}

/// A graph that grows.
struct Growth<'a> {
    space: &'a dyn Space,
    params: &'a Params,
    base: Tier,
    /// Layers above the base, lowest first; who lives there is known from the start.
    upper: Vec<Tier>,
    /// The node whose level is highest (the first such in insertion order), and that level.
    entry: Option<(u32, usize)>,
    /// Nodes far from each other at which searches of the base layer start as well.
    others: Vec<u32>,
    other_entries: usize,
    effort: Effort,
    spare: ScratchPool,
}

/// One layer that grows.
struct Tier {
    /// The nodes by slot, ascending; empty on the base layer, where slots are nodes.
    nodes: Vec<u32>,
    rows: LinkTable,
    policy: Policy,
}

/// The neighbours a point has found on one layer.
#[derive(Default)]
struct Found {
    links: Vec<Candidate>,
    clean: usize,
}

impl Tier {
    fn layer_space<'a>(&'a self, space: &'a dyn Space, level: usize) -> LayerSpace<'a> {
        LayerSpace { space, nodes: (level > 0).then_some(&self.nodes) }
    }

    /// The slot of `node`, which lives on this layer.
    fn slot(&self, node: u32) -> u32 {
        if self.nodes.is_empty() {
            return node;
        }
        self.nodes.partition_point(|&other| other < node) as u32
    }

    /// The node at `slot`.
    fn node(&self, slot: u32) -> u32 {
        self.nodes.get(slot as usize).copied().unwrap_or(slot)
    }
}

impl<'a> Growth<'a> {
    fn new(space: &'a dyn Space, params: &'a Params, version: &Hnsw) -> Self {
        let (base, upper) = (version.policies)(params);
        let mut inhabitants: Vec<Vec<u32>> = Vec::new();
        for node in 0..space.len() as u32 {
            let level = levels::exponential(params.seed, node, params.m);
            if inhabitants.len() < level {
                inhabitants.resize_with(level, Vec::new);
            }
            inhabitants[..level].iter_mut().for_each(|nodes| nodes.push(node));
        }
        let tier = |nodes: Vec<u32>, len, policy: Policy| {
            let rows = LinkTable::new(len, policy.cap);
            Tier { nodes, rows, policy }
        };
        let upper = inhabitants.into_iter().map(|nodes| {
            let len = nodes.len();
            tier(nodes, len, upper)
        });
        Self {
            space,
            params,
            upper: upper.collect(),
            base: tier(Vec::new(), space.len(), base),
            entry: None,
            others: Vec::new(),
            other_entries: version.other_entries,
            effort: (version.effort)(params),
            spare: ScratchPool::default(),
        }
    }

    fn tier(&self, level: usize) -> &Tier {
        level.checked_sub(1).map_or(&self.base, |above| &self.upper[above])
    }

    fn level(&self, node: u32) -> usize {
        levels::exponential(self.params.seed, node, self.params.m)
    }

    /// Inserts `batch`: searches in parallel, then links layer by layer.
    fn insert(&mut self, batch: &[u32]) {
        let found: Vec<Vec<Found>> = (0..batch.len())
            .into_par_iter()
            .map_init(|| self.spare.take(), |scratch, turn| self.find(batch, turn, scratch))
            .collect();
        for level in 0..=self.upper.len() {
            let (space, spare) = (self.space, &self.spare);
            let tier = match level.checked_sub(1) {
                Some(above) => &mut self.upper[above],
                None => &mut self.base,
            };
            let mut links = Vec::new();
            for (turn, (&node, found)) in batch.iter().zip(&found).enumerate() {
                let Some(found) = found.get(level) else { continue };
                let source = tier.slot(node);
                tier.rows.set(source, &found.links, found.clean);
                links.extend(found.links.iter().map(|link| Link {
                    target: link.id(),
                    turn: turn as u32,
                    source,
                    key: link.key(),
                }));
            }
            links.par_sort_unstable();
            let layer_space = LayerSpace { space, nodes: (level > 0).then_some(&tier.nodes) };
            tier.rows.connect(layer_space, tier.policy, &links, spare);
        }
        for &node in batch {
            let level = self.level(node);
            if self.entry.is_none_or(|(_, highest)| level > highest) {
                self.entry = Some((node, level));
            }
        }
        if self.others.len() < self.other_entries {
            self.others.extend(self.farthest(batch));
        }
    }

    /// The node of `batch` that is farthest from the entry and the other entries.
    fn farthest(&self, batch: &[u32]) -> Option<u32> {
        let known: Vec<u32> = self.entry.iter().map(|e| e.0).chain(self.others.clone()).collect();
        let mut keys = vec![0; known.len()];
        let mut distance = |node: u32| {
            self.space.keys(node, &known, &mut keys);
            keys.iter().copied().min()
        };
        batch.iter().map(|&node| (distance(node), node)).max().map(|(_, node)| node)
    }

    /// Finds the neighbours of `batch[turn]` on each of its layers, base first.
    fn find(&self, batch: &[u32], turn: usize, scratch: &mut Scratch) -> Vec<Found> {
        let node = batch[turn];
        let level = self.level(node);
        let peers = &batch[..turn];
        scratch.peers.resize(peers.len(), 0);
        self.space.keys(node, peers, &mut scratch.peers);
        let mut found = Vec::new();
        found.resize_with(level + 1, Found::default);
        let mut at = self.entry.map(|(entry, highest)| (self.tier(highest).slot(entry), highest));
        for here in (0..=level.max(at.map_or(0, |(_, highest)| highest))).rev() {
            let tier = self.tier(here);
            let layer_space = tier.layer_space(self.space, here);
            scratch.pool.clear();
            if let Some((start, _)) = at.filter(|&(_, highest)| here <= highest) {
                let effort = if here > level { 1.into() } else { self.effort };
                let others: &[u32] = if here == 0 { &self.others } else { &[] };
                let starts = [&[start], others].concat();
                search::best_first(layer_space, &tier.rows, node, &starts, effort, scratch);
                let nearest = scratch.pool[0].id();
                let below = here.saturating_sub(1);
                at = Some((self.tier(below).slot(tier.node(nearest)), below));
            }
            if here <= level {
                self.join_peers(peers, here, scratch);
                found[here] = choose(layer_space, tier.policy, scratch);
            }
        }
        found
    }

    /// Lets the points of the batch that come before this one into the pool.
    fn join_peers(&self, peers: &[u32], level: usize, scratch: &mut Scratch) {
        let ef = self.effort.ef;
        let Scratch { pool, peers: keys, .. } = scratch;
        let tier = self.tier(level);
        for (&peer, &key) in peers.iter().zip(keys.iter()) {
            if pool.len() == ef && pool[ef - 1].key() <= key {
                continue;
            }
            if level > 0 && self.level(peer) < level {
                continue;
            }
            let found = Candidate::new(key, tier.slot(peer));
            pool.truncate(ef - 1);
            let place = pool.partition_point(|&other| other < found);
            pool.insert(place, found);
        }
    }

    fn freeze(self) -> Result<Graph, BuildError> {
        let len = self.base.rows.len();
        let degree = self.base.policy.cap;
        let mut layers: Vec<Layer> = Vec::with_capacity(self.upper.len());
        for (index, tier) in self.upper.iter().enumerate() {
            let below = self.tier(index);
            layers.push(Layer {
                nodes: Buffer::from_slice(&tier.nodes),
                links: tier.rows.freeze(tier.policy.cap),
                below: tier.nodes.iter().map(|&node| below.slot(node)).collect(),
                degree: tier.policy.cap,
            });
        }
        let entry = self.entry.map_or(NONE, |(node, level)| self.tier(level).slot(node));
        let links = self.base.rows.freeze(stride_of(degree));
        Ok(Graph::new(links, len, degree, entry, layers)?)
    }
}

/// Thins out the pool to a first list of neighbours.
fn choose(layer_space: LayerSpace<'_>, policy: Policy, scratch: &mut Scratch) -> Found {
    let Scratch { pool, pruning, keys, .. } = scratch;
    pruning.candidates.clear();
    pruning.candidates.extend(pool.iter().map(|c| Candidate::new(c.key(), c.id())));
    select(layer_space, policy.rule, policy.keep, keys, pruning);
    Found { links: pruning.chosen.clone(), clean: pruning.clean }
}
