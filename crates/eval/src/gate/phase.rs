//! From intervals to a verdict.

use super::Evidence;
use crate::stats::Interval;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a candidate must be better at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Answers: material gain in quality, latency within a budget.
    Quality,
    /// Speed: faster at matched recall, quality not materially worse.
    Latency,
    /// Speed, and at no effort a lower recall.
    Strict,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 3] = [Phase::Quality, Phase::Latency, Phase::Strict];

    /// Its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Quality => "quality",
            Phase::Latency => "latency",
            Phase::Strict => "strict",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Phase::ALL.into_iter().find(|phase| phase.name() == text);
        found.ok_or_else(|| format!("unknown phase `{text}` (known: quality, latency, strict)"))
    }
}

/// The numbers in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// How much recall, nDCG or MRR must gain to be worth shipping: 0.002 is 0.2 points.
    pub material: f64,
    /// How much recall a faster candidate may lose: 0.005 is half a point.
    pub recall_loss: f64,
    /// How much slower a better candidate may answer: 0.1 is a tenth.
    pub latency_budget: f64,
    /// How far recall at equal effort may fall in the strict phase before it counts as lower.
    pub equal_recall: f64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { material: 0.002, recall_loss: 0.005, latency_budget: 0.10, equal_recall: 0.0005 }
    }
}

/// Whether a condition is met, as far as one can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// Its interval lies on the good side.
    Yes,
    /// Its interval lies on the bad side.
    No,
    /// Its interval covers the threshold.
    Open,
}

/// One condition of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// What must be.
    pub rule: String,
    /// Whether it is.
    pub holds: Holds,
    /// More rounds after which it would be decided, if things go on as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_rounds: Option<u64>,
    /// More queries after which it would be decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_queries: Option<u64>,
}

/// The gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Better, as sure as was asked for.
    Ship,
    /// Not better, or worse.
    DontShip,
    /// Cannot tell yet.
    Inconclusive,
    /// There was nothing to compare: a subject misbehaved.
    Broken,
}

impl Outcome {
    /// The exit code of a command that ends with it.
    pub const fn exit_code(self) -> u8 {
        match self {
            Outcome::Ship => 0,
            Outcome::DontShip => 1,
            Outcome::Inconclusive => 2,
            Outcome::Broken => 3,
        }
    }

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Outcome::Ship => "ship",
            Outcome::DontShip => "don't ship",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Broken => "broken",
        }
    }
}

/// The gate's answer and its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// The phase whose rules were applied.
    pub phase: Phase,
    /// The conditions.
    pub criteria: Vec<Criterion>,
    /// One sentence.
    pub summary: String,
}

/// Where subjects wait for a core for so large a share of their time, speeds are those of the queue.
const BUSY: f64 = 0.3;

impl Verdict {
    /// The verdict, given the share of their time for which the subjects had to wait for a core.
    pub(crate) fn on_a_machine(self, busy: f64) -> Self {
        if busy <= BUSY {
            return self;
        }
        let share = 100.0 * busy;
        let summary = format!(
            "the machine was busy: {share:.0} % of the time a subject was ready and others had the \
             core ({})",
            self.summary
        );
        Self { outcome: Outcome::Inconclusive, summary, ..self }
    }
}

/// What kind of sampling would narrow an interval.
#[derive(Clone, Copy)]
enum By {
    Rounds(usize),
    Queries(usize),
}

/// `interval > threshold`?
fn above(rule: String, interval: &Interval, threshold: f64, by: By) -> Criterion {
    let holds = if interval.low > threshold {
        Holds::Yes
    } else if interval.high <= threshold {
        Holds::No
    } else {
        Holds::Open
    };
    // Half-widths shrink with the root of the sample.
    let distance = interval.estimate - threshold;
    let half = if distance > 0.0 {
        interval.estimate - interval.low
    } else {
        interval.high - interval.estimate
    };
    let more = |n: usize| {
        let factor = (half / distance.abs()).powi(2) - 1.0;
        let more = (n as f64 * factor).ceil();
        (holds == Holds::Open && more.is_finite() && more <= 1e6).then_some(more.max(1.0) as u64)
    };
    let (more_rounds, more_queries) = match by {
        By::Rounds(n) => (more(n), None),
        By::Queries(n) => (None, more(n)),
    };
    Criterion { rule, holds, more_rounds, more_queries }
}

fn not(criterion: Criterion, rule: String) -> Criterion {
    let holds = match criterion.holds {
        Holds::Yes => Holds::No,
        Holds::No => Holds::Yes,
        Holds::Open => Holds::Open,
    };
    Criterion { rule, holds, ..criterion }
}

/// The verdict of `phase` on `evidence`.
pub fn decide(phase: Phase, evidence: &Evidence, terms: &Terms) -> Verdict {
    let criteria = match phase {
        Phase::Quality => quality(evidence, terms),
        Phase::Latency => latency(evidence, terms),
        Phase::Strict => {
            let mut criteria = latency(evidence, terms);
            criteria.push(strict(evidence, terms));
            criteria
        }
    };
    let any = |holds| criteria.iter().any(|criterion| criterion.holds == holds);
    let outcome = match (any(Holds::No), any(Holds::Open)) {
        (true, _) => Outcome::DontShip,
        (false, true) => Outcome::Inconclusive,
        (false, false) => Outcome::Ship,
    };
    let summary = summarise(outcome, &criteria);
    Verdict { outcome, phase, criteria, summary }
}

fn summarise(outcome: Outcome, criteria: &[Criterion]) -> String {
    let rules = |holds| {
        let of = criteria.iter().filter(|criterion| criterion.holds == holds);
        of.map(|criterion| criterion.rule.as_str()).collect::<Vec<_>>().join("; ")
    };
    match outcome {
        Outcome::Ship => format!("all hold: {}", rules(Holds::Yes)),
        Outcome::DontShip => format!("does not hold: {}", rules(Holds::No)),
        Outcome::Broken => "nothing was compared".to_owned(),
        Outcome::Inconclusive => {
            let open = || criteria.iter().filter(|criterion| criterion.holds == Holds::Open);
            let mut needs = Vec::new();
            if let Some(rounds) = open().filter_map(|c| c.more_rounds).max() {
                needs.push(format!("about {rounds} more rounds"));
            }
            if let Some(queries) = open().filter_map(|c| c.more_queries).max() {
                needs.push(format!("about {queries} more queries"));
            }
            let needs = match needs.is_empty() {
                true => "no foreseeable amount of measuring would".to_owned(),
                false => format!("{} would decide it", needs.join(" and ")),
            };
            format!("cannot tell yet: {}; {needs}", rules(Holds::Open))
        }
    }
}

fn quality(evidence: &Evidence, terms: &Terms) -> Vec<Criterion> {
    let mut metrics = vec![(format!("recall@{}", evidence.gate_k), evidence.recall)];
    metrics.extend(evidence.ndcg.map(|interval| ("nDCG@10".to_owned(), interval)));
    metrics.extend(evidence.mrr.map(|interval| ("MRR@10".to_owned(), interval)));
    let by = By::Queries(evidence.queries);
    let gains: Vec<Criterion> = metrics
        .iter()
        .map(|(name, interval)| above(name.clone(), interval, terms.material, by))
        .collect();
    let names = metrics.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" or ");
    let best = [Holds::Yes, Holds::Open, Holds::No]
        .into_iter()
        .find_map(|holds| gains.iter().find(|gain| gain.holds == holds));
    let mut criteria = Vec::new();
    let rule = format!("{names} gains more than {:.2} points", terms.material * 100.0);
    criteria.extend(best.map(|best| Criterion { rule, ..best.clone() }));
    for (name, interval) in &metrics {
        // "None of the others' upper bounds is below 0": an open question is no objection.
        let worse = interval.high < 0.0;
        let holds = if worse { Holds::No } else { Holds::Yes };
        let rule = format!("{name} does not fall");
        criteria.push(Criterion { rule, holds, more_rounds: None, more_queries: None });
    }
    // At matched recall: a better graph may well do more at the same effort. Where the curves are
    // too short for that, equal effort must do.
    let matched = evidence.reward.map(|Interval { estimate, low, high }| Interval {
        estimate: -estimate,
        low: -high,
        high: -low,
    });
    let slowdowns = [("matched recall", matched), ("equal ef", evidence.slowdown)];
    if let Some((at, slowdown)) = slowdowns.into_iter().find_map(|(at, s)| Some((at, s?))) {
        let budget = terms.latency_budget;
        let over = above(String::new(), &slowdown, budget.ln_1p(), By::Rounds(evidence.rounds));
        let rule = format!("answers at {at} are at most {:.0} % slower", budget * 100.0);
        criteria.push(not(over, rule));
    }
    criteria
}

fn latency(evidence: &Evidence, terms: &Terms) -> Vec<Criterion> {
    let by = By::Rounds(evidence.rounds);
    let mut criteria = Vec::new();
    match &evidence.reward {
        Some(reward) => {
            let rule = "the reward (QPS at matched recall) is higher".to_owned();
            criteria.push(above(rule, reward, 0.0, by));
        }
        None => criteria.push(Criterion {
            rule: "both reach recalls at which a reward can be taken".to_owned(),
            holds: Holds::No,
            more_rounds: None,
            more_queries: None,
        }),
    }
    if let Some(p50) = &evidence.p50 {
        let rule = "the median query at matched recall is faster".to_owned();
        criteria.push(above(rule, p50, 0.0, by));
    }
    let rule =
        format!("recall@{} loses at most {:.2} points", evidence.gate_k, terms.recall_loss * 100.0);
    // A bound equal to the threshold is good enough here: `>=`, not `>`.
    let threshold = -terms.recall_loss - 1e-12;
    criteria.push(above(rule, &evidence.recall, threshold, By::Queries(evidence.queries)));
    criteria
}

fn strict(evidence: &Evidence, terms: &Terms) -> Criterion {
    let worst = evidence.equal_effort.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let (rule, holds) = match worst {
        Some(&(ef, change)) if change < -terms.equal_recall => {
            let points = -change * 100.0;
            (format!("recall at equal ef does not fall (ef {ef}: -{points:.2} points)"), Holds::No)
        }
        Some(_) => ("recall at equal ef does not fall".to_owned(), Holds::Yes),
        None => ("both were measured at some equal ef".to_owned(), Holds::Open),
    };
    Criterion { rule, holds, more_rounds: None, more_queries: None }
}

#[cfg(test)]
#[path = "phase_tests.rs"]
mod tests;
