//! What each fuzz target does with its bytes: shared by the targets, which libFuzzer drives, and by an
//! ordinary test of crinoid-pipeline, which drives them with a seeded stream for a bounded number of rounds.
//!
//! A body returns whether the bytes were accepted; it panics where a promise is broken.

pub(crate) mod collection;
pub(crate) mod container;
pub(crate) mod texts;

/// Bytes as a script: takes numbers off the front, zeroes when there are none left.
pub(crate) struct Script<'a>(pub(crate) &'a [u8]);

impl Script<'_> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    /// A number below `end` (0 where `end` is).
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = usize::from(self.byte()) << 16 | usize::from(self.byte()) << 8;
        (number | usize::from(self.byte())) % end.max(1)
    }

    /// Whether nothing is left.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}
