//! Repair: a link to whatever the entry does not reach.

use crate::{
    adjacency::{Graph, NONE},
    builder::BuildError,
    link_table::{LinkTable, Policy},
    select::Rule,
    single_layer::SingleLayer,
};
use crinoid_quant::Space;

/// `graph`, over the points of `space`, with every node within reach of its entry on the base layer.
///
/// Each node that the entry does not lead to gets a link from the nearest node within reach that has a
/// free slot, else in place of a link that nothing depends on. Graphs in which everything is reached come
/// back as they are, lists nearest first. [`diagnose`](crate::diagnose()) tells whether a repair is called for;
/// builders that guarantee reachability need none.
///
/// # Errors
/// When the space has another number of points than the graph has nodes.
pub fn repair(graph: &Graph, space: &dyn Space) -> Result<Graph, BuildError> {
    if space.len() != graph.len() {
        let (value, range) = (space.len().to_string(), "the number of the graph's nodes");
        return Err(BuildError::Parameter { name: "points", value, range });
    }
    let degree = graph.degree();
    let policy = Policy { rule: Rule::Closest, cap: degree, keep: degree };
    let entry = graph.entry_node().unwrap_or(NONE);
    let mut layer =
        SingleLayer::new(space, policy, entry).with_rows(LinkTable::of(graph, space, degree));
    layer.attach(degree);
    layer.freeze_below((graph.entry(), graph.layers().to_vec()))
}
