use crinoid_graph::{BuildError, Builder, Graph, Params, Progress, repair};
use crinoid_quant::Space;

/// The slack of the first and of the last link of a list.
const FROM: f64 = 0.685;
const TO: f64 = 1.1;

/// How many of the nearest neighbours of neighbours are considered.
const NEAREST: usize = 96;

/// The champion, every list chosen once more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate;

/// Chooses at most `keep` of `found` (keys and ids, ascending, without `node` itself) by a slack that
/// runs from relaxed to strict as the list fills: a candidate goes when a chosen one is closer to it
/// than `t` times the node is (squared distances), with `t` from FROM to TO.
fn select(space: &dyn Space, found: &[(u32, u32)], keep: usize, chosen: &mut Vec<u32>) {
    chosen.clear();
    let (mut ids, mut keys) = (Vec::with_capacity(keep), vec![0u32; keep]);
    for &(key, id) in found {
        if chosen.len() == keep {
            break;
        }
        let own = space.value(key);
        let rivals = &mut keys[..chosen.len()];
        ids.clear();
        ids.extend_from_slice(chosen);
        space.keys(id, &ids, rivals);
        let t = FROM + (TO - FROM) * chosen.len() as f64 / keep as f64;
        if rivals.iter().all(|&rival| space.value(rival) >= t * own) {
            chosen.push(id);
        }
    }
}

/// Keys and ids of `ids`, ascending.
fn measured(space: &dyn Space, node: u32, ids: &[u32], keys: &mut Vec<u32>) -> Vec<(u32, u32)> {
    keys.clear();
    keys.resize(ids.len(), 0);
    space.keys(node, ids, keys);
    let mut found: Vec<(u32, u32)> = keys.iter().copied().zip(ids.iter().copied()).collect();
    found.sort_unstable();
    found
}

impl Builder for Candidate {
    fn version(&self) -> &'static str {
        "candidate@0"
    }

    fn build(
        &self,
        space: &dyn Space,
        params: &Params,
        progress: &dyn Progress,
    ) -> Result<Graph, BuildError> {
        let first = match crinoid_graph::builder(crinoid_graph::CHAMPION) {
            Ok(builder) => builder.build(space, params, progress)?,
            Err(_) => return Err(BuildError::Cancelled),
        };
        let (mut ids, mut keys, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
        let mut lists: Vec<Vec<u32>> = Vec::with_capacity(first.len());
        for node in 0..first.len() as u32 {
            ids.clear();
            for &near in first.neighbors(node) {
                ids.push(near);
                ids.extend(first.neighbors(near).iter().copied().filter(|&far| far != node));
            }
            ids.sort_unstable();
            ids.dedup();
            let mut found = measured(space, node, &ids, &mut keys);
            found.truncate(NEAREST);
            select(space, &found, first.degree(), &mut chosen);
            // What the champion linked and the selection left out keeps the graph in one piece.
            for &old in first.neighbors(node) {
                if chosen.len() < first.degree() && !chosen.contains(&old) {
                    chosen.push(old);
                }
            }
            lists.push(chosen.clone());
        }
        let layers = first.layers().to_vec();
        let graph = Graph::from_lists(&lists, first.degree(), first.entry(), layers);
        repair(&graph.map_err(|_| BuildError::Cancelled)?, space)
    }
}
