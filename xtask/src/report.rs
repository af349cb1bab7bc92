//! `cargo xtask report`: one page of everything a folder of results holds.

use crate::bench::target;
use anyhow::{Context, Result, ensure};
use crinoid_eval::report::{ResultFile, page, text};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Make one HTML page of all results (result.json files) in a folder and the folders in it.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask report\n  cargo xtask report results --out page.html"
)]
pub(crate) struct Args {
    /// The folder [default: the target folder, where commands leave their results].
    folder: Option<PathBuf>,
    /// The page [default: report.html in the folder].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print the results as tables as well.
    #[arg(long)]
    text: bool,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let folder = self.folder.unwrap_or_else(target);
        let mut files = Vec::new();
        collect(&folder, 0, &mut files)?;
        files.sort();
        let mut results = Vec::new();
        for file in &files {
            match ResultFile::read(file) {
                Ok(result) => results.push(result),
                Err(error) => eprintln!("skipped: {error}"),
            }
        }
        ensure!(!results.is_empty(), "no result.json in {}", folder.display());
        results.sort_by_key(|result| result.time);
        if self.text {
            results.iter().for_each(|result| println!("{}", text(result)));
        }
        let out = self.out.unwrap_or_else(|| folder.join("report.html"));
        std::fs::write(&out, page("Crinoid: measurements", &results))
            .with_context(|| format!("writing {}", out.display()))?;
        println!("{} results on {}", results.len(), out.display());
        Ok(ExitCode::SUCCESS)
    }
}

/// All files called `result.json`, at most four folders deep.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name == "result.json") {
            files.push(path);
        } else if depth < 4 && path.is_dir() && !path.is_symlink() {
            // A folder that may not be read holds no result of ours.
            let _ = collect(&path, depth + 1, files);
        }
    }
    Ok(())
}
