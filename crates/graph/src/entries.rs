//! A tree of sampled points that leads a search to its query's region.
//!
//! From a medoid a search walks five or six hops, and measures a whole list at each, before it is
//! where the answers are: a quarter of its work at recall 0.90. Eight distances per level of a tree get
//! it nearer than that walk's first hops. The upper layers of an HNSW do the same, but take twice the
//! distances for it.

use crate::{adjacency::Layer, candidate::Candidate, random};
use crinoid_quant::Space;
use rayon::prelude::*;

/// How many times as many points each level has as the one above.
const BRANCH: usize = 8;

/// How many of the next level's points a point may lead to.
const MOST: usize = 12;

/// Levels at most: the last has 4,096 points.
const DEPTH: u32 = 4;

/// Points of the set per point of the last level, at least.
const PER_LEAF: usize = 16;

/// Separates the stream of samples from other uses of the same seed.
const STREAM: u64 = 0x0065_6e74_7269_6573;

/// The tree as layers, lowest first, and the slot of its root in the highest; no layers, and `root`
/// itself, where points are few.
///
/// Level `l` holds the first `8^l` points of a seeded sample that starts with `root`. Those that are
/// new on a level hang below the nearest point of the level above that has room: whoever is closest
/// to one chooses first. A greedy search measures one list per level.
pub(crate) fn tree(space: &dyn Space, root: u32, seed: u64) -> (u32, Vec<Layer>) {
    let fits = |&depth: &u32| BRANCH.pow(depth) * PER_LEAF <= space.len();
    let Some(depth) = (1..=DEPTH).rev().find(fits) else { return (root, Vec::new()) };
    let sample = sample(space.len(), BRANCH.pow(depth), root, seed);
    let mut layers: Vec<Layer> = Vec::new();
    for level in (1..=depth).rev() {
        let (parents, children) = sample[..BRANCH.pow(level)].split_at(BRANCH.pow(level - 1));
        let lists = adopt(space, parents, children);
        let layer = layer(parents, children, &lists, layers.last());
        layers.push(layer);
    }
    let entry = layers.last().map_or(root, |top| slot(top, root));
    (entry, layers)
}

/// `count` distinct points, the first of them `root`.
fn sample(points: usize, count: usize, root: u32, seed: u64) -> Vec<u32> {
    let mut seen = vec![false; points];
    let draws = (0..).map(|turn| random::below(random::hash(seed ^ STREAM, turn), points as u64));
    let all = std::iter::once(root).chain(draws.map(|draw| draw as u32));
    all.filter(|&point| !std::mem::replace(&mut seen[point as usize], true)).take(count).collect()
}

/// The children of each parent, nearest first.
fn adopt(space: &dyn Space, parents: &[u32], children: &[u32]) -> Vec<Vec<u32>> {
    let wishes: Vec<Vec<Candidate>> = children
        .par_iter()
        .map_init(Vec::new, |keys, &child| {
            keys.resize(parents.len(), 0);
            space.keys(child, parents, keys);
            let mut wishes: Vec<Candidate> =
                (0..).zip(&*keys).map(|(place, &key)| Candidate::new(key, place)).collect();
            wishes.sort_unstable();
            wishes
        })
        .collect();
    let mut turns: Vec<usize> = (0..children.len()).collect();
    turns.sort_by_key(|&turn| wishes[turn][0]);
    let mut lists = vec![Vec::new(); parents.len()];
    for turn in turns {
        let room = wishes[turn].iter().find(|wish| lists[wish.id() as usize].len() < MOST);
        if let Some(parent) = room {
            lists[parent.id() as usize].push(children[turn]);
        }
    }
    lists
}

/// One level: parents with their lists, children with none; `below` is the next level.
fn layer(parents: &[u32], children: &[u32], lists: &[Vec<u32>], below: Option<&Layer>) -> Layer {
    let mut nodes = [parents, children].concat();
    nodes.sort_unstable();
    let degree = lists.iter().map(Vec::len).max().unwrap_or(0);
    let place = |node: &u32| nodes.partition_point(|other| other < node);
    let mut links = vec![crate::NONE; nodes.len() * degree];
    for (parent, list) in parents.iter().zip(lists) {
        let row = &mut links[place(parent) * degree..][..degree];
        row.iter_mut().zip(list).for_each(|(link, child)| *link = place(child) as u32);
    }
    let down = |&node: &u32| below.map_or(node, |below| slot(below, node));
    Layer {
        below: nodes.iter().map(down).collect(),
        nodes: nodes[..].into(),
        links: links[..].into(),
        degree,
    }
}

/// The slot of `node`, which lives on `layer`.
fn slot(layer: &Layer, node: u32) -> u32 {
    layer.nodes.partition_point(|&other| other < node) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Graph;
    use crinoid_quant::{Codes, Metric, Vectors, codec::Sq8};

    #[test]
    fn every_sampled_point_hangs_below_one_other() {
        let rows: Vec<[f32; 2]> = (0..1100).map(|i| [(i * i % 97) as f32, i as f32]).collect();
        let codes = Sq8::train(&Vectors::from_rows(&rows).unwrap(), Metric::L2);
        let (entry, layers) = tree(&*codes.space(), 7, 42);
        let sizes: Vec<usize> = layers.iter().map(|layer| layer.nodes.len()).collect();
        assert_eq!(sizes, [64, 8]);
        for (layer, parents) in layers.iter().zip([8, 1]) {
            let slots = 0..layer.nodes.len() as u32;
            let mut children: Vec<u32> =
                slots.clone().flat_map(|slot| layer.neighbors(slot)).copied().collect();
            assert!(layer.degree <= MOST);
            children.sort_unstable();
            children.dedup();
            assert_eq!(children.len(), layer.nodes.len() - parents, "each child once");
            assert!(slots.filter(|&slot| !layer.neighbors(slot).is_empty()).count() <= parents);
        }
        let lists = vec![Vec::<u32>::new(); rows.len()];
        let graph = Graph::from_lists(&lists, 1, entry, layers).unwrap();
        assert_eq!(graph.entry_node(), Some(7));
    }

    #[test]
    fn few_points_need_no_tree() {
        let codes = Sq8::train(&Vectors::from_rows(&[[1.0f32]; 127]).unwrap(), Metric::L2);
        let (entry, layers) = tree(&*codes.space(), 5, 42);
        assert_eq!((entry, layers.len()), (5, 0));
    }
}
