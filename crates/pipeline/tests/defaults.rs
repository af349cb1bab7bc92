//! Default options on data as strangers bring them, against a graph of floats and exact search.

#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

mod common;

use common::{clustered, exact, on_threads};
use crinoid_pipeline::{BuildOptions, Index, IndexError, SearchOptions, ZeroRows};
use crinoid_quant::{Metric, Neighbor, Vectors, random};

/// What a careful user would fall back on: floats, plain HNSW, no shortcuts.
const FLOATS: &str = "float@1/hnsw@1/heap@1/none@1";

/// Queries of each set: enough that a point of recall is more than chance.
const QUERIES: usize = 100;

/// Numbers from a seed.
struct Draw {
    seed: u64,
    at: u64,
}

impl Draw {
    fn unit(&mut self) -> f64 {
        self.at += 1;
        random::unit(self.seed, self.at)
    }

    /// A normal number.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    fn row(&mut self, dim: usize) -> Vec<f64> {
        (0..dim).map(|_| self.normal()).collect()
    }
}

fn scaled(row: &[f64], by: f64) -> Vec<f64> {
    row.iter().map(|x| x * by).collect()
}

fn sum(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(x, y)| x + y).collect()
}

fn unit(row: &[f64]) -> Vec<f64> {
    scaled(row, 1.0 / row.iter().map(|x| x * x).sum::<f64>().sqrt())
}

/// A set that has led indexes astray.
struct Set {
    name: &'static str,
    metric: Metric,
    rows: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
}

/// The kinds of faults, each drawn from `seed`.
fn sets(seed: u64) -> Vec<Set> {
    let mut sets = Vec::new();
    let mut draw = Draw { seed, at: 0 };
    let d = &mut draw;
    let mut add = |name, metric, rows: Vec<Vec<f64>>, queries: Vec<Vec<f64>>| {
        sets.push(Set { name, metric, rows, queries });
    };
    let normal =
        |d: &mut Draw, n: usize, dim: usize| (0..n).map(|_| d.row(dim)).collect::<Vec<_>>();

    let mut rows = normal(d, 2000, 16);
    rows[77][3] = 1000.0;
    add("one value", Metric::L2, rows, normal(d, QUERIES, 16));
    let mut rows = normal(d, 1500, 24);
    rows[123] = scaled(&rows[123], 1000.0);
    add("one row", Metric::L2, rows, normal(d, QUERIES, 24));
    let centres: Vec<_> = (0..5).map(|_| scaled(&d.row(16), 1000.0)).collect();
    let near = |d: &mut Draw, n: usize, jitter: f64, centres: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let dim = centres[0].len();
        (0..n).map(|i| sum(&centres[i % centres.len()], &scaled(&d.row(dim), jitter))).collect()
    };
    add("far clusters", Metric::L2, near(d, 1500, 1.0, &centres), near(d, QUERIES, 1.0, &centres));
    let large = |d: &mut Draw, n: usize| -> Vec<Vec<f64>> {
        let mut rows: Vec<_> = (0..n).map(|_| d.row(16)).collect();
        rows.iter_mut().for_each(|row| row[0] = (d.unit() * 10.0).floor() * 1000.0);
        rows
    };
    add("large dimension", Metric::L2, large(d, 2000), large(d, QUERIES));
    let cauchy = |d: &mut Draw| (0..16).map(|_| d.normal() / d.normal()).collect::<Vec<f64>>();
    add("cauchy", Metric::L2, (0..1500).map(|_| cauchy(d)).collect(), normal(d, QUERIES, 16));
    let centres = normal(d, 10, 16);
    add(
        "near duplicates",
        Metric::L2,
        near(d, 1500, 1e-3, &centres),
        near(d, QUERIES, 1e-3, &centres),
    );
    let centres = normal(d, 20, 32);
    add(
        "tight topics",
        Metric::Cosine,
        near(d, 1500, 3e-3, &centres),
        near(d, QUERIES, 3e-3, &centres),
    );
    let cone = |d: &mut Draw, n: usize, side: f64| -> Vec<Vec<f64>> {
        let aside = |mut row: Vec<f64>| {
            row[0] += side;
            row
        };
        (0..n).map(|_| aside(unit(&d.row(32)))).collect()
    };
    add("two cones", Metric::Cosine, cone(d, 1500, 1.0), cone(d, QUERIES, -1.0));
    let outside = normal(d, QUERIES, 32).iter().map(|row| scaled(row, 50.0)).collect();
    add("queries outside", Metric::L2, normal(d, 1500, 32), outside);
    for sigma in [0.2, 0.5, 1.0] {
        let spread = |d: &mut Draw| {
            let norm = (sigma * d.normal()).exp();
            scaled(&d.row(32), norm)
        };
        let rows = (0..2000).map(|_| spread(d)).collect();
        add("spread norms", Metric::InnerProduct, rows, normal(d, QUERIES, 32));
    }
    let heavy = |d: &mut Draw, n: usize, sign: f64| -> Vec<Vec<f64>> {
        (0..n).map(|_| (0..32).map(|_| sign * (2.0 * d.normal()).exp()).collect()).collect()
    };
    let queries = heavy(d, QUERIES, -1.0);
    add("heavy tails from the other side", Metric::InnerProduct, heavy(d, 1500, 1.0), queries);
    let mut rows = normal(d, 1500, 6);
    rows.iter_mut().for_each(|row| row[2] *= 30.0);
    (0..5).for_each(|huge| rows[97 + 200 * huge][(huge + 3) % 6] = 1e5);
    add("five huge factors", Metric::InnerProduct, rows, normal(d, QUERIES, 6));
    let side = |d: &mut Draw, n: usize, sign: f64| -> Vec<Vec<f64>> {
        (0..n).map(|_| d.row(32).iter().map(|x| sign * x.abs()).collect()).collect()
    };
    add("all negative", Metric::InnerProduct, side(d, 1500, 1.0), side(d, QUERIES, -1.0));
    add("one dimension", Metric::L2, normal(d, 1500, 1), normal(d, QUERIES, 1));
    let line = |d: &mut Draw| vec![d.normal(); 8];
    add(
        "a line",
        Metric::L2,
        (0..1500).map(|_| line(d)).collect(),
        (0..QUERIES).map(|_| line(d)).collect(),
    );
    let mut place = |city: bool| match city {
        true => vec![52.5 + 0.01 * d.normal(), 13.4 + 0.01 * d.normal()],
        false => vec![180.0 * d.unit() - 90.0, 360.0 * d.unit() - 180.0],
    };
    let rows: Vec<Vec<f64>> = (0..2000).map(|i| place(i % 2 == 0)).collect();
    let queries = rows[..QUERIES].to_vec();
    add("half in one city", Metric::L2, rows, queries);
    let integers = |d: &mut Draw, n: usize| -> Vec<Vec<f64>> {
        (0..n).map(|_| (0..16).map(|_| (d.unit() * 4.0).floor()).collect()).collect()
    };
    let between = normal(d, QUERIES, 16).iter().map(|row| sum(row, &[1.5; 16])).collect();
    add("small integers asked by fractions", Metric::L2, integers(d, 1500), between);
    add("integer products", Metric::InnerProduct, integers(d, 1500), normal(d, QUERIES, 16));
    sets
}

fn vectors(rows: &[Vec<f64>]) -> Vectors {
    let rows: Vec<Vec<f32>> =
        rows.iter().map(|row| row.iter().map(|&x| x as f32).collect()).collect();
    Vectors::from_rows(&rows).unwrap()
}

/// Recall@10 at ef 100: an answer counts when it is as near as the tenth.
fn recall(index: &Index, rows: &Vectors, queries: &Vectors, metric: Metric) -> f64 {
    let (mut session, mut answers, mut hits) = (index.session(), Vec::new(), 0);
    for query in queries.rows() {
        session.search(query, &SearchOptions::new(10, 100), &mut answers).unwrap();
        let truth = exact(rows, query, metric, rows.len());
        let limit = truth[9].distance + truth[9].distance.abs() * 1e-5 + f32::MIN_POSITIVE;
        let is_near = |id: u32| truth.iter().find(|t| t.id == id).unwrap().distance <= limit;
        hits += answers.iter().filter(|answer| is_near(answer.id)).count().min(10);
    }
    hits as f64 / (10 * queries.len()) as f64
}

#[test]
fn the_default_is_right_where_floats_are() {
    for seed in [1, 2] {
        for Set { name, metric, rows, queries } in sets(seed) {
            let (rows, queries) = (vectors(&rows), vectors(&queries));
            let options = BuildOptions::default().metric(metric);
            let index = Index::build(&rows, &options, &()).unwrap();
            let found = recall(&index, &rows, &queries, metric);
            if found >= 0.99 {
                continue;
            }
            let floats = options.recipe(FLOATS.parse().unwrap());
            let floats = Index::build(&rows, &floats, &()).unwrap();
            let best = recall(&floats, &rows, &queries, metric);
            let report = index.report();
            assert!(found >= best - 0.01, "{name}, seed {seed}: {found}, floats {best}\n{report}");
        }
    }
}

#[cfg(feature = "collection")]
#[test]
fn a_collection_is_as_right_before_and_after_it_seals() {
    use crinoid_pipeline::collection::{Batch, Collection, CollectionOptions};

    for Set { name, metric, rows, queries } in sets(3) {
        let (rows, queries) = (vectors(&rows), vectors(&queries));
        let build = BuildOptions::default().metric(metric);
        let folder = tempfile::tempdir().unwrap();
        let options = CollectionOptions::default().build(build.clone());
        let collection = Collection::create(folder.path(), rows.dim(), &options).unwrap();
        let mut batch = Batch::new();
        for (row, number) in rows.rows().zip(0u64..) {
            batch.upsert(number, row);
        }
        collection.write(&batch).unwrap();
        let truth: Vec<f32> = queries
            .rows()
            .map(|query| {
                let tenth = exact(&rows, query, metric, 10)[9].distance;
                tenth + tenth.abs() * 1e-5 + f32::MIN_POSITIVE
            })
            .collect();
        let reached = || {
            let near = |(query, limit): (&[f32], &f32)| {
                let found = collection.search(query, &SearchOptions::new(10, 100)).unwrap();
                found.iter().filter(|one| one.distance <= *limit).count().min(10)
            };
            let hits: usize = queries.rows().zip(&truth).map(near).sum();
            hits as f64 / (10 * queries.len()) as f64
        };
        let before = reached();
        assert!(before >= 0.99, "{name} before: {before}");
        collection.seal().unwrap();
        let after = reached();
        if after < 0.99 {
            let floats = build.recipe(FLOATS.parse().unwrap());
            let floats = Index::build(&rows, &floats, &()).unwrap();
            let best = recall(&floats, &rows, &queries, metric);
            assert!(after >= best - 0.01, "{name} after: {after}, floats {best}");
        }
    }
}

#[test]
fn what_was_chosen_is_the_same_at_any_number_of_threads_and_when_it_is_named() {
    let integers: Vec<f32> =
        clustered(700, 12, 1).as_slice().iter().map(|x| (x * 40.0 + 128.0).round()).collect();
    let integers = Vectors::new(integers.as_slice(), 12).unwrap();
    for (rows, metric, codec) in [
        (clustered(700, 96, 1), Metric::Cosine, "sq8@2"),
        (integers, Metric::L2, "u8-exact@1"),
        (clustered(700, 40, 1), Metric::InnerProduct, "sq8@2"),
    ] {
        let options = BuildOptions::default().metric(metric);
        let build = |threads| on_threads(threads, || Index::build(&rows, &options, &()).unwrap());
        let index = build(1);
        assert_eq!(index.options().recipe.space(), codec);
        assert!(index.report().ceilings().iter().all(|one| one.at_10 > 0.97));
        assert_eq!([build(2).digest(), build(3).digest()], [index.digest(); 2]);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.cri");
        index.save(&path).unwrap();
        let loaded = Index::load(&path).unwrap();
        assert_eq!((loaded.report(), loaded.digest()), (index.report(), index.digest()));

        let named = options.clone().recipe(index.options().recipe.clone());
        let named = Index::build(&rows, &named, &()).unwrap();
        assert_eq!(named.graph().digest(), index.graph().digest());
    }
}

#[test]
fn a_recipe_that_cannot_reach_the_recall_is_refused_by_name() {
    let mut rows = clustered(1000, 16, 1).as_slice().to_vec();
    rows[500] = 1e4;
    let rows = Vectors::new(rows.as_slice(), 16).unwrap();
    let recipe = "sq8@1/crinoid@1/pipelined@2/float@1".parse().unwrap();
    let options = BuildOptions::default().recipe(recipe);
    let Err(error) = Index::build(&rows, &options, &()) else { panic!("it was built") };
    let IndexError::Lossy { ceiling, better, .. } = &error else { panic!("{error}") };
    assert!(*ceiling < 0.95 && !better.starts_with("sq8@1"), "{error}");
    assert!(error.to_string().contains("unchecked"));
    let named = options.clone().recipe(better.parse().unwrap());
    assert!(Index::build(&rows, &named, &()).is_ok());
    let unchecked = options.unchecked(true);
    assert!(Index::build(&rows, &unchecked, &()).unwrap().report().candidates.is_empty());
}
#[test]
fn rows_and_queries_of_zeros_are_kept_at_right_angles() {
    let plain = clustered(60, 8, 1);
    let mut rows: Vec<Vec<f32>> = plain.rows().map(<[f32]>::to_vec).collect();
    for row in [0, 7, 30] {
        rows[row] = vec![0.0; 8];
    }
    let options = BuildOptions::default().metric(Metric::Cosine).zero_rows(ZeroRows::Keep);
    let index = Index::build(&rows, &options, &()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros.cri");
    index.save(&path).unwrap();
    for index in [index, Index::load(&path).unwrap()] {
        assert_eq!(index.len(), 60);
        assert_eq!(index.vector(7).unwrap(), [0.0; 8]);
        let query = plain.row(12);
        let all = index.search(query, 60).unwrap();
        let cosine = |x: &[f32]| -> f64 {
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
            };
            if dot(x, x) == 0.0 {
                0.0
            } else {
                dot(query, x) / (dot(x, x) * dot(query, query)).sqrt()
            }
        };
        let mut truth: Vec<(f64, u32)> =
            (0..).zip(&rows).map(|(id, row)| (2.0 - 2.0 * cosine(row), id)).collect();
        truth.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        assert_eq!(all.len(), 60);
        for (found, (distance, _)) in all.iter().zip(&truth) {
            assert!((f64::from(found.distance) - distance).abs() < 1e-5);
        }
        let ids = |near: &[Neighbor]| near.iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(&all), truth.iter().map(|one| one.1).collect::<Vec<_>>());
        assert_eq!(ids(&index.search(&[0.0; 8], 3).unwrap()), [0, 1, 2]);
        assert_eq!(index.search_iter(query).unwrap().count(), 60);
    }
    let nothing = Index::build(&vec![vec![0.0f32; 4]; 3], &options, &()).unwrap();
    assert_eq!(nothing.search(&[1.0, 0.0, 0.0, 0.0], 3).unwrap()[2].distance, 2.0);
}

#[test]
fn huge_and_tiny_values_are_scaled_and_distances_stay_numbers() {
    let plain = clustered(400, 12, 1);
    let queries = clustered(10, 12, 9);
    for metric in [Metric::L2, Metric::InnerProduct] {
        let truth = Index::build(&plain, &BuildOptions::default().metric(metric), &()).unwrap();
        for exponent in [-100, -60, 30, 63, 100] {
            let factor = f32::powi(2.0, exponent);
            let times = |vectors: &Vectors| -> Vectors {
                let values: Vec<f32> = vectors.as_slice().iter().map(|x| x * factor).collect();
                Vectors::new(values.as_slice(), 12).unwrap()
            };
            let options = BuildOptions::default().metric(metric);
            let index = Index::build(&times(&plain), &options, &()).unwrap();
            for (query, scaled) in queries.rows().zip(times(&queries).rows()) {
                let (a, b) = (truth.search(query, 5).unwrap(), index.search(scaled, 5).unwrap());
                for (a, b) in a.iter().zip(&b) {
                    assert_eq!(a.id, b.id, "2^{exponent}");
                    assert!(b.distance.is_finite());
                }
            }
            assert_eq!(index.vector(3).unwrap(), times(&plain).row(3));
        }
    }
    let index = Index::build(&plain, &BuildOptions::default(), &()).unwrap();
    let error = index.search(&[1e30; 12], 1).unwrap_err().to_string();
    assert!(error.contains("too large to be compared"), "{error}");
}
