//! Another commit's build of this program, as a subject.

use crate::{bar::Bar, bench::target};
use anyhow::{Context, Result, bail, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Checks out `rev` under the target folder, builds its xtask there in release mode, and returns
/// the program with the commit's short name.
pub(crate) fn build(rev: &str) -> Result<(PathBuf, String)> {
    let root = root()?;
    let commit = git(&root, &["rev-parse", "--verify", &format!("{rev}^{{commit}}")])
        .with_context(|| format!("`{rev}` is no commit"))?;
    let short: String = commit.chars().take(10).collect();
    let folder = target().join("against");
    let tree = folder.join(&short);
    if !tree.join("Cargo.toml").is_file() {
        std::fs::create_dir_all(&folder).context("making a folder for worktrees")?;
        git(&root, &["worktree", "prune"])?;
        let path = tree.to_string_lossy();
        git(&root, &["worktree", "add", "--force", "--detach", &path, &commit])?;
    }
    // One target folder for all commits: most dependencies are the same.
    let built = folder.join("target");
    let bar = Bar::spin(&format!("building {short} in {}", tree.display()));
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--package", "xtask"])
        .current_dir(&tree)
        .env("CARGO_TARGET_DIR", &built)
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .output()
        .context("starting cargo")?;
    drop(bar);
    if !output.status.success() {
        bail!("{short} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    // The next commit's build replaces it, so it gets a name of its own.
    let program = folder.join(format!("xtask-{short}"));
    std::fs::copy(built.join("release").join("xtask"), &program)
        .with_context(|| format!("copying the program to {}", program.display()))?;
    Ok((program, short))
}

/// The root of the repository.
fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("finding the current folder")?;
    Ok(PathBuf::from(git(&here, &["rev-parse", "--show-toplevel"])?))
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new("git").args(arguments).current_dir(folder).output().context("starting git")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
