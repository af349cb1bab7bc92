//! The full gate: held-out queries, and data sets that were not rewarded.

use super::{Lab, Trouble, Which, lab_error};
use crate::exemplar::{Form, GateResult};
use crate::judge::JudgeError;
use crate::module::Module;
use crinoid_eval::stats::{Interval, Resampling, bca_mean, student_mean};

/// A first pass that takes this many times as long as later ones betrays kept answers.
const CACHED: f64 = 2.5;

/// Recall may fall by this much (the latency phase of the gate).
const RECALL_LOSS: f64 = 0.005;

/// Ships when, on every data set that was rewarded, the lower bound of the speed-up is above 1
/// and the lower bound of the recall difference at equal ef above -0.5 pp; and when on no other
/// data set the upper bound of the speed-up is below 1 or recall is lost.
pub(super) fn gate(lab: &mut Lab, module: Module, form: &Form) -> Result<GateResult, JudgeError> {
    let setup = lab.champion.with(module, form)?;
    let mut data = Vec::new();
    let mut why = Vec::new();
    let (mut lost, mut open) = (false, false);
    for yard in 0..lab.yards.len() {
        let name = format!("{} (held-out)", lab.yards[yard].name);
        data.push(name);
        let pairs = lab.protocol.gate_pairs;
        let bout = match lab.bout(&setup, yard, Which::HeldOut, pairs) {
            Ok(bout) => bout,
            Err(Trouble::Lab(error)) => return Err(error),
            Err(Trouble::Candidate(failure)) => {
                return Ok(GateResult { verdict: "broken".into(), data, why: failure.to_string() });
            }
        };
        let yard = &lab.yards[yard];
        if bout.first_over_later > CACHED {
            let why = format!(
                "{}: queries met for the first time took {:.1} times as long: kept answers?",
                yard.name, bout.first_over_later
            );
            return Ok(GateResult { verdict: "broken".into(), data, why });
        }
        let recall =
            interval(bca_mean(&bout.recall_gain, &Resampling::default()), &bout.recall_gain)?;
        if bout.log_ratios.is_empty() {
            lost = true;
            why.push(format!("{}: recall {:+.4}", yard.name, recall.estimate));
            continue;
        }
        let speed = student_mean(&bout.log_ratios, 0.95);
        let speed = interval(speed, &bout.log_ratios)?.map(f64::exp);
        why.push(format!(
            "{}: speed x{:.3} [{:.3}, {:.3}], recall {:+.4} [{:+.4}, {:+.4}]",
            yard.name,
            speed.estimate,
            speed.low,
            speed.high,
            recall.estimate,
            recall.low,
            recall.high
        ));
        lost |= recall.high < -RECALL_LOSS || speed.high < 1.0;
        open |= recall.low < -RECALL_LOSS || (yard.rewarded && speed.low <= 1.0);
    }
    let verdict = match (lost, open) {
        (true, _) => "don't ship",
        (false, true) => "inconclusive",
        (false, false) => "ship",
    };
    Ok(GateResult { verdict: verdict.to_owned(), data, why: why.join("; ") })
}

/// The interval, or a point where the values do not vary at all.
fn interval<E: std::fmt::Display>(
    found: Result<Interval, E>,
    values: &[f64],
) -> Result<Interval, JudgeError> {
    let (Some(first), true) = (values.first(), values.windows(2).all(|pair| pair[0] == pair[1]))
    else {
        return found.map_err(lab_error);
    };
    Ok(Interval { estimate: *first, low: *first, high: *first })
}
