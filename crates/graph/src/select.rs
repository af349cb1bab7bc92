//! Which candidates become neighbours.

use crate::{candidate::Candidate, layer_space::LayerSpace};

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
    /// The same test with a slack that changes as the list fills: a candidate is left out when
    /// its distance to a selected neighbour is below `t` times its distance to the node, and `t`
    /// runs from `from` (empty list) to `to` (full list), on squared distances. Equal ends are
    /// Vamana's robust prune with `alpha = 1 / t`; from 0.685 to 1.1 is CRINN's rule, relaxed at
    /// first, strict at last: fuller lists with some long links.
    Sliding {
        /// `t` of the second neighbour.
        from: f64,
        /// `t` of the neighbour that would be one too many. At least `from`.
        to: f64,
    },
}

/// The final selection: relaxed (alpha 1.46) at first, strict (alpha 0.91) when the list is full.
pub(crate) const RELAXED_THEN_STRICT: Rule = Rule::Sliding { from: SLACK[0], to: SLACK[1] };

/// The slack of [`RELAXED_THEN_STRICT`]: for an empty list and for a full one.
pub(crate) const SLACK: [f64; 2] = [0.685, 1.1];

/// Selects at most `keep` of `scratch.candidates` (ascending) into `scratch.chosen`.
///
/// Flagged candidates were selected together before, so they are not tested against each other
/// again: when a full list is thinned out, only pairs with a newcomer are measured. Each selected
/// neighbour is measured against all candidates still open in one call; a candidate is measured
/// until its first defeat, as in the lazy order, but in long calls.
pub(crate) fn select(
    layer_space: LayerSpace<'_>,
    rule: Rule,
    keep: usize,
    keys: &mut Vec<u32>,
    scratch: &mut Pruning,
) {
    scratch.chosen.clear();
    match rule {
        Rule::Closest => {
            scratch.chosen.extend(scratch.candidates.iter().take(keep));
            scratch.clean = scratch.chosen.len();
        }
        Rule::Diverse { backfill } => diverse(layer_space, backfill, keep, keys, scratch),
        Rule::Sliding { from, to } => {
            sliding(layer_space, [from, to], keep, keys, scratch);
            // A later selection tests with another slack: nothing is settled.
            scratch.clean = 0;
        }
    }
}

/// Working memory of a selection of neighbours.
#[derive(Default)]
pub(crate) struct Pruning {
    /// What is selected from, ascending.
    pub(crate) candidates: Vec<Candidate>,
    /// What was selected, ascending; with backfill what was filled in follows.
    pub(crate) chosen: Vec<Candidate>,
    /// How many of `chosen` were selected rather than filled in.
    pub(crate) clean: usize,
    rejected: Vec<Candidate>,
    /// Candidates that nobody has defeated yet.
    open: Vec<Candidate>,
    /// Those of them that the newest neighbour is measured against.
    rivals: Vec<u32>,
    sliding: Vec<Rival>,
}

/// [`Rule::Diverse`].
fn diverse(
    layer_space: LayerSpace<'_>,
    backfill: bool,
    keep: usize,
    keys: &mut Vec<u32>,
    scratch: &mut Pruning,
) {
    let Pruning { candidates, chosen, clean, rejected, open, rivals, .. } = scratch;
    rejected.clear();
    open.clear();
    open.extend_from_slice(candidates);
    let mut next = 0;
    while next < open.len() && chosen.len() < keep {
        let winner = open[next];
        chosen.push(winner);
        next += 1;
        if chosen.len() == keep {
            break;
        }
        let spared = |other: Candidate| winner.is_flagged() && other.is_flagged();
        rivals.clear();
        rivals.extend(open[next..].iter().filter(|&&o| !spared(o)).map(|other| other.id()));
        keys.resize(rivals.len(), 0);
        layer_space.keys(layer_space.point(winner.id()), rivals, keys);
        let mut measured = keys.iter();
        let mut kept = next;
        for place in next..open.len() {
            let other = open[place];
            let dominated = !spared(other) && measured.next().is_some_and(|&key| key < other.key());
            if dominated {
                rejected.push(other);
            } else {
                open[kept] = other;
                kept += 1;
            }
        }
        open.truncate(kept);
    }
    *clean = chosen.len();
    if backfill {
        // Candidates left open when the list is full are needless here: there is no room.
        rejected.sort_unstable();
        chosen.extend(rejected.iter().take(keep - *clean));
    }
}

/// A candidate of [`Rule::Sliding`] that may still be selected.
#[derive(Clone, Copy)]
struct Rival {
    candidate: Candidate,
    /// Its distance to the node, as the space's value.
    value: f64,
    /// Its distance to the nearest selected neighbour.
    nearest: f64,
}

/// [`Rule::Sliding`].
fn sliding(
    layer_space: LayerSpace<'_>,
    [from, to]: [f64; 2],
    keep: usize,
    keys: &mut Vec<u32>,
    scratch: &mut Pruning,
) {
    let Pruning { candidates, chosen, rivals, sliding: open, .. } = scratch;
    let space = layer_space.space;
    open.clear();
    open.extend(candidates.iter().map(|&candidate| Rival {
        candidate: Candidate::new(candidate.key(), candidate.id()),
        value: space.value(candidate.key()),
        nearest: f64::INFINITY,
    }));
    let slack = |len: usize| from + (to - from) * len as f64 / keep as f64;
    let mut next = 0;
    while next < open.len() {
        let winner = open[next].candidate;
        chosen.push(winner);
        next += 1;
        if chosen.len() == keep {
            break;
        }
        rivals.clear();
        rivals.extend(open[next..].iter().map(|rival| rival.candidate.id()));
        keys.resize(rivals.len(), 0);
        layer_space.keys(layer_space.point(winner.id()), rivals, keys);
        // The slack only grows, so whoever fails now fails for good.
        let slack = slack(chosen.len());
        let mut kept = next;
        for (place, &key) in (next..).zip(keys.iter()) {
            let mut rival = open[place];
            rival.nearest = rival.nearest.min(space.value(key));
            // Not `>=`: of several copies of the node itself one is enough.
            if rival.nearest > slack * rival.value {
                open[kept] = rival;
                kept += 1;
            }
        }
        open.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let layer_space = LayerSpace { space: &*space, nodes: None };
            let rule = Rule::Diverse { backfill };
            let (mut keys, mut pruning) = (Vec::new(), Pruning::default());

            let early: Vec<u32> = (1..25).collect();
            pruning.candidates = candidates(&*space, &early);
            select(layer_space, rule, keep, &mut keys, &mut pruning);
            let expected = naive(&*space, &pruning.candidates, keep);
            prop_assert_eq!(&pruning.chosen[..pruning.clean], &expected[..]);
            prop_assert!(!backfill || pruning.chosen.len() == keep.min(24));

            let late: Vec<u32> = (25..40).collect();
            let mut again: Vec<Candidate> = expected.iter().map(|c| c.flagged()).collect();
            again.extend(candidates(&*space, &late));
            again.sort_unstable();
            let plain: Vec<_> = again.iter().map(|c| Candidate::new(c.key(), c.id())).collect();
            pruning.candidates = again;
            select(layer_space, rule, keep, &mut keys, &mut pruning);
            let chosen = pruning.chosen[..pruning.clean].iter();
            let chosen: Vec<_> = chosen.map(|c| Candidate::new(c.key(), c.id())).collect();
            prop_assert_eq!(chosen, naive(&*space, &plain, keep));
        }
    }
}
