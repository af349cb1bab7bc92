//! The full gate for a finalist: that of `crinoid-eval`, on held-out queries in rounds of new
//! processes, on every data set.

use super::{CANDIDATE, CHAMPION, Lab, Protocol, Setup, Trouble};
use crate::exemplar::{Form, GateResult};
use crate::judge::JudgeError;
use crate::module::Module;
use crinoid_eval::gate::{Conclusion, Looks, Outcome, Phase, Stage, Terms, Trial};
use crinoid_eval::measure::{Pair, Side};
use crinoid_eval::stats::Interval;

/// Ships when `crinoid-eval`'s latency phase, which asks for what candidates are rewarded for,
/// ships on every rewarded data set, and when no other set is shown to suffer, in speed at matched
/// recall or by more recall than that phase allows. The first set that objects ends it.
pub(super) fn gate(
    lab: &Lab<'_>,
    module: Module,
    form: &Form,
    watch: &mut dyn FnMut(&str),
) -> Result<GateResult, JudgeError> {
    let setup = lab.champion.with(module, form)?;
    let (mut data, mut why) = (Vec::new(), Vec::new());
    for (at, workload) in lab.workloads.iter().enumerate() {
        data.push(format!("{} (held-out)", workload.name));
        let conclusion = match measure(lab, at, &setup, watch) {
            Ok(conclusion) => conclusion,
            Err(Trouble::Candidate(failure)) => {
                let why = format!("{}: {failure}", workload.name);
                return Ok(result(Outcome::Broken, data, why));
            }
            Err(Trouble::Lab(error)) => return Err(error),
        };
        why.push(format!("{}: {}", workload.name, words(&conclusion)));
        let here = match workload.rewarded {
            true => conclusion.verdict.outcome,
            false if suffers(&conclusion) => Outcome::DontShip,
            false => Outcome::Ship,
        };
        if here != Outcome::Ship {
            // No other set could make up for it.
            return Ok(result(here, data, why.join("; ")));
        }
    }
    Ok(result(Outcome::Ship, data, why.join("; ")))
}

fn result(outcome: Outcome, data: Vec<String>, why: String) -> GateResult {
    GateResult { verdict: outcome.words().to_owned(), data, why }
}

/// One trial.
fn measure(
    lab: &Lab<'_>,
    at: usize,
    setup: &Setup,
    watch: &mut dyn FnMut(&str),
) -> Result<Conclusion, Trouble> {
    let workload = &lab.workloads[at];
    let rows = workload.data.base.len();
    let Protocol { k, gate_k, gate_budget: budget, seed, .. } = lab.protocol;
    let trial = Trial {
        practice: workload.practice.clone(),
        held_out: workload.held_out.clone(),
        k: k.min(rows),
        gate_k: gate_k.min(rows).min(workload.truth.k()),
        gate_ef: None,
        phase: Phase::Latency,
        terms: Terms::default(),
        budget,
        looks: Looks::default(),
        seed,
    };
    watch(&format!("{}: building", workload.name));
    // The champion's fault is the laboratory's.
    let mut a = lab.running(CHAMPION, &lab.champion, at).map_err(Trouble::ours)?;
    let mut b = lab.running(CANDIDATE, setup, at)?;
    let conclusion = trial.run(Pair { a: &mut a, b: &mut b }, &mut |stage| match stage {
        Stage::Swept { side, ef, recall } => {
            let whose = if side == Side::A { CHAMPION } else { CANDIDATE };
            watch(&format!("{}: {whose} at ef {ef}: recall {recall:.4}", workload.name));
        }
        Stage::Round { done, of } => {
            watch(&format!("{}: round {done} of at most {of}", workload.name));
        }
        _ => {}
    })?;
    Ok(conclusion)
}

/// Whether a data set shows a loss.
fn suffers(conclusion: &Conclusion) -> bool {
    let evidence = &conclusion.evidence;
    evidence.reward.is_none_or(|reward| reward.high < 0.0)
        || evidence.recall.high < -Terms::default().recall_loss
}

/// The figures in a line.
fn words(conclusion: &Conclusion) -> String {
    let evidence = &conclusion.evidence;
    let speed = match evidence.reward.map(|reward| reward.map(f64::exp)) {
        Some(Interval { estimate, low, high }) => {
            format!("speed x{estimate:.3} [{low:.3}, {high:.3}]")
        }
        None => "no common recall".to_owned(),
    };
    let Interval { estimate, low, high } = evidence.recall.map(|change| 100.0 * change);
    format!(
        "{speed} in {} rounds, recall@{} {estimate:+.2} pp [{low:+.2}, {high:+.2}]: {}",
        evidence.rounds,
        evidence.gate_k,
        conclusion.verdict.outcome.words()
    )
}
