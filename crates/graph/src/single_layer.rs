//! Graphs of one layer under construction: batches, whole passes, a last look at reachability.

use crate::{
    adjacency::{Graph, Layer, NONE},
    builder::{BuildError, Progress},
    candidate::Candidate,
    layer_space::LayerSpace,
    link_table::{Link, LinkTable, Policy},
    scratch::{Scratch, ScratchPool},
    search,
    select::select,
};
use crinoid_quant::Space;
use rayon::prelude::*;

/// One layer that grows, and where searches in it start.
pub(crate) struct SingleLayer<'a> {
    pub(crate) space: &'a dyn Space,
    pub(crate) rows: LinkTable,
    pub(crate) policy: Policy,
    pub(crate) entry: u32,
    pub(crate) spare: ScratchPool,
}

/// Who may become a neighbour of a point.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    /// Pool of the search.
    pub(crate) ef: usize,
    /// Whether nodes that the search expanded and then lost from its pool take part.
    pub(crate) expanded: bool,
    /// Whether the point's present neighbours take part.
    pub(crate) present: bool,
}

impl<'a> SingleLayer<'a> {
    pub(crate) fn new(space: &'a dyn Space, policy: Policy, entry: u32) -> Self {
        let rows = LinkTable::new(space.len(), policy.cap);
        Self { space, rows, policy, entry, spare: ScratchPool::default() }
    }

    /// Goes on with `rows`.
    pub(crate) fn with_rows(self, rows: LinkTable) -> Self {
        Self { rows, ..self }
    }

    pub(crate) fn layer_space(&self) -> LayerSpace<'a> {
        LayerSpace { space: self.space, nodes: None }
    }

    /// Gives every point of `batch` the neighbours that a search of the present graph finds for
    /// it; with `peers`, points of the batch before it are found as well.
    pub(crate) fn insert(&mut self, batch: &[u32], reach: Reach, peers: bool) {
        let found = self.find(batch, reach, peers);
        let mut links = Vec::new();
        for (turn, (&node, found)) in batch.iter().zip(&found).enumerate() {
            self.rows.set(node, found, 0);
            links.extend(found.iter().map(|link| Link {
                target: link.id(),
                turn: turn as u32,
                source: node,
                key: link.key(),
            }));
        }
        links.par_sort_unstable();
        let layer_space = self.layer_space();
        self.rows.connect(layer_space, self.policy, &links, &self.spare);
    }

    /// The neighbours of each point of `batch`, found in the present graph.
    pub(crate) fn find(&self, batch: &[u32], reach: Reach, peers: bool) -> Vec<Vec<Candidate>> {
        (0..batch.len())
            .into_par_iter()
            .map_init(
                || self.spare.take(),
                |scratch, turn| {
                    let peers = if peers { &batch[..turn] } else { &[] };
                    self.find_one(batch[turn], peers, reach, scratch)
                },
            )
            .collect()
    }

    fn find_one(
        &self,
        node: u32,
        peers: &[u32],
        reach: Reach,
        scratch: &mut Scratch,
    ) -> Vec<Candidate> {
        search::best_first(self.layer_space(), &self.rows, node, &[self.entry], reach.ef, scratch);
        let Scratch { pool, expanded, peers: keys, pruning, keys: buffer, .. } = scratch;
        let candidates = &mut pruning.candidates;
        candidates.clear();
        candidates.extend(pool.iter().map(|c| Candidate::new(c.key(), c.id())));
        let worst = if pool.len() < reach.ef { u32::MAX } else { pool[reach.ef - 1].key() };
        if reach.expanded {
            candidates.extend(expanded.iter().filter(|c| c.key() >= worst));
        }
        if reach.present {
            candidates.extend(self.rows.links(node));
        }
        keys.resize(peers.len(), 0);
        self.space.keys(node, peers, keys);
        let near = peers.iter().zip(keys.iter()).filter(|&(_, &key)| key <= worst);
        candidates.extend(near.map(|(&peer, &key)| Candidate::new(key, peer)));
        candidates.sort_unstable();
        candidates.dedup();
        candidates.retain(|c| c.id() != node);
        select(self.layer_space(), self.policy.rule, self.policy.keep, buffer, pruning);
        pruning.chosen.clone()
    }

    /// Replaces every list by `lists`, then adds the reverse of every link.
    pub(crate) fn replace(&mut self, lists: &[Vec<Candidate>]) {
        let policy = self.policy;
        self.rows = LinkTable::new(lists.len(), policy.cap);
        let mut links = Vec::new();
        for (node, list) in (0..).zip(lists) {
            self.rows.set(node, list, 0);
            let reverse = |link: &Candidate| Link {
                target: link.id(),
                turn: node,
                source: node,
                key: link.key(),
            };
            links.extend(list.iter().map(reverse));
        }
        links.par_sort_unstable();
        let layer_space = self.layer_space();
        self.rows.connect(layer_space, policy, &links, &self.spare);
    }

    /// Makes every node reachable from the entry.
    ///
    /// Grows a spanning tree: breadth first along the links there are; then each node that is
    /// left gets a link from the nearest reached node that has room, else from the nearest that
    /// has a link outside the tree to give for it, and what follows it is reached as well. Tree
    /// links are never given away, so nothing that was reached is lost again. `ef` bounds the
    /// search for each node; a leaf of the tree always has room where the search finds none.
    pub(crate) fn attach(&mut self, ef: usize) {
        let mut tree = Tree { parents: vec![NONE; self.rows.len()], reached: Vec::new() };
        if self.entry == NONE {
            return;
        }
        tree.grow(&self.rows, self.entry, self.entry);
        let spare = std::mem::take(&mut self.spare);
        let mut scratch = spare.take();
        for node in 0..self.rows.len() as u32 {
            if tree.parents[node as usize] != NONE {
                continue;
            }
            let mut parent = self.entry;
            search::best_first(
                self.layer_space(),
                &self.rows,
                node,
                &[self.entry],
                ef,
                &mut scratch,
            );
            scratch.pool.sort_by_key(|near| self.rows.is_full(near.id()));
            let nearest = scratch.pool.iter().map(|near| near.id());
            let leaves = tree.reached.iter().rev().copied();
            for near in nearest.chain(leaves) {
                let mut key = [0];
                self.space.keys(node, &[near], &mut key);
                let link = Candidate::new(key[0], node);
                if self.rows.squeeze(near, link, |id| tree.parents[id as usize] == near) {
                    parent = near;
                    break;
                }
            }
            tree.grow(&self.rows, node, parent);
        }
        drop(scratch);
        self.spare = spare;
    }

    pub(crate) fn freeze(self) -> Result<Graph, BuildError> {
        self.rows.to_graph(self.entry, Vec::new())
    }

    /// As [`freeze`](Self::freeze), below layers that lead to the entry: `(its slot, layers)`.
    pub(crate) fn freeze_below(
        self,
        (entry, layers): (u32, Vec<Layer>),
    ) -> Result<Graph, BuildError> {
        self.rows.to_graph(entry, layers)
    }
}

/// Calls `work` for each `chunk` points of `order`; meanwhile progress runs from `from` to `to` (of
/// the second number each).
pub(crate) fn in_chunks(
    order: &[u32],
    chunk: usize,
    [from, to, total]: [usize; 3],
    progress: &dyn Progress,
    mut work: impl FnMut(&[u32]),
) -> Result<(), BuildError> {
    let mut done = 0;
    for batch in order.chunks(chunk) {
        if progress.report(from + (to - from) * done / order.len(), total).is_break() {
            return Err(BuildError::Cancelled);
        }
        work(batch);
        done += batch.len();
    }
    Ok(())
}

/// A spanning tree of what is reached.
struct Tree {
    /// The node whose link leads to each node; the entry is its own, [`NONE`] is not reached.
    parents: Vec<u32>,
    /// In the order in which they were reached.
    reached: Vec<u32>,
}

impl Tree {
    /// Adds `node` below `parent`, and everything that can be reached from it.
    fn grow(&mut self, rows: &LinkTable, node: u32, parent: u32) {
        let mut head = self.reached.len();
        self.parents[node as usize] = parent;
        self.reached.push(node);
        while let Some(&next) = self.reached.get(head) {
            head += 1;
            for &child in rows.ids(next) {
                if self.parents[child as usize] == NONE {
                    self.parents[child as usize] = next;
                    self.reached.push(child);
                }
            }
        }
    }
}
