//! The embedded generator: data that behaves like real data and is never downloaded.
//!
//! Points lie near curved patches of low dimension that overlap: cluster centres are drawn from
//! one shared latent space, each cluster spreads along directions of its own with decaying
//! scales, a quadratic term bends it, and isotropic noise thickens it. Cluster sizes follow a power
//! law. Queries are fresh draws from the same law, so none of them is a base row.
//!
//! The defaults are tuned until recall against the width of the beam runs as on SIFT (`examples/
//! difficulty.rs`): local intrinsic dimension 20, recall@10 of an HNSW graph 0.82 at ef = 10.
//!
//! All arithmetic is `+`, `-`, `*` and square roots in a fixed order: the same bytes everywhere.

use super::{DataError, Dataset, random::Random};
use crinoid_quant::{Buffer, Metric, Vectors, vectors::MAX_DIM};
use rayon::prelude::*;

/// The most values that are generated: 32 GiB of them.
const MOST: u128 = 1 << 33;

/// What to generate. The fields are free; [`PRESETS`] are the ones with names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthetic {
    /// Base rows, at least 1.
    pub rows: usize,
    /// Queries, at least 1.
    pub queries: usize,
    /// Dimension, at least 1.
    pub dim: usize,
    /// Directions in which a cluster extends, at least 1.
    pub intrinsic: usize,
    /// Clusters, at least 1.
    pub clusters: usize,
    /// Standard deviation of the centres, in units of a cluster's own.
    pub spread: f32,
    /// Standard deviation of the noise per dimension, in the same units.
    pub noise: f32,
    /// 0 gives all points of a cluster the same expected distance from its centre; towards 1 ever
    /// more of them crowd around it, where they are neighbours of all (hubs).
    pub hubs: f32,
    /// Share of base rows that repeat another row exactly, some of them hundreds of times.
    pub duplicates: f64,
    /// Whether values are the integers 0..=255, many of them 0, as in SIFT.
    pub bytes: bool,
    /// The metric.
    pub metric: Metric,
    /// The same seed gives the same bytes.
    pub seed: u64,
}

impl Default for Synthetic {
    /// 20,000 x 96 floats under L2 with 1,000 queries.
    fn default() -> Self {
        Self {
            rows: 20_000,
            queries: 1_000,
            dim: 96,
            intrinsic: 40,
            clusters: 16,
            spread: 0.3,
            noise: 0.8,
            hubs: 0.3,
            duplicates: 0.0,
            bytes: false,
            metric: Metric::L2,
            seed: 1,
        }
    }
}

/// A generator with a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name for the command line.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// The parameters, by name so that defaults stay in one place.
    make: fn() -> Synthetic,
}

impl Preset {
    /// The preset called `name`.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its parameters.
    pub fn parameters(&self) -> Synthetic {
        (self.make)()
    }

    /// Generates it.
    ///
    /// # Errors
    /// As [`Synthetic::generate`]; not for the published presets.
    pub fn generate(&self) -> Result<Dataset, DataError> {
        self.parameters().generate(self.name)
    }
}

/// The named generators; the first is the default data set of every command.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "embedded",
        summary: "20,000 x 96 floats, L2: overlapping curved clusters, the default",
        make: Synthetic::default,
    },
    Preset {
        name: "embedded-wide",
        summary: "10,000 x 960 floats, L2: high dimension, as GIST",
        make: || Synthetic {
            rows: 10_000,
            queries: 500,
            dim: 960,
            noise: 0.3,
            seed: 2,
            ..Synthetic::default()
        },
    },
    Preset {
        name: "embedded-hubs",
        summary: "20,000 x 64 floats, cosine: few clusters, strong hubs, as word vectors",
        make: || Synthetic {
            dim: 64,
            intrinsic: 48,
            clusters: 6,
            spread: 0.2,
            noise: 0.5,
            hubs: 0.8,
            metric: Metric::Cosine,
            seed: 3,
            ..Synthetic::default()
        },
    },
    Preset {
        name: "embedded-bytes",
        summary: "20,000 x 128 integers 0..=255, L2: lossless in a byte, as SIFT",
        make: || Synthetic {
            dim: 128,
            intrinsic: 36,
            noise: 0.5,
            bytes: true,
            seed: 4,
            ..Synthetic::default()
        },
    },
    Preset {
        name: "embedded-duplicates",
        summary: "20,000 x 32 floats, cosine: 40 % of the rows repeat another one",
        make: || Synthetic {
            dim: 32,
            duplicates: 0.4,
            metric: Metric::Cosine,
            seed: 5,
            ..Synthetic::default()
        },
    },
];

/// Labels of the random streams.
mod stream {
    pub(super) const BASIS: u64 = 1;
    pub(super) const CENTRE: u64 = 2;
    pub(super) const DIRECTIONS: u64 = 3;
    pub(super) const ROW: u64 = 4;
    pub(super) const QUERY: u64 = 5;
    pub(super) const COPY: u64 = 6;
}

/// A patch of the data: where it lies and how it extends.
struct Cluster {
    centre: Vec<f32>,
    /// `intrinsic x dim`, scaled.
    directions: Vec<f32>,
    /// The direction into which it bends.
    bend: Vec<f32>,
}

impl Synthetic {
    /// Generates the set in parallel; the result does not depend on the number of threads.
    ///
    /// # Errors
    /// When a size is 0 or a parameter is not finite or out of range; the field is named.
    pub fn generate(&self, name: &str) -> Result<Dataset, DataError> {
        self.check(name)?;
        let clusters = self.clusters();
        let base = self.fill(self.rows, |row| (stream::ROW, self.original(row)), &clusters);
        let queries = self.fill(self.queries, |row| (stream::QUERY, row), &clusters);
        let vectors = |set: &str, data| {
            Vectors::new(data, self.dim).map_err(|source| DataError::Inconsistent {
                name: name.to_owned(),
                reason: format!("{set}: {source}"),
            })
        };
        Dataset::new(name, self.metric, vectors("base", base)?, vectors("queries", queries)?)
    }

    fn check(&self, name: &str) -> Result<(), DataError> {
        let fail = |field: &str, value: String, reason: &str| {
            Err(DataError::Inconsistent {
                name: name.to_owned(),
                reason: format!("{field} is {value}, {reason}"),
            })
        };
        let sizes = [
            ("rows", self.rows),
            ("queries", self.queries),
            ("dim", self.dim),
            ("intrinsic", self.intrinsic),
            ("clusters", self.clusters),
        ];
        for (field, size) in sizes {
            if size == 0 || size >= u32::MAX as usize {
                return fail(field, size.to_string(), "known range is 1..2^32 - 1");
            }
        }
        if self.dim > MAX_DIM {
            return fail("dim", self.dim.to_string(), "more than 65,536");
        }
        let vectors = [self.rows, self.queries, 2 * self.intrinsic];
        let vectors = vectors.iter().map(|&count| count as u128).sum::<u128>()
            + self.clusters as u128 * (2 + self.intrinsic as u128);
        let values = vectors * self.dim as u128;
        if values > MOST {
            return fail(
                "rows x dim",
                values.to_string(),
                "more than 2^33 values with all clusters",
            );
        }
        for (field, value) in [("spread", self.spread), ("noise", self.noise)] {
            if !(0.0..=1e6).contains(&value) {
                return fail(field, value.to_string(), "known range is 0..=1e6");
            }
        }
        if !(0.0..=1.0).contains(&self.hubs) {
            return fail("hubs", self.hubs.to_string(), "known range is 0..=1");
        }
        if !(0.0..=1.0).contains(&self.duplicates) {
            return fail("duplicates", self.duplicates.to_string(), "known range is 0..=1");
        }
        Ok(())
    }

    fn clusters(&self) -> Vec<Cluster> {
        let latent = 2 * self.intrinsic;
        let mut random = Random::stream(self.seed, stream::BASIS, 0);
        let basis: Vec<f32> = (0..latent * self.dim).map(|_| random.normal()).collect();
        // Centres have the variance `spread^2` times that of a cluster, summed over dimensions.
        let energy: f32 = (0..self.intrinsic).map(|i| scale(i) * scale(i)).sum();
        let reach = self.spread * (energy / latent as f32).sqrt();
        let cluster = |index: usize| {
            let mut centre = vec![0.0; self.dim];
            let mut random = Random::stream(self.seed, stream::CENTRE, index as u64);
            for axis in basis.chunks_exact(self.dim) {
                add(&mut centre, reach * random.normal(), axis);
            }
            let mut random = Random::stream(self.seed, stream::DIRECTIONS, index as u64);
            let mut draw = |scale: f32| -> Vec<f32> {
                (0..self.dim).map(|_| scale * random.normal()).collect()
            };
            let directions = (0..self.intrinsic).flat_map(|i| draw(scale(i))).collect();
            Cluster { centre, directions, bend: draw(0.3) }
        };
        (0..self.clusters).into_par_iter().map(cluster).collect()
    }

    /// The row that `row` repeats, or itself.
    fn original(&self, row: usize) -> usize {
        let mut random = Random::stream(self.seed, stream::COPY, row as u64);
        if random.uniform() >= self.duplicates {
            return row;
        }
        // The sixth power sends a tenth of all copies to the first millionth of the rows: a few
        // rows have hundreds of copies, most have one or none.
        let u = random.uniform();
        ((u * u * u) * (u * u * u) * self.rows as f64) as usize
    }

    fn fill(
        &self,
        rows: usize,
        source: impl Fn(usize) -> (u64, usize) + Sync,
        clusters: &[Cluster],
    ) -> Buffer<f32> {
        let mut values = Buffer::<f32>::zeroed(rows * self.dim);
        values.make_mut().par_chunks_exact_mut(self.dim).enumerate().for_each(|(row, out)| {
            let (label, index) = source(row);
            self.point(&mut Random::stream(self.seed, label, index as u64), clusters, out);
        });
        values
    }

    fn point(&self, random: &mut Random, clusters: &[Cluster], out: &mut [f32]) {
        // The square of a uniform number prefers the first clusters: density ~ 1 / sqrt(index).
        let u = random.uniform();
        let cluster = &clusters[((u * u * clusters.len() as f64) as usize).min(clusters.len() - 1)];
        let distance = 1.0 - self.hubs * random.uniform() as f32;
        out.copy_from_slice(&cluster.centre);
        let mut first = 0.0;
        for (i, direction) in cluster.directions.chunks_exact(self.dim).enumerate() {
            let z = random.normal();
            first = if i == 0 { z } else { first };
            add(out, distance * z, direction);
        }
        add(out, distance * (first * first - 1.0), &cluster.bend);
        for value in out.iter_mut() {
            *value += distance * self.noise * random.normal();
            if self.bytes {
                // Centred a little above zero, so that about two values in five are cut to zero.
                *value = (16.0 * *value + 8.0).clamp(0.0, 255.0).floor();
            }
        }
    }
}

/// Standard deviation along the `i`-th direction of a cluster.
fn scale(i: usize) -> f32 {
    (1.0 / (1.0 + 0.1 * i as f32)).sqrt()
}

fn add(out: &mut [f32], factor: f32, axis: &[f32]) {
    for (out, axis) in out.iter_mut().zip(axis) {
        *out += factor * axis;
    }
}

#[cfg(test)]
#[path = "synthetic_tests.rs"]
mod tests;
