//! What a campaign tells people: a line per candidate, Table 4, and whether the policy learnt.

use crate::{bar::Bar, tables};
use anyhow::Context;
use crinoid_eval::stats::{Interval, Resampling, bca_mean};
use crinoid_evolve::Module;
use crinoid_evolve::campaign::{Report, Trial, Watch};
use crinoid_evolve::exemplar::{Form, GateResult};

/// One line per candidate on stderr.
pub(super) struct Progress {
    done: u32,
    total: u32,
    best: f64,
    /// While the gate is at work.
    gate: Option<Bar>,
}

impl Progress {
    pub(super) fn of(total: u32) -> Self {
        Self { done: 0, total, best: 0.0, gate: None }
    }
}

impl Watch for Progress {
    fn tried(&mut self, trial: &Trial) {
        if trial.attempt == 0 {
            self.done += 1;
        }
        let reward = trial.judgement.reward();
        self.best = self.best.max(reward);
        let what = match &trial.judgement.failure {
            Some(failure) => {
                let text = failure.to_string().replace("\n", " ");
                text.trim().chars().take(160).collect()
            }
            None => format!("x{:.3}", trial.judgement.ratio()),
        };
        eprintln!(
            "[{}/{}] {} round {} #{}: {reward:.3} ({what}), best {:.3}",
            self.done, self.total, trial.module, trial.round, trial.index, self.best
        );
    }

    fn gating(&mut self, what: &str) {
        self.gate.get_or_insert_with(|| Bar::spin("gate")).label(format!("gate: {what}"));
    }

    fn gated(&mut self, module: Module, digest: &str, result: &GateResult) {
        self.gate = None;
        eprintln!("gate: {module} {}: {} ({})", &digest[..12], result.verdict, result.why);
    }
}

/// Table 4, and what became of each module.
pub(super) fn tables(report: &Report) -> String {
    let mut text = String::from("\nProgressive gains (Table 4), held-out queries\n");
    let mut header = vec!["data set".to_owned()];
    for outcome in &report.outcomes {
        header.push(format!("{} individual", outcome.module));
        header.push("cumulative".to_owned());
    }
    let mut table = tables::words(header);
    let mut sums = vec![0.0; 2 * report.outcomes.len()];
    for (data, start) in &report.start {
        let mut row = vec![data.clone()];
        let mut before = *start;
        for (at, outcome) in report.outcomes.iter().enumerate() {
            let now = outcome.standing.get(data).copied().unwrap_or(before);
            for (column, ratio) in [(2 * at, now / before), (2 * at + 1, now / start)] {
                let percent = 100.0 * (ratio - 1.0);
                sums[column] += percent / report.start.len() as f64;
                row.push(format!("{percent:+.2} %"));
            }
            before = now;
        }
        table.add_row(row);
    }
    let mean = sums.iter().map(|percent| format!("{percent:+.2} %"));
    table.add_row(std::iter::once("mean".to_owned()).chain(mean));
    text.push_str(&format!("{table}\n"));
    for outcome in &report.outcomes {
        match &outcome.adopted {
            Some(form) => {
                let digest = form.digest(outcome.module);
                text.push_str(&format!("{}: {} ships\n", outcome.module, &digest[..12]));
                if let Form::Knobs(_) = form {
                    for line in form.text().lines() {
                        text.push_str(&format!("    {line}\n"));
                    }
                }
            }
            None => text.push_str(&format!(
                "{}: nothing passed the gate; the champion stays\n",
                outcome.module
            )),
        }
        for (digest, result) in &outcome.gated {
            text.push_str(&format!(
                "  gate {}: {} ({})\n",
                &digest[..12],
                result.verdict,
                result.why
            ));
        }
    }
    if report.usage.prompt + report.usage.completion > 0 {
        let usage = report.usage;
        text.push_str(&format!("tokens: {} in, {} out\n", usage.prompt, usage.completion));
    }
    text
}

/// Whether the policy learnt: expected reward of its first and last quarter of rounds, and of
/// random search, with 95 % intervals.
pub(super) fn learning(
    module: Module,
    trials: &[Trial],
    control: &[Trial],
) -> anyhow::Result<String> {
    let of: Vec<&Trial> = trials.iter().filter(|trial| trial.module == module).collect();
    let rounds = of.iter().map(|trial| trial.round).max().map_or(0, |last| last + 1);
    let quarter = rounds.div_ceil(4);
    let rewards = |keep: &dyn Fn(u32) -> bool| -> Vec<f64> {
        of.iter().filter(|trial| keep(trial.round)).map(|t| t.judgement.reward()).collect()
    };
    let first = rewards(&|round| round < quarter);
    let last = rewards(&|round| round + quarter >= rounds);
    let random: Vec<f64> = control.iter().map(|trial| trial.judgement.reward()).collect();
    let mut text = format!("\nExpected reward under the policy of {module} (1 = the champion)\n");
    let mut table = tables::words(["", "candidates", "mean", "95 %", "failed", "best"]);
    for (name, values) in [
        (format!("policy, first {quarter} rounds"), &first),
        (format!("policy, last {quarter} rounds"), &last),
        ("random search, all rounds".to_owned(), &random),
    ] {
        let mean = interval(values)?;
        let failed = values.iter().filter(|value| **value == 0.0).count();
        let best = values.iter().copied().fold(0.0, f64::max);
        table.add_row([
            name,
            values.len().to_string(),
            format!("{:.4}", mean.estimate),
            format!("[{:.4}, {:.4}]", mean.low, mean.high),
            format!("{:.0} %", 100.0 * failed as f64 / values.len() as f64),
            format!("{best:.4}"),
        ]);
    }
    text.push_str(&format!("{table}\n"));
    for (name, other) in [("its own beginning", &first), ("random search", &random)] {
        let (low, high) = difference(&last, other);
        let verdict = if low > 0.0 { "learnt" } else { "not shown to have learnt" };
        text.push_str(&format!("last rounds less {name}: [{low:+.4}, {high:+.4}] -> {verdict}\n"));
    }
    Ok(text)
}

fn interval(values: &[f64]) -> anyhow::Result<Interval> {
    let first = values.first().copied().context("no candidates were measured")?;
    if values.iter().all(|value| *value == first) {
        return Ok(Interval { estimate: first, low: first, high: first });
    }
    Ok(bca_mean(values, &Resampling::default())?)
}

/// 95 % interval (Welch) of mean(a) - mean(b).
fn difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    let moments = |values: &[f64]| {
        let n = values.len().max(2) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let ((mean_a, var_a), (mean_b, var_b)) = (moments(a), moments(b));
    // Both samples have dozens of members: 2 is Student's t at 60 degrees of freedom.
    let half = 2.0 * (var_a + var_b).sqrt();
    (mean_a - mean_b - half, mean_a - mean_b + half)
}
