//! Which codes are searched, where the recipe leaves it open, and whether those that it names will do:
//! found out by counting, never by the clock.
//!
//! No codes are right everywhere. Bytes on one scale lose everything below a step to a single outlier;
//! codes of 4 bits read half the cache lines and double the speed at 384 dimensions, but at 25 they
//! cannot tell neighbours apart. So a sample of questions is put to a scan of the codes: what it leaves
//! for the refiner is the most that any search over these codes can reach, their *ceiling*. Whatever
//! stays below is out, floats always pass, and a written model of what a query costs decides among the
//! rest. The same vectors give the same choice on every machine.
//!
//! | file | what is in it |
//! |---|---|
//! | `probes` | the questions and their answers |
//! | `ceiling` | what codes leave of the answers |
//! | `report` | what was found out, as the index keeps it |

mod ceiling;
mod probes;
mod report;

pub use ceiling::Ceiling;
pub(super) use ceiling::{Exact, ROUNDING};
pub use probes::ProbeKind;
pub(super) use probes::{FEW, Far, Known, NEIGHBOURS};
pub use report::{BuildReport, Candidate, Verdict};

use crate::{
    compose::{self, Encoded},
    error::IndexError,
    recipe::{AUTO, Recipe},
};
use ceiling::{Ceilings, WIDER, pool};
use crinoid_quant::{
    Codes, Metric, Vectors,
    codec::{Float, Half, Int4, Lean, Sq8Clipped, U8Exact},
};
use crinoid_refine::{NoRefiner, Rescore};
use probes::{KS, Probes};

/// The recall that a recipe which the caller names must be able to reach.
const NAMED: f64 = 0.95;

/// The recall of the bare order of codes on which a graph may be built. A list is pruned by comparing
/// distances between its candidates: codes that mistake one in ten of the nearest serve that as well as
/// floats.
const SPACE: f64 = 0.9;

/// Dimensions below which codes of 4 bits are not tried: a row of bytes is one line, as theirs is.
const PACKED_FROM: usize = 65;

/// Dimensions below which principal axes are not tried: codes of 4 bits are as short.
const LEAN_FROM: usize = 193;

/// What a query costs, in nanoseconds of the machine the model was fitted on; only ratios matter.
mod cost {
    /// Rows that a search to recall 0.95 measures, give or take a factor of two.
    pub(super) const EVALUATIONS: f64 = 800.0;
    /// Measuring a row whose lines are there.
    pub(super) const EVALUATION: f64 = 7.0;
    /// A line of a row that was asked for in time.
    pub(super) const LINE: f64 = 1.3;
    /// Measuring a row again, by the refiner.
    pub(super) const RESCORED: f64 = 20.0;
    /// A line of such a row: there is less to overlap it with.
    pub(super) const RESCORED_LINE: f64 = 5.0;
    /// A line of what a query is multiplied by before the search.
    pub(super) const PREPARED_LINE: f64 = 0.5;
}

/// Codes that have been looked at.
struct Tried {
    codes: Box<dyn Encoded>,
    ceilings: Ceilings,
}

/// Codes under the name of their codec.
type NamedCodes = (&'static str, Box<dyn Encoded>);

/// What an index is made of.
pub(super) struct Choice {
    pub(super) recipe: Recipe,
    /// The codes that the graph is built on.
    pub(super) space: Box<dyn Encoded>,
    /// The codes that are searched, where they are others and exist already.
    pub(super) codes: Option<Box<dyn Encoded>>,
    pub(super) report: BuildReport,
    /// What was found out about some rows.
    pub(super) known: Known,
}

/// The data that codes are chosen for.
pub(super) struct Data<'a> {
    pub(super) prepared: &'a Vectors,
    pub(super) metric: Metric,
    /// Whether vectors have unit length.
    pub(super) on_sphere: bool,
    /// Whether nothing was truncated.
    pub(super) whole: bool,
    /// The caller's queries, prepared.
    pub(super) asked: Option<&'a Vectors>,
}

impl Data<'_> {
    fn lines(&self, bytes: usize) -> f64 {
        // A constant of each row lies in a line of its own, which sixteen rows share.
        bytes.div_ceil(64) as f64 + 0.25
    }

    /// The cost of a query that reads `prepared` bytes before it searches rows of `bytes`, and whose refiner sees
    /// `rescored` rows.
    fn cost(&self, [prepared, bytes]: [usize; 2], rescored: usize) -> f64 {
        let float = self.prepared.dim() as f64 * 4.0 / 64.0;
        cost::PREPARED_LINE * (prepared / 64) as f64
            + cost::EVALUATIONS * (cost::EVALUATION + cost::LINE * self.lines(bytes))
            + rescored as f64 * (cost::RESCORED + cost::RESCORED_LINE * float)
    }

    /// Codes shorter than a byte a dimension that are worth a try, and the least that they read.
    fn shorter(&self) -> impl Iterator<Item = (&'static str, [usize; 2])> {
        let dim = self.prepared.dim();
        let packed = Int4::check(self.prepared, self.metric).is_ok() && dim >= PACKED_FROM;
        let lean = Lean::check(self.prepared, self.metric).is_ok() && dim >= LEAN_FROM;
        // Axes are found in a time that does not shrink with the rows.
        let lean = lean && self.prepared.len() > FEW;
        let packed = packed.then_some((Int4::VERSION, [0, dim.div_ceil(2)]));
        let lean = lean.then_some((Lean::VERSION, [64 * dim, 64]));
        lean.into_iter().chain(packed)
    }

    fn probes(&self) -> Result<(Vec<Probes>, Known), IndexError> {
        probes::all(self.prepared, self.metric, self.on_sphere, self.asked)
    }

    fn encode(&self, codec: &str) -> Result<Box<dyn Encoded>, IndexError> {
        compose::encode(codec, self.prepared, self.metric)
    }

    fn measure(&self, codec: &str, probes: &[Probes]) -> Result<Tried, IndexError> {
        let codes = self.encode(codec)?;
        let ceilings = match codec == Float::VERSION {
            true => Ceilings::exact(probes),
            false => {
                let room = pool(KS[KS.len() - 1], WIDER[WIDER.len() - 1]);
                Ceilings::measure(codes.scan(), self.prepared, self.metric, probes, room)
            }
        };
        Ok(Tried { codes, ceilings })
    }
}

impl Choice {
    /// The codes for a recipe that leaves them open.
    pub(super) fn open(recipe: &Recipe, data: &Data<'_>) -> Result<Self, IndexError> {
        let (probes, known) = data.probes()?;
        let intrinsic = probes::dimension(&probes, data.metric);
        let mut choice = Self::among(&recipe.linked(intrinsic), data, &probes)?;
        choice.report.intrinsic = intrinsic;
        choice.known = known;
        Ok(choice)
    }

    fn among(recipe: &Recipe, data: &Data<'_>, probes: &[Probes]) -> Result<Self, IndexError> {
        if U8Exact::check(data.prepared, data.metric).is_ok() {
            let bytes = data.measure(U8Exact::VERSION, probes)?;
            // They lose nothing of the rows, but much of queries between integers that lie close together.
            if bytes.ceilings.widening() == Some(WIDER[0]) {
                return Self::of_integers(recipe, data, probes, bytes);
            }
        }
        Self::of_floats(recipe, data, probes)
    }

    /// Bytes that lose nothing, or, where rows are long, shorter codes before them.
    fn of_integers(
        recipe: &Recipe,
        data: &Data<'_>,
        probes: &[Probes],
        Tried { codes: space, ceilings }: Tried,
    ) -> Result<Self, IndexError> {
        let bytes = recipe.with("quant", U8Exact::VERSION)?;
        // Distances to integers are exact already, and others are measured again by the same bytes.
        let bytes = if data.whole { bytes.with("refine", NoRefiner::VERSION)? } else { bytes };
        let rescored = !data.whole || data.metric == Metric::InnerProduct;
        let mut race = Race::new(data);
        race.enter(bytes, &ceilings, space.reads(), rescored);
        let shorter = race.shorter(recipe, U8Exact::VERSION, probes)?;
        let (recipe, report) = race.over();
        let mut shorter = shorter.into_iter();
        let codes = shorter.find(|(codec, _)| *codec == recipe.quant()).map(|(_, codes)| codes);
        Ok(Self { recipe, space, codes, report, known: Known::default() })
    }

    /// Bytes on one scale, shorter codes where rows are long, and floats: of 16 bits where the
    /// range allows, or as they are. The graph is built on the coarsest that tell neighbours apart.
    fn of_floats(recipe: &Recipe, data: &Data<'_>, probes: &[Probes]) -> Result<Self, IndexError> {
        let mut race = Race::new(data);
        let bytes = data.measure(Sq8Clipped::VERSION, probes)?;
        let half = match bytes.ceilings.widening() {
            Some(wider) if wider <= WIDER[0] => None,
            _ if Half::check(data.prepared, data.metric).is_err() => None,
            _ => Some(data.measure(Half::VERSION, probes)?),
        };
        let tells_apart = |tried: &Tried| tried.ceilings.tells_apart(SPACE);
        let space = match &half {
            _ if tells_apart(&bytes) => Sq8Clipped::VERSION,
            Some(half) if tells_apart(half) => Half::VERSION,
            _ => Float::VERSION,
        };
        let named = |codec: &str| match space == codec {
            true => recipe.with("quant", codec),
            false => recipe.with("quant", &format!("{space}+{codec}")),
        };
        let mut tried = vec![(Sq8Clipped::VERSION, bytes)];
        tried.extend(half.map(|half| (Half::VERSION, half)));
        for (codec, Tried { codes, ceilings }) in &tried {
            race.enter(named(codec)?, ceilings, codes.reads(), true);
        }
        // Who searches floats has no use for a graph of anything coarser.
        let floats = recipe.with("quant", Float::VERSION)?;
        let floats = if data.whole { floats.with("refine", NoRefiner::VERSION)? } else { floats };
        let bytes = 4 * data.prepared.dim().next_multiple_of(16);
        race.enter(floats, &Ceilings::exact(probes), [0, bytes], !data.whole);
        let mut known: Vec<_> = tried.into_iter().map(|(codec, it)| (codec, it.codes)).collect();
        if space == Sq8Clipped::VERSION {
            known.extend(race.shorter(recipe, space, probes)?);
        }
        let (recipe, report) = race.over();
        let mut take = |codec: &str| {
            let place = known.iter().position(|(known, _)| *known == codec)?;
            Some(known.swap_remove(place).1)
        };
        let codes = if recipe.quant() == recipe.space() { None } else { take(recipe.quant()) };
        let space = match take(recipe.space()) {
            Some(space) => space,
            None => data.encode(recipe.space())?,
        };
        Ok(Self { recipe, space, codes, report, known: Known::default() })
    }

    /// The codes that a recipe names, if they will do.
    pub(super) fn named(
        recipe: &Recipe,
        data: &Data<'_>,
        unchecked: bool,
    ) -> Result<Self, IndexError> {
        let space = data.encode(recipe.space())?;
        let codes = match recipe.space() == recipe.quant() {
            true => None,
            false => Some(data.encode(recipe.quant())?),
        };
        let mut report = BuildReport::new(data.prepared);
        if unchecked || data.prepared.is_empty() {
            let (recipe, known) = (recipe.linked(None), Known::default());
            return Ok(Self { recipe, space, codes, report, known });
        }
        let (probes, known) = data.probes()?;
        report.intrinsic = probes::dimension(&probes, data.metric);
        let recipe = &recipe.linked(report.intrinsic);
        let searched = codes.as_ref().unwrap_or(&space);
        let ceilings = Self::ceilings(recipe, data, &probes, &**searched)?;
        let near = |one: &&Ceiling| {
            matches!(one.probes, ProbeKind::Rows | ProbeKind::Between | ProbeKind::Asked)
        };
        let least = ceilings.iter().filter(near).map(|one| one.at_10).fold(1.0, f64::min);
        if least < NAMED {
            drop((space, codes));
            let better = Self::open(&recipe.with("quant", AUTO)?, data)?.recipe;
            let (recipe, better) = (recipe.to_string(), better.to_string());
            return Err(IndexError::Lossy { recipe, ceiling: least, better });
        }
        report.candidates.push(Candidate {
            recipe: recipe.to_string(),
            widened: 1.0,
            bytes: searched.reads()[1],
            ceilings,
            cost: None,
            verdict: Verdict::Named,
        });
        Ok(Self { recipe: recipe.clone(), space, codes, report, known })
    }

    /// The ceilings of a recipe as it is searched with default options.
    fn ceilings(
        recipe: &Recipe,
        data: &Data<'_>,
        probes: &[Probes],
        codes: &dyn Encoded,
    ) -> Result<Vec<Ceiling>, IndexError> {
        let Some(last) = recipe.refine().last() else { return Ok(Vec::new()) };
        let lossless = [U8Exact::VERSION, Float::VERSION].contains(&recipe.quant());
        if lossless && recipe.refine() == [NoRefiner::VERSION] {
            return Ok(Ceilings::exact(probes).alone());
        }
        let room = pool(KS[KS.len() - 1], WIDER[0]).max(400);
        let measure = |scan| Ceilings::measure(scan, data.prepared, data.metric, probes, room);
        let first = measure(codes.scan());
        let first = match (last == NoRefiner::VERSION, compose::is_coarse(recipe)) {
            (true, _) => first.alone(),
            // A refiner of coarse codes sees all that the default effort finds.
            (false, true) => first.behind_all(100),
            (false, false) => first.behind(WIDER[0]),
        };
        if last != Rescore::<crinoid_quant::codec::Int8MaxAbs>::VERSION {
            return Ok(first);
        }
        // The last word is that of bytes.
        let bytes = measure(data.encode("int8-maxabs@1")?.scan()).alone();
        let both = first.into_iter().zip(bytes).map(|(a, b)| Ceiling {
            at_10: a.at_10.min(b.at_10),
            at_100: a.at_100.min(b.at_100),
            ..a
        });
        Ok(both.collect())
    }
}

/// Candidates, and the cheapest of them that will do.
struct Race<'a> {
    data: &'a Data<'a>,
    report: BuildReport,
    best: Option<(f64, usize)>,
}

impl<'a> Race<'a> {
    fn new(data: &'a Data<'a>) -> Self {
        Self { data, report: BuildReport::new(data.prepared), best: None }
    }

    /// Lets a candidate in; `rescored` says that a refiner comes after it.
    fn enter(&mut self, recipe: Recipe, ceilings: &Ceilings, reads: [usize; 2], rescored: bool) {
        let widened = ceilings.widening();
        let shown = widened.unwrap_or(WIDER[WIDER.len() - 1]);
        let cost = widened.map(|wider| {
            let rescored = if rescored { pool(KS[0], wider) } else { 0 };
            self.data.cost(reads, rescored)
        });
        if let Some(cost) = cost
            && self.best.is_none_or(|(best, _)| cost < best)
        {
            self.best = Some((cost, self.report.candidates.len()));
        }
        self.report.candidates.push(Candidate {
            recipe: recipe.to_string(),
            widened: shown,
            bytes: reads[1],
            ceilings: ceilings.behind(shown),
            cost,
            verdict: if cost.is_some() { Verdict::Dearer } else { Verdict::Below },
        });
    }

    /// Lets shorter codes in, those that could be cheaper than what there is.
    fn shorter(
        &mut self,
        recipe: &Recipe,
        space: &str,
        probes: &[Probes],
    ) -> Result<Vec<NamedCodes>, IndexError> {
        let mut tried = Vec::new();
        for (codec, reads) in self.data.shorter() {
            let least = self.data.cost(reads, pool(KS[0], WIDER[0]));
            if self.best.is_some_and(|(best, _)| best <= least) {
                continue;
            }
            let Tried { codes, ceilings } = self.data.measure(codec, probes)?;
            let recipe = recipe.with("quant", &format!("{space}+{codec}"))?;
            self.enter(recipe, &ceilings, codes.reads(), true);
            tried.push((codec, codes));
        }
        Ok(tried)
    }

    /// The winner, and everybody with it.
    fn over(mut self) -> (Recipe, BuildReport) {
        let best = self.best.map_or(0, |(_, best)| best);
        self.report.candidates[..=best].rotate_right(1);
        let chosen = &mut self.report.candidates[0];
        chosen.verdict = Verdict::Chosen;
        self.report.widened = chosen.widened;
        // It was printed from a recipe.
        let recipe = chosen.recipe.parse().unwrap_or_default();
        (recipe, self.report)
    }
}
