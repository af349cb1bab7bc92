//! Queries that nobody has been asked before.
//!
//! Answers can be kept from one request to the next, and the truth of a data set lies on the disk: in the
//! file it came in, in the driver's cache. A subject is not told where, but it runs as the same user. So
//! what is timed are queries that lie nowhere, made in the driver's memory between a query of the data
//! set and one of its neighbours, each asked once. The queries that are graded hide among such ones. No
//! request tells by its size, its order or what it contains what it is for.

use super::{Grader, MeasureError, QuerySplit};
use crate::{
    data::{Dataset, random::Random},
    truth::Truth,
};
use crinoid_quant::Vectors;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

/// How far a new query may lie on the way from one of the data set's to a neighbour of its.
const STEP: (f32, f32) = (0.2, 0.6);

/// How many places are tried for a query that nobody has seen. Where values are few (integers in one
/// dimension) there is none, and an old one must do.
const TRIES: usize = 8;

/// A source of new queries.
#[derive(Debug)]
pub struct Fresh<'a> {
    data: &'a Dataset,
    truth: &'a Truth,
    /// The data set's queries that new ones are made from.
    rows: Vec<u32>,
    random: Random,
    /// What was made, and what the data set holds, by hash.
    seen: HashSet<u64>,
    hasher: RandomState,
}

/// Queries of a split among others, in random order.
#[derive(Clone, Debug)]
pub(super) struct Hidden {
    pub(super) queries: Vectors,
    /// Where each query of the split is.
    places: Vec<u32>,
}

impl<'a> Fresh<'a> {
    /// Makes new queries from those of `split`. What it makes differs from run to run: a subject that
    /// knows this program and its seeds must not know them.
    pub fn new(grader: &Grader<'a>, split: &QuerySplit) -> Self {
        let hasher = RandomState::new();
        let random = Random::stream(hasher.hash_one(0), 0xf4e5, 0);
        let (data, truth) = (grader.data(), grader.truth());
        let mut fresh =
            Self { data, truth, rows: split.rows().to_vec(), random, seen: HashSet::new(), hasher };
        for row in data.queries.rows() {
            fresh.is_new(row);
        }
        fresh
    }

    /// New queries for one request: as many as the split has, or up to a fifth more.
    ///
    /// # Errors
    /// When the data set's own values are no vectors.
    pub fn batch(&mut self) -> Result<Vectors, MeasureError> {
        let mut anchors = self.rows.clone();
        self.random.shuffle(&mut anchors);
        let size = self.size();
        let mut values = Vec::with_capacity(size * self.data.dim());
        for &anchor in anchors.iter().cycle().take(size) {
            values.extend(self.one(anchor));
        }
        Ok(Vectors::new(values.as_slice(), self.data.dim())?)
    }

    /// The queries of `split` with as many new ones among them as make the request look like any other.
    pub(super) fn hide(&mut self, split: &QuerySplit) -> Result<Hidden, MeasureError> {
        let size = self.size().max(split.len());
        let mut places: Vec<u32> = (0..size as u32).collect();
        self.random.shuffle(&mut places);
        places.truncate(split.len());
        let mut known = vec![None; size];
        for (query, &place) in places.iter().enumerate() {
            known[place as usize] = Some(query);
        }
        let mut values = Vec::with_capacity(size * self.data.dim());
        for known in known {
            match known {
                Some(query) => values.extend_from_slice(split.queries().row(query)),
                None => {
                    let anchor = self.rows[self.random.below(self.rows.len() as u64) as usize];
                    values.extend(self.one(anchor));
                }
            }
        }
        Ok(Hidden { queries: Vectors::new(values.as_slice(), self.data.dim())?, places })
    }

    /// A random order of so many queries.
    pub(super) fn order(&mut self, queries: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..queries as u32).collect();
        self.random.shuffle(&mut order);
        order
    }

    /// A random number below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }

    fn size(&mut self) -> usize {
        let least = self.rows.len();
        least + self.below(least / 5 + 1)
    }

    fn one(&mut self, anchor: u32) -> Vec<f32> {
        let query = self.data.queries.row(anchor as usize);
        let neighbours = self.truth.ids_of(anchor as usize);
        let mut made = query.to_vec();
        for attempt in 0..TRIES {
            // A neighbour can be the query itself; any row leads elsewhere.
            let row = match attempt < TRIES / 2 {
                true => neighbours[self.below(neighbours.len())],
                false => self.below(self.data.base.len()) as u32,
            };
            let share = STEP.0 + (STEP.1 - STEP.0) * self.random.uniform() as f32;
            made = between(query, self.data.base.row(row as usize), share);
            // Between opposite vectors lies zero, which has no direction.
            if made.iter().any(|&value| value != 0.0) && self.is_new(&made) {
                return made;
            }
        }
        if made.iter().all(|&value| value == 0.0) { query.to_vec() } else { made }
    }

    /// Whether it is seen for the first time, now.
    fn is_new(&mut self, query: &[f32]) -> bool {
        let bits: Vec<u32> = query.iter().map(|value| value.to_bits()).collect();
        self.seen.insert(self.hasher.hash_one(bits))
    }
}

impl Hidden {
    /// Of `k` ids per query those that answer the split's, in its order.
    pub(super) fn pick(&self, ids: &[u32], k: usize) -> Vec<u32> {
        let of = |&place: &u32| &ids[place as usize * k..(place as usize + 1) * k];
        self.places.iter().flat_map(of).copied().collect()
    }
}

/// A point on the way from `query` to `row`; of integers where the query is.
fn between(query: &[f32], row: &[f32], share: f32) -> Vec<f32> {
    let integers = query.iter().all(|value| value.fract() == 0.0);
    let point = query.iter().zip(row).map(|(a, b)| a + share * (b - a));
    point.map(|value| if integers { value.round() } else { value }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::Synthetic, truth::exact};

    #[test]
    fn no_query_is_made_twice_and_the_known_ones_hide() {
        let small = Synthetic { rows: 300, queries: 40, dim: 8, ..Synthetic::default() };
        let data = small.generate("small").unwrap();
        let truth = exact(data.metric, &data.base, &data.queries, 10, &()).unwrap();
        let grader = Grader::new(&data, &truth).unwrap();
        let split = QuerySplit::all(&data);
        let mut fresh = Fresh::new(&grader, &split);
        let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let known: HashSet<Vec<u32>> = data.queries.rows().map(bits).collect();
        let mut made = HashSet::new();
        let mut sizes = HashSet::new();
        for _ in 0..30 {
            let batch = fresh.batch().unwrap();
            sizes.insert(batch.len());
            for row in batch.rows() {
                assert!(!known.contains(&bits(row)) && made.insert(bits(row)));
            }
        }
        assert!(sizes.len() > 3 && sizes.iter().all(|size| (40..=48).contains(size)), "{sizes:?}");
        let hidden = fresh.hide(&split).unwrap();
        assert!((40..=48).contains(&hidden.queries.len()));
        let ids: Vec<u32> = (0..2 * hidden.queries.len() as u32).collect();
        let picked = hidden.pick(&ids, 2);
        for (query, pair) in picked.chunks_exact(2).enumerate() {
            assert_eq!(hidden.queries.row(pair[0] as usize / 2), split.queries().row(query));
        }
        // Another run makes others.
        let other = Fresh::new(&grader, &split).batch().unwrap();
        assert!(other.rows().all(|row| !made.contains(&bits(row))));
    }
}
