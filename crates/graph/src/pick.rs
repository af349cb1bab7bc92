//! Selection from all pairs at once.
//!
//! The rule is that of [`select`](crate::select::select), [`Rule::Sliding`](crate::select::Rule). There each selected neighbour
//! is measured against the candidates still open, which lie anywhere in memory; here the candidates are copied
//! side by side once, and all pairs that the rule may ask for are one product of matrices.

use crate::{block::Block, candidate::Candidate};
use crinoid_quant::{Space, isa::PANEL};

/// Working memory of one thread.
#[derive(Default)]
pub(crate) struct Picker {
    /// What is selected from.
    pub(crate) candidates: Vec<Candidate>,
    /// What was selected, ascending.
    pub(crate) chosen: Vec<Candidate>,
    block: Block,
    ids: Vec<u32>,
    keys: Vec<u32>,
    /// The keys of each panel to itself and those after it.
    matrix: Vec<u32>,
    /// Where each panel starts in the matrix.
    starts: Vec<usize>,
    rivals: Vec<Rival>,
}

/// A candidate that may still be selected.
#[derive(Clone, Copy)]
struct Rival {
    place: u32,
    /// Its distance to the node.
    value: f64,
    /// Its distance to the nearest selected neighbour.
    nearest: f64,
}

impl Picker {
    /// Sorts `candidates`, drops `node` and what is there twice, and keeps the nearest `most`.
    pub(crate) fn settle(&mut self, node: u32, most: usize) {
        self.candidates.retain(|candidate| candidate.id() != node);
        self.candidates.sort_unstable();
        self.candidates.dedup();
        self.candidates.truncate(most);
    }

    /// Selects at most `keep` of `candidates`, which ascend and differ: one is left out when its distance to a selected one
    /// is at most `t` times its distance to the node, and `t` runs from `from` (empty list) to `to` (full list).
    pub(crate) fn pick(&mut self, space: &dyn Space, [from, to]: [f64; 2], keep: usize) {
        let Self { candidates, chosen, block, ids, keys, matrix, starts, rivals } = self;
        chosen.clear();
        if candidates.is_empty() || keep == 0 {
            return;
        }
        ids.clear();
        ids.extend(candidates.iter().map(|candidate| candidate.id()));
        block.load(space, ids);
        matrix.clear();
        starts.clear();
        for panel in 0..block.panels() {
            block.keys(space, panel, (block, panel), keys);
            starts.push(matrix.len());
            matrix.extend_from_slice(keys);
        }
        rivals.clear();
        rivals.extend((0..).zip(&*candidates).map(|(place, candidate)| Rival {
            place,
            value: block.value(space, candidate.key()),
            nearest: f64::INFINITY,
        }));
        let mut next = 0;
        while next < rivals.len() {
            let winner = rivals[next].place as usize;
            chosen.push(candidates[winner]);
            next += 1;
            if chosen.len() == keep {
                break;
            }
            let panel = winner / PANEL;
            let (before, stride) = (panel * PANEL, block.stride() - panel * PANEL);
            let row = &matrix[starts[panel] + winner % PANEL * stride..][..stride];
            // The slack only grows, so whoever fails now fails for good.
            let slack = from + (to - from) * chosen.len() as f64 / keep as f64;
            let mut kept = next;
            for place in next..rivals.len() {
                let mut rival = rivals[place];
                let apart = block.value(space, row[rival.place as usize - before]);
                rival.nearest = rival.nearest.min(apart);
                rivals[kept] = rival;
                kept += usize::from(rival.nearest > slack * rival.value);
            }
            rivals.truncate(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        layer_space::LayerSpace,
        select::{Pruning, RELAXED_THEN_STRICT, SLACK, select},
    };
    use crinoid_quant::{
        Codes, Metric, Vectors,
        codec::{Float, Sq8},
        random::Random,
    };
    use proptest::prelude::*;

    fn check(space: &dyn Space, keep: usize) {
        let ids: Vec<u32> = (1..space.len() as u32).collect();
        let mut keys = vec![0; ids.len()];
        space.keys(0, &ids, &mut keys);
        let mut picker = Picker::default();
        let all = ids.iter().zip(&keys).map(|(&id, &key)| Candidate::new(key, id));
        picker.candidates.extend(all.clone().chain(all).chain([Candidate::new(0, 0)]));
        picker.settle(0, 1000);
        assert!(
            picker.candidates.is_sorted_by(|a, b| a < b) && picker.candidates.len() == ids.len()
        );
        picker.pick(space, SLACK, keep);
        let (mut pruning, layer_space) = (Pruning::default(), LayerSpace { space, nodes: None });
        pruning.candidates.clone_from(&picker.candidates);
        select(layer_space, RELAXED_THEN_STRICT, keep, &mut keys, &mut pruning);
        assert_eq!(picker.chosen, pruning.chosen);
    }

    proptest! {
        #[test]
        fn it_is_the_selection_of_the_champion(len in 2usize..150, dim in 1usize..9, keep in 1usize..40, seed: u64) {
            let mut dice = Random::new(seed);
            let values: Vec<f32> = (0..len * dim).map(|_| dice.below(9) as f32).collect();
            let vectors = Vectors::new(values.as_slice(), dim).unwrap();
            check(&*Sq8::train(&vectors, Metric::L2).space(), keep);
            check(&*Sq8::train(&vectors, Metric::InnerProduct).space(), keep);
            check(&*Float::train(&vectors, Metric::L2).space(), keep);
        }
    }
}
