//! The published codecs.

use crate::{
    codec::{
        Float, Half, Int4, Int8Fixed, Int8MaxAbs, Lean, Pq, Rabitq, RecordAsymmetric, Sign, Sq8,
        Sq8Clipped, U8Exact,
    },
    codes::Codes,
};

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
        versions
            .iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| UnknownVersion::among(versions, text))
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

impl UnknownVersion {
    /// `wanted` is none of `versions`.
    pub fn among(versions: &[Version], wanted: &str) -> Self {
        let known = versions.iter().map(Version::to_string).collect::<Vec<_>>().join(", ");
        Self { wanted: wanted.to_owned(), known, instead: None }
    }
}

/// Something that is done with a codec whose name is known at run time only.
pub trait CodecVisitor {
    /// What comes of it.
    type Output;

    /// Does it with the codec `C`.
    fn visit<C: Codes>(self) -> Self::Output;
}

/// Makes the table of codecs, one row each: its type, and what [`VERSIONS`] says about it.
macro_rules! codecs {
    ($($codec:ty: $name:literal, $number:literal, $summary:literal, $source:literal;)+) => {
        /// Every codec that a recipe can name, oldest first; the last of the table is not necessarily the
        /// champion: see [`CHAMPION`] and [`PREDECESSOR`].
        pub const VERSIONS: &[Version] =
            &[$(Version::new($name, $number, $summary, $source)),+];

        /// Hands the codec published as `name` (`name@number`) to `visitor`: the one place where names
        /// become types.
        ///
        /// # Errors
        /// [`UnknownVersion`] lists the known ones.
        ///
        /// ```
        /// use crinoid_quant::{Codes, versions::{CodecVisitor, with_codec}};
        ///
        /// struct Rotates;
        ///
        /// impl CodecVisitor for Rotates {
        ///     type Output = bool;
        ///
        ///     fn visit<C: Codes>(self) -> bool {
        ///         C::ROTATES
        ///     }
        /// }
        ///
        /// assert_eq!(with_codec("rabitq4@1", Rotates), Ok(true));
        /// assert!(with_codec("sq9@1", Rotates).is_err());
        /// ```
        pub fn with_codec<V: CodecVisitor>(
            name: &str,
            visitor: V,
        ) -> Result<V::Output, UnknownVersion> {
            $(if name == <$codec as Codes>::VERSION {
                return Ok(visitor.visit::<$codec>());
            })+
            Err(UnknownVersion::among(VERSIONS, name))
        }
    };
}

codecs! {
    Float: "float", 1, "f32 values as they come", "reference";
    Sign: "sign", 1, "one bit per dimension, x > 0, Hamming distance", "record, Baseline";
    Int8MaxAbs: "int8-maxabs", 1, "per-vector max-abs int8", "record, Baseline";
    Sq8: "sq8", 1, "per-dimension centring, one global scale, int8", "GLASS; CRINN 2.3";
    U8Exact: "u8-exact", 1, "integers 0..255 as they are, lossless", "integer descriptors such as SIFT";
    Int4: "int4", 1, "centred, one global step, 4 bits; int8 query", "GLASS SQ4U; unbiased rows are ours";
    RecordAsymmetric: "record-asym", 1, "rotated sign bits, 4-bit query, the record's short formula", "record, Fix 5";
    Rabitq<1>: "rabitq1", 1, "rotated, 1 bit, unbiased estimate; 4-bit query", "RaBitQ, SIGMOD 2024";
    Rabitq<2>: "rabitq2", 1, "rotated, 2 bits, unbiased estimate; 6-bit query", "RaBitQ, SIGMOD 2025";
    Rabitq<4>: "rabitq4", 1, "rotated, 4 bits, unbiased estimate; 8-bit query", "RaBitQ, SIGMOD 2025";
    Rabitq<8>: "rabitq8", 1, "rotated, 8 bits, unbiased estimate; 8-bit query", "RaBitQ, SIGMOD 2025";
    Half: "half", 1, "f16 rows, f32 query", "reference";
    Int8Fixed: "int8-fixed", 1, "int8 with the fixed step 1/127", "record, as shipped";
    Sq8Clipped: "sq8", 2, "sq8@1 with one value in 100,000 clipped", "ours";
    Rabitq<3>: "rabitq3", 1, "rotated, 3 bits, unbiased estimate; 6-bit query; space of 4 bits", "RaBitQ, SIGMOD 2025";
    Rabitq<5>: "rabitq5", 1, "rotated, 5 bits, unbiased estimate; 8-bit query; space of 8 bits", "RaBitQ, SIGMOD 2025";
    Rabitq<6>: "rabitq6", 1, "rotated, 6 bits, unbiased estimate; 8-bit query; space of 8 bits", "RaBitQ, SIGMOD 2025";
    Rabitq<7>: "rabitq7", 1, "rotated, 7 bits, unbiased estimate; 8-bit query; space of 8 bits", "RaBitQ, SIGMOD 2025";
    Pq<8>: "pq8", 1, "a codeword of 8 bits per 4 dimensions, table look-ups", "Jegou et al. 2011";
    Pq<4>: "pq4", 1, "a codeword of 4 bits per 2 dimensions, table look-ups", "Jegou et al. 2011; André et al. 2015";
    Lean: "lean", 1, "principal axes, bytes and half bytes on one step, as few as will do", "LeanVec (Tepper et al. 2024); our own layout";
}

/// The codec that the default recipe uses.
pub const CHAMPION: &str = "sq8@2";

/// The codec that the champion replaced.
pub const PREDECESSOR: &str = "int8-maxabs@1";

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;

    impl CodecVisitor for Name {
        type Output = &'static str;

        fn visit<C: Codes>(self) -> &'static str {
            C::VERSION
        }
    }

    #[test]
    fn every_row_names_its_codec() {
        for version in VERSIONS {
            assert_eq!(with_codec(&version.to_string(), Name).unwrap(), version.to_string());
        }
        assert!(Version::find(VERSIONS, CHAMPION).is_ok());
        assert!(Version::find(VERSIONS, PREDECESSOR).is_ok());
    }
}
