//! `cargo xtask new-version`: a crate to begin with.

use anyhow::{Context, Result, ensure};
use crinoid_evolve::{Module, contracts};
use std::{path::PathBuf, process::ExitCode};

/// Write a crate that implements a module's trait and does what the starting point does: to be
/// changed, and gated by `cargo xtask ab --module MODULE --candidate CRATE`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask new-version search\n  \
                        cargo xtask new-version refine --out ../my-refiner")]
pub(crate) struct Args {
    /// graph, search or refine.
    module: Module,
    /// The folder of the crate; it must not exist [default: candidates/MODULE].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self { module, out } = self;
        let source = contracts::starter(module)
            .with_context(|| format!("{module} cannot be exchanged from outside yet"))?;
        let folder = out.unwrap_or_else(|| PathBuf::from("candidates").join(module.name()));
        ensure!(!folder.exists(), "{} exists already", folder.display());
        std::fs::create_dir_all(folder.join("src"))
            .with_context(|| format!("making {}", folder.display()))?;
        let root = crate::bench::root();
        let dependency = |name: &str| {
            let path = root.join("crates").join(name);
            format!("crinoid-{name} = {{ path = {:?} }}\n", path.display().to_string())
        };
        let manifest = format!(
            "[package]\nname = \"candidate-{module}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             publish = false\n\n[lints.rust]\nunsafe_code = \"forbid\"\n\n[workspace]\n\n\
             [dependencies]\n{}",
            ["quant", "graph", "search", "refine"].map(dependency).concat()
        );
        std::fs::write(folder.join("Cargo.toml"), manifest)?;
        std::fs::write(folder.join("src/lib.rs"), source)?;
        let name = folder.display();
        println!("{name}: compiles as it is (cargo check --manifest-path {name}/Cargo.toml)");
        println!("gate it: cargo xtask ab --module {module} --candidate {name}");
        Ok(ExitCode::SUCCESS)
    }
}
