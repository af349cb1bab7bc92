//! `cargo xtask results`: the committed records, and the document that is made of them.

use crate::bench::root;
use anyhow::{Context, Result};
use crinoid_eval::report::{ResultFile, book};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Make docs/results.md of the records (records/*.json), or take a result in as a record.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask results\n  \
                        cargo xtask results --add target/crinoid-ab/result.json\n  \
                        cargo xtask results --check\n\n\
                        Exit code 1 when --check finds that the document is not up to date.")]
pub(crate) struct Args {
    /// A result.json that becomes a record; repeat for more.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Writes nothing, and says whether docs/results.md is what the records make it.
    #[arg(long, conflicts_with = "add")]
    check: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let (records, document) = (root().join("records"), root().join("docs/results.md"));
        for file in &self.add {
            let result = ResultFile::read(file)?;
            let words = [
                ("a command line", result.origin.arguments.is_empty()),
                ("a commit", result.origin.commit.is_empty()),
                ("a digest of the data", result.data.digest.is_empty()),
            ];
            let missing = words.iter().find(|(_, missing)| *missing);
            if let Some((what, _)) = missing {
                anyhow::bail!("{}: a record needs {what}; measure it again", file.display());
            }
            let name = format!("{}-{}-{}.json", result.command, result.data.name, result.time);
            std::fs::create_dir_all(&records)?;
            result.write(&records.join(&name))?;
            println!("records/{name}");
        }
        let made = book(&read(&records)?);
        if self.check {
            let there = std::fs::read_to_string(&document).unwrap_or_default();
            let same = there == made;
            println!(
                "{} is {}",
                document.display(),
                if same { "up to date" } else { "not up to date" }
            );
            return Ok(ExitCode::from(u8::from(!same)));
        }
        std::fs::write(&document, made)
            .with_context(|| format!("writing {}", document.display()))?;
        println!("written: {}", document.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// All records of a folder; one that cannot be read is an error, not a gap in the document.
fn read(folder: &Path) -> Result<Vec<ResultFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "json") {
            files.push(path);
        }
    }
    files.sort();
    files.iter().map(|file| Ok(ResultFile::read(file)?)).collect()
}
