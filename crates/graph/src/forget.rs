//! A graph as if some of its nodes had never come.

use crate::{
    adjacency::Graph,
    builder::{BuildError, Params},
    candidate::Candidate,
    link_table::{LinkTable, Policy},
    scratch::Scratch,
    select::{RELAXED_THEN_STRICT, select},
    single_layer::SingleLayer,
};
use crinoid_quant::Space;
use rayon::prelude::*;

/// Nodes that cannot be forgotten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// The graph has longer lists than any builder makes.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The node is not in the graph, has no links, or is named twice.
    #[error("node {0} is not in the graph")]
    Absent(u32),
}

/// `graph` as if `nodes` had never come, as far as its base layer goes: no link leads to or from them, and
/// whoever linked to one of them has taken over its links and selected anew. `None` where one of them stands
/// in an upper layer or is the entry.
///
/// The same nodes in the same order make the same graph at any number of threads. Reads all lists once.
///
/// ```
/// use crinoid_graph::{Params, builder, forget};
/// use crinoid_quant::{Codes, Metric, Vectors, codec::Float};
///
/// let vectors = Vectors::from_rows((0..50).map(|i| [i as f32, (i % 7) as f32]))?;
/// let codes = Float::train(&vectors, Metric::L2);
/// let graph = builder("crinoid@1").unwrap().build(&*codes.space(), &Params::default(), &())?;
/// let node = (0..50).find(|node| graph.entry_node() != Some(*node)).unwrap();
/// let rest = forget(&graph, &*codes.space(), &[node])?.unwrap();
/// assert!(rest.neighbors(node).is_empty());
/// assert!((0..50).all(|other| !rest.neighbors(other).contains(&node)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    Params { m, ef_construction: m.max(Params::default().ef_construction), ..Params::default() }
        .validate()?;
    let present = left(graph, nodes)?;
    let policy = Policy { rule: RELAXED_THEN_STRICT, cap: 2 * m, keep: 2 * m };
    let rows = LinkTable::of(graph, space, policy.cap);
    let mut layer = SingleLayer::new(space, policy, graph.entry()).with_rows(rows);
    let heirs: Vec<u32> = (0..graph.len() as u32)
        .into_par_iter()
        .filter(|&node| {
            present[node as usize] && graph.neighbors(node).iter().any(|&id| !present[id as usize])
        })
        .collect();
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
    heirs.iter().zip(&lists).for_each(|(&heir, list)| layer.rows.set(heir, list, 0));
    nodes.iter().for_each(|&node| layer.rows.set(node, &[], 0));
    Ok(Some(layer.rows.to_graph(graph.entry(), graph.layers().to_vec())?))
}

/// Which nodes are in the graph without `nodes`: nodes without any link in or out that are not the entry never were.
fn left(graph: &Graph, nodes: &[u32]) -> Result<Vec<bool>, ForgetError> {
    let mut present = vec![false; graph.len()];
    for node in 0..graph.len() as u32 {
        let list = graph.neighbors(node);
        present[node as usize] |= !list.is_empty() || graph.entry_node() == Some(node);
        list.iter().for_each(|&id| present[id as usize] = true);
    }
    for &node in nodes {
        match present.get_mut(node as usize) {
            Some(present) if *present => *present = false,
            _ => return Err(ForgetError::Absent(node)),
        }
    }
    Ok(present)
}
