//! Overlapping partitions: randomised ball carving.
//!
//! Leaders are drawn at random and every point goes to the few nearest of them, so that points on a border are on both
//! sides of it. What is still too large is carved again, each point to one leader. Whom a point meets in one of its
//! leaves is measured; near neighbours miss each other only where no leader is near both.

use crate::block::{Block, nearest};
use crinoid_quant::{Space, isa::PANEL, random::Random};
use rayon::prelude::*;

/// The most points of a leaf: all pairs among them are measured.
pub(crate) const LEAF: usize = 2_000;

/// Into how many leaves each point goes.
pub(crate) const FAN: usize = 12;

/// The most leaders of one carving: each point is measured against all of them.
const LEADERS: usize = 4_096;

/// How often what is too large is carved again before it is cut: only copies stay together so long.
const DEPTH: usize = 6;

/// Points per task where points are assigned to leaders.
const CHUNK: usize = 1_024;

/// Separates the streams of leaders from other uses of the same seed.
const STREAM: u64 = 0x0063_6172_7665;

/// The leaves, of at most [`LEAF`] ascending points each, and the leaders of the first carving. Every point is in at
/// least one leaf, and in no leaf twice.
pub(crate) fn carve(space: &dyn Space, seed: u64) -> (Vec<Vec<u32>>, Vec<u32>) {
    let all: Vec<u32> = (0..space.len() as u32).collect();
    if all.len() <= LEAF {
        return (vec![all], Vec::new());
    }
    let leaders = leaders(&all, FAN, seed, 0);
    let children = assign(space, &all, &leaders, FAN);
    drop(all);
    let leaves = children
        .into_par_iter()
        .enumerate()
        .flat_map_iter(|(child, ids)| again(space, ids, 1, seed, child as u64 + 1));
    (leaves.collect(), leaders)
}

/// Carves `ids` until every part is a leaf. `path` tells one call from all others.
fn again(space: &dyn Space, ids: Vec<u32>, depth: usize, seed: u64, path: u64) -> Vec<Vec<u32>> {
    if ids.len() <= LEAF {
        return if ids.is_empty() { Vec::new() } else { vec![ids] };
    }
    if depth > DEPTH {
        return ids.chunks(LEAF).map(<[u32]>::to_vec).collect();
    }
    let leaders = leaders(&ids, 1, seed, path);
    let children = assign(space, &ids, &leaders, 1);
    drop(ids);
    let paths = (1..).map(|child| path.wrapping_mul(LEADERS as u64 + 1).wrapping_add(child));
    let parts = children.into_iter().zip(paths);
    parts.flat_map(|(ids, path)| again(space, ids, depth + 1, seed, path)).collect()
}

/// So many of `ids` that children with `fan` leaders a point have half of [`LEAF`] points on average.
fn leaders(ids: &[u32], fan: usize, seed: u64, path: u64) -> Vec<u32> {
    let mut dice = Random::stream(seed, STREAM, path);
    let count = (2 * ids.len() * fan / LEAF + 1).clamp(2 * fan, LEADERS);
    let draw = |_| ids[dice.below(ids.len() as u64) as usize];
    let mut leaders: Vec<u32> = (0..count).map(draw).collect();
    leaders.sort_unstable();
    leaders.dedup();
    leaders
}

/// The points that go to each leader.
fn assign(space: &dyn Space, ids: &[u32], leaders: &[u32], fan: usize) -> Vec<Vec<u32>> {
    let fan = fan.min(leaders.len());
    let mut lead = Block::default();
    lead.load(space, leaders);
    let places: Vec<u32> = (0..leaders.len() as u32).collect();
    let choose = |(block, keys, found): &mut (Block, Vec<u32>, Vec<_>), ids: &[u32]| {
        block.load(space, ids);
        let mut chosen: Vec<u16> = Vec::with_capacity(ids.len() * fan);
        for panel in 0..block.panels() {
            block.keys(space, panel, (&lead, 0), keys);
            let rows = (panel * PANEL..ids.len()).zip(keys.chunks_exact(lead.stride()));
            for (_, row) in rows {
                nearest(row, &places, fan, found);
                // A key of u32::MAX is nobody's: where distances are not finite, any leader will do.
                let short = fan - found.len();
                let rest = places.iter().filter(|p| !found.iter().any(|f| f.id() == **p));
                chosen.extend(found.iter().map(|near| near.id() as u16));
                chosen.extend(rest.take(short).map(|&place| place as u16));
            }
        }
        chosen
    };
    let chosen: Vec<Vec<u16>> = ids.par_chunks(CHUNK).map_init(Default::default, choose).collect();
    let mut sizes = vec![0; leaders.len()];
    chosen.iter().flatten().for_each(|&leader| sizes[usize::from(leader)] += 1);
    let mut children: Vec<Vec<u32>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (chosen, ids) in chosen.iter().zip(ids.chunks(CHUNK)) {
        for (chosen, &id) in chosen.chunks_exact(fan).zip(ids) {
            chosen.iter().for_each(|&leader| children[usize::from(leader)].push(id));
        }
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;
    use crinoid_quant::{
        Codes, Metric, Vectors,
        codec::{Float, Sq8},
    };

    fn check(space: &dyn Space) {
        let (leaves, _) = carve(space, 42);
        let mut met = vec![0; space.len()];
        for leaf in &leaves {
            assert!(leaf.len() <= LEAF && leaf.is_sorted_by(|a, b| a < b));
            leaf.iter().for_each(|&id| met[id as usize] += 1);
        }
        assert!(met.iter().all(|&times| (1..=FAN).contains(&times)));
    }

    #[test]
    fn every_point_is_in_some_leaves_and_none_is_too_large() {
        let row =
            |i: u64| [(i * i % 1009) as f32, (i % 31) as f32, if i == 77 { 1e9 } else { 1.0 }];
        let rows: Vec<[f32; 3]> = (0..9_000).map(row).collect();
        let vectors = Vectors::from_rows(&rows).unwrap();
        check(&*Sq8::train(&vectors, Metric::L2).space());
        check(&*Float::train(&vectors, Metric::L2).space());
        let copies = Vectors::from_rows(&vec![[1.0f32, 2.0]; 9_000]).unwrap();
        check(&*Sq8::train(&copies, Metric::L2).space());
        check(&*Sq8::train(&Vectors::empty(3), Metric::L2).space());
    }
}
