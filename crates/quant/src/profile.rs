//! What a set of vectors is like: the distribution of every dimension, and what it calls for.
//!
//! The record's diagnostic before any quantisation: how many sign bits are coin flips, whether the
//! mean is away from zero (centre), whether the variance is uneven (rotate), whether the leading
//! dimensions carry the signal (truncate).

use crate::{
    buffer::Buffer,
    isa::{self, Isa, Level, OnIsa},
    random,
    vectors::Vectors,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// How many rows the distributions are taken from.
    pub sample: usize,
    /// Values within `+-near_zero` count as near zero: their sign bit means little.
    pub near_zero: f32,
    /// Bins of each histogram, over the dimension's own range.
    pub bins: usize,
    /// Neighbours per point for the intrinsic dimension.
    pub lid_neighbors: usize,
    /// Points at which the intrinsic dimension is estimated; 0 leaves it out.
    pub lid_points: usize,
    /// Seed of the samples.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sample: 1000,
            near_zero: 0.05,
            bins: 32,
            lid_neighbors: 100,
            lid_points: 200,
            seed: 42,
        }
    }
}

/// The distribution of one dimension over the sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (of the population).
    pub deviation: f64,
    /// Share of values within `+-near_zero`.
    pub near_zero: f64,
    /// Share of values above zero: a sign bit is worth most at one half.
    pub positive: f64,
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// Counts in equal bins from `min` to `max`.
    pub histogram: Vec<u32>,
}

/// One property, in a number between 0 and 1, and whether it calls for a step of preparation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The property.
    pub measure: f64,
    /// Whether the step is called for.
    pub advised: bool,
}

/// What a set of vectors is like.
///
/// ```
/// use crinoid_quant::{Vectors, profile::{Options, Profile}};
///
/// // All that varies is the first dimension.
/// let vectors = Vectors::from_rows((0..500).map(|i| [i as f32, 1.0, 1.0]))?;
/// assert_eq!(Profile::of(&vectors, &Options::default()).dimensions_for(0.99), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows in the set.
    pub rows: usize,
    /// Rows that equal an earlier row, over the whole set.
    pub duplicates: usize,
    /// Rows in the sample.
    pub sampled: usize,
    /// Every dimension, in order.
    pub dimensions: Vec<Dimension>,
    /// Mean share of values near zero: how many sign bits are coin flips.
    pub near_zero: f64,
    /// Share of the mean squared length that is the mean vector's: centre above 0.05.
    pub centring: Advice,
    /// Evenness of the variances, `(sum s^2)^2 / (d sum s^4)`, 1 when all dimensions vary alike:
    /// rotate below 0.8.
    pub rotation: Advice,
    /// Share of the variance in the leading half of the dimensions: truncation loses little
    /// above 0.75.
    pub truncation: Advice,
    /// Local intrinsic dimension, averaged; none where it cannot be estimated.
    pub lid: Option<f64>,
}

impl Profile {
    /// Profiles `vectors`. Deterministic for a seed, at any number of threads.
    ///
    /// Costs `O(sample d)` for the distributions, `O(n)` hashing for the duplicates and `O(lid_points n
    /// d)` for the intrinsic dimension.
    pub fn of(vectors: &Vectors, options: &Options) -> Self {
        let ids = random::sample(options.seed, vectors.len(), options.sample);
        let dimensions: Vec<Dimension> = (0..vectors.dim())
            .into_par_iter()
            .map(|dim| {
                let values = ids.iter().map(|&id| vectors.row(id as usize)[dim]);
                Dimension::of(&values.collect::<Vec<_>>(), options)
            })
            .collect();
        let total = |f: fn(&Dimension) -> f64| dimensions.iter().map(f).sum::<f64>();
        let variance = total(|d| d.deviation * d.deviation);
        let fourth = total(|d| d.deviation.powi(4));
        let offset = total(|d| d.mean * d.mean);
        let count = dimensions.len() as f64;
        let half = &dimensions[..dimensions.len().div_ceil(2)];
        let leading: f64 = half.iter().map(|d| d.deviation * d.deviation).sum();
        let centring = share(offset, offset + variance);
        let evenness = if fourth > 0.0 { variance * variance / (count * fourth) } else { 1.0 };
        let leading = share(leading, variance);
        Self {
            rows: vectors.len(),
            duplicates: duplicates(vectors),
            sampled: ids.len(),
            near_zero: share(total(|d| d.near_zero), count),
            centring: Advice { measure: centring, advised: centring > 0.05 },
            rotation: Advice { measure: evenness, advised: evenness < 0.8 },
            truncation: Advice { measure: leading, advised: leading > 0.75 },
            lid: lid_of(vectors, options),
            dimensions,
        }
    }

    /// The number of leading dimensions that hold `share` of the variance.
    pub fn dimensions_for(&self, share: f64) -> usize {
        let variance = |d: &Dimension| d.deviation * d.deviation;
        let total: f64 = self.dimensions.iter().map(variance).sum();
        let mut sum = 0.0;
        let enough = self.dimensions.iter().position(|d| {
            sum += variance(d);
            sum >= share * total
        });
        enough.map_or(self.dimensions.len(), |last| last + 1)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

impl Dimension {
    fn of(values: &[f32], options: &Options) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let squares = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>();
        let min = values.iter().copied().reduce(f32::min).unwrap_or(0.0);
        let max = values.iter().copied().reduce(f32::max).unwrap_or(0.0);
        let of =
            |test: &dyn Fn(f32) -> bool| values.iter().filter(|&&x| test(x)).count() as f64 / count;
        let mut histogram = vec![0; options.bins.max(1)];
        let width = (f64::from(max) - f64::from(min)) / histogram.len() as f64;
        for &x in values {
            let bin =
                if width > 0.0 { ((f64::from(x) - f64::from(min)) / width) as usize } else { 0 };
            let last = histogram.len() - 1;
            histogram[bin.min(last)] += 1;
        }
        Self {
            mean,
            deviation: (squares / count).sqrt(),
            near_zero: of(&|x| x.abs() <= options.near_zero),
            positive: of(&|x| x > 0.0),
            min,
            max,
            histogram,
        }
    }
}

/// How many rows equal an earlier one, value by value.
fn duplicates(vectors: &Vectors) -> usize {
    let mut hashes: Vec<(u64, u32)> = (0..vectors.len() as u32)
        .into_par_iter()
        .map(|id| {
            let mix = |hash, x: &f32| random::hash(hash, u64::from((x + 0.0).to_bits()));
            (vectors.row(id as usize).iter().fold(0, mix), id)
        })
        .collect();
    hashes.par_sort_unstable();
    // Rows of equal hash lie side by side; compare each with the first of its group.
    let mut first = 0;
    let mut count = 0;
    for i in 1..hashes.len() {
        if hashes[i].0 != hashes[first].0 {
            first = i;
        } else {
            let [a, b] = [first, i].map(|at| vectors.row(hashes[at].1 as usize));
            count += usize::from(a == b);
        }
    }
    count
}

/// The local intrinsic dimension at a point, by maximum likelihood (Levina and Bickel, 2005;
/// Amsaleg et al., 2015, equation 4): `-1 / mean ln(r_i / r_k)` over ascending *distances* (not
/// squared) `r` to its nearest neighbours.
///
/// Zero distances (duplicates) are left out. None when fewer than two distances remain or all
/// are equal.
pub fn lid(distances: &[f64]) -> Option<f64> {
    let positive: Vec<f64> = distances.iter().copied().filter(|&r| r > 0.0).collect();
    let (&last, rest) = positive.split_last()?;
    let sum: f64 = rest.iter().map(|r| (r / last).ln()).sum();
    (sum < 0.0).then(|| -(rest.len() as f64) / sum)
}

/// Squared L2 distances of one row to all.
struct Distances<'a> {
    vectors: &'a Vectors,
    from: &'a [f32],
    out: &'a mut [f32],
}

impl OnIsa for Distances<'_> {
    type Output = ();

    #[inline(always)]
    fn on<I: Isa>(self, isa: I) {
        for (row, out) in self.vectors.rows().zip(self.out) {
            *out = isa.l2_f32(row, self.from);
        }
    }
}

/// The mean of [`lid`] over a sample of rows, against all others.
fn lid_of(vectors: &Vectors, options: &Options) -> Option<f64> {
    let k = options.lid_neighbors.min(vectors.len().saturating_sub(1));
    if k < 2 {
        return None;
    }
    let ids = random::sample(!options.seed, vectors.len(), options.lid_points);
    let estimates: Vec<Option<f64>> = ids
        .par_iter()
        .map_init(
            || Buffer::<f32>::zeroed(vectors.len()),
            |distances, &id| {
                let (from, out) = (vectors.row(id as usize), distances.make_mut());
                isa::dispatch(Level::current(), Distances { vectors, from, out });
                out[id as usize] = f32::INFINITY;
                out.select_nth_unstable_by(k - 1, f32::total_cmp);
                let nearest = &mut out[..k];
                nearest.sort_unstable_by(f32::total_cmp);
                let roots: Vec<f64> = nearest.iter().map(|&r| f64::from(r).sqrt()).collect();
                lid(&roots)
            },
        )
        .collect();
    let known: Vec<f64> = estimates.into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        (0..(n * dim) as u64).map(|i| random::unit(seed, i) as f32 - 0.5).collect()
    }

    #[test]
    fn distributions_are_described() {
        // Dimension 0 is constant, 1 uniform in +-0.5, 2 the same around 3.
        let mut values = uniform(4000, 3, 1);
        for row in values.chunks_exact_mut(3) {
            row[0] = 0.0;
            row[2] += 3.0;
        }
        let vectors = Vectors::new(values.as_slice(), 3).unwrap();
        let profile = Profile::of(&vectors, &Options { sample: 4000, ..Options::default() });
        let [zero, even, moved] = &profile.dimensions[..] else { panic!("three dimensions") };
        assert_eq!((zero.mean, zero.deviation, zero.near_zero), (0.0, 0.0, 1.0));
        assert_eq!(zero.histogram[0], 4000);
        assert!((even.deviation - 1.0 / 12f64.sqrt()).abs() < 0.01 && even.mean.abs() < 0.02);
        assert!((even.near_zero - 0.1).abs() < 0.02 && (even.positive - 0.5).abs() < 0.03);
        assert_eq!(even.histogram.iter().sum::<u32>(), 4000);
        assert!((moved.mean - 3.0).abs() < 0.02 && moved.positive == 1.0);
        assert!(profile.centring.advised && profile.rotation.advised);
        assert!((profile.rotation.measure - 2.0 / 3.0).abs() < 0.01);
        assert_eq!(profile.dimensions_for(0.4), 2);
        assert_eq!((profile.rows, profile.duplicates), (4000, 0));
    }

    #[test]
    fn even_data_call_for_nothing() {
        let vectors = Vectors::new(uniform(2000, 16, 2).as_slice(), 16).unwrap();
        let profile = Profile::of(&vectors, &Options::default());
        assert!(!profile.centring.advised && !profile.rotation.advised);
        assert!(!profile.truncation.advised);
    }

    #[test]
    fn duplicates_are_counted() {
        let mut values = uniform(100, 4, 3);
        values.copy_within(0..4, 40);
        values.copy_within(0..4, 80);
        values.copy_within(4..8, 396);
        let vectors = Vectors::new(values.as_slice(), 4).unwrap();
        assert_eq!(duplicates(&vectors), 3);
    }

    #[test]
    fn the_intrinsic_dimension_of_a_cube_is_its_dimension() {
        for dim in [1, 2, 4] {
            // Embedded in 10 dimensions, of which the rest are constant.
            let values = uniform(4000, dim, 4);
            let rows: Vec<Vec<f32>> = values
                .chunks_exact(dim)
                .map(|row| row.iter().copied().chain(std::iter::repeat(0.25)).take(10).collect())
                .collect();
            let vectors = Vectors::from_rows(&rows).unwrap();
            let options = Options { lid_neighbors: 50, ..Options::default() };
            let lid = Profile::of(&vectors, &options).lid.unwrap();
            assert!((lid / dim as f64 - 1.0).abs() < 0.15, "{dim}: {lid}");
        }
    }

    #[test]
    fn what_cannot_be_estimated_is_none() {
        assert_eq!(lid(&[]), None);
        assert_eq!(lid(&[1.0, 1.0, 1.0]), None);
        assert_eq!(lid(&[0.0, 0.0, 2.0]), None);
        assert!((lid(&[0.5, 1.0]).unwrap() - 1.0 / 2f64.ln()).abs() < 1e-12);
        assert_eq!(Profile::of(&Vectors::empty(3), &Options::default()).lid, None);
        let one = Vectors::from_rows(&[[1.0, 2.0]]).unwrap();
        assert_eq!(Profile::of(&one, &Options::default()).duplicates, 0);
    }

    #[test]
    fn a_profile_does_not_depend_on_threads() {
        let vectors = Vectors::new(uniform(500, 8, 5).as_slice(), 8).unwrap();
        let profiles = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Profile::of(&vectors, &Options::default()))
        });
        assert!(profiles[0] == profiles[1] && profiles[1] == profiles[2]);
    }
}
