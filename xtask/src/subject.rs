//! `cargo xtask subject`: serves a recipe to a driver, or checks a subject of somebody else's.

use crate::check;
use anyhow::Context;
use crinoid_eval::subject::{Ours, Sabotage, serve};
use crinoid_pipeline::Recipe;
use std::{io, process::ExitCode};

const EXAMPLES: &str = "\
Examples:
  echo '{\"op\":\"hello\",\"protocol\":1}' | cargo xtask subject --recipe sq8@2/crinoid@1/pipelined@2/float@1
  cargo xtask subject check -- python3 crates/eval/peers/exact.py";

/// Serve a recipe as a subject: requests on stdin, replies on stdout (crates/eval/PROTOCOL.md).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// The recipe, `quant/graph/search/refine`.
    #[arg(long, default_value_t)]
    recipe: Recipe,
    /// Burn this share of time after each query, to test the gate.
    #[arg(long, default_value_t = 0.0, hide = true)]
    burn: f64,
    /// Replace this share of answers by wrong ones, to test the gate.
    #[arg(long, default_value_t = 0.0, hide = true)]
    drop: f64,
}

#[derive(clap::Subcommand)]
enum Action {
    Check(check::Args),
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(Action::Check(args)) = self.action {
            return args.run();
        }
        let mut ours = Ours::new(self.recipe, Sabotage { burn: self.burn, drop: self.drop });
        serve(&mut ours, io::stdin().lock(), io::stdout().lock()).context("the pipe broke")?;
        Ok(ExitCode::SUCCESS)
    }
}
