//! Links from sample queries, for queries that lie apart from the points.

use crate::{
    adjacency::{Graph, GraphError, MAX_DEGREE},
    candidate::Candidate,
    layer_space::LayerSpace,
    select::{Pruning, Rule, select},
};
use crinoid_quant::Space;
use rayon::prelude::*;

/// Adds up to `extra` links per node between points that answer the same sample queries.
///
/// Where queries come from another distribution than the points (text against code), the
/// neighbours of a query are not each other's neighbours, and no list of a graph of the points
/// connects them. `answers[q]` are the points nearest to sample query `q`, nearest first. The
/// nearest of them is linked to the others, and each of the others to the one before it; what a
/// node gains this way is thinned out like any list (Algorithm 4) but not against the links that
/// it has, which would all be nearer. The idea is RoarGraph's (Chen et al. 2024, section 4) and
/// OOD-DiskANN's (Jaiswal et al. 2022); the graph's own links stay as they are.
///
/// # Errors
/// When an answer is no node of the graph, or rows would become longer than they may be.
pub fn link_queries(
    graph: &Graph,
    space: &dyn Space,
    answers: &[Vec<u32>],
    extra: usize,
) -> Result<Graph, GraphError> {
    let len = graph.len();
    let most = MAX_DEGREE - graph.degree();
    if extra > most {
        let (got, most) = (extra as u64, most as u64);
        return Err(GraphError::TooLarge { what: "extra slots per row", got, most });
    }
    let mut pairs = Vec::new();
    for (row, list) in answers.iter().enumerate() {
        if let Some(&link) = list.iter().find(|&&id| id as usize >= len) {
            return Err(GraphError::Link { layer: 0, row, link, len });
        }
        if let [first, rest @ ..] = &list[..] {
            pairs.extend(rest.iter().map(|&other| (*first, other)));
            pairs.extend(list.windows(2).map(|pair| (pair[1], pair[0])));
        }
    }
    pairs.par_sort_unstable();
    pairs.dedup();
    let groups: Vec<&[(u32, u32)]> = pairs.chunk_by(|a, b| a.0 == b.0).collect();
    let layer_space = LayerSpace { space, nodes: None };
    let gains: Vec<(u32, Vec<u32>)> = groups
        .par_iter()
        .map_init(
            || (Vec::new(), Pruning::default()),
            |(keys, pruning), group| {
                let node = group[0].0;
                let known = graph.neighbors(node);
                let others = group.iter().map(|&(_, other)| other);
                let others: Vec<u32> =
                    others.filter(|other| *other != node && !known.contains(other)).collect();
                keys.resize(others.len(), 0);
                space.keys(node, &others, keys);
                pruning.candidates.clear();
                let found = others.iter().zip(keys.iter());
                pruning.candidates.extend(found.map(|(&id, &key)| Candidate::new(key, id)));
                pruning.candidates.sort_unstable();
                select(layer_space, Rule::Diverse { backfill: true }, extra, keys, pruning);
                (node, pruning.chosen.iter().map(|chosen| chosen.id()).collect())
            },
        )
        .collect();
    let mut lists: Vec<Vec<u32>> =
        (0..len as u32).map(|node| graph.neighbors(node).to_vec()).collect();
    for (node, gain) in gains {
        lists[node as usize].extend(gain);
    }
    Graph::from_lists(&lists, graph.degree() + extra, graph.entry(), graph.layers().to_vec())
}
