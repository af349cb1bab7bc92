//! Is a graph sound? Components, reachability, degrees, diameter.

use crate::adjacency::{Graph, Layer, NONE};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What [`diagnose`] finds, level by level, base first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Nodes of the graph.
    pub nodes: usize,
    /// Bytes of all adjacency.
    pub bytes: usize,
    /// One entry per level; the first is the base layer.
    pub levels: Vec<LevelDiagnosis>,
}

/// One level of a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelDiagnosis {
    /// 0 for the base layer.
    pub level: usize,
    /// Nodes on this level.
    pub nodes: usize,
    /// Directed links.
    pub links: usize,
    /// Sizes of the connected components, links taken as undirected; largest first.
    pub components: Vec<usize>,
    /// Components with less than 1 % of the level's nodes: the record's warning sign.
    pub small_components: usize,
    /// Nodes that no directed path reaches: on the base layer from the entry (a search that starts there
    /// never finds them), above it from any node that the level above leads to.
    pub unreachable: usize,
    /// Nodes to which no link leads.
    pub without_in_links: usize,
    /// How many nodes have each out-degree, from 0 on.
    pub out_degrees: Vec<usize>,
    /// The largest in-degree.
    pub max_in_degree: usize,
    /// A lower bound of the diameter: the longest shortest path found by two sweeps, the first
    /// from the entry, the second from the node farthest from it.
    pub diameter: usize,
}

impl Diagnosis {
    /// Whether every node is reachable from the entry on the base layer.
    pub fn is_reachable(&self) -> bool {
        self.levels.first().is_none_or(|base| base.unreachable == 0)
    }
}

impl LevelDiagnosis {
    /// The largest component's share of the nodes, 0 to 1.
    pub fn largest_share(&self) -> f64 {
        self.components.first().map_or(0.0, |&size| size as f64 / self.nodes as f64)
    }

    /// Links per node.
    pub fn mean_degree(&self) -> f64 {
        self.links as f64 / self.nodes.max(1) as f64
    }
}

/// Examines every level of `graph`. Takes time and memory linear in nodes and links.
pub fn diagnose(graph: &Graph) -> Diagnosis {
    let base = Links { graph, layer: None };
    let mut levels = Vec::with_capacity(graph.layers().len() + 1);
    let mut starts = vec![graph.entry()];
    for (above, layer) in graph.layers().iter().enumerate().rev() {
        let links = Links { graph, layer: Some(layer) };
        levels.push(examine(above + 1, links, &starts));
        let (reached, _) = sweep(links, &starts);
        starts = reached.iter().map(|&slot| layer.below[slot as usize]).collect();
    }
    levels.push(examine(0, base, &[graph.entry_node().unwrap_or(NONE)]));
    levels.reverse();
    Diagnosis { nodes: graph.len(), bytes: graph.bytes(), levels }
}

/// One level's adjacency.
#[derive(Clone, Copy)]
struct Links<'a> {
    graph: &'a Graph,
    layer: Option<&'a Layer>,
}

impl<'a> Links<'a> {
    fn len(self) -> usize {
        self.layer.map_or(self.graph.len(), |layer| layer.nodes.len())
    }

    fn of(self, slot: u32) -> &'a [u32] {
        self.layer.map_or_else(|| self.graph.neighbors(slot), |layer| layer.neighbors(slot))
    }
}

fn examine(level: usize, links: Links<'_>, starts: &[u32]) -> LevelDiagnosis {
    let nodes = links.len();
    let mut forest = Forest::new(nodes);
    let mut in_degrees = vec![0usize; nodes];
    let mut out_degrees = Vec::new();
    let mut total = 0;
    for slot in 0..nodes as u32 {
        let list = links.of(slot);
        if out_degrees.len() <= list.len() {
            out_degrees.resize(list.len() + 1, 0);
        }
        out_degrees[list.len()] += 1;
        total += list.len();
        for &other in list {
            in_degrees[other as usize] += 1;
            forest.join(slot, other);
        }
    }
    let components = forest.sizes();
    let (reached, first) = sweep(links, starts);
    let second = reached.last().map_or(0, |&far| sweep(links, &[far]).1);
    LevelDiagnosis {
        level,
        nodes,
        links: total,
        small_components: components.iter().filter(|&&size| size * 100 < nodes).count(),
        components,
        unreachable: nodes - reached.len(),
        without_in_links: in_degrees.iter().filter(|&&count| count == 0).count(),
        out_degrees,
        max_in_degree: in_degrees.iter().copied().max().unwrap_or(0),
        diameter: first.max(second),
    }
}

/// Breadth-first search along links: what is reached, in that order, and the depth of the last.
fn sweep(links: Links<'_>, starts: &[u32]) -> (Vec<u32>, usize) {
    if links.len() == 0 {
        return (Vec::new(), 0);
    }
    let mut seen = vec![false; links.len()];
    starts.iter().for_each(|&start| seen[start as usize] = true);
    let (mut queue, mut level_end, mut depth) = (starts.to_vec(), starts.len(), 0);
    let mut head = 0;
    while head < queue.len() {
        if head == level_end {
            depth += 1;
            level_end = queue.len();
        }
        for &next in links.of(queue[head]) {
            if !std::mem::replace(&mut seen[next as usize], true) {
                queue.push(next);
            }
        }
        head += 1;
    }
    (queue, depth)
}

/// Union-find with path halving, smaller roots first: the result depends on the links alone.
struct Forest(Vec<u32>);

impl Forest {
    fn new(len: usize) -> Self {
        Self((0..len as u32).collect())
    }

    fn root(&mut self, mut slot: u32) -> u32 {
        while self.0[slot as usize] != slot {
            let grandparent = self.0[self.0[slot as usize] as usize];
            self.0[slot as usize] = grandparent;
            slot = grandparent;
        }
        slot
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b) as usize] = a.min(b);
    }

    /// Sizes of the trees, largest first.
    fn sizes(&mut self) -> Vec<usize> {
        let mut sizes = vec![0; self.0.len()];
        for slot in 0..self.0.len() as u32 {
            sizes[self.root(slot) as usize] += 1;
        }
        sizes.retain(|&size| size > 0);
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes
    }
}

impl fmt::Display for Diagnosis {
    /// A table with one line per level.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} nodes, {} bytes of links", self.nodes, self.bytes)?;
        writeln!(
            f,
            "{:>5} {:>9} {:>7} {:>6} {:>10} {:>8} {:>5} {:>11} {:>10} {:>10} {:>8}",
            "level",
            "nodes",
            "degree",
            "max",
            "components",
            "largest",
            "< 1%",
            "unreachable",
            "no in-link",
            "max in-deg",
            "diameter"
        )?;
        for level in &self.levels {
            writeln!(
                f,
                "{:>5} {:>9} {:>7.1} {:>6} {:>10} {:>7.2}% {:>5} {:>11} {:>10} {:>10} {:>8}",
                level.level,
                level.nodes,
                level.mean_degree(),
                level.out_degrees.len().saturating_sub(1),
                level.components.len(),
                100.0 * level.largest_share(),
                level.small_components,
                level.unreachable,
                level.without_in_links,
                level.max_in_degree,
                format!(">= {}", level.diameter)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_graph_is_described_exactly() {
        // 0 -> 1 -> 2 -> 3, 4 -> 0, and 5 <-> 6 apart.
        let lists = [vec![1], vec![2], vec![3], vec![], vec![0], vec![6], vec![5]];
        let graph = Graph::from_lists(&lists, 2, 0, vec![]).unwrap();
        let found = diagnose(&graph);
        let base = &found.levels[0];
        assert_eq!(base.components, [5, 2]);
        assert_eq!((base.unreachable, base.without_in_links), (3, 1));
        assert_eq!((base.diameter, base.links, base.max_in_degree), (3, 6, 1));
        assert_eq!(base.out_degrees, [1, 6]);
        assert!(!found.is_reachable());
        assert!(found.to_string().contains("unreachable"));
    }

    #[test]
    fn levels_are_entered_from_wherever_the_one_above_leads() {
        // A tree: 0 above leads to 2 above; below it, 0 leads to 1, and 2 to 3.
        let top = Layer {
            nodes: [0, 2][..].into(),
            links: [1, NONE][..].into(),
            below: [0, 2][..].into(),
            degree: 1,
        };
        let middle = Layer {
            nodes: [0, 1, 2, 3][..].into(),
            links: [1, NONE, 3, NONE][..].into(),
            below: [0, 1, 2, 3][..].into(),
            degree: 1,
        };
        let lists = [vec![1], vec![2], vec![3], vec![0], vec![0]];
        let graph = Graph::from_lists(&lists, 1, 0, vec![middle, top]).unwrap();
        let found = diagnose(&graph);
        let unreachable: Vec<usize> = found.levels.iter().map(|level| level.unreachable).collect();
        assert_eq!(unreachable, [1, 0, 0], "the base layer only from the entry");
    }

    #[test]
    fn the_empty_graph_is_sound() {
        let graph = Graph::from_lists::<Vec<u32>>(&[], 8, NONE, vec![]).unwrap();
        let found = diagnose(&graph);
        assert_eq!((found.nodes, found.levels[0].unreachable), (0, 0));
        assert!(found.is_reachable() && found.levels[0].components.is_empty());
    }
}
