//! From a trial's conclusion to a result.

use super::{Better, Comparison, DataFacts, Delta, Level, Point, ResultFile, SubjectResult, Unit};
use crate::{
    data::Dataset,
    gate::{Conclusion, Trial},
    measure::{Pair, QuerySplit, RunningSubject, Speeds, curve},
    metrics::mean,
    reward::{HIGH, LEVELS, REWARD},
    stats::Interval,
};
use std::{collections::BTreeMap, time::SystemTime};

/// Everything about one subject: what it built, and what it reached on `split`.
pub fn subject(
    running: &RunningSubject<'_>,
    split: &QuerySplit,
    k: usize,
    speeds: &Speeds,
) -> SubjectResult {
    let medians = medians(speeds);
    let qps: BTreeMap<usize, f64> =
        speeds.efforts.iter().copied().zip(medians.iter().copied()).collect();
    let timed = curve(&speeds.recalls, &medians);
    let mut ks: Vec<usize> = running.asked(split).collect();
    ks.dedup();
    let mut points = Vec::new();
    for at in ks {
        points.extend(running.observations(split, at).map(|seen| {
            let average = |values: &[f64]| (!values.is_empty()).then(|| mean(values));
            let speed = qps.get(&seen.ef).copied().filter(|_| at == k);
            let front = |speed: f64| timed.points().iter().any(|point| point.speed == speed);
            Point {
                k: at,
                ef: seen.ef,
                recall: seen.recall(),
                qps: speed,
                latency: None,
                hops: seen.hops(),
                distances: seen.distances(),
                ndcg: average(&seen.grades.ndcg),
                mrr: average(&seen.grades.mrr),
                gaps: seen.gaps,
                pareto: speed.is_some_and(front),
            }
        }));
    }
    // Less work is better: the front of work is that of its inverse.
    let work = |pick: &dyn Fn(&Point) -> Option<f64>| {
        let mut recalls = Vec::new();
        let mut speeds = Vec::new();
        for point in points.iter().filter(|point| point.k == k) {
            if let Some(work) = pick(point) {
                recalls.push(point.recall);
                speeds.push(1.0 / work);
            }
        }
        curve(&recalls, &speeds)
    };
    let (hops, distances) = (work(&|point| point.hops), work(&|point| point.distances));
    let level = |recall| Level {
        recall,
        qps: timed.at(recall),
        hops: hops.at(recall).map(f64::recip),
        distances: distances.at(recall).map(f64::recip),
    };
    let (resident, peak) = running.memory();
    let area = |range| (!timed.points().is_empty()).then(|| timed.area(range));
    SubjectResult {
        label: running.label().to_owned(),
        name: running.hello().name.clone(),
        version: running.hello().version.clone(),
        isa: running.hello().isa.clone(),
        build_seconds: running.build_time().as_secs_f64(),
        bytes: running.built().bytes,
        parts: running.built().parts.clone(),
        digest: running.built().digest.clone(),
        chose: running.built().chose.clone(),
        resident,
        peak,
        points,
        reward: area(REWARD),
        high: area(HIGH),
        levels: LEVELS.map(level).to_vec(),
        ..SubjectResult::default()
    }
}

/// Medians over the rounds at each effort.
fn medians(speeds: &Speeds) -> Vec<f64> {
    let at = |index: usize| {
        let mut values: Vec<f64> =
            speeds.rounds.iter().filter_map(|round| round.get(index).copied()).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    (0..speeds.efforts.len()).map(at).collect()
}

/// A result without subjects: what was measured, by whom, where and when.
pub fn alone(command: &str, title: String, data: &Dataset, queries: usize) -> ResultFile {
    let digest = crate::truth::digest(data.metric, &data.base, &data.queries);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    ResultFile {
        schema: super::SCHEMA,
        command: command.to_owned(),
        title,
        laboratory: env!("CARGO_PKG_VERSION").to_owned(),
        time: now.map_or(0, |now| now.as_secs()),
        machine: super::Machine::here(),
        data: DataFacts {
            name: data.name.clone(),
            rows: data.base.len(),
            dim: data.dim(),
            queries,
            metric: data.metric.name().to_owned(),
            digest: format!("{digest:032x}"),
        },
        ..ResultFile::default()
    }
}

impl ResultFile {
    /// Adds both subjects of a trial, their comparison and the verdict.
    pub fn conclude(
        mut self,
        trial: &Trial,
        running: Pair<&RunningSubject<'_>>,
        conclusion: &Conclusion,
    ) -> Self {
        let of = |running, speeds, latency| SubjectResult {
            latency,
            latency_recall: conclusion.latency_recall,
            ..subject(running, &trial.held_out, trial.k, speeds)
        };
        let a = of(running.a, &conclusion.speeds.a, conclusion.latency.a);
        let b = of(running.b, &conclusion.speeds.b, conclusion.latency.b);
        self.settings.k = trial.k;
        self.settings.gate_k = trial.gate_k;
        self.settings.gate_ef = conclusion.gate_ef;
        self.settings.rounds = conclusion.evidence.rounds;
        self.settings.level = conclusion.level;
        self.settings.seed = trial.seed;
        self.settings.pinned = running.a.pinned() && running.b.pinned();
        for subject in [&a, &b] {
            let gaps: usize = subject.points.iter().map(|point| point.gaps).sum();
            if gaps > 0 {
                self.notes.push(format!("{}: {gaps} answers were missing", subject.label));
            }
            if let Some(reward) = subject.reward.filter(|reward| !reward.complete) {
                let end = reward.reaches;
                let label = &subject.label;
                self.notes.push(format!(
                    "{label}: its curve ends at recall {end:.3}; its reward is the area up to there"
                ));
            }
        }
        if !self.settings.pinned {
            self.notes.push("the subjects could not be pinned to a core".to_owned());
        }
        self.comparisons.push(compare(trial, conclusion, &a, &b));
        self.subjects.extend([a, b]);
        self.verdict = Some(conclusion.verdict.clone());
        self
    }
}

fn compare(
    trial: &Trial,
    conclusion: &Conclusion,
    a: &SubjectResult,
    b: &SubjectResult,
) -> Comparison {
    let evidence = &conclusion.evidence;
    let gate = |subject: &SubjectResult| {
        let at = |point: &&Point| point.k == trial.gate_k && point.ef == conclusion.gate_ef;
        subject.points.iter().find(at).cloned().unwrap_or_default()
    };
    let (gate_a, gate_b) = (gate(a), gate(b));
    let mut deltas = Vec::new();
    let ef = conclusion.gate_ef;
    let k = trial.gate_k;
    let quality = [
        (format!("recall@{k} at ef {ef}"), Some(evidence.recall), [gate_a.recall, gate_b.recall]),
        (format!("nDCG@10 at ef {ef}"), evidence.ndcg, both(gate_a.ndcg, gate_b.ndcg)),
        (format!("MRR@10 at ef {ef}"), evidence.mrr, both(gate_a.mrr, gate_b.mrr)),
    ];
    for ((quantity, change, [a, b]), p) in quality.into_iter().zip(conclusion.p_values) {
        if change.is_some() {
            deltas.push(Delta {
                quantity,
                measure: "share".to_owned(),
                baseline: Some(a),
                candidate: Some(b),
                unit: Unit::Points,
                better: Better::Higher,
                change,
                p,
                ..Delta::default()
            });
        }
    }
    let speed = |quantity: String, a: Option<f64>, b: Option<f64>, log: Option<Interval>| Delta {
        quantity,
        measure: "qps".to_owned(),
        baseline: a,
        candidate: b,
        unit: Unit::Ratio,
        better: Better::Higher,
        change: log.map(|log| log.map(f64::exp_m1)),
        ..Delta::default()
    };
    let value = |area: Option<crate::reward::Area>| area.map(|area| area.value);
    deltas.push(speed("reward".to_owned(), value(a.reward), value(b.reward), evidence.reward));
    for (index, recall) in LEVELS.into_iter().enumerate() {
        let qps = |subject: &SubjectResult| subject.levels.get(index).and_then(|level| level.qps);
        if qps(a).is_some() || qps(b).is_some() {
            let quantity = format!("QPS at recall@{} {recall}", trial.k);
            deltas.push(speed(quantity, qps(a), qps(b), conclusion.at[index]));
        }
    }
    deltas.push(speed(
        "reward, high (0.95 to 0.999)".to_owned(),
        value(a.high),
        value(b.high),
        conclusion.high,
    ));
    if let (Some(recall), Pair { a: Some(left), b: Some(right) }) =
        (conclusion.latency_recall, conclusion.latency)
    {
        let intervals = [evidence.p50, conclusion.tails[0], conclusion.tails[1]];
        for (index, name) in ["p50", "p95", "p99"].into_iter().enumerate() {
            let faster = intervals[index];
            deltas.push(Delta {
                quantity: format!("{name} at recall@{} {recall}", trial.k),
                measure: "seconds".to_owned(),
                baseline: Some(left[index]),
                candidate: Some(right[index]),
                unit: Unit::Ratio,
                better: Better::Lower,
                change: faster.map(|faster| negated(faster).map(f64::exp_m1)),
                ..Delta::default()
            });
        }
    }
    deltas.push(Delta {
        quantity: format!("time per query at ef {ef}, k {k}"),
        measure: "seconds".to_owned(),
        baseline: Some(conclusion.gate_seconds.a),
        candidate: Some(conclusion.gate_seconds.b),
        unit: Unit::Ratio,
        better: Better::Lower,
        change: evidence.slowdown.map(|log| log.map(f64::exp_m1)),
        ..Delta::default()
    });
    let exact = |quantity: String, measure: &str, a: Option<f64>, b: Option<f64>| {
        let change = a.zip(b).filter(|(a, _)| *a > 0.0).map(|(a, b)| {
            let ratio = b / a - 1.0;
            Interval { estimate: ratio, low: ratio, high: ratio }
        });
        Delta {
            quantity,
            measure: measure.to_owned(),
            baseline: a,
            candidate: b,
            unit: Unit::Ratio,
            better: Better::Lower,
            change,
            exact: true,
            ..Delta::default()
        }
    };
    for (index, recall) in LEVELS.into_iter().enumerate() {
        let of = |subject: &SubjectResult, pick: &dyn Fn(&Level) -> Option<f64>| {
            subject.levels.get(index).and_then(pick)
        };
        for (name, pick) in [
            ("visited", &(|level: &Level| level.hops) as &dyn Fn(&Level) -> Option<f64>),
            ("distances", &|level: &Level| level.distances),
        ] {
            let (a, b) = (of(a, pick), of(b, pick));
            if a.is_some() || b.is_some() {
                deltas.push(exact(format!("{name} at recall@{} {recall}", trial.k), "count", a, b));
            }
        }
    }
    let once = |quantity: &str, measure: &str, a: f64, b: f64| Delta {
        exact: false,
        change: None,
        ..exact(quantity.to_owned(), measure, Some(a), Some(b))
    };
    deltas.push(once("build time (one build)", "seconds", a.build_seconds, b.build_seconds));
    let bytes = |quantity: &str, a: u64, b: u64| {
        exact(quantity.to_owned(), "bytes", Some(a as f64), Some(b as f64))
    };
    deltas.push(bytes("index bytes", a.bytes, b.bytes));
    let (left, right) = (a.resident as f64, b.resident as f64);
    deltas.push(once("resident memory", "bytes", left, right));
    Comparison { baseline: a.label.clone(), candidate: b.label.clone(), deltas }
}

fn both(a: Option<f64>, b: Option<f64>) -> [f64; 2] {
    [a.unwrap_or(0.0), b.unwrap_or(0.0)]
}

fn negated(interval: Interval) -> Interval {
    Interval { estimate: -interval.estimate, low: -interval.high, high: -interval.low }
}
