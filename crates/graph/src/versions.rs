//! The published builders.

use crate::{builder::Builder, crinoid, descent, hnsw, partition, vamana};
use crinoid_quant::{Version, versions::UnknownVersion};

/// A published builder, and what makes it.
type Row = (Version, fn() -> Box<dyn Builder>);

const ROWS: [Row; 13] = [
    (
        Version::new(
            "hnsw-closest",
            1,
            "closest m on every layer, in the order given, lists cut to m past 2 m",
            "record, Current Baseline",
        ),
        || Box::new(hnsw::VERSIONS[0]),
    ),
    (
        Version::new(
            "hnsw-closest-wide",
            1,
            "hnsw-closest@1 with 2 m on the base layer",
            "record, Fix 2b",
        ),
        || Box::new(hnsw::VERSIONS[1]),
    ),
    (Version::new("hnsw-closest-shuffled", 1, "hnsw-closest@1, shuffled", "record, Fix 3"), || {
        Box::new(hnsw::VERSIONS[2])
    }),
    (Version::new("hnsw-narrow", 1, "hnsw-closest@1 with Algorithm 4", "record, Fix 2"), || {
        Box::new(hnsw::VERSIONS[3])
    }),
    (
        Version::new("hnsw-ordered", 1, "hnsw@1 without the shuffle", "record, Fixes 2 and 2b"),
        || Box::new(hnsw::VERSIONS[4]),
    ),
    (
        Version::new(
            "hnsw",
            1,
            "Algorithm 4 with optional backfill, 2 m on the base layer, seeded shuffle",
            "Malkov & Yashunin 2016; record, Fixes 2, 2b, 3",
        ),
        || Box::new(hnsw::VERSIONS[5]),
    ),
    (
        Version::new(
            "vamana",
            1,
            "two passes of robust prune, alpha 1 then `alpha`, 2 m links, entry at the medoid",
            "Subramanya et al. 2019; ParlayANN",
        ),
        || Box::new(vamana::Vamana),
    ),
    (
        Version::new(
            "crinoid",
            1,
            "candidates from a first graph, relaxed-then-strict selection, every node reachable",
            "CRINN's rule on two passes; our own measurements",
        ),
        || Box::new(crinoid::FIRST),
    ),
    (
        Version::new(
            "nn-descent",
            1,
            "near-exact lists by neighbours of neighbours, then the champion's selection",
            "Dong et al. 2011",
        ),
        || Box::new(descent::NnDescent),
    ),
    (
        Version::new(
            "rnn-descent",
            1,
            "lists improved by moving needless links, then the champion's selection",
            "Ono & Matsui 2023",
        ),
        || Box::new(descent::RnnDescent),
    ),
    (
        Version::new(
            "hnsw-crinn",
            1,
            "HNSW as CRINN builds it: wider pools that give up, 9 diverse entries, its pruning",
            "CRINN paper, section 5; its code",
        ),
        || Box::new(hnsw::VERSIONS[6]),
    ),
    (
        Version::new(
            "crinoid",
            2,
            "lists of at most three quarters before reverse links, a tree of entries",
            "our own measurements",
        ),
        || Box::new(crinoid::SECOND),
    ),
    (
        Version::new(
            "partition",
            1,
            "near-exact lists from all pairs within overlapping partitions, the champion's selection",
            "PiPNN (Rubel et al. 2026); our own measurements",
        ),
        || Box::new(partition::Partition),
    ),
];

/// Every published builder, oldest first. A published version never changes: the same points and
/// parameters give the same graph in every release.
pub const VERSIONS: &[Version] = &{
    let mut versions = [ROWS[0].0; ROWS.len()];
    let mut row = 1;
    while row < ROWS.len() {
        versions[row] = ROWS[row].0;
        row += 1;
    }
    versions
};

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
    match ROWS.iter().find(|(row, _)| row == known) {
        Some((_, make)) => Ok(make()),
        None => unreachable!("the names are those of the rows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_makes_what_it_names() {
        for version in VERSIONS {
            assert_eq!(builder(&version.to_string()).unwrap().version(), version.to_string());
        }
    }
}
