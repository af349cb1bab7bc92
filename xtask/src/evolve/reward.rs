//! `cargo xtask reward`: one candidate judged.

use super::options::LabOptions;
use crate::bar::Bar;
use anyhow::Context;
use crinoid_evolve::Module;
use crinoid_evolve::exemplar::Form;
use crinoid_evolve::judge::Judge;
use std::path::PathBuf;
use std::process::ExitCode;

/// The exit code where nothing was found out about the candidate.
const LABORATORY: u8 = 4;

/// Judges one candidate: the reward function of a trainer.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask reward --module search --candidate mine.rs --json\n  \
    cargo xtask reward --module graph --candidate answer.md --data sift.hdf5 --gate\n\n\
    Exit codes: 0 a reward was found out (0 for a candidate that fails), 4 the laboratory failed and \
    nothing is known about the candidate: no data, no workspace, a busy machine."
)]
pub(crate) struct RewardArgs {
    /// A Rust source file, or an answer with the three sections (.md).
    #[arg(long)]
    candidate: PathBuf,
    /// The module it is a version of.
    #[arg(long, default_value = "search")]
    module: Module,
    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Asks the full gate as well.
    #[arg(long)]
    gate: bool,
    #[command(flatten)]
    options: LabOptions,
}

impl RewardArgs {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let json = self.json;
        self.judge().or_else(|error| {
            // Never a reward of 0: a trainer would learn from what no candidate did.
            let words = crate::out::chain(&error);
            if json {
                println!("{}", serde_json::json!({ "laboratory": words }));
            }
            eprintln!("the laboratory failed: {words}");
            Ok(ExitCode::from(LABORATORY))
        })
    }

    fn judge(self) -> anyhow::Result<ExitCode> {
        let text = std::fs::read_to_string(&self.candidate)
            .with_context(|| self.candidate.display().to_string())?;
        let answer = self.candidate.extension().is_some_and(|name| name == "md");
        let parsed = if answer {
            crinoid_evolve::answer::parse(&text).map(|answer| answer.code)
        } else {
            Ok(text)
        };
        let workloads = self.options.workloads()?;
        let mut lab = self.options.lab(&workloads)?;
        let (judgement, form) = match parsed {
            Ok(code) => {
                let form = Form::Code(code);
                (lab.judge(self.module, &form)?, Some(form))
            }
            Err(problems) => {
                let failure = crinoid_evolve::reward::Failure::Malformed(problems.to_string());
                (crinoid_evolve::judge::Judgement::failed(failure), None)
            }
        };
        let reward = judgement.reward();
        let gate = match &form {
            Some(form) if self.gate && reward > 0.0 => {
                let bar = Bar::spin("gate");
                Some(lab.gate(self.module, form, &mut |what| bar.label(format!("gate: {what}")))?)
            }
            _ => None,
        };
        if self.json {
            let value = serde_json::json!({
                "reward": reward,
                "ratio": judgement.ratio(),
                "scores": judgement.scores,
                "failure": judgement.failure,
                "message": judgement.failure.as_ref().map(ToString::to_string),
                "gate": gate,
            });
            println!("{value}");
        } else {
            match &judgement.failure {
                Some(failure) => println!("reward 0: {failure}"),
                None => println!("reward {reward:.4} (ratio {:.4})", judgement.ratio()),
            }
            for (data, score) in &judgement.scores {
                println!("  {data}: x{:.4}, at least x{:.4}", score.ratio, score.lower);
            }
            if let Some(gate) = gate {
                println!("gate: {} ({})", gate.verdict, gate.why);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
