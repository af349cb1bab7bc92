//! `cargo xtask versions`: what is published.

use crate::tables;
use clap::ValueEnum;
use crinoid_eval::gate::Phase;
use crinoid_quant::Version;
use std::process::ExitCode;

/// List the published versions of each module: what a recipe can name.
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
    /// Graph and codes in, candidates out.
    Search,
    /// Candidates in, a better order out.
    Refine,
}

impl Module {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Module::Quant => "quant",
            Module::Graph => "graph",
            Module::Search => "search",
            Module::Refine => "refine",
        }
    }

    /// Its published versions, oldest first.
    pub(crate) fn versions(self) -> &'static [Version] {
        match self {
            Module::Quant => crinoid_quant::versions::VERSIONS,
            Module::Graph => crinoid_graph::versions::VERSIONS,
            Module::Search => crinoid_search::versions::VERSIONS,
            Module::Refine => crinoid_refine::versions::VERSIONS,
        }
    }

    /// The champion and the version that it replaced.
    pub(crate) fn champion(self) -> (&'static str, &'static str) {
        match self {
            Module::Quant => {
                (crinoid_quant::versions::CHAMPION, crinoid_quant::versions::PREDECESSOR)
            }
            Module::Graph => {
                (crinoid_graph::versions::CHAMPION, crinoid_graph::versions::PREDECESSOR)
            }
            Module::Search => {
                (crinoid_search::versions::CHAMPION, crinoid_search::versions::PREDECESSOR)
            }
            Module::Refine => {
                (crinoid_refine::versions::CHAMPION, crinoid_refine::versions::PREDECESSOR)
            }
        }
    }

    /// The rules by which a new version of it is judged, where nobody says otherwise.
    pub(crate) fn phase(self) -> Phase {
        match self {
            Module::Graph => Phase::Quality,
            // A code is chosen for speed and bytes; a later stage makes up for its small losses.
            Module::Quant | Module::Search | Module::Refine => Phase::Latency,
        }
    }
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut table = tables::words(["module", "version", "", "what it is", "source"]);
        for &module in Module::value_variants() {
            if self.module.is_none_or(|only| only == module) {
                let (champion, predecessor) = module.champion();
                for version in module.versions() {
                    let name = version.to_string();
                    let role = match name.as_str() {
                        name if name == champion => "champion",
                        name if name == predecessor => "predecessor",
                        _ => "",
                    };
                    table.add_row([module.name(), &name, role, version.summary, version.source]);
                }
            }
        }
        println!("{table}");
        Ok(ExitCode::SUCCESS)
    }
}
