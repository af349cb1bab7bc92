//! What a data set is like, over all of its rows: what makes codes lose and walks go astray.

use super::Dataset;
use crate::{
    exact::norm,
    truth::{Truth, TruthError, exact},
};
use crinoid_quant::{Metric, Vectors, random};
use serde::Serialize;

/// Rows whose own nearest neighbours are looked for, among all rows.
const ASKED: usize = 256;

/// Seed of these rows.
const SEED: u64 = 0x5AA9E;

/// The shape of a data set.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shape {
    /// The largest absolute value, as a multiple of the root mean square of all values.
    pub largest: f64,
    /// Where it is: row and dimension.
    pub largest_at: (usize, usize),
    /// The least and the largest standard deviation of a dimension, of those that vary.
    pub deviations: (f64, f64),
    /// Dimensions that are the same in all rows.
    pub constant: usize,
    /// Standard deviation of the natural logarithm of the rows' lengths, without rows of zeros.
    pub norms: f64,
    /// Median distance of a row to the nearest other, as a share of the median distance between two rows:
    /// below a hundredth, groups are tight. `None` under the inner product, which is no distance.
    pub nearest_row: Option<f64>,
    /// Median distance of a query to its nearest row, as a multiple of the same of a row: much above 1,
    /// queries come from elsewhere.
    pub nearest_query: Option<f64>,
}

impl Shape {
    /// What to look out for, in words: one line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = Vec::new();
        let mut say = |when: bool, what: String| {
            if when {
                said.push(what);
            }
        };
        let (row, dim) = self.largest_at;
        say(
            self.largest > 30.0,
            format!(
                "one value is {:.0} times the usual (row {row}, dimension {dim})",
                self.largest
            ),
        );
        let (least, most) = self.deviations;
        say(
            most > 30.0 * least,
            format!("one dimension varies {:.0} times as much as another", most / least),
        );
        say(
            self.constant > 0,
            format!("{} dimensions are the same in all rows, or as good as", self.constant),
        );
        say(self.norms > 0.1, format!("lengths are spread: e to the power of +-{:.2}", self.norms));
        say(
            self.nearest_row.is_some_and(|share| share < 0.01),
            "rows lie in tight groups: neighbours are a hundred times closer than others"
                .to_owned(),
        );
        say(
            self.nearest_query.is_some_and(|times| times > 1.5),
            format!(
                "queries come from elsewhere: {:.1} times as far from the nearest row as rows are; \
                 build for a sample of queries",
                self.nearest_query.unwrap_or_default()
            ),
        );
        said
    }
}

impl Dataset {
    /// Looks at all rows, and for the neighbours of a seeded sample among all of them. `exact` is the truth
    /// of the queries.
    ///
    /// # Errors
    /// When values are too large for their squares to be numbers.
    pub fn shape(&self, exact: &Truth) -> Result<Shape, TruthError> {
        let Self { base, metric, .. } = self;
        if base.is_empty() {
            return Ok(Shape::default());
        }
        let (rows, dim) = (base.len() as f64, base.dim());
        let (mut sums, mut squares) = (vec![0.0f64; dim], vec![0.0f64; dim]);
        let mut shape = Shape::default();
        let mut most = 0.0f32;
        for (number, row) in base.rows().enumerate() {
            for (at, (&value, (sum, square))) in
                row.iter().zip(sums.iter_mut().zip(&mut squares)).enumerate()
            {
                let offset = f64::from(value) - f64::from(base.row(0)[at]);
                *sum += offset;
                *square += offset * offset;
                if value.abs() > most {
                    (most, shape.largest_at) = (value.abs(), (number, at));
                }
            }
        }
        let values = base.as_slice().iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let usual = (values / (rows * dim as f64)).sqrt();
        shape.largest = if usual > 0.0 { f64::from(most) / usual } else { 0.0 };
        let deviations = sums
            .iter()
            .zip(&squares)
            .map(|(sum, square)| (square / rows - (sum / rows).powi(2)).max(0.0).sqrt());
        // What a model never uses leaves crumbs of rounding behind: that is no dimension either.
        let crumb = 1e-9 * usual;
        let varying: Vec<f64> = deviations.filter(|&deviation| deviation > crumb).collect();
        shape.constant = dim - varying.len();
        let least = varying.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = varying.iter().copied().fold(0.0, f64::max);
        shape.deviations = if varying.is_empty() { (0.0, 0.0) } else { (least, largest) };
        let logs: Vec<f64> =
            base.rows().map(norm).filter(|&norm| norm > 0.0).map(f64::ln).collect();
        let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
        let variance = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>();
        shape.norms = (variance / logs.len().max(1) as f64).sqrt();
        if *metric != Metric::InnerProduct && base.len() > 2 {
            self.distances(exact, &mut shape)?;
        }
        Ok(shape)
    }

    fn distances(&self, truth: &Truth, shape: &mut Shape) -> Result<(), TruthError> {
        let Self { base, metric, .. } = self;
        let ids = random::sample(SEED, base.len(), ASKED);
        let rows: Vec<&[f32]> = ids.iter().map(|&id| base.row(id as usize)).collect();
        let asked = Vectors::from_rows(&rows)
            .map_err(|source| TruthError::Vectors { set: "base", source })?;
        let own = exact(*metric, base, &asked, 2, &())?;
        // Squared distances of the metric's units, both.
        let root = |squared: f64| squared.max(0.0).sqrt();
        let nearest = median((0..own.len()).map(|row| root(own.distances_of(row)[1])).collect());
        let pairs = rows.iter().zip(rows.iter().skip(1));
        let between = pairs.map(|(a, b)| root(crate::exact::distance(*metric, a, b)));
        let between = median(between.collect());
        shape.nearest_row = (between > 0.0).then(|| nearest / between);
        let first = |query: usize| truth.distances_of(query).first().map(|&first| root(first));
        let asked = median((0..truth.len()).filter_map(first).collect());
        shape.nearest_query = (nearest > 0.0 && !truth.is_empty()).then(|| asked / nearest);
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: &[Vec<f32>], queries: &[Vec<f32>], metric: Metric) -> (Dataset, Truth) {
        let rows = Vectors::from_rows(rows).unwrap();
        let queries = Vectors::from_rows(queries).unwrap();
        let truth = exact(metric, &rows, &queries, 1, &()).unwrap();
        (Dataset::new("shape", metric, rows, queries).unwrap(), truth)
    }

    fn normal(seed: u64, n: usize, by: f32) -> Vec<Vec<f32>> {
        let mut draw = random::Random::new(seed);
        (0..n).map(|_| (0..8).map(|_| by * draw.normal()).collect()).collect()
    }

    #[test]
    fn a_plain_set_warns_of_nothing() {
        let (set, truth) = set(&normal(1, 600, 1.0), &normal(2, 100, 1.0), Metric::L2);
        let shape = set.shape(&truth).unwrap();
        let said: Vec<String> =
            shape.warnings().into_iter().filter(|line| !line.starts_with("lengths")).collect();
        assert_eq!(said, [""; 0]);
        assert!((0.5..1.5).contains(&shape.nearest_query.unwrap()), "{shape:?}");
    }

    #[test]
    fn what_leads_indexes_astray_is_named() {
        let mut rows = normal(1, 600, 1.0);
        rows[77][3] = 1_000.0;
        rows.iter_mut().for_each(|row| (row[5], row[6]) = (7.0, row[6] * 500.0));
        let (set, truth) = set(&rows, &normal(2, 100, 90.0), Metric::L2);
        let shape = set.shape(&truth).unwrap();
        assert_eq!((shape.largest_at.1, shape.constant), (6, 1));
        let said = shape.warnings().join("\n");
        for word in ["dimension varies", "same in all rows", "lengths are spread"] {
            assert!(said.contains(word), "{said}");
        }
        let mut rows = normal(1, 600, 1e-4);
        for (number, row) in rows.iter_mut().enumerate() {
            row[0] += (number % 10) as f32;
        }
        rows[9][2] = 400.0;
        let (set, truth) = set_of(&rows);
        let shape = set.shape(&truth).unwrap();
        assert_eq!(shape.largest_at, (9, 2));
        let said = shape.warnings().join("\n");
        for word in ["one value is", "tight groups", "from elsewhere"] {
            assert!(said.contains(word), "{said}");
        }
    }

    fn set_of(rows: &[Vec<f32>]) -> (Dataset, Truth) {
        set(rows, &normal(2, 100, 3.0), Metric::L2)
    }

    #[test]
    fn inner_products_have_no_distances_to_compare() {
        let (set, truth) = set(&normal(1, 100, 1.0), &normal(2, 10, 1.0), Metric::InnerProduct);
        let shape = set.shape(&truth).unwrap();
        assert_eq!((shape.nearest_row, shape.nearest_query), (None, None));
        assert!(shape.norms > 0.1);
    }
}
