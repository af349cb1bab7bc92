//! The published codecs.

/// One published version of a module: `name@number`, immutable once it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The kind, e.g. `sq8`.
    pub name: &'static str,
    /// The number, counted from 1.
    pub number: u32,
    /// What it is or what changed, in one line.
    pub summary: &'static str,
    /// The paper, record or system it comes from.
    pub source: &'static str,
}

impl Version {
    /// A row of a version table.
    pub const fn new(
        name: &'static str,
        number: u32,
        summary: &'static str,
        source: &'static str,
    ) -> Self {
        Self { name, number, summary, source }
    }

    /// The version called `text` (`name@number`) among `versions`.
    ///
    /// # Errors
    /// [`UnknownVersion`] lists the known ones.
    pub fn find(versions: &'static [Version], text: &str) -> Result<&'static Self, UnknownVersion> {
        versions.iter().find(|version| version.to_string() == text).ok_or_else(|| UnknownVersion {
            wanted: text.to_owned(),
            known: versions.iter().map(Version::to_string).collect::<Vec<_>>().join(", "),
            instead: None,
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.number)
    }
}

/// No version of a module has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown version `{wanted}`{} (known: {known})", instead.map(|name| format!(": it has left, use {name}")).unwrap_or_default())]
pub struct UnknownVersion {
    /// What was asked for.
    pub wanted: String,
    /// The published names, separated by commas.
    pub known: String,
    /// What takes the place of a version that has left the tree.
    pub instead: Option<&'static str>,
}

/// Every codec that a recipe can name, oldest first; the last of the table is not necessarily the
/// champion: see [`CHAMPION`] and [`PREDECESSOR`].
///
/// Not among them, for want of a use in graphs: `rabitq` of 3, 5, 6 and 7 bits, which take the space of 4
/// and 8, and `pq`, whose look-ups at random places cost several times an `int4` distance.
pub const VERSIONS: &[Version] = &[
    Version::new("float", 1, "f32 values as they come", "reference"),
    Version::new("sign", 1, "one bit per dimension, x > 0, Hamming distance", "record, Baseline"),
    Version::new("int8-maxabs", 1, "per-vector max-abs int8", "record, Baseline"),
    Version::new("sq8", 1, "per-dimension centring, one global scale, int8", "GLASS; CRINN 2.3"),
    Version::new(
        "u8-exact",
        1,
        "integers 0..255 as they are, lossless",
        "integer descriptors such as SIFT",
    ),
    Version::new(
        "int4",
        1,
        "centred, one global step, 4 bits; int8 query",
        "GLASS SQ4U; unbiased rows are ours",
    ),
    Version::new(
        "record-asym",
        1,
        "rotated sign bits, 4-bit query, the record's short formula",
        "record, Fix 5",
    ),
    Version::new(
        "rabitq1",
        1,
        "rotated, 1 bit, unbiased estimate; 4-bit query",
        "RaBitQ, SIGMOD 2024",
    ),
    Version::new(
        "rabitq2",
        1,
        "rotated, 2 bits, unbiased estimate; 6-bit query",
        "RaBitQ, SIGMOD 2025",
    ),
    Version::new(
        "rabitq4",
        1,
        "rotated, 4 bits, unbiased estimate; 8-bit query",
        "RaBitQ, SIGMOD 2025",
    ),
    Version::new(
        "rabitq8",
        1,
        "rotated, 8 bits, unbiased estimate; 8-bit query",
        "RaBitQ, SIGMOD 2025",
    ),
    Version::new("half", 1, "f16 rows, f32 query", "reference"),
    Version::new("int8-fixed", 1, "int8 with the fixed step 1/127", "record, as shipped"),
    Version::new("sq8", 2, "sq8@1 with one value in 100,000 clipped", "ours"),
];

/// The codec that the default recipe uses.
pub const CHAMPION: &str = "sq8@2";

/// The codec that the champion replaced.
pub const PREDECESSOR: &str = "int8-maxabs@1";
