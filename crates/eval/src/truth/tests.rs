use super::*;
use crate::data::{Preset, Synthetic, random::Random};
use std::ops::ControlFlow;

/// The definition, without kernels or bounds.
fn naive(metric: Metric, base: &Vectors, queries: &Vectors, k: usize) -> Truth {
    let (mut ids, mut distances) = (Vec::new(), Vec::new());
    for query in queries.rows() {
        let mut all: Vec<(f64, u32)> = base
            .rows()
            .enumerate()
            .map(|(id, row)| (distance(metric, row, query), id as u32))
            .collect();
        all.sort_by(|a, b| a.partial_cmp(b).unwrap());
        ids.extend(all[..k].iter().map(|pair| pair.1));
        distances.extend(all[..k].iter().map(|pair| pair.0));
    }
    Truth::new(k, ids, distances).unwrap()
}

fn random_vectors(rows: usize, dim: usize, scale: f32, seed: u64) -> Vectors {
    let mut random = Random::stream(seed, 0, 0);
    let values: Vec<f32> = (0..rows * dim).map(|_| scale * random.normal()).collect();
    Vectors::new(values.as_slice(), dim).unwrap()
}

#[test]
fn the_scan_equals_the_definition() {
    for metric in Metric::ALL {
        for (rows, dim, scale) in [(1, 1, 1.0), (9, 3, 1e-20), (700, 17, 1.0), (300, 40, 1e18)] {
            let base = random_vectors(rows, dim, scale, 1);
            let queries = random_vectors(11, dim, scale, 2);
            for k in [1, 7, rows] {
                let k = k.min(rows);
                let got = exact(metric, &base, &queries, k, &()).unwrap();
                assert_eq!(got, naive(metric, &base, &queries, k), "{metric} {rows} x {dim}, {k}");
            }
        }
    }
}

#[test]
fn ties_break_by_id_however_many_there_are() {
    // 3,000 copies of one row surround every boundary the scan could choose.
    let mut rows = vec![vec![0.0f32, 1.0]; 3_000];
    rows[1_500] = vec![0.5, 0.5];
    let base = Vectors::from_rows(&rows).unwrap();
    let queries = Vectors::from_rows(&[[0.0, 1.0], [1.0, 0.0], [0.3, 0.3]]).unwrap();
    for metric in Metric::ALL {
        let got = exact(metric, &base, &queries, 50, &()).unwrap();
        assert_eq!(got, naive(metric, &base, &queries, 50), "{metric}");
    }
}

#[test]
fn threads_do_not_change_the_truth() {
    let data =
        Synthetic { rows: 2_000, queries: 50, ..Synthetic::default() }.generate("t").unwrap();
    let at = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| exact(data.metric, &data.base, &data.queries, 20, &()).unwrap())
    };
    assert_eq!(at(1), at(3));
}

#[test]
fn impossible_requests_are_refused() {
    let base = random_vectors(5, 3, 1.0, 1);
    let other = random_vectors(5, 4, 1.0, 1);
    let zero = Vectors::from_rows(&[[0.0f32; 3]]).unwrap();
    let l2 = Metric::L2;
    assert!(matches!(exact(l2, &base, &base, 0, &()), Err(TruthError::K { k: 0, rows: 5 })));
    assert!(matches!(exact(l2, &base, &base, 6, &()), Err(TruthError::K { k: 6, rows: 5 })));
    assert!(matches!(exact(l2, &base, &other, 1, &()), Err(TruthError::Dimension { .. })));
    assert!(matches!(
        exact(l2, &base, &Vectors::from_rows(&[[1e30f32; 3]]).unwrap(), 1, &()),
        Err(TruthError::Vectors { set: "queries", .. })
    ));
    // All rows are at right angles to a query of zeros, and the other way round.
    let truth = exact(Metric::Cosine, &base, &zero, 3, &()).unwrap();
    assert_eq!((truth.ids(), truth.distances()), (&[0, 1, 2][..], &[2.0; 3][..]));
    struct Stop;
    impl crinoid_graph::Progress for Stop {
        fn report(&self, _: usize, _: usize) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    assert!(matches!(exact(l2, &base, &base, 1, &Stop), Err(TruthError::Cancelled)));
}

#[test]
fn untrue_truth_is_refused() {
    let refused = |k, ids: &[u32], distances: &[f64]| {
        Truth::new(k, ids.to_vec(), distances.to_vec()).unwrap_err().to_string()
    };
    assert!(refused(0, &[], &[]).contains("0 nearest"));
    assert!(refused(2, &[1], &[0.0]).contains("1 ids"));
    assert!(refused(2, &[1, 2, 3, 3], &[0.0, 1.0, 0.0, 1.0]).contains("query 1: row 3 twice"));
    assert!(refused(2, &[1, 2], &[0.0, f64::NAN]).contains("NaN"));
    assert!(refused(2, &[1, 2], &[1.0, 0.5]).contains("before"));

    let base = random_vectors(5, 3, 1.0, 1);
    let outside = Truth::from_ids(Metric::L2, &base, &base, 1, &[0, 1, 2, 3, 5]);
    assert!(outside.unwrap_err().to_string().contains("query 4: row 5 of 5"));
}

#[test]
fn ids_alone_are_put_in_order() {
    let base = random_vectors(50, 3, 1.0, 1);
    let truth = exact(Metric::L2, &base, &base, 4, &()).unwrap();
    let mut ids = truth.ids().to_vec();
    ids.chunks_exact_mut(4).for_each(<[u32]>::reverse);
    assert_eq!(Truth::from_ids(Metric::L2, &base, &base, 4, &ids).unwrap(), truth);
}

#[test]
fn the_cache_answers_and_mends_itself() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().join("made/on/demand"));
    let small =
        Synthetic { rows: 300, queries: 10, ..Preset::find("embedded").unwrap().parameters() };
    let data = small.generate("small").unwrap();
    let truth = data.nearest(5, &cache, &()).unwrap();
    assert_eq!(data.nearest(5, &cache, &()).unwrap(), truth);

    let entries: Vec<_> =
        std::fs::read_dir(folder.path().join("made/on/demand")).unwrap().flatten().collect();
    let [entry] = entries.as_slice() else { panic!("{} entries", entries.len()) };
    let good = std::fs::read(entry.path()).unwrap();
    for byte in 0..good.len() {
        let mut bad = good.clone();
        bad[byte] ^= 0x10;
        std::fs::write(entry.path(), &bad).unwrap();
        assert_eq!(data.nearest(5, &cache, &()).unwrap(), truth);
        assert_eq!(std::fs::read(entry.path()).unwrap(), good, "byte {byte} was not mended");
    }
    std::fs::write(entry.path(), &good[..good.len() / 2]).unwrap();
    assert_eq!(data.nearest(5, &cache, &()).unwrap(), truth);
}

#[test]
fn known_truth_is_used_only_as_far_as_it_reaches() {
    let folder = tempfile::tempdir().unwrap();
    let data = Synthetic { rows: 300, queries: 10, ..Synthetic::default() }.generate("t").unwrap();
    let truth = exact(data.metric, &data.base, &data.queries, 5, &()).unwrap();
    let data = data.with_truth(truth.clone()).unwrap();
    let cache = Cache::new(folder.path());
    assert_eq!(data.nearest(3, &cache, &()).unwrap(), truth);
    assert_eq!(data.nearest(9, &cache, &()).unwrap().k(), 9);
    assert!(data.nearest(0, &cache, &()).is_err());
}
