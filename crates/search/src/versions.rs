//! The published searches.

use crinoid_quant::Version;

/// Every published search, oldest first.
pub const VERSIONS: &[Version] = &[
    Version::new("heap", 1, "two heaps, one entry, no prefetch", "hnswlib; HNSW Algorithm 2"),
    Version::new("pool", 1, "sorted linear pool, unseen rows prefetched", "GLASS"),
    Version::new("crinn", 1, "tiered entries, look-ahead, convergence", "CRINN 6.2"),
    Version::new("discovery", 1, "sorted pool, ended by the discovery rate", "record, fix 4"),
    Version::new("adaptive", 1, "discovery@1, its effort set by the first hops", "record, fix 7"),
    Version::new("flat", 1, "three hops in flight, branch-free frontier, sampled start", "Crinoid"),
    Version::new(
        "flat",
        2,
        "flat@1 with bits for visited, a frontier in registers, a reach",
        "Crinoid",
    ),
    Version::new("flat", 3, "flat@2 from 4 of 256 samples, for sets in clusters", "Crinoid"),
];

/// The search that the default recipe uses.
pub const CHAMPION: &str = "flat@2";

/// The search that the champion replaced.
pub const PREDECESSOR: &str = "flat@1";
