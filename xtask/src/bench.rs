//! What the measuring commands share: data, truth, work folders, launching, progress, output.

use crate::bar::Bar;
use anyhow::{Context, Result};
use crinoid_eval::{
    Dataset, Truth,
    report::{Origin, ResultFile, page, text},
    subject::{Launch, Limits},
    truth::Cache,
};
use crinoid_files::bin;
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::LazyLock,
};
use tempfile::TempDir;

/// The preset that commands use where no data is named.
pub(crate) const EMBEDDED: &str = "embedded";

/// A data set with its truth, and a folder for what subjects need.
pub(crate) struct Bench {
    pub(crate) data: Dataset,
    pub(crate) truth: Truth,
    vectors: PathBuf,
    folder: TempDir,
}

impl Bench {
    /// Opens `data` (a preset or a file) with the truth for the `k` nearest.
    pub(crate) fn open(data: &str, k: usize) -> Result<Self> {
        LazyLock::force(&ORIGIN);
        let bar = Bar::spin(&format!("reading {data}"));
        let mut data = Dataset::load(data)?;
        drop(bar);
        let k = k.min(data.base.len());
        let truth = data.nearest(k, &truths(), &Bar::new("exact neighbours"))?;
        data.truth = None;
        let work = target().join("crinoid-work");
        std::fs::create_dir_all(&work).with_context(|| format!("creating {}", work.display()))?;
        let folder = TempDir::new_in(&work).context("making a work folder")?;
        let vectors = folder.path().join("base.fbin");
        bin::write_vectors(&vectors, &data.base)?;
        Ok(Self { data, truth, vectors, folder })
    }

    /// The base vectors as the subjects get them.
    pub(crate) fn vectors(&self) -> &Path {
        &self.vectors
    }

    /// A launch of `program`, with an empty folder of its own called `name`.
    pub(crate) fn launch(
        &self,
        name: &str,
        program: PathBuf,
        arguments: Vec<OsString>,
    ) -> Result<Launch> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).context("making a subject's folder")?;
        // What programs need to run at all, one thread for whatever would start more, and nothing
        // that tells where the truth is.
        let kept = ["PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "CRINOID_ISA"];
        let mut environment: Vec<(OsString, OsString)> = kept
            .iter()
            .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)))
            .collect();
        for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
            environment.push((name.into(), "1".into()));
        }
        let memory = crinoid_eval::report::Machine::here().memory;
        let limits = Limits {
            memory: if memory > 0 { memory / 10 * 8 } else { u64::MAX },
            ..Limits::default()
        };
        let core = cores().checked_sub(1);
        Ok(Launch { program, arguments, environment, folder, core, limits })
    }

    /// A launch of this very program as the subject of `recipe`.
    pub(crate) fn ours(&self, name: &str, recipe: &str, more: &[&str]) -> Result<Launch> {
        let program = std::env::current_exe().context("finding this program")?;
        self.launch(name, program, subject_arguments(recipe, more))
    }
}

/// A word of a command as a subject needs it, which runs in a folder of its own: absolute where it
/// is the path of something that exists. Links stay: a virtual environment's interpreter is one,
/// and finds its packages by where the link lies.
pub(crate) fn absolute(word: impl AsRef<OsStr>) -> OsString {
    let word = word.as_ref();
    match std::path::absolute(word) {
        Ok(path) if word.to_string_lossy().contains('/') && path.exists() => path.into(),
        _ => word.to_owned(),
    }
}

/// `NAME=COMMAND` of a subject: its name, program and arguments.
pub(crate) fn named_command(given: &str) -> Result<(String, PathBuf, Vec<OsString>)> {
    let (name, command) =
        given.split_once('=').with_context(|| format!("`{given}` is not NAME=COMMAND"))?;
    let mut words = command.split_whitespace().map(absolute);
    let program = words.next().with_context(|| format!("`{given}` has no command"))?;
    Ok((name.to_owned(), program.into(), words.collect()))
}

/// `subject --recipe RECIPE`, and more.
pub(crate) fn subject_arguments(recipe: &str, more: &[&str]) -> Vec<OsString> {
    ["subject", "--recipe", recipe].iter().chain(more).map(OsString::from).collect()
}

/// A number of answers: at least 1.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 answer must be asked for".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// Processors that may be used.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Exact truth is kept here between runs.
pub(crate) fn truths() -> Cache {
    Cache::new(target().join("crinoid-truth"))
}

/// The root of the repository that this program was built from.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap_or(root)
}

/// Cargo's target folder: beside this program, where nothing is committed.
pub(crate) fn target() -> PathBuf {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.to_owned());
    beside().filter(|path| path.ends_with("target")).unwrap_or_else(|| "target".into())
}

/// What was run, from which tree. Commands that write records ask when they begin: the tree may have moved on
/// when they end.
pub(crate) static ORIGIN: LazyLock<Origin> = LazyLock::new(|| {
    let said = |program: &str, arguments: &[&str]| {
        let output =
            std::process::Command::new(program).args(arguments).current_dir(root()).output();
        let output = output.ok().filter(|output| output.status.success());
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let words = std::env::args().skip(1);
    Origin {
        arguments: ["cargo", "xtask"].map(str::to_owned).into_iter().chain(words).collect(),
        commit: said("git", &["rev-parse", "HEAD"]).unwrap_or_default(),
        dirty: said("git", &["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty()),
        rustc: said("rustc", &["--version"]).unwrap_or_default(),
    }
});

/// Prints a result and writes it to `folder` as result.json and index.html; all that were ever written
/// there stay in its folder `history`.
pub(crate) fn deliver(result: &ResultFile, folder: &Path) -> Result<()> {
    let result = &ResultFile { origin: ORIGIN.clone(), ..result.clone() };
    print!("{}", text(result));
    let history = folder.join("history");
    std::fs::create_dir_all(&history).with_context(|| format!("creating {}", history.display()))?;
    result.write(&folder.join("result.json"))?;
    result.write(&history.join(format!("{}-{}.json", result.time, result.command)))?;
    let file = folder.join("index.html");
    std::fs::write(&file, page(&result.title, std::slice::from_ref(result)))
        .with_context(|| format!("writing {}", file.display()))?;
    println!("written: {} and index.html", folder.join("result.json").display());
    Ok(())
}
