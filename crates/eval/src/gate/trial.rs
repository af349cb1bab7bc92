//! The whole measurement of two subjects, from the sweep to the verdict.

use super::{
    Evidence, Look, Looks, Outcome, Phase, Terms, Verdict, decide,
    evidence::{quality, ratio},
};
use crate::{
    measure::{
        Fresh, MeasureError, Pair, Pass, QuerySplit, Rung, RunningSubject, Side, Speeds, Step,
        Sweep, Turns, curve, paired_round, sweep,
    },
    metrics::MetricError,
    reward::{Curve, LEVELS, REWARD},
    stats::Interval,
};
use std::time::{Duration, Instant};

/// What to measure, and how to judge it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Queries on which efforts are chosen.
    pub practice: QuerySplit,
    /// Queries that the subjects meet for the first time in the measurement itself.
    pub held_out: QuerySplit,
    /// Answers per query where speed is measured.
    pub k: usize,
    /// Answers per query where quality is measured.
    pub gate_k: usize,
    /// The effort there; chosen where it is `None`: the smallest of `gate_k`, twice that, ... at
    /// which the baseline reaches recall 0.9.
    pub gate_ef: Option<usize>,
    /// Whose rules decide.
    pub phase: Phase,
    /// The numbers in the rules.
    pub terms: Terms,
    /// Time for the rounds, after sweeps and builds.
    pub budget: Duration,
    /// When to look at the numbers.
    pub looks: Looks,
    /// Seed of the resampling.
    pub seed: u64,
}

/// Rounds in a trial that has time for them: enough for Student's t to be hardly wider than a
/// normal interval, few enough for each to go over its rungs several times.
const ROUNDS: usize = 20;

/// How far a trial is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// An effort was measured in a sweep.
    Swept {
        /// Whose.
        side: Side,
        /// The effort.
        ef: usize,
        /// Its recall.
        recall: f64,
    },
    /// Rounds were measured.
    Round {
        /// How many.
        done: usize,
        /// Of how many at most.
        of: usize,
    },
}

/// What a trial found.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// The answer.
    pub verdict: Verdict,
    /// What it rests on.
    pub evidence: Evidence,
    /// Both sides' speeds.
    pub speeds: Pair<Speeds>,
    /// The effort at which quality was measured.
    pub gate_ef: usize,
    /// The level of confidence of the intervals of speed, at the look that decided.
    pub level: f64,
    /// The recall at which latencies were compared.
    pub latency_recall: Option<f64>,
    /// p50, p95 and p99 in seconds at that recall, medians over the rounds.
    pub latency: Pair<Option<[f64; 3]>>,
    /// `ln` ratios of p95 and p99 (above 0: the candidate is faster), with their intervals.
    pub tails: [Option<Interval>; 2],
    /// `ln` ratios of QPS at each of the [`LEVELS`] that both reach.
    pub at: [Option<Interval>; 4],
    /// `ln` ratio of the high area.
    pub high: Option<Interval>,
    /// Seconds per query at the gate's effort, medians over the rounds.
    pub gate_seconds: Pair<f64>,
    /// The larger share of its time in which one of them was ready to run and others had the core.
    pub busy: f64,
    /// Two-sided p-values of the permutation test for recall, nDCG and MRR.
    pub p_values: [Option<f64>; 3],
}

/// The rungs of a round and what they are for.
struct Ladder {
    rungs: Vec<Rung>,
    efforts: Pair<Vec<usize>>,
    recalls: Pair<Vec<f64>>,
    latency: Pair<Vec<usize>>,
    latency_recall: Option<f64>,
}

impl Trial {
    /// Runs it.
    ///
    /// # Errors
    /// Whatever a subject does wrong.
    pub fn run(
        &self,
        mut running: Pair<&mut RunningSubject<'_>>,
        watch: &mut dyn FnMut(Stage),
    ) -> Result<Conclusion, MeasureError> {
        if self.k == 0 || self.gate_k == 0 {
            return Err(MetricError::K { k: 0, known: running.a.known() }.into());
        }
        let mut fresh = running.a.fresh(&self.held_out);
        let efforts = self.sweep(&mut running, watch)?;
        let gate_ef = self.choose_gate_ef(running.a)?;
        let ladder = self.ladder(&mut running, efforts, gate_ef)?;
        let gate = running
            .as_ref()
            .try_map(|running| running.observed(&self.held_out, self.gate_k, gate_ef))?;
        let quality = quality(gate, 1.0 - self.looks.error, self.seed)?;
        let equal_effort = self.equal_effort(&running);

        let (of, repeats) = self.plan(&mut running, &mut fresh, &ladder)?;
        let mut rounds: Vec<Vec<Step>> = Vec::new();
        for Look { after, level } in self.looks.of(of) {
            while rounds.len() < after {
                let turns = Turns { number: rounds.len(), repeats, restart: true };
                rounds.push(paired_round(&mut running, &mut fresh, &ladder.rungs, turns)?);
                watch(Stage::Round { done: rounds.len(), of });
            }
            let evidence = Evidence {
                gate_k: self.gate_k,
                queries: self.held_out.len(),
                rounds: rounds.len(),
                recall: quality[0]
                    .as_ref()
                    .map_or(Interval { estimate: 0.0, low: 0.0, high: 0.0 }, |(i, _)| *i),
                ndcg: quality[1].as_ref().map(|(interval, _)| *interval),
                mrr: quality[2].as_ref().map(|(interval, _)| *interval),
                reward: self.over(&rounds, level, |steps| ladder.log_reward(steps, REWARD))?,
                p50: self.over(&rounds, level, |steps| ladder.log_latency(steps, 0))?,
                slowdown: self.over(&rounds, level, gate_log_ratio)?,
                equal_effort: equal_effort.clone(),
            };
            let verdict = decide(self.phase, &evidence, &self.terms);
            if verdict.outcome != Outcome::Inconclusive || after == of {
                self.check(&mut running, &ladder)?;
                let p_values = [0, 1, 2].map(|metric| {
                    let (_, change) = quality[metric].as_ref()?;
                    let resampling = crate::stats::Resampling {
                        seed: self.seed,
                        ..crate::stats::Resampling::default()
                    };
                    crate::stats::permutation_p(change, &resampling).ok()
                });
                let busy = running.a.busy().max(running.b.busy());
                return self.conclude(
                    verdict.on_a_machine(busy),
                    evidence,
                    &rounds,
                    &ladder,
                    (gate_ef, level, busy, p_values),
                );
            }
        }
        Err(MeasureError::Cancelled)
    }

    /// How many rounds the budget allows, and how often each goes over the rungs: [`ROUNDS`] of
    /// them where they can be short enough, and never fewer than a look needs. The first three, which
    /// tell how long they take, do not count: the first of all reads the indexes from the disk, which none does after it.
    fn plan(
        &self,
        running: &mut Pair<&mut RunningSubject<'_>>,
        fresh: &mut Fresh<'_>,
        ladder: &Ladder,
    ) -> Result<(usize, usize), MeasureError> {
        let mut seconds = |rungs: &[Rung], number: usize, repeats: usize| {
            let start = Instant::now();
            let turns = Turns { number, repeats, restart: true };
            paired_round(running, fresh, rungs, turns)?;
            Ok::<_, MeasureError>(start.elapsed().as_secs_f64())
        };
        seconds(&[], 0, 0)?;
        let restart = seconds(&[], 1, 0)?;
        let whole = seconds(&ladder.rungs, 2, 1)?;
        // Restarts vary: what they hide is not taken for nothing, else rounds would go over the rungs without end.
        let once = (whole - restart).max(0.05 * whole).max(1e-4);
        let budget = self.budget.as_secs_f64();
        let of = (budget / (restart + 2.0 * once)) as usize;
        let of = of.clamp(Looks::LEAST, ROUNDS);
        let repeats = ((budget / of as f64 - restart) / once) as usize;
        Ok((of, repeats.clamp(1, 64)))
    }

    fn sweep(
        &self,
        running: &mut Pair<&mut RunningSubject<'_>>,
        watch: &mut dyn FnMut(Stage),
    ) -> Result<Pair<Vec<usize>>, MeasureError> {
        let mut run = |side: Side| {
            let running = running.get_mut(side);
            let plan = Sweep::new(self.k, running.rows());
            let seen = sweep(running, &self.practice, self.k, &plan, |ef, recall| {
                watch(Stage::Swept { side, ef, recall });
            })?;
            Ok::<_, MeasureError>(plan.worth_timing(&seen))
        };
        Ok(Pair { a: run(Side::A)?, b: run(Side::B)? })
    }

    fn choose_gate_ef(&self, baseline: &mut RunningSubject<'_>) -> Result<usize, MeasureError> {
        if let Some(ef) = self.gate_ef {
            return Ok(ef);
        }
        let mut ef = self.gate_k;
        while ef < 16 << 10 && baseline.observe(&self.practice, self.gate_k, ef)?.recall() < 0.9 {
            ef *= 2;
        }
        Ok(ef)
    }

    fn ladder(
        &self,
        running: &mut Pair<&mut RunningSubject<'_>>,
        efforts: Pair<Vec<usize>>,
        gate_ef: usize,
    ) -> Result<Ladder, MeasureError> {
        let mut union: Vec<usize> = efforts.a.iter().chain(&efforts.b).copied().collect();
        union.sort_unstable();
        union.dedup();
        let mut recalls = Pair::<Vec<f64>>::default();
        for side in [Side::A, Side::B] {
            let running = running.get_mut(side);
            for &ef in &union {
                running.observe(&self.held_out, self.k, ef)?;
            }
            for &ef in efforts.get(side) {
                let seen = running.observed(&self.held_out, self.k, ef)?;
                recalls.get_mut(side).push(seen.recall());
            }
            running.observe(&self.held_out, self.gate_k, gate_ef)?;
        }
        let reach = |recalls: &Vec<f64>| recalls.iter().copied().fold(0.0, f64::max);
        let reach = reach(&recalls.a).min(reach(&recalls.b));
        let latency_recall = [0.95, 0.90, 0.85].into_iter().find(|&level| level <= reach);
        let around = |side: Side| -> Vec<usize> {
            let (efforts, recalls) = (efforts.get(side), recalls.get(side));
            let Some(level) = latency_recall else { return Vec::new() };
            let right = recalls.iter().position(|&recall| recall >= level).unwrap_or(0);
            efforts[right.saturating_sub(1)..=right].to_vec()
        };
        let latency = Pair { a: around(Side::A), b: around(Side::B) };
        let mut rungs = Vec::new();
        rungs.push(Rung { k: self.gate_k, ef: vec![Some(gate_ef); 2], latencies: false });
        for (list, latencies) in [(&efforts, false), (&latency, true)] {
            for step in 0..list.a.len().max(list.b.len()) {
                let ef = [&list.a, &list.b].map(|efforts| efforts.get(step).copied()).to_vec();
                rungs.push(Rung { k: self.k, ef, latencies });
            }
        }
        Ok(Ladder { rungs, efforts, recalls, latency, latency_recall })
    }

    /// Looks for signs that one of them did not treat all queries alike.
    fn check(
        &self,
        running: &mut Pair<&mut RunningSubject<'_>>,
        ladder: &Ladder,
    ) -> Result<(), MeasureError> {
        for side in [Side::B, Side::A] {
            running.get_mut(side).check(&self.held_out, self.k, ladder.efforts.get(side))?;
        }
        Ok(())
    }

    /// Changes of mean recall at every effort at which both were observed.
    fn equal_effort(&self, running: &Pair<&mut RunningSubject<'_>>) -> Vec<(usize, f64)> {
        let mut changes = Vec::new();
        for seen in running.a.observations(&self.held_out, self.k) {
            let other = running.b.observations(&self.held_out, self.k).find(|o| o.ef == seen.ef);
            changes.extend(other.map(|other| (seen.ef, other.recall() - seen.recall())));
        }
        changes
    }

    /// The interval of what `log_ratio` gives for each round.
    fn over(
        &self,
        rounds: &[Vec<Step>],
        level: f64,
        log_ratio: impl Fn(&[Step]) -> Option<f64>,
    ) -> Result<Option<Interval>, MeasureError> {
        let ratios: Vec<f64> = rounds.iter().filter_map(|steps| log_ratio(steps)).collect();
        ratio(&ratios, level)
    }

    fn conclude(
        &self,
        verdict: Verdict,
        evidence: Evidence,
        rounds: &[Vec<Step>],
        ladder: &Ladder,
        (gate_ef, level, busy, p_values): (usize, f64, f64, [Option<f64>; 3]),
    ) -> Result<Conclusion, MeasureError> {
        let speeds = |side| Speeds {
            efforts: ladder.efforts.get(side).clone(),
            recalls: ladder.recalls.get(side).clone(),
            rounds: rounds.iter().map(|steps| ladder.speeds(steps, side)).collect(),
        };
        let tail = |which| self.over(rounds, level, |steps| ladder.log_latency(steps, which));
        let high = |steps: &[Step]| ladder.log_reward(steps, crate::reward::HIGH);
        let mut at = [None; 4];
        for (interval, recall) in at.iter_mut().zip(LEVELS) {
            *interval = self.over(rounds, level, |steps| {
                let curves = ladder.curves(steps).map(|curve| curve.at(recall)).both()?;
                curves.log_ratio()
            })?;
        }
        let over_rounds = |value: &dyn Fn(&[Step]) -> Option<f64>| {
            let mut values: Vec<f64> = rounds.iter().filter_map(|steps| value(steps)).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let latency = |side: Side| {
            let of = |which| over_rounds(&|steps| ladder.latency_at(steps, which, side));
            Some([of(0)?, of(1)?, of(2)?])
        };
        let gate_seconds = |side: Side| {
            over_rounds(&|steps| Some(1.0 / steps[0].get(side).as_ref()?.speed()))
                .unwrap_or(f64::NAN)
        };
        Ok(Conclusion {
            verdict,
            evidence,
            speeds: Pair { a: speeds(Side::A), b: speeds(Side::B) },
            gate_ef,
            level,
            latency_recall: ladder.latency_recall,
            latency: Pair { a: latency(Side::A), b: latency(Side::B) },
            tails: [tail(1)?, tail(2)?],
            at,
            high: self.over(rounds, level, high)?,
            gate_seconds: Pair { a: gate_seconds(Side::A), b: gate_seconds(Side::B) },
            busy,
            p_values,
        })
    }
}

/// `ln` of the ratio of times at the gate's effort, which is every round's first rung.
fn gate_log_ratio(steps: &[Step]) -> Option<f64> {
    let seconds = steps.first()?.as_ref().map(|pass| Some(1.0 / pass.as_ref()?.speed()));
    seconds.both()?.log_ratio()
}

impl Ladder {
    fn speeds(&self, steps: &[Step], side: Side) -> Vec<f64> {
        let speeds = steps[1..].iter().filter_map(|step| step.get(side).as_ref().map(Pass::speed));
        speeds.take(self.efforts.get(side).len()).collect()
    }

    fn curves(&self, steps: &[Step]) -> Pair<Curve> {
        let of = |side| curve(self.recalls.get(side), &self.speeds(steps, side));
        Pair { a: of(Side::A), b: of(Side::B) }
    }

    fn log_reward(&self, steps: &[Step], range: (f64, f64)) -> Option<f64> {
        self.curves(steps).map(|curve| curve.area(range).value).log_ratio()
    }

    /// Percentile `which` (p50, p95, p99) in seconds, at the recall where latencies are compared.
    fn latency_at(&self, steps: &[Step], which: usize, side: Side) -> Option<f64> {
        let first = 1 + self.efforts.a.len().max(self.efforts.b.len());
        let mut points = Vec::new();
        for (ef, step) in self.latency.get(side).iter().zip(steps.get(first..)?) {
            let latency = step.get(side).as_ref()?.latency?;
            let nanos = [latency.p50, latency.p95, latency.p99][which];
            let at = self.efforts.get(side).iter().position(|other| other == ef)?;
            let recall = self.recalls.get(side)[at];
            points.push(crate::reward::Point { recall, speed: 1e9 / nanos.max(1) as f64 });
        }
        Some(1.0 / Curve::new(points).at(self.latency_recall?)?)
    }

    fn log_latency(&self, steps: &[Step], which: usize) -> Option<f64> {
        let of = |side| self.latency_at(steps, which, side);
        // Times, so the baseline's over the candidate's: above 0 the candidate is faster.
        let Pair { a, b } = Pair { a: of(Side::A), b: of(Side::B) }.both()?;
        Pair { a: b, b: a }.log_ratio()
    }
}
