//! The full gate for a finalist: that of `crinoid-eval`, on held-out queries in rounds of new
//! processes, on every data set.

use super::{Lab, Setup, Trouble, Yard, blame, lab_error};
use crate::exemplar::{Form, GateResult};
use crate::judge::JudgeError;
use crate::module::Module;
use crinoid_eval::gate::{Conclusion, Looks, Outcome, Phase, Terms, Trial};
use crinoid_eval::measure::{MeasureError, Pair, Preparations, Station};
use crinoid_eval::stats::Interval;
use crinoid_eval::subject::Launch;

const CHAMPION: &str = "the champion";

/// Ships when `crinoid-eval`'s latency phase, which asks for what candidates are rewarded for,
/// ships on every rewarded data set, and when no other set is shown to suffer, in speed at matched
/// recall or by more recall than that phase allows.
pub(super) fn gate(lab: &mut Lab, module: Module, form: &Form) -> Result<GateResult, JudgeError> {
    let setup = lab.champion.with(module, form)?;
    let champion = lab.champion.clone();
    let (mut data, mut why) = (Vec::new(), Vec::new());
    let mut verdict = Outcome::Ship;
    for yard in 0..lab.yards.len() {
        let mut launch = |setup: &Setup| match lab.launch(setup) {
            Ok(launch) => Ok(Ok(launch)),
            Err(Trouble::Candidate(failure)) => Ok(Err(failure.to_string())),
            Err(Trouble::Lab(error)) => Err(error),
        };
        let launches = Pair { a: launch(&champion)?, b: launch(&setup)? };
        data.push(format!("{} (held-out)", lab.yards[yard].name));
        let conclusion = match launches {
            Pair { a: Ok(a), b: Ok(b) } => {
                measure(lab, &lab.yards[yard], Pair { a: &champion, b: &setup }, Pair { a, b })?
            }
            Pair { a: Err(why), .. } => return Err(JudgeError(format!("{CHAMPION}: {why}"))),
            Pair { b: Err(why), .. } => Err(why),
        };
        let yard = &lab.yards[yard];
        let conclusion = match conclusion {
            Ok(conclusion) => conclusion,
            Err(broken) => {
                let why = format!("{}: {broken}", yard.name);
                return Ok(result(Outcome::Broken, data, why));
            }
        };
        why.push(format!("{}: {}", yard.name, words(&conclusion)));
        let here = match yard.rewarded {
            true => conclusion.verdict.outcome,
            false if suffers(&conclusion) => Outcome::DontShip,
            false => Outcome::Ship,
        };
        verdict = match (verdict, here) {
            (Outcome::DontShip, _) | (_, Outcome::DontShip) => Outcome::DontShip,
            (Outcome::Ship, here) => here,
            (before, _) => before,
        };
    }
    Ok(result(verdict, data, why.join("; ")))
}

fn result(outcome: Outcome, data: Vec<String>, why: String) -> GateResult {
    GateResult { verdict: outcome.words().to_owned(), data, why }
}

/// One trial; `Ok(Err(_))` is what the candidate did wrong.
fn measure(
    lab: &Lab,
    yard: &Yard,
    setups: Pair<&Setup>,
    launches: Pair<Launch>,
) -> Result<Result<Conclusion, String>, JudgeError> {
    let rows = yard.data.base.len();
    let trial = Trial {
        practice: yard.practice.clone(),
        held_out: yard.held_out.clone(),
        k: lab.protocol.k.min(rows),
        gate_k: lab.protocol.gate_k.min(rows).min(yard.truth.k()),
        gate_ef: None,
        phase: Phase::Latency,
        terms: Terms::default(),
        budget: lab.protocol.gate_budget,
        looks: Looks::default(),
        seed: lab.protocol.seed,
    };
    let grader = yard.grader()?;
    let start = |label: &str, setup: &Setup, launch: &Launch| {
        let preparations = Preparations {
            vectors: yard.vectors.clone(),
            build: setup.build.clone(),
            search: setup.search.clone(),
            threads: lab.protocol.threads,
            seed: lab.protocol.seed,
        };
        Station::start(label, launch, &preparations, grader)
    };
    let run = || {
        let mut a = start(CHAMPION, setups.a, &launches.a)?;
        let mut b = start("the candidate", setups.b, &launches.b)?;
        trial.run(Pair { a: &mut a, b: &mut b }, &mut |_| {})
    };
    match run() {
        Ok(conclusion) => Ok(Ok(conclusion)),
        Err(MeasureError::Fault { subject, fault }) if subject != CHAMPION => match blame(fault) {
            Trouble::Candidate(failure) => Ok(Err(failure.to_string())),
            Trouble::Lab(error) => Err(error),
        },
        Err(error) => Err(lab_error(error)),
    }
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
