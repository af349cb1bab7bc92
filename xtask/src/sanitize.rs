//! `cargo xtask sanitize`: the tests under AddressSanitizer, ThreadSanitizer or valgrind.

use crate::bench::{root, target};
use anyhow::{Context, Result, bail};
use std::{
    path::Path,
    process::{Command, ExitCode},
};

const EXAMPLES: &str = "\
Examples:
  cargo xtask sanitize address
      all tests of the engine's crates: reads and writes outside of what was allocated, leaks
  cargo xtask sanitize address --short
      the kernels, hostile files and damaged files: a few minutes
  cargo xtask sanitize thread
      the collection's tests: data races (builds the standard library: rustup component add rust-src)
  cargo xtask sanitize valgrind
      the kernels at the AVX2 level, which is what valgrind knows: values that were never written (apt-get
      install valgrind)

The stable compiler does it with the bootstrap variable. Exit code 1 when something was found.";

/// Run tests of the engine with a tool that finds what they cannot see by themselves.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Which.
    tool: Tool,
    /// Only what reads files and the kernels.
    #[arg(long)]
    short: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Tool {
    /// Memory that is not one's own.
    Address,
    /// Data races.
    Thread,
    /// Values that were never written.
    Valgrind,
}

/// The crates with unsafe code, and those that stand on it.
const CRATES: [&str; 5] =
    ["crinoid-quant", "crinoid-graph", "crinoid-search", "crinoid-refine", "crinoid-pipeline"];

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let host = host()?;
        self.needs()?;
        let mut runs = self.runs();
        let mut found = 0;
        for arguments in &mut runs {
            let mut command = Command::new("cargo");
            command
                .args(["test", "--no-fail-fast"])
                .args(arguments.iter())
                .args(["--target", &host]);
            self.arm(&mut command, &host);
            println!("cargo test {}", arguments.join(" "));
            let status = command.current_dir(root()).status().context("running cargo")?;
            found += usize::from(!status.success());
        }
        let what = format!("{:?}", self.tool).to_lowercase();
        match found {
            0 => println!("{what}: nothing was found"),
            _ => println!("{what}: {found} of {} runs failed, see above", runs.len()),
        }
        Ok(ExitCode::from(u8::from(found > 0)))
    }

    /// What the tool needs besides the compiler.
    fn needs(&self) -> Result<()> {
        match self.tool {
            Tool::Address => {}
            Tool::Thread => {
                let sources = said("rustc", &["--print", "sysroot"])?;
                let sources = Path::new(sources.trim()).join("lib/rustlib/src/rust/library");
                if !sources.is_dir() {
                    bail!(
                        "the standard library's sources are not there: rustup component add rust-src"
                    );
                }
            }
            Tool::Valgrind => {
                said("valgrind", &["--version"]).context("apt-get install valgrind")?;
            }
        }
        Ok(())
    }

    /// What is tested, as arguments of `cargo test`.
    fn runs(&self) -> Vec<Vec<&'static str>> {
        let pipeline = |tests: &[&'static str]| {
            let named = tests.iter().flat_map(|test| ["--test", test]);
            ["-p", "crinoid-pipeline"].into_iter().chain(named).collect::<Vec<_>>()
        };
        match (self.tool, self.short) {
            (Tool::Address, false) => {
                let crates = CRATES.into_iter().flat_map(|name| ["-p", name]);
                vec![crates.chain(["--lib", "--tests"]).collect()]
            }
            (Tool::Address, true) => vec![
                vec!["-p", "crinoid-quant", "-p", "crinoid-search", "--lib"],
                pipeline(&["attack", "damage", "numbers"]),
            ],
            (Tool::Thread, _) => vec![pipeline(&["collection", "integrity"])],
            (Tool::Valgrind, _) => vec![
                vec!["-p", "crinoid-quant", "--lib", "isa::"],
                vec!["-p", "crinoid-graph", "--test", "frozen"],
            ],
        }
    }

    /// Lets the tool at it.
    fn arm(&self, command: &mut Command, host: &str) {
        let own = target().join(format!("sanitize-{:?}", self.tool).to_lowercase());
        match self.tool {
            Tool::Address => {
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
                // Tests ask for more memory than there is, and want to be refused, as allocators do.
                command.env("ASAN_OPTIONS", "allocator_may_return_null=1");
                // It measures what the process holds, which the tool multiplies.
                command.args(["--", "--skip", "memory_is_as_bounded_as_it_says"]);
                command.env("CARGO_TARGET_DIR", own);
            }
            Tool::Thread => {
                // Races between a sanitized crate and a standard library that is not would be invented.
                command.args(["-Zbuild-std", "--"]).args(["--test-threads", "1"]);
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=thread");
                command.env("CARGO_TARGET_DIR", own);
            }
            Tool::Valgrind => {
                let triple = host.to_uppercase().replace('-', "_");
                let runner = "valgrind --quiet --error-exitcode=99 --leak-check=no";
                command.env(format!("CARGO_TARGET_{triple}_RUNNER"), runner);
                command.env("CRINOID_ISA", "avx2");
            }
        }
    }
}

/// The host's triple.
fn host() -> Result<String> {
    let said = said("rustc", &["-vV"])?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    let Some(host) = host else { bail!("rustc does not say what host it is for") };
    Ok(host.to_owned())
}

/// What a program prints.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.with_context(|| format!("running {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
