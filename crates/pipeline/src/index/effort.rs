//! How wide a search must be for a wanted recall, found out on queries that the index does not hold.
//!
//! When an index is built, some of its rows are asked as if they had never come: links to and from them
//! are taken out of a copy of the graph, and the exact answers are counted without them. Where the caller
//! gave a sample of queries, some of these are kept out of everything else and asked instead. The recall
//! of each `ef` of a ladder becomes a curve; [`SearchOptions::recall`] reads it backwards.

use super::{
    Index, ProbeKind, SearchOptions,
    choice::{Exact, FEW, Far, Known, NEIGHBOURS, ROUNDING},
    session::{self, Walking},
};
use crate::{
    compose::FirstStage,
    error::{IndexError, SearchError},
};
use crinoid_graph::{BuildError, ForgetError, Graph, forget};
use crinoid_quant::{Level, Metric, Neighbor, Space, Vectors, isa, random};
use crinoid_refine::RefinerQuery;
use crinoid_search::{Bitmap, Engine, exact};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

/// The numbers of answers that get a curve.
const KS: [usize; 3] = [1, 10, 100];

/// The last of them.
const MOST: usize = KS[KS.len() - 1];

/// How many queries are asked, at most.
pub(super) const QUERIES: usize = 256;

/// `k` and `ef` at which searches are put beside each other.
const USUAL: (usize, usize) = (10, 100);

/// A graph in which more is missed at the usual effort has a rival, among few rows.
const TROUBLE: f64 = 0.01;

/// Seed of the rows that are asked whether they find themselves.
const OWN: u64 = 0x5E1F_F0D5;

/// Recall that a search may lose to a dearer one.
const NEXT_TO_NOTHING: f64 = 0.005;

/// Below so many queries nothing is said: their mean would be off by points.
pub(super) const FEWEST: usize = 24;

/// The ladder ends where so little is missed.
const ENOUGH: f64 = 0.9995;

/// The ladder ends at this `ef` at the latest.
const WIDEST: usize = 8_192;

/// The ladder ends where so many rungs in a row...
const STALLED: usize = 2;

/// ...added less than this together: what is still missing cannot be reached, or not by an effort that
/// anybody would make, and the widest rungs cost more than all others.
const A_STEP: f64 = 0.001;

/// What recall searches reached when the index was built, by `k` and `ef`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Efforts {
    /// Where the queries came from: [`ProbeKind::Asked`] were the caller's, [`ProbeKind::Rows`] rows that the
    /// search was made to forget.
    pub queries_from: Option<ProbeKind>,
    /// How many queries were asked.
    pub queries: usize,
    /// The searches that came into question, the chosen one first, and their recall@10 at `ef` 100; empty where
    /// the recipe named one.
    pub searches: Vec<(String, f64)>,
    /// Recall@10 at `ef` 100 of queries from where no rows are, where these were asked: among few rows.
    pub elsewhere: Vec<(ProbeKind, f64)>,
    /// The share of rows that find themselves at `ef` 100, where they were asked: among few rows, where products are
    /// distances.
    pub themselves: Option<f64>,
    /// A curve for each `k`, ascending. Empty where nothing could be found out: among very few rows,
    /// or where the check was declined.
    pub curves: Vec<EffortCurve>,
}

/// The recall of searches for `k` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EffortCurve {
    /// How many answers were wanted.
    pub k: usize,
    /// `(ef, recall)`, both ascending.
    pub points: Vec<(usize, f64)>,
}

impl EffortCurve {
    /// The least `ef` that reaches `recall`. Between points, what is missed falls as a power of `ef` does.
    fn ef(&self, recall: f64) -> Option<f64> {
        let at = self.points.iter().position(|&(_, reached)| reached >= recall)?;
        let (ef, reached) = self.points[at];
        let Some(&(before, less)) = at.checked_sub(1).and_then(|at| self.points.get(at)) else {
            return Some(ef as f64);
        };
        let missed = |recall: f64| (1.0 - recall).max(1.0 - ENOUGH).ln();
        let share = (missed(less) - missed(recall)) / (missed(less) - missed(reached));
        // All the way, where the curve is at its top before.
        Some(before as f64 * (ef as f64 / before as f64).powf(share.min(1.0)))
    }

    /// The recall at `ef`, by the same rule.
    fn recall(&self, ef: usize) -> Option<f64> {
        let Some(at) = self.points.iter().position(|&(wide, _)| wide >= ef) else {
            return self.points.last().map(|&(_, recall)| recall);
        };
        let (wide, reached) = self.points[at];
        let Some(&(before, less)) = at.checked_sub(1).and_then(|at| self.points.get(at)) else {
            return Some(reached);
        };
        let missed = |recall: f64| (1.0 - recall).max(1.0 - ENOUGH);
        let share = (ef as f64 / before as f64).ln() / (wide as f64 / before as f64).ln();
        Some(1.0 - missed(less) * (missed(reached) / missed(less)).powf(share))
    }

    fn best(&self) -> f64 {
        self.points.last().map_or(0.0, |&(_, recall)| recall)
    }
}

impl Efforts {
    /// The recall of a search for ten answers at the usual effort, or at the most that makes a difference.
    fn usual(&self) -> Option<f64> {
        let (k, ef) = USUAL;
        self.curves.iter().find(|curve| curve.k == k)?.recall(ef)
    }

    /// What was found at the usual effort, of each kind of question, and how much that counts: queries mostly come
    /// from where rows are.
    fn found(&self) -> impl Iterator<Item = (f64, f64)> {
        let weight = |kind| match kind {
            ProbeKind::Outside | ProbeKind::Opposite => 0.25,
            _ => 1.0,
        };
        let elsewhere = self.elsewhere.iter().map(move |&(kind, recall)| (recall, weight(kind)));
        let own = [self.usual(), self.themselves].into_iter().flatten();
        own.map(|recall| (recall, 1.0)).chain(elsewhere)
    }

    /// Whether one in a hundred answers was missed, or one in two hundred rows did not find itself.
    pub(super) fn is_troubled(&self) -> bool {
        let missed = self.found().map(|(recall, _)| 1.0 - recall).fold(0.0, f64::max);
        let themselves = self.themselves.map_or(0.0, |share| 1.0 - share);
        missed.max(2.0 * themselves) > TROUBLE
    }

    /// Whether more was found than by `other`, which was asked the same.
    pub(super) fn finds_more(&self, other: &Self) -> bool {
        let sum = |efforts: &Self| -> f64 {
            efforts.found().map(|(recall, weight)| recall * weight).sum()
        };
        sum(self) > sum(other)
    }

    /// The `ef` for `recall` at `k` answers; the best recall that is known, where that is less.
    fn ef(&self, k: usize, recall: f64) -> Result<usize, f64> {
        let above = self.curves.iter().position(|curve| curve.k >= k);
        let last = self.curves.len() - 1;
        let (low, high) = match above {
            Some(at) if self.curves[at].k == k => (at, at),
            Some(0) => (0, 0),
            Some(at) => (at - 1, at),
            None => (last, last),
        };
        let ef = |at: usize| self.curves[at].ef(recall).ok_or(self.curves[at].best());
        let (below, above) = (ef(low)?, ef(high)?);
        let (from, to) = (self.curves[low].k as f64, self.curves[high].k as f64);
        let wide = match low == high {
            // Beyond the curves the beam grows as what is asked for does.
            true => below * (k as f64 / from).max(1.0),
            false => below * (above / below).powf((k as f64 / from).ln() / (to / from).ln()),
        };
        Ok(wide.ceil() as usize)
    }

    /// Whether this can be what was found out about an index.
    pub(super) fn is_sound(&self) -> bool {
        let ascends = |points: &[(usize, f64)]| {
            let in_range =
                points.iter().all(|&(ef, recall)| ef > 0 && (0.0..=1.0).contains(&recall));
            in_range && points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1)
        };
        let curves = &self.curves;
        curves.is_sorted_by(|a, b| a.k < b.k)
            && curves
                .iter()
                .all(|curve| curve.k > 0 && !curve.points.is_empty() && ascends(&curve.points))
    }
}

impl Index {
    /// `options` with the `ef` that stands for the recall they ask for, and no recall any more.
    pub(crate) fn with_effort(
        &self,
        options: &SearchOptions,
    ) -> Result<SearchOptions, SearchError> {
        let Some(wanted) = options.recall else { return Ok(*options) };
        if !(wanted > 0.0 && wanted <= 1.0) {
            return Err(SearchError::Recall { wanted });
        }
        let efforts = &self.report.efforts;
        if efforts.curves.is_empty() {
            // A walk that keeps everything misses nothing that can be reached.
            return match self.graph.len() <= WIDEST && !self.report.candidates.is_empty() {
                true => Ok(SearchOptions { ef: self.graph.len().max(1), recall: None, ..*options }),
                false => Err(SearchError::NoEfforts),
            };
        }
        match efforts.ef(options.k, f64::from(wanted)) {
            Ok(ef) => Ok(SearchOptions { ef, recall: None, ..*options }),
            Err(best) => Err(SearchError::BeyondReach { wanted, best: best as f32, k: options.k }),
        }
    }

    /// Finds out what recall searches of this index, made of `full`, reach on `queries` (prepared, in both
    /// forms), and settles on a search where `rivals` stand against the recipe's: see [`settle`](Self::settle).
    pub(super) fn efforts_for(
        &mut self,
        full: &Vectors,
        [queries, prepared]: [&Vectors; 2],
        rivals: &[&str],
    ) -> Result<Efforts, IndexError> {
        let nearest = exact::nearest_all(full, self.preparation.prepared_metric(), queries, MOST);
        let questions = queries.rows().zip(prepared.rows()).zip(&nearest);
        let questions = questions.map(|((full, prepared), near)| Question {
            query: RefinerQuery { full, prepared },
            answers: near.clone(),
        });
        let graph = self.graph.clone();
        let questions: Vec<Question<'_>> = questions.collect();
        self.settle(ProbeKind::Asked, full, &questions, (&graph, None), rivals)
    }

    /// `efforts` with what this index finds when it is asked from where nobody forgot anything: among few rows.
    pub(super) fn efforts_of_few(
        &self,
        full: &Vectors,
        known: Option<&Known>,
        efforts: Efforts,
    ) -> Efforts {
        if full.len() > FEW || full.len() < USUAL.0 {
            return efforts;
        }
        let metric = self.preparation.prepared_metric();
        let trial = Trial { index: self, engine: self.stage.engine(), left: None, metric, full };
        let far = known.into_iter().flat_map(|known| &known.far);
        let elsewhere = far.map(|Far { kind, queries, nearest }| {
            let asked = queries.rows().zip(nearest);
            let asked = asked.map(|(query, near)| Question::new(query, near.clone()));
            (*kind, trial.recall(USUAL.0, USUAL.1, &asked.collect::<Vec<_>>()))
        });
        let elsewhere = elsewhere.collect();
        let themselves = (known.is_some() && metric != Metric::InnerProduct).then(|| {
            let own = random::sample(OWN, full.len(), themselves(full.len()));
            let asked = own.iter().map(|&id| {
                let itself = Neighbor { id, distance: 0.0 };
                Question::new(full.row(id as usize), vec![itself])
            });
            trial.recall(1, USUAL.1, &asked.collect::<Vec<_>>())
        });
        Efforts { elsewhere, themselves, ..efforts }
    }

    /// The same, on rows of its own that `forgotten` has forgotten.
    pub(super) fn efforts_without(
        &mut self,
        [full, prepared]: [&Vectors; 2],
        Forgotten { rows, graph }: Forgotten,
        known: Option<&Known>,
        rivals: &[&str],
    ) -> Result<Efforts, IndexError> {
        let metric = self.preparation.prepared_metric();
        let found;
        let nearest: Vec<&Vec<Neighbor>> = match known {
            Some(Known { rows: known, nearest, .. }) => {
                let place = |row| known.binary_search(row).ok().and_then(|at| nearest.get(at));
                rows.iter().filter_map(place).collect()
            }
            None => {
                let own: Vec<&[f32]> = rows.iter().map(|&row| full.row(row as usize)).collect();
                found = exact::nearest_all(full, metric, &Vectors::from_rows(&own)?, NEIGHBOURS);
                found.iter().collect()
            }
        };
        let gone: BTreeSet<u32> = rows.iter().copied().collect();
        let questions = rows.iter().zip(nearest).map(|(&row, near)| {
            let [full, prepared] = [full, prepared].map(|vectors| vectors.row(row as usize));
            let answers = near.iter().filter(|one| !gone.contains(&one.id)).copied().collect();
            Question { query: RefinerQuery { full, prepared }, answers }
        });
        let questions: Vec<Question<'_>> = questions.collect();
        let left = Bitmap::from_fn(graph.len(), |node| !gone.contains(&node));
        self.settle(ProbeKind::Rows, full, &questions, (&Arc::new(graph), Some(&left)), rivals)
    }

    /// Asks the questions over `graph`. Where the search was left open, the first of `rivals`, which have a
    /// shorter reach and cost less, takes its place if it loses next to nothing at the usual effort.
    fn settle(
        &mut self,
        from: ProbeKind,
        full: &Vectors,
        questions: &[Question<'_>],
        (graph, left): (&Arc<Graph>, Option<&Bitmap>),
        rivals: &[&str],
    ) -> Result<Efforts, IndexError> {
        let metric = self.preparation.prepared_metric();
        let own = self.options.recipe.clone();
        let mut stage = self.stage.recompose(&own, graph)?;
        let mut searches = Vec::new();
        if !rivals.is_empty() {
            let recall = |stage: &dyn FirstStage| {
                let trial = Trial { index: self, engine: stage.engine(), left, metric, full };
                trial.recall(USUAL.0, USUAL.1, questions)
            };
            let most = recall(&*stage);
            searches.push((own.search().to_owned(), most));
            for rival in rivals {
                let recipe = own.with("search", rival)?;
                let shorter = self.stage.recompose(&recipe, graph)?;
                let reached = recall(&*shorter);
                searches.push((recipe.search().to_owned(), reached));
                if reached >= most - NEXT_TO_NOTHING {
                    searches.rotate_right(1);
                    stage = shorter;
                    self.stage = self.stage.recompose(&recipe, &self.graph)?;
                    self.fingerprint.recipe = recipe.clone();
                    self.options.recipe = recipe;
                    break;
                }
            }
        }
        let trial = Trial { index: self, engine: stage.engine(), left, metric, full };
        Ok(Efforts { searches, ..trial.efforts(from, questions) })
    }
}

/// Some rows, and a graph as if they had never come.
pub(super) struct Forgotten {
    rows: Vec<u32>,
    graph: Graph,
}

impl Forgotten {
    /// Of the rows that are known a few in a hundred of all, none of them in an upper layer; `None` where that are
    /// too few to ask.
    pub(super) fn by(
        graph: &Graph,
        space: &dyn Space,
        known: &Known,
    ) -> Result<Option<Self>, IndexError> {
        let layers = graph.layers().iter();
        let above: BTreeSet<u32> = layers.flat_map(|layer| layer.nodes.iter().copied()).collect();
        let is_low = |row: &u32| !above.contains(row) && graph.entry_node() != Some(*row);
        let low: Vec<u32> = known.rows.iter().copied().filter(is_low).collect();
        let count = (graph.len() / 16).min(QUERIES).min(low.len());
        if count < FEWEST {
            return Ok(None);
        }
        // Evenly from the first to the last: rows often lie in some order.
        let rows: Vec<u32> = (0..count).map(|at| low[at * low.len() / count]).collect();
        let graph = forget(graph, space, &rows).map_err(|error| match error {
            ForgetError::Build(error) => error,
            other => BuildError::Parameter {
                name: "graph",
                value: other.to_string(),
                range: "one that links all nodes",
            },
        })?;
        Ok(graph.map(|graph| Self { rows, graph }))
    }
}

/// Rows that are asked whether they find themselves, of `len`. Tight groups are lost as a whole, and rarely: it takes
/// many to see one.
fn themselves(len: usize) -> usize {
    (len / 4).clamp(128, 1_024).min(len)
}

/// A query and its exact answers, nearest first: enough for every `k`.
struct Question<'a> {
    query: RefinerQuery<'a>,
    answers: Vec<Neighbor>,
}

impl<'a> Question<'a> {
    /// A query of which nothing is cut off.
    fn new(query: &'a [f32], answers: Vec<Neighbor>) -> Self {
        Self { query: RefinerQuery { full: query, prepared: query }, answers }
    }
}

/// Searches that are counted.
struct Trial<'a> {
    index: &'a Index,
    engine: &'a dyn Engine,
    /// What a scan finds, where rows were forgotten.
    left: Option<&'a Bitmap>,
    metric: Metric,
    full: &'a Vectors,
}

impl Trial<'_> {
    fn efforts(&self, from: ProbeKind, questions: &[Question<'_>]) -> Efforts {
        let curves = KS.into_iter().filter_map(|k| self.curve(k, questions));
        Efforts {
            queries_from: Some(from),
            queries: questions.len(),
            curves: curves.collect(),
            ..Efforts::default()
        }
    }

    fn curve(&self, k: usize, questions: &[Question<'_>]) -> Option<EffortCurve> {
        let whole = questions.iter().filter(|question| question.answers.len() >= k).count();
        if 4 * whole < 3 * questions.len() {
            return None;
        }
        let mut points: Vec<(usize, f64)> = Vec::new();
        let widest = WIDEST.min(self.full.len());
        for ef in ladder(k, widest) {
            let recall = self.recall(k, ef, questions);
            let reached = points.last().map_or(0.0, |&(_, recall)| recall);
            points.push((ef, recall.max(reached)));
            let stalled = points.iter().nth_back(STALLED).is_some_and(|&(_, before)| {
                points.last().is_some_and(|&(_, now)| now < before + A_STEP)
            });
            if recall >= ENOUGH || stalled {
                break;
            }
        }
        Some(EffortCurve { k, points })
    }

    fn recall(&self, k: usize, ef: usize, questions: &[Question<'_>]) -> f64 {
        let options = SearchOptions::new(k, ef);
        let (engine, left) = match self.index.scans(&options) {
            true => (self.index.stage.scan(), self.left),
            false => (self.engine, None),
        };
        let hits = questions.par_iter().filter(|question| question.answers.len() >= k).map_init(
            || (Walking::default(), Vec::new()),
            |(walking, found), Question { query, answers }| {
                let Self { index, .. } = *self;
                // Rows on disk are not there yet, and nothing else can fail.
                let done = session::walk(index, engine, query, &options, left, walking, found);
                let kth = answers[k - 1].distance;
                let limit = kth + kth.abs() * ROUNDING;
                let hits = found.iter().filter(|one| self.distance(query, one.id) <= limit);
                if done.is_ok() { hits.count().min(k) } else { 0 }
            },
        );
        let (hits, asked) = hits
            .fold(|| (0, 0), |(hits, asked), one| (hits + one, asked + 1))
            .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        hits as f64 / (asked * k).max(1) as f64
    }

    fn distance(&self, query: &RefinerQuery<'_>, node: u32) -> f32 {
        let dot = self.metric == Metric::InnerProduct;
        let row = self.full.row(node as usize);
        isa::dispatch(Level::current(), Exact { row, query: query.full, dot })
    }
}

/// Beams from `k` to `widest`, each twice as wide as the one before. On a logarithmic scale curves are so nearly
/// straight that rungs half as far apart say the same for two thirds more work.
fn ladder(k: usize, widest: usize) -> impl Iterator<Item = usize> {
    let first = k.max(4).min(widest);
    let steps = std::iter::successors(Some(first), |ef| ef.checked_mul(2));
    steps.take_while(move |&ef| ef < widest).chain([widest])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn efforts() -> Efforts {
        let curve = |k: usize, points: &[(usize, f64)]| EffortCurve { k, points: points.to_vec() };
        let curves = vec![
            curve(10, &[(10, 0.5), (20, 0.8), (40, 0.95), (80, 0.99)]),
            curve(100, &[(100, 0.7), (200, 0.95), (400, 0.99)]),
        ];
        Efforts { queries_from: Some(ProbeKind::Rows), queries: 100, curves, ..Efforts::default() }
    }

    #[test]
    fn the_beam_is_read_off_the_curve_and_between_curves() {
        let efforts = efforts();
        assert_eq!(efforts.ef(10, 0.95), Ok(40));
        assert_eq!(efforts.ef(10, 0.3), Ok(10));
        let between = efforts.ef(10, 0.9).unwrap();
        assert!((28..=29).contains(&between), "{between}"); // half an octave above 20
        assert_eq!(efforts.ef(1, 0.95), Ok(40));
        assert_eq!(efforts.ef(100, 0.95), Ok(200));
        assert_eq!(efforts.ef(200, 0.95), Ok(400));
        let between = efforts.ef(32, 0.95).unwrap();
        assert!((89..=91).contains(&between), "{between}");
    }

    #[test]
    fn recall_is_read_off_the_curve_as_efforts_are() {
        let curve = &efforts().curves[0];
        for (ef, recall) in [(5, 0.5), (10, 0.5), (20, 0.8), (80, 0.99), (500, 0.99)] {
            assert!((curve.recall(ef).unwrap() - recall).abs() < 1e-12, "{ef}");
        }
        for recall in [0.6, 0.9, 0.97] {
            let back = curve.recall(curve.ef(recall).unwrap().round() as usize).unwrap();
            assert!((back - recall).abs() < 0.01, "{recall}: {back}");
        }
    }

    #[test]
    fn what_was_never_reached_is_said() {
        assert_eq!(efforts().ef(10, 0.995), Err(0.99));
        assert_eq!(efforts().ef(50, 0.995), Err(0.99));
    }

    #[test]
    fn curves_that_fall_or_start_at_nothing_are_unsound() {
        assert!(efforts().is_sound() && Efforts::default().is_sound());
        let broken = |change: fn(&mut Efforts)| {
            let mut efforts = efforts();
            change(&mut efforts);
            !efforts.is_sound()
        };
        assert!(broken(|it| it.curves[0].points[1].1 = 0.4));
        assert!(broken(|it| it.curves[0].points[1].0 = 10));
        assert!(broken(|it| it.curves[0].points[3].1 = 1.1));
        assert!(broken(|it| it.curves[0].points.clear()));
        assert!(broken(|it| it.curves[1].k = 10));
        assert!(broken(|it| it.curves[0].points[0].0 = 0));
    }

    #[test]
    fn a_ladder_rises_to_its_end() {
        let rungs: Vec<usize> = ladder(10, 100).collect();
        assert_eq!(rungs, [10, 20, 40, 80, 100]);
        assert_eq!(ladder(100, 30).collect::<Vec<_>>(), [30]);
        assert_eq!(ladder(1, 5).collect::<Vec<_>>(), [4, 5]);
    }
}
