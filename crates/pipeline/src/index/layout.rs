//! Which codes are searched, and how, where the recipe leaves it open: timed on the data itself.
//!
//! No codes are fastest everywhere. Codes of 4 bits read half the cache lines of bytes and double the
//! speed at 384 dimensions; at 128 their rescoring costs more than they save, and at 25 they cannot
//! tell neighbours apart. Nor is one start enough everywhere: a set that falls apart into clusters
//! needs more of them than the others can afford. So one graph is built, on bytes unless the codes are
//! named, and who searches it is put to a trial.

use super::Index;
use crate::{
    error::{IndexError, SearchError},
    recipe::{AUTO, Recipe, RecipeError},
    session::{SearchOptions, Session},
};
use crinoid_quant::{
    Codes, Metric, Neighbor, Preparation, Vectors,
    codec::{Int4, Sq8Clipped, U8Exact},
    random,
};
use crinoid_refine::NoRefiner;
use crinoid_search::{Pipelined, exact};
use std::time::Instant;

/// The recalls at which layouts are compared.
pub const LEVELS: [f64; 3] = [0.90, 0.95, 0.99];

/// Answers per query.
const K: usize = 10;

/// Queries of a trial; below 16 times as many rows there is none.
const SAMPLE: usize = 256;

/// Timed passes of every effort. The fastest counts: whatever else a machine does only ever makes a
/// pass slower.
const ROUNDS: usize = 5;

/// What a layout must be faster by to be preferred to one before it.
const MARGIN: f64 = 1.03;

/// How one layout did.
#[derive(Clone, Debug, PartialEq)]
pub struct LayoutTrial {
    /// The recipe that names it.
    pub recipe: Recipe,
    /// Queries per second of one thread at each recall@10 of [`LEVELS`]; `None` where a beam of
    /// 1,280 does not reach it.
    pub queries_per_second: [Option<f64>; LEVELS.len()],
}

/// The layouts that come into question for these vectors, all on the graph of the first: each codec
/// with each search. `whole` says that nothing was truncated.
pub(super) fn candidates(
    recipe: &Recipe,
    prepared: &Vectors,
    metric: Metric,
    whole: bool,
) -> Result<Vec<Recipe>, RecipeError> {
    let mut layouts = vec![recipe.clone()];
    if recipe.quant() == AUTO {
        let exact = U8Exact::check(prepared, metric).is_ok();
        let space = if exact { U8Exact::VERSION } else { Sq8Clipped::VERSION };
        let bytes = recipe.with("quant", space)?;
        let packed = recipe.with("quant", &format!("{space}+{}", Int4::VERSION))?;
        // Distances that are exact already need no refiner.
        let bytes = if exact && whole { bytes.with("refine", NoRefiner::VERSION)? } else { bytes };
        layouts = vec![bytes, packed];
    }
    if recipe.search() != AUTO {
        return Ok(layouts);
    }
    let searches = Pipelined::VERSIONS.map(|search| search.version);
    let all = searches.iter().flat_map(|search| layouts.iter().map(|of| of.with("search", search)));
    all.collect()
}

/// What the layouts are asked, and what they should answer.
pub(super) struct Questions {
    queries: Vectors,
    /// The row that each query is, which is no answer to itself; none where they came from outside.
    own: Vec<u32>,
    /// The rows that are nearest, by row number.
    truth: Vec<Vec<u32>>,
}

impl Questions {
    /// `sample`, or rows of the data; nothing where there are too few rows to tell layouts apart.
    pub(super) fn new(
        vectors: &Vectors,
        sample: Option<&Vectors>,
        metric: Metric,
    ) -> Result<Option<Self>, IndexError> {
        let preparation = Preparation::new(metric, vectors.dim());
        let few = vectors.len() < 16 * SAMPLE;
        let (queries, own) = match sample {
            Some(sample) => (sample.clone(), Vec::new()),
            None if few => return Ok(None),
            None => {
                let own = random::sample(0, vectors.len(), SAMPLE);
                let rows: Vec<_> = own.iter().map(|&row| vectors.row(row as usize)).collect();
                (Vectors::from_rows(&rows)?, own)
            }
        };
        let asked = preparation.apply_all(&queries).map_err(SearchError::from)?;
        if few || queries.is_empty() {
            return Ok(None);
        }
        let all = preparation.apply_all(vectors)?;
        let nearest = exact::nearest_all(&all, preparation.prepared_metric(), &asked, K + 1);
        let mut questions = Self { queries, own, truth: Vec::new() };
        let truth =
            nearest.iter().enumerate().map(|(at, near)| questions.others(at, near).collect());
        questions.truth = truth.collect();
        Ok(Some(questions))
    }

    /// The first [`K`] rows of an answer to query number `at`, without the query itself.
    fn others(&self, at: usize, answer: &[Neighbor]) -> impl Iterator<Item = u32> {
        let own = self.own.get(at).copied();
        answer.iter().map(|near| near.id).filter(move |&id| Some(id) != own).take(K)
    }
}

/// A layout at work.
struct Contender<'a> {
    session: Session<'a>,
    points: Vec<Point>,
}

/// What one beam width gives, and costs.
struct Point {
    ef: usize,
    recall: f64,
    /// Of the fastest pass over all queries.
    seconds: f64,
}

impl Contender<'_> {
    /// One pass: recall and seconds.
    fn pass(&mut self, ef: usize, questions: &Questions) -> Result<(f64, f64), IndexError> {
        let options = SearchOptions::new(K + 1, ef);
        let mut found = vec![Vec::new(); questions.queries.len()];
        let start = Instant::now();
        for (query, answers) in questions.queries.rows().zip(&mut found) {
            self.session.search(query, &options, answers)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        let (mut hits, mut wanted) = (0, 0);
        for (at, (answers, truth)) in found.iter().zip(&questions.truth).enumerate() {
            hits += questions.others(at, answers).filter(|id| truth.contains(id)).count();
            wanted += truth.len();
        }
        Ok((hits as f64 / wanted as f64, seconds))
    }

    /// Beams of growing width, until the highest level is reached.
    fn climb(&mut self, questions: &Questions) -> Result<(), IndexError> {
        for step in 0..=14 {
            let ef = (K as f64 * f64::powf(2.0, f64::from(step) / 2.0)).round() as usize;
            let (recall, seconds) = self.pass(ef, questions)?;
            self.points.push(Point { ef, recall, seconds });
            if recall >= LEVELS[LEVELS.len() - 1] {
                break;
            }
        }
        Ok(())
    }

    /// Seconds for all queries at a recall, interpolated between two beams (logarithm of time over
    /// recall).
    fn seconds_at(&self, level: f64) -> Option<f64> {
        let right = self.points.iter().position(|point| point.recall >= level)?;
        let b = &self.points[right];
        let Some(a) = right.checked_sub(1).map(|left| &self.points[left]) else {
            return Some(b.seconds);
        };
        let share = (level - a.recall) / (b.recall - a.recall);
        Some((a.seconds.ln() + share * (b.seconds.ln() - a.seconds.ln())).exp())
    }
}

/// The index whose layout answers fastest, with what was measured. Who does not reach a recall that
/// another reaches is out.
pub(super) fn fastest(
    mut indexes: Vec<Index>,
    questions: Option<&Questions>,
) -> Result<Index, IndexError> {
    let Some(questions) = questions else { return Ok(indexes.swap_remove(0)) };
    let mut contenders: Vec<Contender<'_>> = indexes
        .iter()
        .map(|index| Contender { session: index.session(), points: Vec::new() })
        .collect();
    for contender in &mut contenders {
        contender.climb(questions)?;
    }
    let efforts = contenders.iter().map(|contender| contender.points.len()).max().unwrap_or(0);
    for round in 0..ROUNDS {
        for at in 0..efforts {
            // There and back, so that nobody always comes first.
            for turn in 0..contenders.len() {
                let who = if round % 2 == 0 { turn } else { contenders.len() - 1 - turn };
                let contender = &mut contenders[who];
                let Some(ef) = contender.points.get(at).map(|point| point.ef) else { continue };
                let (_, seconds) = contender.pass(ef, questions)?;
                let point = &mut contender.points[at];
                point.seconds = point.seconds.min(seconds);
            }
        }
    }
    let seconds: Vec<_> = contenders
        .iter()
        .map(|contender| LEVELS.map(|level| contender.seconds_at(level)))
        .collect();
    drop(contenders);
    let count = questions.queries.len() as f64;
    let trial = |(index, seconds): (&Index, &Seconds)| LayoutTrial {
        recipe: index.options.recipe.clone(),
        queries_per_second: seconds.map(|seconds| Some(count / seconds?)),
    };
    let mut trials: Vec<_> = indexes.iter().zip(&seconds).map(trial).collect();
    let best = choose(&seconds);
    let mut index = indexes.swap_remove(best);
    trials[..=best].rotate_right(1);
    index.trials = trials;
    Ok(index)
}

/// Seconds for all queries at each level.
type Seconds = [Option<f64>; LEVELS.len()];

/// The layout with the smallest geometric mean of times over the levels that any of them reaches; one
/// after another only if it is faster by [`MARGIN`].
fn choose(seconds: &[Seconds]) -> usize {
    let reached = |level: &usize| seconds.iter().any(|times| times[*level].is_some());
    let levels: Vec<usize> = (0..LEVELS.len()).filter(reached).collect();
    let cost = |times: &Seconds| -> f64 {
        levels.iter().map(|&level| times[level].map_or(f64::INFINITY, f64::ln)).sum::<f64>()
            / levels.len() as f64
    };
    let mut best = 0;
    for at in 1..seconds.len() {
        if cost(&seconds[at]) + MARGIN.ln() < cost(&seconds[best]) {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faster_layout_wins_unless_it_misses_a_recall_or_the_margin() {
        let base = [Some(1.0), Some(2.0), Some(4.0)];
        assert_eq!(choose(&[base]), 0);
        assert_eq!(choose(&[base, base.map(|time| time.map(|time| time * 0.9))]), 1);
        assert_eq!(choose(&[base, base.map(|time| time.map(|time| time * 0.98))]), 0);
        assert_eq!(choose(&[base, [Some(0.5), Some(0.5), None]]), 0);
        assert_eq!(choose(&[[Some(0.5), Some(0.5), None], base]), 1);
        // A recall that nobody reaches decides nothing; nor do those that all miss.
        assert_eq!(choose(&[[Some(2.0), None, None], [Some(1.0), None, None]]), 1);
        assert_eq!(choose(&[[None; 3], [None; 3]]), 0);
        // The third must beat the best before it, not the first.
        let times = [1.0, 0.5, 0.6].map(|time| [Some(time); 3]);
        assert_eq!(choose(&times), 1);
    }

    #[test]
    fn times_are_read_off_between_two_beams() {
        let vectors = Vectors::new(&[0.0, 1.0][..], 1).unwrap();
        let index = Index::build(&vectors, &Default::default(), &()).unwrap();
        let point = |(ef, recall, seconds)| Point { ef, recall, seconds };
        let points = [(10, 0.8, 1.0), (14, 0.9, 2.0), (20, 0.98, 8.0)].map(point).into();
        let contender = Contender { session: index.session(), points };
        assert_eq!(contender.seconds_at(0.7), Some(1.0));
        assert!((contender.seconds_at(0.94).unwrap() - 4.0).abs() < 1e-9);
        assert_eq!(contender.seconds_at(0.99), None);
    }
}
