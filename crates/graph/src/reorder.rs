//! Renumbering: nodes that are searched together lie together.

use crate::adjacency::{Graph, GraphError, Layer, NONE, stride_of};
use crinoid_quant::Buffer;

/// The nodes in breadth-first order from the entry; what is not reached follows by id.
///
/// `order[new] = old`: keep it, to renumber rows, codes and answers alike.
pub fn breadth_first(graph: &Graph) -> Vec<u32> {
    let mut seen = vec![false; graph.len()];
    let mut order = Vec::with_capacity(graph.len());
    for start in graph.entry_node().into_iter().chain(0..graph.len() as u32) {
        if std::mem::replace(&mut seen[start as usize], true) {
            continue;
        }
        let mut head = order.len();
        order.push(start);
        while let Some(&node) = order.get(head) {
            head += 1;
            for &next in graph.neighbors(node) {
                if !std::mem::replace(&mut seen[next as usize], true) {
                    order.push(next);
                }
            }
        }
    }
    order
}

/// `graph` with node `order[new]` called `new`. Lists keep their order.
///
/// # Errors
/// When `order` is no permutation of the nodes.
pub fn renumber(graph: &Graph, order: &[u32]) -> Result<Graph, GraphError> {
    let len = graph.len();
    let mut names = vec![NONE; len];
    for (new, &old) in order.iter().enumerate() {
        match names.get_mut(old as usize) {
            Some(name) if *name == NONE => *name = new as u32,
            _ => return Err(GraphError::Link { layer: 0, row: new, link: old, len }),
        }
    }
    if order.len() != len {
        return Err(GraphError::Size { got: order.len(), want: len });
    }
    let stride = stride_of(graph.degree());
    let mut links = Buffer::<u32>::zeroed(len * stride);
    links.make_mut().fill(NONE);
    for (&old, row) in order.iter().zip(links.make_mut().chunks_exact_mut(stride.max(1))) {
        for (place, &link) in row.iter_mut().zip(graph.neighbors(old)) {
            *place = names[link as usize];
        }
    }
    // Slots of a layer ascend by node, so every layer is sorted anew; `below` and links follow.
    let mut layers: Vec<Layer> = Vec::with_capacity(graph.layers().len());
    let mut places_below = names;
    for layer in graph.layers() {
        let node = |slot: usize| match layers.last() {
            Some(lower) => lower.nodes[places_below[layer.below[slot] as usize] as usize],
            None => places_below[layer.below[slot] as usize],
        };
        let mut slots: Vec<usize> = (0..layer.nodes.len()).collect();
        slots.sort_unstable_by_key(|&slot| node(slot));
        let mut places = vec![0u32; slots.len()];
        (0..).zip(&slots).for_each(|(new, &old)| places[old] = new);
        let row = |&slot: &usize| {
            let row = &layer.links[slot * layer.degree..][..layer.degree];
            row.iter().map(|&link| if link == NONE { NONE } else { places[link as usize] })
        };
        let renumbered = Layer {
            nodes: slots.iter().map(|&slot| node(slot)).collect(),
            links: slots.iter().flat_map(row).collect(),
            below: slots.iter().map(|&s| places_below[layer.below[s] as usize]).collect(),
            degree: layer.degree,
        };
        layers.push(renumbered);
        places_below = places;
    }
    let entry = match graph.entry() {
        NONE => NONE,
        entry => places_below[entry as usize],
    };
    Graph::new(links, len, graph.degree(), entry, layers)
}
