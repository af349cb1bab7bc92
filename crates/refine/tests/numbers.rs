//! Every number that a caller can give this crate, at its extremes: a right answer.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use crinoid_quant::{Metric, Neighbor, Vectors};
use crinoid_refine::{NoRefiner, Pool, Refiner, RefinerQuery, Rescore, Scratch};

const N: usize = 20;

/// 0, 1, one around `n`, and what no memory could hold.
fn extremes(n: usize) -> [usize; 9] {
    [0, 1, n - 1, n, n + 1, u32::MAX as usize, usize::MAX / 4, usize::MAX - 1, usize::MAX]
}

fn candidates(n: usize) -> Vec<Neighbor> {
    (0..n as u32).map(|id| Neighbor::new(id, id as f32)).collect()
}

#[test]
fn pools() {
    for keep in extremes(N) {
        assert!(Pool::default_size(keep) >= keep);
        for number in extremes(N) {
            let slacks = [0.0, -1.0, 0.5, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
            let adaptive = slacks.into_iter().flat_map(|slack| {
                [(number, keep), (keep, number), (0, number), (number, 0)]
                    .map(|(min, max)| Pool::Adaptive { min, max, slack })
            });
            for pool in adaptive.chain([Pool::Default, Pool::All, Pool::Fixed(number)]) {
                for available in [0, 1, N] {
                    for coarse in [false, true] {
                        let bound = pool.bound(keep, available, coarse);
                        let (chosen, _) = pool.choose(keep, &candidates(available), coarse);
                        let least = keep.min(available);
                        let what = format!("{pool:?}, {keep} of {available}");
                        assert!((least..=available).contains(&bound), "{what}: {bound}");
                        assert!((least..=bound).contains(&chosen), "{what}: {chosen}");
                    }
                }
            }
        }
    }
}

#[test]
fn answers_and_candidates() {
    let values: Vec<f32> = (0..N * 3).map(|at| (at * 7 % 11) as f32).collect();
    let vectors = Vectors::new(values, 3).unwrap();
    let query = RefinerQuery { full: vectors.row(5), prepared: vectors.row(5) };
    let refiners: [Box<dyn Refiner>; 4] = [
        Box::new(Rescore::<crinoid_quant::codec::Float>::new(&vectors, Metric::L2)),
        Box::new(Rescore::<crinoid_quant::codec::Int8MaxAbs>::new(&vectors, Metric::L2)),
        Box::new(Rescore::<crinoid_quant::codec::Half>::new(&vectors, Metric::L2)),
        Box::new(NoRefiner),
    ];
    for refiner in refiners {
        for keep in extremes(N) {
            for id in extremes(N) {
                let mut found = candidates(5);
                found.push(Neighbor::new(id as u32, 9.0));
                let report = refiner.refine(&query, keep, &mut Scratch::default(), &mut found);
                assert_eq!(
                    (report.entered, report.left),
                    (6, keep.min(6)),
                    "{}",
                    refiner.version()
                );
                assert_eq!(found.len(), keep.min(6));
                assert!(found.iter().all(|near| !near.distance.is_nan()));
            }
        }
    }
}
