//! The published builders.

use crate::{builder::Builder, crinoid, descent, hnsw, vamana};
use crinoid_quant::{Version, versions::UnknownVersion};

/// Every published builder, oldest first. A published version never changes: the same points and
/// parameters give the same graph in every release.
pub const VERSIONS: &[Version] = &[
    Version::new(
        "hnsw-closest",
        1,
        "closest m on every layer, in the order given, lists cut to m past 2 m",
        "record, Current Baseline",
    ),
    Version::new(
        "hnsw-closest-wide",
        1,
        "hnsw-closest@1 with 2 m on the base layer",
        "record, Fix 2b",
    ),
    Version::new("hnsw-closest-shuffled", 1, "hnsw-closest@1, shuffled", "record, Fix 3"),
    Version::new("hnsw-narrow", 1, "hnsw-closest@1 with Algorithm 4", "record, Fix 2"),
    Version::new("hnsw-ordered", 1, "hnsw@1 without the shuffle", "record, Fixes 2 and 2b"),
    Version::new(
        "hnsw",
        1,
        "Algorithm 4 with optional backfill, 2 m on the base layer, seeded shuffle",
        "Malkov & Yashunin 2016; record, Fixes 2, 2b, 3",
    ),
    Version::new(
        "vamana",
        1,
        "two passes of robust prune, alpha 1 then `alpha`, 2 m links, entry at the medoid",
        "Subramanya et al. 2019; ParlayANN",
    ),
    Version::new(
        "crinoid",
        1,
        "candidates from a first graph, relaxed-then-strict selection, every node reachable",
        "CRINN's rule on two passes; our own measurements",
    ),
    Version::new(
        "nn-descent",
        1,
        "near-exact lists by neighbours of neighbours, then the champion's selection",
        "Dong et al. 2011",
    ),
    Version::new(
        "rnn-descent",
        1,
        "lists improved by moving needless links, then the champion's selection",
        "Ono & Matsui 2023",
    ),
    Version::new(
        "hnsw-crinn",
        1,
        "HNSW as CRINN builds it: wider pools that give up, 9 diverse entries, its pruning",
        "CRINN paper, section 5; its code",
    ),
    Version::new(
        "crinoid",
        2,
        "lists of at most three quarters before reverse links, a tree of entries",
        "our own measurements",
    ),
];

/// The best builder by the gate. `crinoid@2` needs fewer evaluations below a search that starts at the graph's entry, but
/// the champion of search scans samples of its own, and below it has not won (docs/tried.md, "Graphs").
pub const CHAMPION: &str = "crinoid@1";

/// The builder that the champion replaced.
pub const PREDECESSOR: &str = "hnsw@1";

/// The builder published as `version` (`name@number`).
///
/// # Errors
/// [`UnknownVersion`] lists the known ones.
pub fn builder(version: &str) -> Result<Box<dyn Builder>, UnknownVersion> {
    let known = Version::find(VERSIONS, version)?;
    if let Some(hnsw) = hnsw::VERSIONS.into_iter().find(|hnsw| hnsw.version == version) {
        return Ok(Box::new(hnsw));
    }
    Ok(match known.name {
        "vamana" => Box::new(vamana::Vamana),
        "crinoid" if known.number == 1 => Box::new(crinoid::FIRST),
        "crinoid" => Box::new(crinoid::SECOND),
        "nn-descent" => Box::new(descent::NnDescent),
        _ => Box::new(descent::RnnDescent),
    })
}
