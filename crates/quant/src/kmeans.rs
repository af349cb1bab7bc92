//! k-means, the same at any number of threads.
//!
//! Seeded k-means++ on a sample, then Lloyd's iterations. Assignments are independent of each
//! other; sums are taken in f64 over chunks of fixed size and added in order.

use crate::{
    isa::{self, Isa, Level, OnIsa},
    random,
    vectors::Vectors,
};
use rayon::prelude::*;
use wide::f64x8;

/// Rows per partial sum.
const CHUNK: usize = 1024;

/// How to cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How many centroids, at least 1. Fewer come back when there are fewer rows.
    pub centroids: usize,
    /// At most so many of Lloyd's iterations; they end early when no row changes its centroid.
    pub iterations: usize,
    /// At most so many rows per centroid are looked at.
    pub rows_per_centroid: usize,
    /// Seed of the sample and of the first centroids.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { centroids: 16, iterations: 15, rows_per_centroid: 256, seed: 42 }
    }
}

/// Clusters `vectors`; the result has `min(centroids, n)` rows (one zero row for an empty set).
pub fn cluster(vectors: &Vectors, options: &Options) -> Vectors {
    let dim = vectors.dim();
    let count = options.centroids.max(1);
    let most = count.saturating_mul(options.rows_per_centroid.max(1));
    let sample = random::sample(options.seed, vectors.len(), most);
    let count = count.min(sample.len());
    if count == 0 {
        return rows_of(&vec![0.0; dim], dim);
    }
    let values: Vec<f32> =
        sample.iter().flat_map(|&id| vectors.row(id as usize)).copied().collect();
    let points = rows_of(&values, dim);

    let mut centroids = first_centroids(&points, count, options.seed);
    let mut assignment = Vec::new();
    for _ in 0..options.iterations {
        let next = assign(&points, &centroids);
        if next == assignment {
            break;
        }
        assignment = next;
        centroids = means(&points, &assignment, &centroids);
    }
    centroids
}

/// The nearest centroid of every row (squared L2, ties to the lower number). The same at every SIMD
/// level.
pub fn assign(vectors: &Vectors, centroids: &Vectors) -> Vec<u32> {
    let centroids = SideBySide::new(centroids);
    vectors
        .as_slice()
        .par_chunks(vectors.dim() * CHUNK)
        .flat_map_iter(|rows| {
            isa::dispatch(Level::current(), Nearest { rows, centroids: &centroids })
        })
        .collect()
}

/// Centroids that are measured together.
const LANES: usize = 16;

/// Centroids in blocks of [`LANES`], coordinate by coordinate: the lanes never mix, so that sums have the
/// same order at every level, and few dimensions are as fast per value as many.
///
/// Plain loops that are compiled once per level: the registers of `wide` are those of the target that the
/// crate is compiled for, a quarter as wide as this loop's on AVX-512.
struct SideBySide {
    /// Each block has `dim` rows.
    blocks: Vec<[f32; LANES]>,
    dim: usize,
}

impl SideBySide {
    /// Where a block is not filled, the rest lies at infinity and is nearest to nothing.
    fn new(centroids: &Vectors) -> Self {
        let dim = centroids.dim();
        let mut blocks = vec![[f32::INFINITY; LANES]; centroids.len().div_ceil(LANES) * dim];
        for (id, row) in centroids.rows().enumerate() {
            for (block, &value) in blocks[id / LANES * dim..].iter_mut().zip(row) {
                block[id % LANES] = value;
            }
        }
        Self { blocks, dim }
    }

    #[inline(always)]
    fn nearest(&self, row: &[f32]) -> u32 {
        let (mut best, mut number) = ([f32::INFINITY; LANES], [0u32; LANES]);
        for (block, centroids) in self.blocks.chunks_exact(self.dim).enumerate() {
            let mut sums = [0.0f32; LANES];
            for (centroids, &x) in centroids.iter().zip(row) {
                for lane in 0..LANES {
                    let apart = x - centroids[lane];
                    sums[lane] += apart * apart;
                }
            }
            for lane in 0..LANES {
                let nearer = sums[lane] < best[lane];
                best[lane] = if nearer { sums[lane] } else { best[lane] };
                number[lane] = if nearer { block as u32 } else { number[lane] };
            }
        }
        let mut nearest = (f32::INFINITY, 0);
        for (lane, (&distance, block)) in best.iter().zip(number).enumerate() {
            let id = block * LANES as u32 + lane as u32;
            if distance < nearest.0 || (distance == nearest.0 && id < nearest.1) {
                nearest = (distance, id);
            }
        }
        nearest.1
    }
}

struct Nearest<'a> {
    rows: &'a [f32],
    centroids: &'a SideBySide,
}

impl OnIsa for Nearest<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn on<I: Isa>(self, _: I) -> Vec<u32> {
        let mut nearest = Vec::with_capacity(self.rows.len() / self.centroids.dim);
        for row in self.rows.chunks_exact(self.centroids.dim) {
            nearest.push(self.centroids.nearest(row));
        }
        nearest
    }
}

/// k-means++ (Arthur and Vassilvitskii, 2007): each further centroid is a row drawn with
/// probability proportional to its squared distance from those chosen before.
fn first_centroids(points: &Vectors, count: usize, seed: u64) -> Vectors {
    let dim = points.dim();
    let mut chosen = points.row(random::below(seed, 0, points.len())).to_vec();
    let mut distances = vec![f64::INFINITY; points.len()];
    for draw in 1..count {
        let last = &chosen[(draw - 1) * dim..];
        let groups = distances.par_chunks_mut(ROWS).zip(points.as_slice().par_chunks(ROWS * dim));
        groups.for_each(|(best, rows)| {
            for (best, distance) in best.iter_mut().zip(squared_distances(rows, last)) {
                *best = best.min(distance);
            }
        });
        let mut left = random::unit(seed, draw as u64) * distances.iter().sum::<f64>();
        let hit = distances.iter().position(|&distance| {
            left -= distance;
            left < 0.0
        });
        let row = hit.unwrap_or_else(|| random::below(seed, draw as u64, points.len()));
        chosen.extend_from_slice(points.row(row));
    }
    rows_of(&chosen, dim)
}

/// Rows whose distances are summed side by side.
const ROWS: usize = 8;

/// The squared distances of up to [`ROWS`] rows to `point`, each summed dimension by dimension.
fn squared_distances(rows: &[f32], point: &[f32]) -> [f64; ROWS] {
    let dim = point.len();
    let mut sums = f64x8::ZERO;
    for (i, &y) in point.iter().enumerate() {
        let value = |row: usize| f64::from(rows.get(row * dim + i).copied().unwrap_or(y));
        let apart = f64x8::from(std::array::from_fn::<f64, ROWS, _>(value)) - f64::from(y);
        sums += apart * apart;
    }
    sums.to_array()
}

/// The mean of each cluster; an empty one keeps its centroid.
fn means(points: &Vectors, assignment: &[u32], centroids: &Vectors) -> Vectors {
    let (dim, count) = (points.dim(), centroids.len());
    let partial: Vec<(Vec<f64>, Vec<u32>)> = points
        .as_slice()
        .par_chunks(dim * CHUNK)
        .zip(assignment.par_chunks(CHUNK))
        .map(|(rows, assignment)| {
            let (mut sums, mut sizes) = (vec![0.0; count * dim], vec![0; count]);
            for (row, &cluster) in rows.chunks_exact(dim).zip(assignment) {
                let cluster = cluster as usize;
                sizes[cluster] += 1;
                for (sum, &x) in sums[cluster * dim..][..dim].iter_mut().zip(row) {
                    *sum += f64::from(x);
                }
            }
            (sums, sizes)
        })
        .collect();
    let mut values = centroids.as_slice().to_vec();
    for cluster in 0..count {
        let size: u32 = partial.iter().map(|(_, sizes)| sizes[cluster]).sum();
        if size > 0 {
            for (i, value) in values[cluster * dim..][..dim].iter_mut().enumerate() {
                let sum: f64 = partial.iter().map(|(sums, _)| sums[cluster * dim + i]).sum();
                *value = (sum / f64::from(size)) as f32;
            }
        }
    }
    rows_of(&values, dim)
}

/// Means and rows of finite vectors are finite.
fn rows_of(values: &[f32], dim: usize) -> Vectors {
    Vectors::new(values, dim).unwrap_or_else(|_| Vectors::empty(dim))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 8 tight clusters at the corners of a cube.
    fn corners(n: usize) -> Vectors {
        let values: Vec<f32> = (0..n * 3)
            .map(|i| {
                let corner = (((i / 3) % 8) >> (i % 3) & 1) as f32 * 10.0;
                corner + random::unit(1, i as u64) as f32
            })
            .collect();
        rows_of(&values, 3)
    }

    #[test]
    fn clusters_are_found() {
        let points = corners(4000);
        let centroids = cluster(&points, &Options { centroids: 8, ..Options::default() });
        let assignment = assign(&points, &centroids);
        for (i, &cluster) in assignment.iter().enumerate() {
            assert_eq!(cluster, assignment[i % 8], "row {i}");
        }
        for (i, row) in centroids.rows().enumerate() {
            let near = |&x: &f32| (x - 0.5).abs() < 0.1 || (x - 10.5).abs() < 0.1;
            assert!(row.iter().all(near), "centroid {i}: {row:?}");
        }
    }

    #[test]
    fn the_nearest_is_found_at_every_number_of_centroids_and_ties_go_to_the_lower() {
        for (dim, count) in [(1, 1), (2, 15), (3, 16), (4, 17), (5, 256)] {
            let value = |i: usize| (random::hash(9, i as u64) % 8) as f32;
            let centroids = rows_of(&(0..dim * count).map(value).collect::<Vec<_>>(), dim);
            let points = rows_of(&(0..dim * 400).map(value).collect::<Vec<_>>(), dim);
            let want: Vec<u32> = points
                .rows()
                .map(|row| {
                    let apart = |c: &[f32]| row.iter().zip(c).map(|(x, c)| (x - c).powi(2)).sum();
                    let distances = centroids.rows().map(apart);
                    distances.enumerate().fold((f32::INFINITY, 0), |best: (f32, u32), (i, d)| {
                        if d < best.0 { (d, i as u32) } else { best }
                    })
                })
                .map(|(_, id)| id)
                .collect();
            assert_eq!(assign(&points, &centroids), want);
        }
    }

    #[test]
    fn odd_sets_are_clustered() {
        let options = Options { centroids: 5, ..Options::default() };
        assert_eq!(cluster(&Vectors::empty(3), &options).as_slice(), [0.0; 3]);
        let same = rows_of(&[2.0; 30], 3);
        assert!(cluster(&same, &options).rows().all(|row| row == [2.0; 3]));
        assert_eq!(cluster(&corners(2), &options).len(), 2);
    }

    #[test]
    fn clusters_do_not_depend_on_threads() {
        let points = corners(3000);
        let results = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cluster(&points, &Options { centroids: 6, ..Options::default() }))
        });
        assert!(results[0] == results[1] && results[1] == results[2]);
    }
}
