//! The published builders.

use crate::{builder::Builder, hnsw};
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
        "hnsw",
        1,
        "Algorithm 4 with optional backfill, 2 m on the base layer, seeded shuffle",
        "Malkov & Yashunin 2016; record, Fixes 2, 2b, 3",
    ),
];

/// The builder that the default recipe uses.
pub const CHAMPION: &str = "hnsw@1";

/// The builder that the champion replaced.
pub const PREDECESSOR: &str = "hnsw-closest@1";

/// The builder published as `version` (`name@number`).
///
/// # Errors
/// [`UnknownVersion`] lists the known ones.
pub fn builder(version: &str) -> Result<Box<dyn Builder>, UnknownVersion> {
    let known = Version::find(VERSIONS, version)?;
    Ok(match known.name {
        "hnsw-closest" => Box::new(hnsw::CLOSEST),
        _ => Box::new(hnsw::DIVERSE),
    })
}
