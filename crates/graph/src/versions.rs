//! The published builders.

use crinoid_quant::Version;

/// Every published builder, oldest first.
pub const VERSIONS: &[Version] = &[];
