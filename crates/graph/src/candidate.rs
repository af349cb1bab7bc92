//! Candidates as plain integers: distance key, id and one flag in 64 bits.

/// The most points a builder takes: ids of candidates have 31 bits.
pub(crate) const MAX_POINTS: usize = 1 << 31;

/// A candidate whose integer order is "closer first, then lower id".
///
/// The lowest bit is a flag that never decides an order between different ids. The search sets
/// it on candidates it has expanded, pruning on links it has tested against each other before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate(u64);

impl Candidate {
    #[inline(always)]
    pub(crate) fn new(key: u32, id: u32) -> Self {
        Self(u64::from(key) << 32 | u64::from(id) << 1)
    }

    #[inline(always)]
    pub(crate) fn key(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    pub(crate) fn id(self) -> u32 {
        self.0 as u32 >> 1
    }

    #[inline(always)]
    pub(crate) fn is_flagged(self) -> bool {
        self.0 & 1 == 1
    }

    #[inline(always)]
    pub(crate) fn flagged(self) -> Self {
        Self(self.0 | 1)
    }
}
