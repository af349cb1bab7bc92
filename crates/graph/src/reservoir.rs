//! The nearest points that each point has met, whoever met whom first.

use crate::candidate::Candidate;
use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Points that share a lock.
const SHARD: usize = 64;

/// Lists of at most `keep` candidates, ascending, for a range of points.
///
/// What is in a list at the end are the `keep` smallest of all that it was ever offered, and candidates are ordered
/// down to the last bit: so the order in which threads offer does not show. Takes 8 bytes a candidate.
pub(crate) struct Reservoir {
    range: Range<u32>,
    keep: usize,
    shards: Vec<Mutex<Shard>>,
}

struct Shard {
    rows: Vec<Candidate>,
    lens: [u32; SHARD],
}

impl Reservoir {
    pub(crate) fn new(range: Range<u32>, keep: usize) -> Self {
        let shard = |_| {
            let rows = vec![Candidate::new(0, 0); SHARD * keep];
            Mutex::new(Shard { rows, lens: [0; SHARD] })
        };
        let shards = (0..range.len().div_ceil(SHARD)).map(shard).collect();
        Self { range, keep, shards }
    }

    /// The points that have lists.
    pub(crate) fn range(&self) -> Range<u32> {
        self.range.clone()
    }

    /// Where the list of `node` is.
    fn place(&self, node: u32) -> (&Mutex<Shard>, usize) {
        let at = (node - self.range.start) as usize;
        (&self.shards[at / SHARD], at % SHARD)
    }

    /// Offers `found`, ascending, to the list of `node`. `spare` is working memory.
    pub(crate) fn offer(&self, node: u32, found: &[Candidate], spare: &mut Vec<Candidate>) {
        let (shard, at) = self.place(node);
        let Shard { rows, lens } = &mut *shard.lock().unwrap_or_else(PoisonError::into_inner);
        let row = &mut rows[at * self.keep..][..self.keep];
        spare.clear();
        spare.extend_from_slice(&row[..lens[at] as usize]);
        let (mut old, mut new) = (&spare[..], found);
        let mut len = 0;
        while len < row.len() {
            let next = match (old.first(), new.first()) {
                (Some(a), Some(b)) => *a.min(b),
                (Some(one), None) | (None, Some(one)) => *one,
                (None, None) => break,
            };
            old = &old[usize::from(old.first() == Some(&next))..];
            new = &new[usize::from(new.first() == Some(&next))..];
            row[len] = next;
            len += 1;
        }
        lens[at] = len as u32;
    }

    /// Appends the list of `node` to `out`.
    pub(crate) fn list(&self, node: u32, out: &mut Vec<Candidate>) {
        let (shard, at) = self.place(node);
        let Shard { rows, lens } = &*shard.lock().unwrap_or_else(PoisonError::into_inner);
        out.extend_from_slice(&rows[at * self.keep..][..lens[at] as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_of_offers_does_not_show(
            offers in proptest::collection::vec(proptest::collection::btree_set((0u32..99, 0u32..9), 0..9), 1..9),
            keep in 1usize..12,
        ) {
            let offers: Vec<Vec<Candidate>> = offers
                .iter()
                .map(|offer| offer.iter().map(|&(key, id)| Candidate::new(key, id)).collect())
                .collect();
            let mut expected = offers.concat();
            expected.sort_unstable();
            expected.dedup();
            expected.truncate(keep);
            for reversed in [false, true] {
                let reservoir = Reservoir::new(100..300, keep);
                let mut order: Vec<_> = offers.iter().collect();
                if reversed {
                    order.reverse();
                }
                order.iter().for_each(|offer| reservoir.offer(299, offer, &mut Vec::new()));
                let mut list = Vec::new();
                reservoir.list(299, &mut list);
                prop_assert_eq!(&list, &expected);
                reservoir.list(298, &mut list);
                prop_assert_eq!(&list, &expected);
            }
        }
    }
}
