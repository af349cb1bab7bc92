//! The published searches.

use crate::{AnyCodes, BestFirst, Composed, EngineError, Heap, Pipelined};
use crinoid_graph::Graph;
use crinoid_quant::{Codes, Version, versions::UnknownVersion};
use std::sync::Arc;

/// A published search.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    version: Version,
    family: Family,
}

/// The row of a family's table.
#[derive(Clone, Copy, Debug)]
enum Family {
    Heap(Heap),
    BestFirst(BestFirst),
    Pipelined(Pipelined),
}

use Family::{BestFirst as B, Heap as H, Pipelined as P};

const fn row(
    name: &'static str,
    number: u32,
    summary: &'static str,
    source: &'static str,
    family: Family,
) -> Published {
    Published { version: Version::new(name, number, summary, source), family }
}

/// Every published search, oldest first.
#[rustfmt::skip]
pub const PUBLISHED: [Published; 15] = [
    row("heap", 1, "two heaps, one entry, no prefetch", "hnswlib; HNSW Algorithm 2", H(Heap)),
    row("pool", 1, "sorted linear pool, unseen rows prefetched", "GLASS", B(BestFirst::POOL)),
    row("crinn", 1, "tiered entries, look-ahead, convergence", "CRINN 6.2", B(BestFirst::CRINN)),
    row("discovery", 1, "sorted pool, ended by the discovery rate", "record, fix 4", B(BestFirst::DISCOVERY)),
    row("adaptive", 1, "discovery@1, its effort set by the first hops", "record, fix 7", B(BestFirst::ADAPTIVE)),
    row("pipelined", 2, "three hops in flight, a frontier in registers, a reach", "Crinoid", P(Pipelined::NEAREST)),
    row("pipelined", 3, "pipelined@2 from 4 of 256 samples, for sets in clusters", "Crinoid", P(Pipelined::WIDE)),
    row("pipelined", 4, "pipelined@2, which in doubt looks at more samples, the more the rows", "Crinoid", P(Pipelined::DOUBTING)),
    row("pipelined", 5, "pipelined@4 with a reach half as far again", "Crinoid", P(Pipelined::FARTHER)),
    row("pipelined", 6, "pipelined@4 without a reach", "Crinoid", P(Pipelined::UNLIMITED)),
    row("pipelined", 7, "pipelined@4 with a reach that bends", "Crinoid", P(Pipelined::CAUTIOUS)),
    row("pipelined", 8, "pipelined@5 with a reach that goes on growing", "Crinoid", P(Pipelined::STEADY)),
    row("pipelined", 9, "pipelined@3 without a reach, for inner products", "Crinoid", P(Pipelined::BROAD)),
    row("pipelined", 10, "pipelined@6 that looks again where it ends hardly closer", "Crinoid", P(Pipelined::THOROUGH)),
    row("pipelined", 11, "pipelined@8 that looks again where it ends hardly closer", "Crinoid", P(Pipelined::THOROUGH_STEADY)),
];

/// What is said about every published search, oldest first.
pub const VERSIONS: &[Version] = &{
    let mut versions = [PUBLISHED[0].version; PUBLISHED.len()];
    let mut row = 1;
    while row < PUBLISHED.len() {
        versions[row] = PUBLISHED[row].version;
        row += 1;
    }
    versions
};

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
pub fn find(name: &str) -> Result<&'static Published, UnknownVersion> {
    static ROWS: [Published; PUBLISHED.len()] = PUBLISHED;
    let current = look_up(ALIASES, name).unwrap_or(name);
    ROWS.iter().find(|row| row.version.to_string() == current).ok_or_else(|| UnknownVersion {
        instead: successor(name),
        ..UnknownVersion::among(VERSIONS, name)
    })
}

impl Published {
    /// What is said about it.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Its parameters, where it is a pipelined search.
    pub fn pipelined(&self) -> Option<Pipelined> {
        match self.family {
            P(row) => Some(row),
            H(_) | B(_) => None,
        }
    }

    /// Composes it with a graph and codes. What is fastest is compiled for the codec
    /// ([`Composed::new`]) where that is [worth it](Codes::COMPILED), all else once for all codecs
    /// ([`Composed::over`]).
    ///
    /// # Errors
    /// When graph and codes do not fit together.
    pub fn compose<C: Codes>(
        &self,
        graph: Arc<Graph>,
        codes: Arc<C>,
    ) -> Result<Composed, EngineError> {
        match self.family {
            P(row) if C::COMPILED => Composed::new(graph, codes, row),
            _ => self.compose_over(graph, codes.into()),
        }
    }

    /// As [`compose`](Self::compose), with nothing compiled for the codec.
    ///
    /// # Errors
    /// As [`compose`](Self::compose).
    pub fn compose_over(
        &self,
        graph: Arc<Graph>,
        codes: AnyCodes,
    ) -> Result<Composed, EngineError> {
        match self.family {
            H(heap) => Composed::over(graph, codes, heap),
            B(row) => Composed::over(graph, codes, row),
            P(row) => Composed::over(graph, codes, row),
        }
    }
}
