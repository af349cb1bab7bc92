//! `cargo xtask versions`: what is published.

use crate::tables;
use crinoid_eval::gate::Phase;
pub(crate) use crinoid_evolve::Module;
use crinoid_quant::Version;
use std::process::ExitCode;

/// List the published versions of each module: what a recipe can name.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask versions\n  cargo xtask versions graph")]
pub(crate) struct Args {
    /// Only this module.
    module: Option<Module>,
}

/// What is published of a module.
pub(crate) trait Published {
    /// Its versions, oldest first.
    fn versions(self) -> &'static [Version];
    /// The champion and the version that it replaced.
    fn champion(self) -> (&'static str, &'static str);
    /// The rules by which a new version of it is judged, where nobody says otherwise.
    fn phase(self) -> Phase;
}

impl Published for Module {
    fn versions(self) -> &'static [Version] {
        match self {
            Module::Graph => crinoid_graph::versions::VERSIONS,
            Module::Search => crinoid_search::versions::VERSIONS,
            Module::Refine => crinoid_refine::versions::VERSIONS,
            _ => crinoid_quant::versions::VERSIONS,
        }
    }

    fn champion(self) -> (&'static str, &'static str) {
        use {crinoid_graph as graph, crinoid_refine as refine, crinoid_search as search};
        match self {
            Module::Graph => (graph::versions::CHAMPION, graph::versions::PREDECESSOR),
            Module::Search => (search::versions::CHAMPION, search::versions::PREDECESSOR),
            Module::Refine => (refine::versions::CHAMPION, refine::versions::PREDECESSOR),
            _ => (crinoid_quant::versions::CHAMPION, crinoid_quant::versions::PREDECESSOR),
        }
    }

    fn phase(self) -> Phase {
        match self {
            Module::Graph => Phase::Quality,
            // A code is chosen for speed and bytes; a later stage makes up for its small losses.
            _ => Phase::Latency,
        }
    }
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut table = tables::words(["module", "version", "", "what it is", "source"]);
        for module in Module::ALL {
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
