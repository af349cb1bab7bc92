//! Tables against float distances to the decoded vectors.

use super::*;
use crate::{
    codes::Scorer,
    isa::{self, BLOCK, Level, OnIsa, Portable},
    key,
};

fn vectors(n: usize, dim: usize, seed: u64) -> Vectors {
    let values: Vec<f32> = (0..(n * dim) as u64)
        .map(|i| {
            let centre = random::unit(7, i % dim as u64 + (i / dim as u64 % 8) * 1000);
            (centre + 0.5 * random::unit(seed, i)) as f32
        })
        .collect();
    Vectors::new(values.as_slice(), dim).unwrap()
}

fn exact(metric: Metric, q: &[f32], x: &[f32]) -> f64 {
    let pairs = q.iter().zip(x).map(|(&q, &x)| (f64::from(q), f64::from(x)));
    match metric {
        Metric::InnerProduct => -pairs.map(|(q, x)| q * x).sum::<f64>(),
        _ => pairs.map(|(q, x)| (q - x) * (q - x)).sum(),
    }
}

/// The keys of all blocks.
struct Scan<'a>(&'a Blocks, &'a BlockQuery);

impl OnIsa for Scan<'_> {
    type Output = Vec<u32>;
    #[inline(always)]
    fn on<I: Isa>(self, isa: I) -> Vec<u32> {
        let Self(blocks, query) = self;
        let scorer = query.scorer(isa);
        let mut keys = Vec::new();
        for block in 0..blocks.count() {
            blocks.prefetch(block);
            let (codes, factors) = blocks.get(block);
            keys.extend(scorer.keys(codes, factors, query.add()));
        }
        keys.truncate(blocks.len());
        keys
    }
}

/// Sums of table entries are the distances to the decoded vectors, within half a step per entry.
fn rows_are_close<const BITS: u32>(dim: usize, options: &PqOptions) {
    let (base, queries) = (vectors(90, dim, 1), vectors(3, dim, 2));
    for metric in [Metric::L2, Metric::InnerProduct] {
        let codes = Pq::<BITS>::train_with(&base, metric, options);
        let (mut query, mut decoded) = (PqQuery::default(), vec![0.0; dim]);
        for q in queries.rows() {
            codes.encode_query(q, &mut query);
            let scorer = codes.scorer(Portable, &query);
            for id in 0..base.len() as u32 {
                codes.decode(id, &mut decoded);
                let (there, scored) =
                    (exact(metric, q, &decoded), f64::from(scorer.distance(scorer.key(id))));
                let bound = 1e-4 * (1.0 + there.abs());
                assert!((there - scored).abs() < bound, "{BITS} {dim}: {there} {scored}");
            }
        }
    }
}

#[test]
fn sums_of_entries_are_distances_to_the_decoded_vectors() {
    for dim in [1, 2, 3, 7, 25, 96] {
        rows_are_close::<8>(dim, &Pq::<8>::OPTIONS);
        rows_are_close::<4>(dim, &Pq::<4>::OPTIONS);
        rows_are_close::<4>(dim, &PqOptions { width: 4, iterations: 3, seed: 1 });
        rows_are_close::<8>(dim, &PqOptions { width: 5, iterations: 3, seed: 1 });
    }
}

#[test]
fn blocks_measure_what_rows_measure() {
    for (n, dim) in [(0, 5), (1, 1), (70, 25), (64, 96)] {
        let (base, queries) = (vectors(n, dim, 1), vectors(2, dim, 2));
        for metric in [Metric::L2, Metric::InnerProduct] {
            let codes = Pq::<4>::train(&base, metric);
            let ids: Vec<u32> = (0..n as u32).rev().collect();
            let blocks = codes.blocks(&ids).unwrap();
            assert_eq!((blocks.len(), blocks.count()), (n, n.div_ceil(BLOCK)));
            assert_eq!(blocks.is_empty(), n == 0);
            assert_eq!(blocks.bytes_per_block(), 16 * groups(dim.div_ceil(2)));
            let (mut query, mut tables) = (PqQuery::default(), BlockQuery::default());
            for q in queries.rows() {
                codes.encode_query(q, &mut query);
                codes.encode_block_query(q, &mut tables);
                let scorer = codes.scorer(Portable, &query);
                let keys = isa::dispatch(Level::Portable, Scan(&blocks, &tables));
                for (&id, &key) in ids.iter().zip(&keys) {
                    let (row, block) = (scorer.distance(scorer.key(id)), key::to_f32(key));
                    let bound = 0.02 * (1.0 + row.abs());
                    assert!((row - block).abs() < bound, "{dim} {metric}: {row} {block}");
                }
                for level in Level::available() {
                    assert_eq!(isa::dispatch(level, Scan(&blocks, &tables)), keys, "{level}");
                }
            }
        }
    }
}

#[test]
fn more_codewords_are_closer() {
    let base = vectors(3000, 32, 1);
    let error = |codes: &dyn Fn(u32, &mut [f32])| {
        let mut decoded = vec![0.0; 32];
        let rows = base.rows().enumerate();
        rows.map(|(id, x)| {
            codes(id as u32, &mut decoded);
            exact(Metric::L2, x, &decoded)
        })
        .sum::<f64>()
    };
    let pq =
        |width| Pq::<8>::train_with(&base, Metric::L2, &PqOptions { width, ..Pq::<8>::OPTIONS });
    let [one, two, four] = [1, 2, 4].map(|width| {
        let codes = pq(width);
        error(&|id, out| codes.decode(id, out))
    });
    assert!(one < two && two < four, "{one} {two} {four}");
    let small = Pq::<4>::train(&base, Metric::L2);
    assert!(two < error(&|id, out| small.decode(id, out)));
}
