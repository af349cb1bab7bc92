//! Random mixtures: sets as odd as those that strangers bring, each made again from its seed.
//!
//! A seed draws a shape (rows, dimension, metric) and then, each with some probability, what real data
//! has and generators leave out: scales that differ by dimension, single huge values and rows, tight
//! or far clusters, heavy tails, repeated and nearly repeated rows, spread norms, an offset, integers,
//! constant dimensions; and queries that lie elsewhere than the rows.
//!
//! All arithmetic is `+`, `-`, `*`, `/` and square roots in a fixed order: the same bytes everywhere.

use super::{DataError, Dataset, random::Random};
use crinoid_quant::{Buffer, Metric, Vectors};
use std::{collections::BTreeSet, fmt};

/// The distribution of single values before anything else is done to them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Nearly normal, standard deviation 1.
    Normal,
    /// Uniform in `[0, 1)`.
    Uniform,
    /// `exp(sigma z)`.
    Lognormal {
        /// Standard deviation of the logarithm.
        sigma: f32,
    },
    /// The ratio of two normal numbers: no mean, no variance.
    Cauchy,
    /// Integers `0..values`.
    Integers {
        /// How many different ones.
        values: u32,
    },
    /// Zero but for this share of normal values.
    Sparse {
        /// The share.
        share: f32,
    },
}

/// Where the rows of a set gather.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gathering {
    /// How many centres.
    pub centres: usize,
    /// How far they lie apart, per dimension.
    pub apart: f32,
    /// How far the rows of one lie around it, per dimension.
    pub jitter: f32,
    /// Share of the rows that gather; the others lie anywhere.
    pub share: f32,
}

/// How much the dimensions matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scales {
    /// All alike.
    Even,
    /// Factors spread over so many powers of ten, evenly in the logarithm.
    Decades(f32),
    /// The first dimension is larger by this factor.
    One(f32),
    /// Only the leading share of the dimensions varies, the others are constant.
    Constant {
        /// The share that varies.
        varying: f32,
    },
    /// The first dimension rises with the row number up to this value.
    Ramp(f32),
}

/// What the queries are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asking {
    /// Fresh draws from the rows' own law.
    Alike,
    /// Rows themselves.
    Rows,
    /// Rows moved by this share of a typical value.
    Near(f32),
    /// Draws from the rows' law, times this factor.
    Outside(f32),
    /// Draws from the rows' law, mirrored at the origin.
    Opposite,
}

/// A few things far from everything else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outliers {
    /// None.
    None,
    /// So many single values, of this size.
    Values(usize, f32),
    /// So many rows, times this factor.
    Rows(usize, f32),
}

/// A set of vectors, drawn by a seed. The fields are what was drawn; [`generate`](Self::generate)
/// makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// The seed of everything.
    pub seed: u64,
    /// The metric.
    pub metric: Metric,
    /// Base rows, 1 to 20,000.
    pub rows: usize,
    /// Queries.
    pub queries: usize,
    /// Dimension, 1 to 1,024.
    pub dim: usize,
    /// The distribution of single values.
    pub law: Law,
    /// Clusters, where there are some.
    pub gathering: Option<Gathering>,
    /// How much each dimension matters.
    pub scales: Scales,
    /// Standard deviation of the logarithm of a factor per row; 0 where there is none.
    pub norms: f32,
    /// What is added to every value.
    pub offset: f32,
    /// What lies far out.
    pub outliers: Outliers,
    /// Share of the rows that repeat another one.
    pub duplicates: f32,
    /// What the queries are.
    pub asking: Asking,
}

/// Labels of the random streams.
mod stream {
    pub(super) const DRAW: u64 = 0x50a_0001;
    pub(super) const CENTRE: u64 = 0x50a_0002;
    pub(super) const SCALE: u64 = 0x50a_0003;
    pub(super) const ROW: u64 = 0x50a_0004;
    pub(super) const QUERY: u64 = 0x50a_0005;
    pub(super) const COPY: u64 = 0x50a_0006;
    pub(super) const OUTLIER: u64 = 0x50a_0007;
    pub(super) const PICK: u64 = 0x50a_0008;
}

/// Values per set at most, so that one set takes seconds.
const VALUES: usize = 1 << 21;

/// Queries of every set.
const QUERIES: usize = 60;

impl Mixture {
    /// The mixture of `seed`.
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::stream(seed, stream::DRAW, 0);
        let metric = [Metric::L2, Metric::InnerProduct, Metric::Cosine][random.below(3) as usize];
        let dim = spread(&mut random, 1, 1024);
        let rows = spread(&mut random, 1, 20_000.min(VALUES / dim).max(1));
        let law = match random.below(10) {
            0..4 => Law::Normal,
            4 => Law::Uniform,
            5 | 6 => Law::Lognormal { sigma: pick(&mut random, &[0.3, 1.0, 2.0]) },
            7 => Law::Cauchy,
            8 => Law::Integers { values: pick(&mut random, &[2, 10, 256, 5000]) },
            _ => Law::Sparse { share: pick(&mut random, &[0.05, 0.3]) },
        };
        let gathering = one_in(&mut random, 2).then(|| Gathering {
            centres: spread(&mut random, 1, 200),
            apart: pick(&mut random, &[0.3, 1.0, 10.0, 1000.0]),
            jitter: pick(&mut random, &[1.0, 0.1, 0.01, 0.003, 0.001]),
            share: pick(&mut random, &[1.0, 1.0, 0.5]),
        });
        let scales = match random.below(10) {
            0 | 1 => Scales::Decades(pick(&mut random, &[1.0, 2.0, 4.0])),
            2 => Scales::One(pick(&mut random, &[30.0, 1000.0])),
            3 => Scales::Constant { varying: pick(&mut random, &[0.0, 0.1, 0.5]) },
            4 => Scales::Ramp(pick(&mut random, &[10.0, 100.0])),
            _ => Scales::Even,
        };
        let norms = match one_in(&mut random, 3) {
            true => pick(&mut random, &[0.1, 0.2, 0.5, 1.0]),
            false => 0.0,
        };
        let offset = match one_in(&mut random, 4) {
            true => pick(&mut random, &[1.0, -3.0, 30.0, 1000.0]),
            false => 0.0,
        };
        let outliers = match random.below(6) {
            0 => Outliers::Values(pick(&mut random, &[1, 1, 5]), pick(&mut random, &[100.0, 1e5])),
            1 => Outliers::Rows(pick(&mut random, &[1, 1, 10]), pick(&mut random, &[30.0, 1000.0])),
            _ => Outliers::None,
        };
        let duplicates = match one_in(&mut random, 4) {
            true => pick(&mut random, &[0.1, 0.5, 0.95]),
            false => 0.0,
        };
        let asking = match random.below(10) {
            0 => Asking::Rows,
            1 | 2 => Asking::Near(pick(&mut random, &[0.001, 0.1])),
            3 => Asking::Outside(pick(&mut random, &[5.0, 50.0])),
            4 => Asking::Opposite,
            _ => Asking::Alike,
        };
        let queries = QUERIES;
        Self {
            seed,
            metric,
            rows,
            queries,
            dim,
            law,
            gathering,
            scales,
            norms,
            offset,
            outliers,
            duplicates,
            asking,
        }
    }

    /// Makes the set; no row and no query is zero.
    ///
    /// # Errors
    /// When a value is not finite, which the mixtures that [`draw`](Self::draw) gives never have.
    pub fn generate(&self) -> Result<Dataset, DataError> {
        let name = format!("mixture-{}", self.seed);
        let factors = self.factors();
        let centres = self.centres();
        let mut base = Buffer::<f32>::zeroed(self.rows * self.dim);
        let values = base.make_mut();
        for (row, out) in values.chunks_exact_mut(self.dim).enumerate() {
            let source = self.original(row);
            let mut random = Random::stream(self.seed, stream::ROW, source as u64);
            self.point(&mut random, &factors, &centres, out);
            if let Scales::Ramp(top) = self.scales {
                out[0] += top * source as f32 / self.rows as f32;
            }
        }
        self.set_apart(values);
        values.chunks_exact_mut(self.dim).for_each(never_zero);
        let queries = self.ask(values, &factors, &centres);
        let vectors = |set: &str, data: Buffer<f32>| {
            Vectors::new(data, self.dim).map_err(|source| DataError::Inconsistent {
                name: name.clone(),
                reason: format!("{set}: {source}"),
            })
        };
        let (base, queries) = (vectors("base", base)?, vectors("queries", queries)?);
        Dataset::new(name.clone(), self.metric, base, queries)
    }

    fn factors(&self) -> Vec<f32> {
        let mut random = Random::stream(self.seed, stream::SCALE, 0);
        let factor = |dim: usize| match self.scales {
            Scales::Decades(decades) => {
                exp(std::f64::consts::LN_10 * f64::from(decades) * (random.uniform() - 0.5)) as f32
            }
            Scales::One(factor) if dim == 0 => factor,
            Scales::Constant { varying } if dim > 0 && dim as f32 >= varying * self.dim as f32 => {
                0.0
            }
            _ => 1.0,
        };
        (0..self.dim).map(factor).collect()
    }

    fn centres(&self) -> Vec<f32> {
        let Some(gathering) = self.gathering else { return Vec::new() };
        let mut random = Random::stream(self.seed, stream::CENTRE, 0);
        let values = gathering.centres * self.dim;
        (0..values).map(|_| gathering.apart * random.normal()).collect()
    }

    /// The row that `row` repeats, or itself.
    fn original(&self, row: usize) -> usize {
        let mut random = Random::stream(self.seed, stream::COPY, row as u64);
        match random.uniform() < f64::from(self.duplicates) {
            true => random.below(self.rows as u64) as usize,
            false => row,
        }
    }

    fn point(&self, random: &mut Random, factors: &[f32], centres: &[f32], out: &mut [f32]) {
        let gathered = self.gathering.filter(|of| random.uniform() < f64::from(of.share));
        let centre = gathered.map(|of| {
            let at = random.below(of.centres as u64) as usize * self.dim;
            (of.jitter, &centres[at..at + self.dim])
        });
        let length = exp(f64::from(self.norms * random.normal())) as f32;
        for (dim, value) in out.iter_mut().enumerate() {
            let drawn = self.law.value(random);
            let placed = centre.map_or(drawn, |(jitter, centre)| centre[dim] + jitter * drawn);
            *value = length * (factors[dim] * placed + self.offset);
        }
    }

    fn set_apart(&self, values: &mut [f32]) {
        let mut random = Random::stream(self.seed, stream::OUTLIER, 0);
        match self.outliers {
            Outliers::None => {}
            Outliers::Values(count, size) => {
                for _ in 0..count {
                    values[random.below(values.len() as u64) as usize] = size;
                }
            }
            Outliers::Rows(count, factor) => {
                let rows: BTreeSet<u64> =
                    (0..count).map(|_| random.below(self.rows as u64)).collect();
                for row in rows {
                    let at = row as usize * self.dim;
                    values[at..at + self.dim].iter_mut().for_each(|value| *value *= factor);
                }
            }
        }
    }

    fn ask(&self, base: &[f32], factors: &[f32], centres: &[f32]) -> Buffer<f32> {
        let mut queries = Buffer::<f32>::zeroed(self.queries * self.dim);
        let mut picks = Random::stream(self.seed, stream::PICK, 0);
        for (query, out) in queries.make_mut().chunks_exact_mut(self.dim).enumerate() {
            let mut random = Random::stream(self.seed, stream::QUERY, query as u64);
            let at = picks.below(self.rows as u64) as usize;
            let row = &base[at * self.dim..(at + 1) * self.dim];
            match self.asking {
                Asking::Rows => out.copy_from_slice(row),
                Asking::Near(share) => {
                    let square = row.iter().map(|x| x * x).sum::<f32>() / self.dim as f32;
                    let step = share * square.sqrt();
                    let moved = row.iter().map(|value| value + step * random.normal());
                    out.iter_mut().zip(moved).for_each(|(out, value)| *out = value);
                }
                Asking::Alike | Asking::Outside(_) | Asking::Opposite => {
                    self.point(&mut random, factors, centres, out);
                    if let Scales::Ramp(top) = self.scales {
                        out[0] += top * random.uniform() as f32;
                    }
                    let factor = match self.asking {
                        Asking::Outside(factor) => factor,
                        Asking::Opposite => -1.0,
                        _ => 1.0,
                    };
                    out.iter_mut().for_each(|value| *value *= factor);
                }
            }
            never_zero(out);
        }
        queries
    }
}

impl Law {
    fn value(self, random: &mut Random) -> f32 {
        match self {
            Law::Normal => random.normal(),
            Law::Uniform => random.uniform() as f32,
            Law::Lognormal { sigma } => exp(f64::from(sigma * random.normal())) as f32,
            Law::Cauchy => {
                let (over, under) = (random.normal(), random.normal());
                over / if under == 0.0 { 1.0 } else { under }
            }
            Law::Integers { values } => random.below(u64::from(values)) as f32,
            Law::Sparse { share } => {
                let value = random.normal();
                if random.uniform() < f64::from(share) { value } else { 0.0 }
            }
        }
    }
}

impl fmt::Display for Mixture {
    /// What was drawn, in one line; what is ordinary is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} {}, {:?}", self.rows, self.dim, self.metric, self.law)?;
        if let Some(Gathering { centres, apart, jitter, share }) = self.gathering {
            write!(f, ", {centres} centres {apart} apart, jitter {jitter}")?;
            if share < 1.0 {
                write!(f, ", {share} of the rows")?;
            }
        }
        if self.scales != Scales::Even {
            write!(f, ", scales {:?}", self.scales)?;
        }
        for (name, value) in
            [("norms", self.norms), ("offset", self.offset), ("duplicates", self.duplicates)]
        {
            if value != 0.0 {
                write!(f, ", {name} {value}")?;
            }
        }
        if self.outliers != Outliers::None {
            write!(f, ", outliers {:?}", self.outliers)?;
        }
        if self.asking != Asking::Alike {
            write!(f, ", queries {:?}", self.asking)?;
        }
        Ok(())
    }
}

/// An integer of `low..=high`, evenly in the logarithm.
fn spread(random: &mut Random, low: usize, high: usize) -> usize {
    // Half of a doubling is drawn evenly: near enough, and without a logarithm.
    let doublings = usize::BITS - (high / low).leading_zeros();
    let floor = low << random.below(u64::from(doublings));
    floor + random.below((2 * floor).min(high + 1) as u64 - floor as u64) as usize
}

fn pick<T: Copy>(random: &mut Random, of: &[T]) -> T {
    of[random.below(of.len() as u64) as usize]
}

fn one_in(random: &mut Random, n: u64) -> bool {
    random.below(n) == 0
}

/// `e^x` from multiplications alone, for `|x| < 100`: `(1 + x / 2^20)^(2^20)`, near enough for drawing.
fn exp(x: f64) -> f64 {
    (0..20).fold(1.0 + x / f64::from(1 << 20), |power, _| power * power)
}

/// A vector without a direction has no cosine.
fn never_zero(row: &mut [f32]) {
    if row.iter().all(|&value| value == 0.0) {
        row[0] = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::digest;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_makes_its_set_again() {
        let sum = |data: &Dataset| digest(data.metric, &data.base, &data.queries);
        for seed in [1, 2, 3] {
            let [a, b] = [(); 2].map(|()| Mixture::draw(seed).generate().unwrap());
            assert_eq!(sum(&a), sum(&b));
        }
        let other = Mixture::draw(4).generate().unwrap();
        assert_ne!(sum(&Mixture::draw(3).generate().unwrap()), sum(&other));
    }

    #[test]
    fn everything_is_drawn_sooner_or_later() {
        let mut seen = BTreeSet::new();
        let (mut low, mut high) = ((usize::MAX, usize::MAX), (0, 0));
        for mixture in (0..2000).map(Mixture::draw) {
            assert!((1..=1024).contains(&mixture.dim) && (1..=20_000).contains(&mixture.rows));
            assert!(mixture.rows * mixture.dim <= VALUES);
            low = (low.0.min(mixture.rows), low.1.min(mixture.dim));
            high = (high.0.max(mixture.rows), high.1.max(mixture.dim));
            let kind = |debug: String| debug.split([' ', '(']).next().unwrap().to_owned();
            seen.insert(mixture.metric.to_string());
            seen.insert(format!("law {}", kind(format!("{:?}", mixture.law))));
            seen.insert(format!("scales {}", kind(format!("{:?}", mixture.scales))));
            seen.insert(format!("outliers {}", kind(format!("{:?}", mixture.outliers))));
            seen.insert(format!("asking {}", kind(format!("{:?}", mixture.asking))));
        }
        // Three metrics, six laws, five scales, three kinds of outliers, five of queries.
        assert_eq!(seen.len(), 3 + 6 + 5 + 3 + 5, "{seen:?}");
        assert_eq!(low, (1, 1));
        assert!(high.0 > 19_000 && high.1 > 1000, "{high:?}");
    }

    #[test]
    fn every_set_is_finite_and_has_directions() {
        for seed in 0..60 {
            let data = Mixture::draw(seed).generate().unwrap();
            let zero = |v: &Vectors| v.rows().any(|row| row.iter().all(|&value| value == 0.0));
            assert!(!zero(&data.base) && !zero(&data.queries), "seed {seed}");
        }
    }

    #[test]
    fn the_exponential_is_near_enough() {
        for x in [-10.0, -1.0, 0.0, 0.5, 3.0, 12.0f64] {
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-3, "{x}");
        }
    }
}
