//! Every codec through one table: recall against a float oracle, keys, parts, determinism.

use super::*;
use crate::{
    Buffer, Codes, Metric, Scorer, Vectors,
    codes::{Arrays, PartsError},
    isa::Portable,
    random,
};
use std::collections::BTreeMap;

const METRICS: [Metric; 2] = [Metric::L2, Metric::InnerProduct];

/// A number in `[-1, 1)`.
fn noise(seed: u64, index: u64) -> f32 {
    (random::hash(seed, index.wrapping_sub(1)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Points around 16 centres that lie away from the origin.
pub(super) fn clustered(n: usize, dim: usize, seed: u64) -> Vectors {
    let values: Buffer<f32> = (0..n * dim)
        .map(|i| {
            let (row, column) = (i / dim, i % dim);
            let cluster = (row % 16) as u64;
            0.3 + noise(7, cluster << 32 | column as u64) + 0.7 * noise(seed, i as u64)
        })
        .collect();
    Vectors::new(values, dim).unwrap()
}

fn exact(metric: Metric, q: &[f32], x: &[f32]) -> f64 {
    let pairs = q.iter().zip(x).map(|(&q, &x)| (f64::from(q), f64::from(x)));
    match metric {
        Metric::InnerProduct => -pairs.map(|(q, x)| q * x).sum::<f64>(),
        _ => pairs.map(|(q, x)| (q - x) * (q - x)).sum(),
    }
}

fn nearest<K: PartialOrd + Copy>(k: usize, keys: impl Iterator<Item = K>) -> Vec<usize> {
    let mut order: Vec<(usize, K)> = keys.enumerate().collect();
    order.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
    order.truncate(k);
    order.into_iter().map(|(id, _)| id).collect()
}

/// Share of the exact top 10 among the best `within` by code, over all queries.
fn recall<C: Codes>(base: &Vectors, queries: &Vectors, metric: Metric, within: usize) -> f64 {
    let codes = C::train(base, metric);
    let ids: Vec<u32> = (0..base.len() as u32).collect();
    let (mut keys, mut query) = (vec![0; base.len()], C::Query::default());
    let mut found = 0;
    for q in queries.rows() {
        codes.encode_query(q, &mut query);
        codes.scorer(Portable, &query).keys(&ids, &mut keys);
        let truth = nearest(10, base.rows().map(|x| exact(metric, q, x)));
        let best = nearest(within, keys.iter().copied());
        found += truth.iter().filter(|id| best.contains(id)).count();
    }
    found as f64 / (10 * queries.len()) as f64
}

fn rebuilt<C: Codes>(
    codes: &C,
    damage: impl Fn(&mut BTreeMap<String, Vec<u8>>),
) -> Result<C, PartsError>
where
    C::Meta: Clone,
{
    let (meta, arrays) = codes.parts();
    let mut stored: BTreeMap<String, Vec<u8>> =
        arrays.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    damage(&mut stored);
    let mut lookup = |name: &str| stored.get(name).map(|bytes| Buffer::from_slice(bytes));
    C::from_parts(meta, &mut Arrays::new(&mut lookup))
}

fn all_keys<C: Codes>(codes: &C, query: &[f32]) -> Vec<u32> {
    let mut encoded = C::Query::default();
    codes.encode_query(query, &mut encoded);
    let scorer = codes.scorer(Portable, &encoded);
    (0..codes.len() as u32).map(|id| scorer.key(id)).collect()
}

fn contract<C: Codes>()
where
    C::Meta: Clone + PartialEq + std::fmt::Debug,
{
    for metric in METRICS {
        for (n, dim) in [(0, 3), (1, 1), (40, 25), (33, 128), (50, 200)] {
            let base = clustered(n, dim, 1);
            let codes = C::train(&base, metric);
            assert_eq!((codes.len(), codes.dim()), (n, dim));
            let query = clustered(1, dim, 2);
            let keys = all_keys(&codes, query.row(0));

            // Batches give what single calls give, at every length.
            let mut encoded = C::Query::default();
            codes.encode_query(query.row(0), &mut encoded);
            let scorer = codes.scorer(Portable, &encoded);
            for len in 0..n.min(20) {
                let ids: Vec<u32> = (0..len as u32).rev().collect();
                let mut out = vec![0; len];
                scorer.keys(&ids, &mut out);
                assert!(ids.iter().zip(&out).all(|(&id, &key)| keys[id as usize] == key));
                for &id in &ids {
                    scorer.prefetch(id, scorer.lines() + 3);
                }
            }

            // Keys and distances are inverse to each other, and monotone.
            for &key in &keys {
                let distance = scorer.distance(key);
                assert!(distance.is_finite());
                let back = scorer.distance(scorer.key_of(distance));
                assert!(
                    (back - distance).abs() <= 1e-2 * (1.0 + distance.abs()),
                    "{distance} {back}"
                );
            }

            // The space is symmetric, a point is closest to itself.
            let space = codes.space();
            assert_eq!(space.len(), n);
            let ids: Vec<u32> = (0..n as u32).collect();
            let rows: Vec<Vec<u32>> = ids
                .iter()
                .map(|&from| {
                    let mut keys = vec![0; n];
                    space.keys(from, &ids, &mut keys);
                    keys
                })
                .collect();
            for (a, row) in rows.iter().enumerate() {
                for (b, &key) in row.iter().enumerate() {
                    let (there, own) = (space.value(key), space.value(row[a]));
                    assert!((there - space.value(rows[b][a])).abs() <= 1e-3);
                    assert!(own <= there || own.abs() < 1e-3);
                }
            }

            // Parts make the whole; any damage is an error.
            let whole = rebuilt(&codes, |_| ()).map_err(|e| e.to_string()).unwrap();
            assert_eq!(all_keys(&whole, query.row(0)), keys);
            assert_eq!(whole.parts(), codes.parts());
            for (name, bytes) in codes.parts().1 {
                let missing = rebuilt(&codes, |stored| {
                    stored.remove(name);
                });
                assert_eq!(missing.err(), Some(PartsError::Missing(name.to_owned())));
                for len in [0, bytes.len().saturating_sub(1), bytes.len() + 1, bytes.len() + 64] {
                    if len != bytes.len() {
                        let cut = rebuilt(&codes, |stored| {
                            if let Some(array) = stored.get_mut(name) {
                                array.resize(len, 0);
                            }
                        });
                        assert!(matches!(cut, Err(PartsError::Invalid { .. })), "{name} {len}");
                    }
                }
            }
        }

        // The same bytes at any number of threads.
        let base = clustered(3000, 40, 3);
        let parts = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let codes = pool.install(|| C::train(&base, metric));
            let (meta, arrays) = codes.parts();
            (meta, arrays.into_iter().map(|(n, b)| (n, b.to_vec())).collect::<Vec<_>>())
        });
        assert!(parts[0] == parts[1] && parts[1] == parts[2]);
    }
}

#[test]
fn codecs_keep_their_contract() {
    contract::<Float>();
    contract::<Sq8>();
    contract::<Sq8Clipped>();
    contract::<Int4>();
    contract::<U8Exact>();
    contract::<Int8MaxAbs>();
    contract::<Half>();
    contract::<Int8Fixed>();
    contract::<Sign>();
    contract::<Rabitq<1>>();
    contract::<Rabitq<2>>();
    contract::<Rabitq<3>>();
    contract::<Rabitq<4>>();
    contract::<Rabitq<8>>();
    contract::<RecordAsymmetric>();
    contract::<Lean>();
    contract::<Pq<4>>();
    contract::<Pq<8>>();
}

#[test]
fn the_full_estimate_beats_its_baselines() {
    // Documents at different distances from their mean, as the record's were.
    let mut values = clustered(2000, 96, 1).as_slice().to_vec();
    for (row, values) in values.chunks_exact_mut(96).enumerate() {
        let size = 0.6 + 0.4 * noise(3, row as u64);
        values.iter_mut().for_each(|x| *x *= size);
    }
    let (base, queries) = (Vectors::new(values.as_slice(), 96).unwrap(), clustered(40, 96, 9));
    let [sign, short, full, two, four] = [
        recall::<Sign>(&base, &queries, Metric::L2, 20),
        recall::<RecordAsymmetric>(&base, &queries, Metric::L2, 20),
        recall::<Rabitq<1>>(&base, &queries, Metric::L2, 20),
        recall::<Rabitq<2>>(&base, &queries, Metric::L2, 20),
        recall::<Rabitq<4>>(&base, &queries, Metric::L2, 20),
    ];
    assert!(
        short < full && sign < full && full <= two && two <= four,
        "{sign} {short} {full} {two}"
    );
    assert!(full > 0.6 && four > 0.99, "{full} {four}");
}

#[test]
fn codes_find_the_exact_neighbours() {
    let (base, queries) = (clustered(2000, 64, 1), clustered(50, 64, 9));
    for metric in METRICS {
        assert_eq!(recall::<Float>(&base, &queries, metric, 10), 1.0);
        assert!(recall::<Half>(&base, &queries, metric, 10) >= 0.99);
        assert!(recall::<Sq8>(&base, &queries, metric, 10) >= 0.97);
        assert!(recall::<Int8MaxAbs>(&base, &queries, metric, 10) >= 0.95);
    }
    for metric in METRICS {
        assert!(recall::<Int4>(&base, &queries, metric, 10) >= 0.8);
        assert!(recall::<Int4>(&base, &queries, metric, 20) >= 0.98);
    }
    assert!(recall::<Sign>(&base, &queries, Metric::L2, 100) >= 0.6);
}

#[test]
fn identical_and_extreme_vectors_are_coded() {
    for value in [0.0, 1e-40, 1.0, 3e38] {
        let base = Vectors::from_rows(&[[value; 5], [value; 5], [-value; 5]]).unwrap();
        let codes = Sq8::train(&base, Metric::L2);
        let keys = all_keys(&codes, base.row(0));
        assert_eq!(keys[0], keys[1]);
        assert!(keys[0] <= keys[2]);
    }
}

/// `clustered` as integers 0..=255.
fn integers(n: usize, dim: usize, seed: u64) -> Vectors {
    let values = clustered(n, dim, seed);
    let scale = |&x: &f32| ((x + 1.4) * 75.0).round().clamp(0.0, 255.0);
    Vectors::new(values.as_slice().iter().map(scale).collect::<Buffer<f32>>(), dim).unwrap()
}

#[test]
fn integers_are_coded_without_loss() {
    let (base, queries) = (integers(300, 77, 1), integers(3, 77, 2));
    assert!(U8Exact::applies(&base));
    let codes = U8Exact::train(&base, Metric::L2);
    let mut query = U8ExactQuery::default();
    for q in queries.rows() {
        codes.encode_query(q, &mut query);
        let scorer = codes.scorer(Portable, &query);
        for (id, x) in base.rows().enumerate() {
            let scored = scorer.distance(scorer.key(id as u32));
            assert_eq!(f64::from(scored), exact(Metric::L2, q, x));
        }
    }
    let mut decoded = vec![0.0; 77];
    codes.decode(5, &mut decoded);
    assert_eq!(decoded, base.row(5));
    let ip = recall::<U8Exact>(&base, &queries, Metric::InnerProduct, 12);
    assert!(ip >= 0.9, "{ip}");
}

#[test]
fn what_is_no_byte_is_refused_by_row() {
    for (bad, dim) in [(0.5, 1), (-1.0, 0), (256.0, 1)] {
        let mut row = [3.0, 255.0];
        row[dim] = bad;
        let base = Vectors::from_rows(&[[0.0, 1.0], row]).unwrap();
        assert!(!U8Exact::applies(&base));
        let want = crate::codes::Unsuitable::NotAByte { row: 1, dim, value: bad };
        assert_eq!(U8Exact::check(&base, Metric::L2), Err(want));
    }
    let wide = Vectors::new(&[0.0; 20_000][..], 20_000).unwrap();
    assert!(U8Exact::check(&wide, Metric::L2).is_err());
    assert!(Sq8::check(&wide, Metric::L2).is_ok());
    let large = Vectors::new(&[1.0, -7e4][..], 1).unwrap();
    let want = crate::codes::Unsuitable::TooLarge { row: 1, dim: 0, value: -7e4 };
    assert_eq!(Half::check(&large, Metric::L2), Err(want));
    assert!(Float::check(&large, Metric::L2).is_ok());
}

#[test]
fn int4_distances_of_neighbours_are_unbiased() {
    // Queries are rows moved a little, the case that the bias is made for.
    let base = clustered(500, 96, 1);
    let moved = base.as_slice().iter().enumerate().map(|(i, x)| x + 0.1 * noise(5, i as u64));
    let queries = Vectors::new(moved.collect::<Buffer<f32>>(), 96).unwrap();
    let codes = Int4::train(&base, Metric::L2);
    let mut query = Int4Query::default();
    let (mut error, mut total) = (0.0, 0.0);
    for (id, (q, x)) in queries.rows().zip(base.rows()).enumerate() {
        codes.encode_query(q, &mut query);
        let scorer = codes.scorer(Portable, &query);
        let there = exact(Metric::L2, q, x);
        error += f64::from(scorer.distance(scorer.key(id as u32))) - there;
        total += there;
    }
    assert!((error / total).abs() < 5e-2, "{}", error / total);
}

#[test]
fn sq8_distances_are_close_and_integer_exact() {
    let base = clustered(100, 96, 1);
    let codes = Sq8::train(&base, Metric::L2);
    let mut query = Sq8Query::default();
    codes.encode_query(base.row(3), &mut query);
    let scorer = codes.scorer(Portable, &query);
    let mut decoded = [vec![0.0; 96], vec![0.0; 96]];
    codes.decode(3, &mut decoded[0]);
    for id in 0..100 {
        codes.decode(id, &mut decoded[1]);
        let between = exact(Metric::L2, &decoded[0], &decoded[1]);
        let scored = f64::from(scorer.distance(scorer.key(id)));
        assert!((between - scored).abs() < 1e-4 * (1.0 + between), "{between} {scored}");
    }
}

#[test]
fn a_clipped_scale_is_finer_where_values_have_tails() {
    let mut values = clustered(2000, 64, 1).as_slice().to_vec();
    values[77] = 20.0;
    let base = Vectors::new(values.as_slice(), 64).unwrap();
    let error = |decode: &dyn Fn(u32, &mut [f32])| -> f64 {
        let mut decoded = vec![0.0; 64];
        let rows = base.rows().enumerate().skip(2);
        rows.map(|(id, x)| {
            decode(id as u32, &mut decoded);
            exact(Metric::L2, x, &decoded)
        })
        .sum()
    };
    let (whole, clipped) = (Sq8::train(&base, Metric::L2), Sq8Clipped::train(&base, Metric::L2));
    let [whole, clipped] =
        [error(&|id, out| whole.decode(id, out)), error(&|id, out| clipped.decode(id, out))];
    assert!(clipped < 0.01 * whole, "{clipped} {whole}");
}

#[test]
fn sign_bits_are_golden() {
    let mut values = vec![-1.0f32; 70];
    for i in [0, 2, 63, 64, 69] {
        values[i] = 0.5;
    }
    values[1] = 0.0;
    values[3] = -0.0;
    let codes = Sign::train(&Vectors::from_rows(&[values]).unwrap(), Metric::L2);
    assert_eq!(codes.row(0), [1 | 1 << 2 | 1 << 63, 1 | 1 << 5]);
    let keys = all_keys(&codes, &[-1.0; 70]);
    assert_eq!(keys, [5]);
}

/// Queries that are the vectors of `queries` seen from `times` as far.
fn stretched(queries: &Vectors, times: f32) -> Vectors {
    let values: Buffer<f32> = queries.as_slice().iter().map(|x| x * times).collect();
    Vectors::new(values, queries.dim()).unwrap()
}

#[test]
fn queries_from_outside_are_not_cut_off_at_the_box_of_the_rows() {
    let (base, queries) = (clustered(800, 48, 1), clustered(20, 48, 2));
    let bytes = integers(800, 48, 3);
    for times in [1.5, 4.0, 50.0, 1e4] {
        let far = stretched(&queries, times);
        assert!(recall::<Sq8>(&base, &far, Metric::L2, 26) > 0.97, "sq8@1, {times}");
        assert!(recall::<Sq8Clipped>(&base, &far, Metric::L2, 26) > 0.97, "sq8@2, {times}");
        assert!(recall::<Int4>(&base, &far, Metric::L2, 64) > 0.85, "int4, {times}");
        let far = stretched(&queries, 100.0 * times);
        assert!(recall::<U8Exact>(&bytes, &far, Metric::L2, 26) > 0.97, "u8-exact, {times}");
    }
}

#[test]
fn distances_to_a_far_query_are_those_to_it() {
    let base = clustered(50, 32, 1);
    let codes = Sq8::train(&base, Metric::L2);
    for times in [0.9, 3.0, 100.0, 1e6] {
        let far = stretched(&clustered(1, 32, 2), times);
        let mut query = Sq8Query::default();
        codes.encode_query(far.row(0), &mut query);
        let scorer = codes.scorer(Portable, &query);
        for id in 0..base.len() as u32 {
            let truth = exact(Metric::L2, far.row(0), base.row(id as usize));
            let found = f64::from(scorer.distance(scorer.key(id)));
            assert!((found - truth).abs() <= 0.03 * truth, "{times}: {found} {truth}");
        }
    }
}
