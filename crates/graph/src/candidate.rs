//! Candidates as plain integers: distance key, id and one flag in 64 bits.

/// The most points that builders and searches take: ids of candidates have 31 bits.
pub const MAX_POINTS: usize = 1 << 31;

/// A candidate whose integer order is "closer first, then lower id".
///
/// `key << 32 | id << 1 | flag`: the flag never decides an order between different ids. Searches set
/// it on candidates that they have expanded, pruning on links it has tested against each other before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate(u64);

impl Candidate {
    /// A candidate without the flag. `id` is below [`MAX_POINTS`].
    #[inline(always)]
    pub fn new(key: u32, id: u32) -> Self {
        Self(u64::from(key) << 32 | u64::from(id) << 1)
    }

    /// The key of its distance.
    #[inline(always)]
    pub fn key(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Which point it is.
    #[inline(always)]
    pub fn id(self) -> u32 {
        self.0 as u32 >> 1
    }

    /// Whether the flag is set.
    #[inline(always)]
    pub fn is_flagged(self) -> bool {
        self.0 & 1 == 1
    }

    /// The same candidate with the flag.
    #[inline(always)]
    #[must_use]
    pub fn flagged(self) -> Self {
        Self(self.0 | 1)
    }

    /// The integer, for code that orders many at once.
    #[inline(always)]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The candidate that [`bits`](Self::bits) gave.
    #[inline(always)]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Key and id as they go into answers ([`crinoid_quant::key::pack`]).
    #[inline(always)]
    pub fn packed(self) -> u64 {
        crinoid_quant::key::pack(self.key(), self.id())
    }
}
