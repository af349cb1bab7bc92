//! The published refiners.

use crate::rescore::Rescoring;
use crinoid_quant::{
    Version,
    codec::{Float, Half, Int8MaxAbs},
    versions::UnknownVersion,
};

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

/// Something that is done with a refiner whose name is known at run time only.
pub trait RefinerVisitor {
    /// What comes of it.
    type Output;

    /// Does it with [`NoRefiner`](crate::NoRefiner).
    fn none(self) -> Self::Output;

    /// Does it with [`Rescore<C>`](crate::Rescore).
    fn rescore<C: Rescoring>(self) -> Self::Output;
}

/// Hands the refiner published as `name` (`name@number`) to `visitor`: the one place where names become
/// types.
///
/// ```
/// use crinoid_refine::{Side, rescore::Rescoring, versions::{RefinerVisitor, with_refiner}};
///
/// struct SideOf;
///
/// impl RefinerVisitor for SideOf {
///     type Output = Option<Side>;
///
///     fn none(self) -> Option<Side> {
///         None
///     }
///
///     fn rescore<C: Rescoring>(self) -> Option<Side> {
///         Some(C::SIDE)
///     }
/// }
///
/// assert_eq!(with_refiner("float@1", SideOf), Ok(Some(Side::Full)));
/// assert_eq!(with_refiner("none@1", SideOf), Ok(None));
/// assert!(with_refiner("float@9", SideOf).is_err());
/// ```
///
/// # Errors
/// [`UnknownVersion`] lists the known ones.
pub fn with_refiner<V: RefinerVisitor>(
    name: &str,
    visitor: V,
) -> Result<V::Output, UnknownVersion> {
    Ok(match name {
        crate::NoRefiner::VERSION => visitor.none(),
        Int8MaxAbs::REFINER => visitor.rescore::<Int8MaxAbs>(),
        Half::REFINER => visitor.rescore::<Half>(),
        Float::REFINER => visitor.rescore::<Float>(),
        name => return Err(UnknownVersion::among(VERSIONS, name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;

    impl RefinerVisitor for Name {
        type Output = &'static str;

        fn none(self) -> &'static str {
            crate::NoRefiner::VERSION
        }

        fn rescore<C: Rescoring>(self) -> &'static str {
            C::REFINER
        }
    }

    #[test]
    fn every_published_refiner_has_a_type_of_that_name() {
        for version in VERSIONS {
            let name = version.to_string();
            assert_eq!(with_refiner(&name, Name), Ok(name.as_str()));
        }
    }
}
