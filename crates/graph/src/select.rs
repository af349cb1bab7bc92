//! Which candidates become neighbours.

use crate::{ground::Ground, scratch::Pruning};

/// A rule that thins out candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// The closest ones (the record's baseline).
    Closest,
    /// Algorithm 4 of Malkov & Yashunin: a candidate is left out when it is closer to a neighbour
    /// selected before it than to the node itself.
    Diverse {
        /// Whether slots that stay empty are filled with the nearest of those left out.
        backfill: bool,
    },
}

/// How many selected neighbours one call measures a candidate against. Most of those that are
/// left out fall to one of the first few.
const BLOCK: usize = 8;

/// Selects at most `keep` of `scratch.candidates` (ascending) into `scratch.chosen`.
///
/// Flagged candidates were selected together before, so they are not tested against each other
/// again: when a full list is thinned out, only pairs with a newcomer are measured.
pub(crate) fn select(
    ground: Ground<'_>,
    rule: Rule,
    keep: usize,
    keys: &mut Vec<u32>,
    scratch: &mut Pruning,
) {
    let Pruning { candidates, chosen, clean, rejected, tested, fresh } = scratch;
    chosen.clear();
    let Rule::Diverse { backfill } = rule else {
        chosen.extend(candidates.iter().take(keep));
        *clean = chosen.len();
        return;
    };
    rejected.clear();
    tested.clear();
    fresh.clear();
    keys.resize(BLOCK, 0);
    for &candidate in candidates.iter() {
        if chosen.len() == keep {
            break;
        }
        let point = ground.point(candidate.id());
        let mut dominated = |selected: &[u32]| {
            selected.chunks(BLOCK).any(|block| {
                let keys = &mut keys[..block.len()];
                ground.keys(point, block, keys);
                keys.iter().any(|&key| key < candidate.key())
            })
        };
        let tested_before = candidate.is_flagged();
        if dominated(fresh) || (!tested_before && dominated(tested)) {
            rejected.push(candidate);
        } else {
            chosen.push(candidate);
            if tested_before { &mut *tested } else { &mut *fresh }.push(candidate.id());
        }
    }
    *clean = chosen.len();
    if backfill {
        chosen.extend(rejected.iter().take(keep - *clean));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::Candidate;
    use crinoid_quant::{Codes, Metric, Space, Vectors, codec::Float};
    use proptest::prelude::*;

    /// The candidates of point 0 among `ids`, ascending.
    fn candidates(space: &dyn Space, ids: &[u32]) -> Vec<Candidate> {
        let mut keys = vec![0; ids.len()];
        space.keys(0, ids, &mut keys);
        let mut all: Vec<_> =
            ids.iter().zip(&keys).map(|(&id, &key)| Candidate::new(key, id)).collect();
        all.sort_unstable();
        all
    }

    /// Algorithm 4 as the paper has it.
    fn naive(space: &dyn Space, candidates: &[Candidate], keep: usize) -> Vec<Candidate> {
        let mut chosen: Vec<Candidate> = Vec::new();
        for &candidate in candidates {
            let dominated = chosen.iter().any(|other| {
                let mut key = [0];
                space.keys(candidate.id(), &[other.id()], &mut key);
                key[0] < candidate.key()
            });
            if !dominated && chosen.len() < keep {
                chosen.push(candidate);
            }
        }
        chosen
    }

    proptest! {
        #[test]
        fn selections_are_the_papers_also_when_taken_up_again(
            points in proptest::collection::vec(proptest::collection::vec(-9i8..9, 3), 40),
            keep in 1usize..12,
            backfill: bool,
        ) {
            let rows: Vec<Vec<f32>> =
                points.iter().map(|p| p.iter().map(|&x| f32::from(x)).collect()).collect();
            let codes = Float::train(&Vectors::from_rows(&rows).unwrap(), Metric::L2);
            let space = codes.space();
            let ground = Ground { space: &*space, nodes: None };
            let rule = Rule::Diverse { backfill };
            let (mut keys, mut pruning) = (Vec::new(), Pruning::default());

            let early: Vec<u32> = (1..25).collect();
            pruning.candidates = candidates(&*space, &early);
            select(ground, rule, keep, &mut keys, &mut pruning);
            let expected = naive(&*space, &pruning.candidates, keep);
            prop_assert_eq!(&pruning.chosen[..pruning.clean], &expected[..]);
            prop_assert!(!backfill || pruning.chosen.len() == keep.min(24));

            let late: Vec<u32> = (25..40).collect();
            let mut again: Vec<Candidate> = expected.iter().map(|c| c.flagged()).collect();
            again.extend(candidates(&*space, &late));
            again.sort_unstable();
            let plain: Vec<_> = again.iter().map(|c| Candidate::new(c.key(), c.id())).collect();
            pruning.candidates = again;
            select(ground, rule, keep, &mut keys, &mut pruning);
            let chosen = pruning.chosen[..pruning.clean].iter();
            let chosen: Vec<_> = chosen.map(|c| Candidate::new(c.key(), c.id())).collect();
            prop_assert_eq!(chosen, naive(&*space, &plain, keep));
        }
    }
}
