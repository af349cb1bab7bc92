//! The command `crinoid`: indexes of vectors from a shell.
//!
//! | file | what is in it |
//! |---|---|
//! | `args`, `global` | what can be typed |
//! | `input`, `output` | vectors in, answers out, files and pipes |
//! | `ids`, `filter` | the names of an index's rows, in a file beside it; which of them are wanted |
//! | `build`, `search`, `bench`, `info`, `collection`, `keep`, `export` | the commands |
//! | `sealed` | rows in shards: `build --shards`, and what the other commands do with such a folder |
//! | `ask`, `embed`, `chunks`, `model` | texts in, with a model in a local folder |
//! | `bar`, `say`, `page` | progress, tables and a page |
#![forbid(unsafe_code)]

mod args;
mod ask;
mod bar;
mod bench;
mod build;
mod chunks;
mod collection;
mod embed;
mod events;
mod export;
mod filter;
mod global;
mod ids;
mod info;
mod input;
mod keep;
mod model;
mod output;
mod page;
mod say;
mod sealed;
mod search;
mod words;

use anyhow::Context;
use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::process::ExitCode;

/// Exit codes, as documented in the help.
const FAILED: u8 = 1;
const DAMAGED: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.global.json;
    match run(cli) {
        Ok(code) => code,
        // Whoever reads the output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say::error(&error, json);
            ExitCode::from(FAILED)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    if let Some(threads) = global.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    match cli.command {
        Command::Build(build) => build.run(&global)?,
        Command::Search(search) => search.run(&global)?,
        Command::Info(info) => info.run(&global)?,
        Command::Verify(verify) => return verify.run(&global),
        Command::Bench(bench) => bench.run(&global)?,
        Command::Add(add) => add.run(&global)?,
        Command::Update(update) => update.run(&global)?,
        Command::Delete(delete) => delete.run(&global)?,
        Command::Get(get) => get.run(&global)?,
        Command::Compact(compact) => compact.run(&global)?,
        Command::List(list) => list.run(&global)?,
        Command::Backup(backup) => backup.run(&global)?,
        Command::Repair(repair) => repair.run(&global)?,
        Command::Sweep(sweep) => sweep.run(&global)?,
        Command::Export(export) => export.run(&global)?,
        Command::Embed(embed) => embed.run(&global)?,
        Command::Ask(ask) => ask.run(&global)?,
        Command::Completions { shell } => {
            let mut words = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "crinoid", &mut words);
            say::bytes(&words)?;
        }
        Command::Man { command } => say::bytes(&manual(command.as_deref())?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The manual page of the command, or of one of those within it.
fn manual(name: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut whole = Cli::command();
    whole.build();
    let page = match name {
        None => whole.disable_help_subcommand(true),
        Some(name) => {
            let found = whole.find_subcommand(name).cloned();
            let known = whole.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>();
            found.with_context(|| {
                format!("man {name}: there is no such command: one of {}", known.join(", "))
            })?
        }
    };
    let mut words = Vec::new();
    clap_mangen::Man::new(page).render(&mut words)?;
    Ok(words)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
