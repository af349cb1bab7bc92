//! The published refiners.

use crinoid_quant::Version;

/// Every published refiner, oldest first.
pub const VERSIONS: &[Version] = &[
    Version::new("none", 1, "keeps the order of the search", "reference"),
    Version::new("int8", 1, "per-vector max-abs int8 of the prepared vectors", "record, stage 2"),
    Version::new("half", 1, "f16 in the true dimension", "evolve: f16 rows"),
    Version::new("float", 1, "f32 in the true dimension", "record, stage 2.5"),
];

/// The refiner that the default recipe uses.
pub const CHAMPION: &str = "float@1";

/// The refiner that the champion replaced.
pub const PREDECESSOR: &str = "int8@1";
