//! The published searches.

use crate::{AnyCodes, BestFirst, Composed, EngineError, Heap, Pipelined};
use crinoid_graph::Graph;
use crinoid_quant::{Codes, Version, versions::UnknownVersion};
use std::sync::Arc;

/// Every published search, oldest first.
pub const VERSIONS: &[Version] = &[
    Version::new("heap", 1, "two heaps, one entry, no prefetch", "hnswlib; HNSW Algorithm 2"),
    Version::new("pool", 1, "sorted linear pool, unseen rows prefetched", "GLASS"),
    Version::new("crinn", 1, "tiered entries, look-ahead, convergence", "CRINN 6.2"),
    Version::new("discovery", 1, "sorted pool, ended by the discovery rate", "record, fix 4"),
    Version::new("adaptive", 1, "discovery@1, its effort set by the first hops", "record, fix 7"),
    Version::new(
        "pipelined",
        2,
        "three hops in flight, visited bits, a frontier in registers, a reach; from the closest of 64 samples",
        "Crinoid",
    ),
    Version::new(
        "pipelined",
        3,
        "pipelined@2 from 4 of 256 samples, for sets in clusters",
        "Crinoid",
    ),
    Version::new("pipelined", 4, "pipelined@2 with a reach half as far again", "Crinoid"),
];

/// The search that the default recipe uses.
pub const CHAMPION: &str = "pipelined@4";

/// The search that the champion replaced, of those that are still here.
pub const PREDECESSOR: &str = "pipelined@2";

/// Names that searches had before, and what they are called now.
pub const ALIASES: &[(&str, &str)] = &[("flat@2", "pipelined@2"), ("flat@3", "pipelined@3")];

/// Searches that have left the tree, and what takes their place.
pub const RETIRED: &[(&str, &str)] = &[("flat@1", "pipelined@2")];

/// What `table` has for `name`.
fn look_up(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(old, _)| *old == name).map(|(_, new)| *new)
}

/// What takes the place of `name`, which has left the tree.
pub fn successor(name: &str) -> Option<&'static str> {
    look_up(RETIRED, name)
}

/// The search published as `name` (`name@number`), today or once.
///
/// # Errors
/// [`UnknownVersion`] lists the known ones, and names the successor of one that has left.
pub fn find(name: &str) -> Result<&'static Version, UnknownVersion> {
    let current = look_up(ALIASES, name).unwrap_or(name);
    Version::find(VERSIONS, current)
        .map_err(|error| UnknownVersion { instead: successor(name), ..error })
}

/// A published search, with its parameters.
#[derive(Clone, Copy, Debug)]
enum Published {
    Heap(Heap),
    BestFirst(BestFirst),
    Pipelined(Pipelined),
}

fn published(version: &Version) -> Published {
    let name = version.to_string();
    let best_first = BestFirst::VERSIONS.into_iter().find(|row| row.version == name);
    match (Pipelined::published(version), best_first) {
        (Some(row), _) => Published::Pipelined(row),
        (_, Some(row)) => Published::BestFirst(row),
        _ => Published::Heap(Heap),
    }
}

/// Composes the search `version` with a graph and codes. What is fastest is compiled for the codec
/// ([`Composed::new`]), all else once for all codecs ([`Composed::over`]).
///
/// # Errors
/// When graph and codes do not fit together.
pub fn compose<C: Codes>(
    version: &Version,
    graph: Arc<Graph>,
    codes: Arc<C>,
) -> Result<Composed, EngineError> {
    match published(version) {
        Published::Pipelined(row) => Composed::new(graph, codes, row),
        other => over(other, graph, codes.into()),
    }
}

/// As [`compose`], with nothing compiled for the codec.
///
/// # Errors
/// As [`compose`].
pub fn compose_over(
    version: &Version,
    graph: Arc<Graph>,
    codes: AnyCodes,
) -> Result<Composed, EngineError> {
    over(published(version), graph, codes)
}

fn over(search: Published, graph: Arc<Graph>, codes: AnyCodes) -> Result<Composed, EngineError> {
    match search {
        Published::Heap(heap) => Composed::over(graph, codes, heap),
        Published::BestFirst(row) => Composed::over(graph, codes, row),
        Published::Pipelined(row) => Composed::over(graph, codes, row),
    }
}
