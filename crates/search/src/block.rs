//! The unit in which the small steps of a search work: eight values, one cache line of slots.

/// Values per block. Windows of nodes are padded to whole blocks; see [`pipelined`](crate::pipelined).
pub(crate) const BLOCK: usize = 8;

/// Up to this many blocks of a frontier stay in registers while newcomers go in.
#[cfg(target_arch = "x86_64")]
pub(crate) const NARROW: usize = 8;

/// Eight slots of a frontier in one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [u64; BLOCK]);
