//! A graph that changes: points come and go, and a frozen graph is made when one is wanted.

use crate::{
    adjacency::{Graph, NONE},
    builder::{BuildError, Params},
    candidate::Candidate,
    link_table::{LinkTable, Policy},
    order::batch_len,
    scratch::Scratch,
    select::{RELAXED_THEN_STRICT, select},
    single_layer::{Reach, SingleLayer},
};
use crinoid_quant::Space;
use rayon::prelude::*;

/// A graph of one layer under insertion and deletion.
///
/// Nodes are rows of a space that may grow between calls; rows of deleted nodes stay empty and
/// unlinked until their id is inserted again. The same calls in the same order make the same
/// graph at any number of threads.
///
/// ```
/// use crinoid_graph::{LiveGraph, Params};
/// use crinoid_quant::{Codes, Metric, Vectors, codec::Float};
///
/// let vectors = Vectors::from_rows((0..50).map(|i| [i as f32, (i % 7) as f32]))?;
/// let codes = Float::train(&vectors, Metric::L2);
/// let mut live = LiveGraph::new(&Params::default())?;
/// live.insert(&*codes.space(), &(0..50).collect::<Vec<_>>())?;
/// live.delete(&*codes.space(), &[7])?;
/// assert_eq!((live.len(), live.contains(7)), (49, false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LiveGraph {
    rows: LinkTable,
    present: Vec<bool>,
    len: usize,
    entry: u32,
    params: Params,
}

/// `graph` as if `nodes` had never come, as far as its base layer goes: no link leads to or from them, and
/// whoever linked to one of them has taken over its links and selected anew. `None` where one of them stands
/// in an upper layer or is the entry.
///
/// # Errors
/// When the graph's lists are longer than any builder makes them, or one of `nodes` is no node or is named
/// twice.
pub fn forget(
    graph: &Graph,
    space: &dyn Space,
    nodes: &[u32],
) -> Result<Option<Graph>, ForgetError> {
    let above = graph.layers().iter().flat_map(|layer| layer.nodes.iter().copied());
    if above.chain(graph.entry_node()).any(|node| nodes.contains(&node)) {
        return Ok(None);
    }
    let m = graph.degree().div_ceil(2).max(2);
    let params = Params {
        m,
        ef_construction: m.max(Params::default().ef_construction),
        ..Params::default()
    };
    let mut live = LiveGraph::thaw(graph, space, &params)?;
    live.delete(space, nodes)?;
    Ok(Some(live.rows.to_graph(graph.entry(), graph.layers().to_vec())?))
}

/// Nodes that cannot be forgotten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// The graph cannot be taken up.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// They are not in the graph.
    #[error(transparent)]
    Live(#[from] LiveError),
}

/// A change that cannot be made. Nothing has been changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The space has no such point.
    #[error("node {node} is not one of {len} points")]
    OutOfRange {
        /// The node.
        node: u32,
        /// Points in the space.
        len: usize,
    },
    /// The node is in the graph already, or twice among the new ones.
    #[error("node {0} is in the graph already")]
    Present(u32),
    /// The node is not in the graph, or twice among the deleted ones.
    #[error("node {0} is not in the graph")]
    Absent(u32),
}

impl LiveGraph {
    /// A graph of nothing; `params` as for `crinoid@1`: degree `2 m`, pool `ef_construction`.
    ///
    /// # Errors
    /// When a parameter is out of range.
    pub fn new(params: &Params) -> Result<Self, BuildError> {
        params.validate()?;
        let rows = LinkTable::new(0, 2 * params.m);
        Ok(Self { rows, present: Vec::new(), len: 0, entry: NONE, params: *params })
    }

    /// Takes up a frozen graph of one layer, to go on with it. Nodes without any link in or out that are
    /// not the entry count as deleted.
    ///
    /// # Errors
    /// When a parameter is out of range, or a list is longer than `2 m`.
    pub fn thaw(graph: &Graph, space: &dyn Space, params: &Params) -> Result<Self, BuildError> {
        let mut live = Self::new(params)?;
        let Some(entry) = graph.entry_node() else { return Ok(live) };
        let fits = (0..graph.len() as u32).all(|node| graph.neighbors(node).len() <= 2 * params.m);
        if !fits {
            let (value, range) = (params.m.to_string(), "half the longest list or more");
            return Err(BuildError::Parameter { name: "m", value, range });
        }
        live.grow(graph.len());
        live.rows = LinkTable::of(graph, space, 2 * params.m);
        live.entry = entry;
        live.present[entry as usize] = true;
        for node in 0..graph.len() as u32 {
            let list = graph.neighbors(node);
            live.present[node as usize] |= !list.is_empty();
            list.iter().for_each(|&id| live.present[id as usize] = true);
        }
        live.len = live.present.iter().filter(|&&present| present).count();
        Ok(live)
    }

    /// How many nodes are in the graph.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `node` is in the graph.
    pub fn contains(&self, node: u32) -> bool {
        self.present.get(node as usize).copied().unwrap_or(false)
    }

    /// Inserts `nodes` in this order: each searches the graph, selects its neighbours and is linked
    /// back by them.
    ///
    /// # Errors
    /// When a node is no point of `space` or is in the graph already.
    pub fn insert(&mut self, space: &dyn Space, nodes: &[u32]) -> Result<(), LiveError> {
        let len = space.len();
        if let Some(&node) = nodes.iter().find(|&&node| node as usize >= len) {
            return Err(LiveError::OutOfRange { node, len });
        }
        self.grow(len);
        self.mark(nodes, true).map_err(LiveError::Present)?;
        let nodes = match nodes {
            [first, rest @ ..] if self.entry == NONE => {
                self.entry = *first;
                rest
            }
            all => all,
        };
        let ef = self.params.ef_construction;
        let reach = Reach { ef, expanded: true, present: false };
        let batch = batch_len(self.len);
        self.with_layer(space, |layer| {
            nodes.chunks(batch).for_each(|batch| layer.insert(batch, reach, true));
        });
        Ok(())
    }

    /// Deletes `nodes`: whoever linked to one of them takes over its links, then selects anew.
    ///
    /// Reads all lists once, so deletions are best handed over many at a time.
    ///
    /// # Errors
    /// When a node is not in the graph.
    pub fn delete(&mut self, space: &dyn Space, nodes: &[u32]) -> Result<(), LiveError> {
        self.mark(nodes, false).map_err(LiveError::Absent)?;
        let (present, policy) = (&self.present, policy(&self.params));
        let heirs: Vec<u32> = (0..self.rows.len() as u32)
            .into_par_iter()
            .filter(|&node| {
                present[node as usize]
                    && self.rows.ids(node).iter().any(|&id| !present[id as usize])
            })
            .collect();
        let rows = std::mem::replace(&mut self.rows, LinkTable::new(0, policy.cap));
        let mut layer = SingleLayer::new(space, policy, self.entry).with_rows(rows);
        let lists: Vec<Vec<Candidate>> = heirs
            .par_iter()
            .map_init(
                || layer.spare.take(),
                |scratch, &heir| {
                    let Scratch { keys, pruning, .. } = &mut **scratch;
                    let mut ids: Vec<u32> = Vec::new();
                    for &id in layer.rows.ids(heir) {
                        if present[id as usize] {
                            ids.push(id);
                        } else {
                            let inherited = layer.rows.ids(id).iter().copied();
                            ids.extend(inherited.filter(|&id| present[id as usize] && id != heir));
                        }
                    }
                    ids.sort_unstable();
                    ids.dedup();
                    keys.resize(ids.len(), 0);
                    space.keys(heir, &ids, keys);
                    let found = ids.iter().zip(keys.iter());
                    pruning.candidates.clear();
                    pruning.candidates.extend(found.map(|(&id, &key)| Candidate::new(key, id)));
                    pruning.candidates.sort_unstable();
                    select(layer.layer_space(), policy.rule, policy.keep, keys, pruning);
                    pruning.chosen.clone()
                },
            )
            .collect();
        if !self.contains(self.entry) {
            let near = layer.rows.links(self.entry).filter(|c| self.contains(c.id())).min();
            let any = || self.present.iter().position(|&present| present).map(|node| node as u32);
            self.entry = near.map(Candidate::id).or_else(any).unwrap_or(NONE);
        }
        heirs.iter().zip(&lists).for_each(|(&heir, list)| layer.rows.set(heir, list, 0));
        nodes.iter().for_each(|&node| layer.rows.set(node, &[], 0));
        self.rows = layer.rows;
        Ok(())
    }

    /// A frozen graph of the present state, in which the entry reaches every node that is in the
    /// graph. Links that this takes stay here as well.
    ///
    /// # Errors
    /// Never, unless the adjacency has been damaged.
    pub fn freeze(&mut self, space: &dyn Space) -> Result<Graph, BuildError> {
        let (ef, present) = (self.params.m, std::mem::take(&mut self.present));
        self.with_layer(space, |layer| layer.attach_where(ef, |node| present[node as usize]));
        self.present = present;
        self.rows.to_graph(self.entry, Vec::new())
    }

    fn grow(&mut self, len: usize) {
        self.rows.grow(len);
        self.present.resize(self.present.len().max(len), false);
    }

    /// Sets the presence of `nodes`, or of none when one of them (returned) has it already.
    fn mark(&mut self, nodes: &[u32], present: bool) -> Result<(), u32> {
        for (done, &node) in nodes.iter().enumerate() {
            if (node as usize) >= self.present.len() || self.present[node as usize] == present {
                nodes[..done].iter().for_each(|&node| self.present[node as usize] = !present);
                return Err(node);
            }
            self.present[node as usize] = present;
        }
        self.len = if present { self.len + nodes.len() } else { self.len - nodes.len() };
        Ok(())
    }

    fn with_layer(&mut self, space: &dyn Space, work: impl FnOnce(&mut SingleLayer<'_>)) {
        let policy = policy(&self.params);
        let rows = std::mem::replace(&mut self.rows, LinkTable::new(0, policy.cap));
        let mut layer = SingleLayer::new(space, policy, self.entry).with_rows(rows);
        work(&mut layer);
        self.rows = layer.rows;
    }
}

fn policy(params: &Params) -> Policy {
    Policy { rule: RELAXED_THEN_STRICT, cap: 2 * params.m, keep: 2 * params.m }
}
