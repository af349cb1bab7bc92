//! What a caller asks for.

use serde::{Deserialize, Serialize};

/// How many answers, and how hard to look for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchParams {
    /// How many candidates are wanted. 0 gives none; more than there are gives all that were
    /// reached.
    pub k: usize,
    /// Width of the beam: how many best candidates the search keeps while it walks. Values below
    /// `k` mean `k`.
    pub ef: usize,
}

impl SearchParams {
    /// `k` answers with a beam of `ef`.
    pub const fn new(k: usize, ef: usize) -> Self {
        Self { k, ef }
    }

    /// The width of the beam over `n` nodes: `max(k, ef)`, at most `n`.
    #[inline]
    pub fn beam_width(&self, n: usize) -> usize {
        self.k.max(self.ef).min(n)
    }
}
