//! How many candidates a stage sees.

use crate::report::Reason;
use serde::{Deserialize, Serialize};

/// The rule for the size of a candidate pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Pool {
    /// As many as the stage before is noisy; see [`Pool::size`].
    #[default]
    Default,
    /// This many (never fewer than the answers that are wanted).
    Fixed(usize),
    /// Every candidate there is.
    All,
}

impl From<usize> for Pool {
    fn from(size: usize) -> Self {
        Pool::Fixed(size)
    }
}

impl Pool {
    /// How many of `available` candidates a stage that must leave `keep` should see.
    ///
    /// The default is `max(2 keep, keep + 16)` after a codec that is nearly lossless, and
    /// everything after a `coarse` one (sign bits), whose order means little.
    pub fn size(self, keep: usize, available: usize, coarse: bool) -> (usize, Reason) {
        let (wanted, reason) = match self {
            Pool::Default if coarse => (available, Reason::Default),
            Pool::Default => (keep.saturating_mul(2).max(keep.saturating_add(16)), Reason::Default),
            Pool::Fixed(size) => (size.max(keep), Reason::Fixed),
            Pool::All => (available, Reason::Fixed),
        };
        if wanted > available { (available, Reason::Exhausted) } else { (wanted, reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_never_larger_than_what_there_is_nor_smaller_than_what_is_kept() {
        assert_eq!(Pool::Default.size(10, 100, false), (26, Reason::Default));
        assert_eq!(Pool::Default.size(100, 1000, false), (200, Reason::Default));
        assert_eq!(Pool::Default.size(10, 100, true), (100, Reason::Default));
        assert_eq!(Pool::Default.size(10, 12, false), (12, Reason::Exhausted));
        assert_eq!(Pool::Fixed(3).size(10, 100, false), (10, Reason::Fixed));
        assert_eq!(Pool::from(50).size(10, 100, true), (50, Reason::Fixed));
        assert_eq!(Pool::All.size(10, 100, false), (100, Reason::Fixed));
    }
}
