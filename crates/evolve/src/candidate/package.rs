//! The generated packages: the candidate as a library of its own, and a program around it.
//!
//! Two packages in a workspace of their own, outside the tree (`target/evolve/...`):
//! * `candidate-MODULE`: the source file verbatim as `src/lib.rs`. It depends on the module crates
//!   and on nothing else, so no other crate's name resolves in it; `unsafe_code` is forbidden
//!   where it is not allowed; there is no build script.
//! * `runner`: a `main.rs` of ours that serves the candidate as a subject.
//!
//! All candidates of a workshop share one build folder, so that only the candidate itself and
//! the runner are compiled each time.

use super::scan::{self, Finding, Rules};
use crate::module::Module;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use xxhash_rust::xxh3::xxh3_64;

/// Where candidates are put together and compiled.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// The folder of everything generated, e.g. `target/evolve`.
    pub folder: PathBuf,
    /// The root of the Crinoid workspace that candidates are built against.
    pub workspace: PathBuf,
    /// How long a compilation may take.
    pub patience: Duration,
    /// What the scan allows.
    pub rules: Rules,
}

/// A candidate that has compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The program that serves it as a subject.
    pub program: PathBuf,
    /// How long compilation took; no time where the program was kept.
    pub compiled_in: Duration,
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The scan refuses the source.
    #[error("{}", .0.iter().map(|finding| format!("{finding}\n")).collect::<String>())]
    Forbidden(Vec<Finding>),
    /// The compiler refuses it: its messages.
    #[error("{0}")]
    Compile(String),
    /// The compiler was not done in time.
    #[error("compilation was ended after {0:?}")]
    Slow(Duration),
    /// The compiler was not done in time on a machine that others kept busy: not the candidate's fault.
    #[error("compilation was ended after {patience:?} on a busy machine (load {load:.1})")]
    Busy {
        /// The time allowed.
        patience: Duration,
        /// Processes that wanted a core, on average over the last minute.
        load: f64,
    },
    /// What candidates are compiled against does not compile without one: not the candidate's fault.
    #[error("the workspace {} does not compile without a candidate:\n{why}", workspace.display())]
    Workspace {
        /// The workspace.
        workspace: PathBuf,
        /// The compiler's messages.
        why: String,
    },
    /// The files cannot be written, or cargo cannot be started: not the candidate's fault.
    #[error("{path}: {source}")]
    Io {
        /// The file or program.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// Compiler messages are cut to this many bytes before they are told back.
const MESSAGES: usize = 6000;

impl Workshop {
    /// Scans and compiles one program out of `sources`, at most one per module; the rig's own
    /// versions take the other places. `against` is a digest of all that it is compiled against: the
    /// program is kept, and serves again as long as sources and digest are the same.
    ///
    /// # Errors
    /// What the scan or the compiler objects to, or that the machine does not cooperate.
    pub fn build(
        &self,
        sources: &BTreeMap<Module, String>,
        against: u64,
    ) -> Result<Package, PackageError> {
        let findings: Vec<Finding> =
            sources.values().flat_map(|source| scan::scan(source, self.rules)).collect();
        if !findings.is_empty() {
            return Err(PackageError::Forbidden(findings));
        }
        let mut all: String = sources.iter().map(|(m, code)| format!("{m}\0{code}\0")).collect();
        all.push_str(&format!("{:x} {:?}", against, self.rules));
        let folder = self.folder.join(format!("candidates/{:016x}", xxh3_64(all.as_bytes())));
        let program = folder.join("subject");
        if program.exists() {
            return Ok(Package { program, compiled_in: Duration::ZERO });
        }
        let target = self.folder.join("build");
        // One at a time: all programs have the same name until they are kept.
        let turn = self.folder.join("build.lock");
        let lock = fs::File::create(&turn).and_then(|file| file.lock().map(|()| file));
        let _lock = lock.map_err(io_error(&turn))?;
        self.warm(&target, against)?;
        let start = Instant::now();
        self.compile(&folder, sources, &target, self.patience)?;
        // The shared build folder has room for one program: keep this one.
        let built = target.join("release/runner");
        // A copy: the linker writes the next candidate into the very same file. And a whole one, for
        // whoever finds it.
        let draft = folder.join("subject.new");
        let kept = fs::copy(&built, &draft).and_then(|_| fs::rename(&draft, &program));
        kept.map_err(io_error(&program))?;
        Ok(Package { program, compiled_in: start.elapsed() })
    }

    /// Compiles what all candidates stand on, once: it takes long, and where it fails no candidate
    /// is to blame.
    fn warm(&self, target: &Path, against: u64) -> Result<(), PackageError> {
        let member = self.workspace.join("crates/evolve/Cargo.toml");
        fs::metadata(&member).map_err(io_error(&member))?;
        let done = target.join(format!("warm-{against:x}"));
        if done.exists() {
            return Ok(());
        }
        let folder = self.folder.join("candidates/none");
        let compiled = self.compile(&folder, &BTreeMap::new(), target, 10 * self.patience);
        compiled.map_err(|error| match error {
            PackageError::Compile(_) | PackageError::Slow(_) => {
                let workspace = self.workspace.clone();
                PackageError::Workspace { workspace, why: error.to_string() }
            }
            other => other,
        })?;
        fs::write(&done, "").map_err(io_error(&done))
    }

    /// One program out of `sources`, into the folder of all builds.
    fn compile(
        &self,
        folder: &Path,
        sources: &BTreeMap<Module, String>,
        target: &Path,
        patience: Duration,
    ) -> Result<(), PackageError> {
        self.write(folder, sources)?;
        // Our own crates may use unsafe code, the candidate may not: its own lint table says so,
        // and `--cap-lints` is never passed to members of a workspace.
        let mut child = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--release", "--offline", "--quiet", "--package", "runner"])
            .args(["--message-format", "short", "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_TERM_COLOR", "never")
            .env_remove("RUSTFLAGS")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .group()
            .spawn()
            .map_err(io_error(Path::new("cargo")))?;
        match wait(&mut child, patience) {
            (Some(true), _) => Ok(()),
            (Some(false), messages) => Err(PackageError::Compile(shorten(&messages, folder))),
            (None, _) => {
                let cores = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
                match load() {
                    Some(load) if load > 2.0 * cores => Err(PackageError::Busy { patience, load }),
                    _ => Err(PackageError::Slow(patience)),
                }
            }
        }
    }

    fn write(&self, folder: &Path, sources: &BTreeMap<Module, String>) -> Result<(), PackageError> {
        let root = self.workspace.display();
        let unsafe_code = if self.rules.allow_unsafe { "allow" } else { "forbid" };
        let dependency = |name: &str| {
            format!("crinoid-{name} = {{ path = {:?} }}\n", format!("{root}/crates/{name}"))
        };
        let modules: String = ["quant", "graph", "search", "refine"].map(dependency).concat();
        let head = |name: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
                 publish = false\nbuild = false\n\n"
            )
        };
        let mut members = String::from("\"runner\"");
        let mut candidates = String::new();
        let mut files = Vec::new();
        for (module, source) in sources {
            let name = format!("candidate-{module}");
            members.push_str(&format!(", \"{name}\""));
            candidates.push_str(&format!("{name} = {{ path = \"../{name}\" }}\n"));
            let manifest = format!(
                "{}[lints.rust]\nunsafe_code = \"{unsafe_code}\"\n\n[dependencies]\n{modules}",
                head(&name)
            );
            files.push((format!("{name}/Cargo.toml"), manifest));
            files.push((format!("{name}/src/lib.rs"), source.clone()));
        }
        let workspace = format!(
            "[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n\
             [profile.release]\ncodegen-units = 4\ndebug = false\n"
        );
        files.push(("Cargo.toml".to_owned(), workspace));
        let runner = format!(
            "{}[dependencies]\n{candidates}{modules}{}",
            head("runner"),
            dependency("evolve")
        );
        files.push(("runner/Cargo.toml".to_owned(), runner));
        let present: Vec<Module> = sources.keys().copied().collect();
        files.push(("runner/src/main.rs".to_owned(), crate::rig::main(&present)));
        for (name, text) in files {
            let path = folder.join(name);
            let write = || {
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                // Written even where it is right: to cargo all candidates are one package, and a time
                // stamp older than the last candidate's would make it serve that one's program.
                fs::write(&path, &text)
            };
            write().map_err(io_error(&path))?;
        }
        // The same versions of everything as the workspace has, which are all there is offline.
        let lock = self.workspace.join("Cargo.lock");
        let copy = folder.join("Cargo.lock");
        if lock.exists() && !copy.exists() {
            fs::copy(&lock, &copy).map_err(io_error(&copy))?;
        }
        Ok(())
    }
}

/// Processes that wanted a core, on average over the last minute, where the system tells.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> PackageError {
    move |source| PackageError::Io { path: path.to_owned(), source }
}

/// Waits for a child that leads its own process group: whether it succeeded (`None`: it was
/// killed for taking too long) and what it wrote to stderr, bounded.
fn wait(child: &mut Child, patience: Duration) -> (Option<bool>, String) {
    let (sender, done) = mpsc::channel();
    let errors = child.stderr.take();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut errors) = errors {
            // Whatever lies beyond is read, too, so that the compiler never waits for us.
            let _ = errors.by_ref().take(1 << 20).read_to_end(&mut text);
            let _ = io::copy(&mut errors, &mut io::sink());
        }
        let _ = sender.send(text);
    });
    match done.recv_timeout(patience) {
        Ok(text) => {
            let success = child.wait().is_ok_and(|status| status.success());
            (Some(success), String::from_utf8_lossy(&text).into_owned())
        }
        Err(_) => {
            kill_group(child);
            (None, String::new())
        }
    }
}

/// Kills a child that leads its own process group, with all of the group.
pub(crate) fn kill_group(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Lets a command lead a process group of its own, where there are such groups.
pub(crate) trait OwnGroup {
    fn group(&mut self) -> &mut Self;
}

impl OwnGroup for Command {
    fn group(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}

/// The errors among the compiler's messages, paths cut short, at most [`MESSAGES`] bytes.
fn shorten(messages: &str, folder: &Path) -> String {
    let folder = format!("{}/", folder.display());
    let mut text = String::new();
    for line in messages.lines().filter(|line| !line.contains(": warning")) {
        let line = line.replace(&folder, "");
        if text.len() + line.len() > MESSAGES {
            text.push_str("...\n");
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}
