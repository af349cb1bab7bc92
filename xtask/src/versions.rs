//! `cargo xtask versions`: what is published.

use clap::ValueEnum;
use comfy_table::{Table, presets};
use crinoid_quant::Version;
use std::process::ExitCode;

/// Lists the published versions of each module: what a recipe can name.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask versions\n  cargo xtask versions graph")]
pub(crate) struct Args {
    /// Only this module.
    module: Option<Module>,
}

/// One of the four swappable modules, in the order in which a recipe names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Module {
    /// Vectors in, codes and distances out.
    Quant,
    /// Codes in, a navigable graph out.
    Graph,
}

impl Module {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Module::Quant => "quant",
            Module::Graph => "graph",
        }
    }

    /// Its published versions, oldest first.
    pub(crate) fn versions(self) -> &'static [Version] {
        match self {
            Module::Quant => crinoid_quant::versions::VERSIONS,
            Module::Graph => crinoid_graph::versions::VERSIONS,
        }
    }
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header(["module", "version", "what it is", "source"]);
        for &module in Module::value_variants() {
            if self.module.is_none_or(|only| only == module) {
                for version in module.versions() {
                    let name = version.to_string();
                    table.add_row([module.name(), &name, version.summary, version.source]);
                }
            }
        }
        println!("{table}");
        Ok(ExitCode::SUCCESS)
    }
}
