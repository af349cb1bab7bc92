//! A program run with limits and without a network.
//!
//! Built from programs that every Linux with util-linux has, so that no unsafe code is needed
//! here: `prlimit` bounds address space, CPU time, processes, file size and core dumps; `unshare`
//! gives a new network namespace with nothing in it; for root, `setpriv` gives up root first
//! (otherwise the bound on processes would not hold). All of them replace themselves by the
//! program, so that the process that is watched and killed is the candidate's own.
//!
//! This bounds accidents and laziness. It is not a container: the file system stays visible to
//! the user that runs it, and a hole in the kernel is out of scope.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whether the program may reach a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Not at all, or the program is not run.
    #[default]
    Refused,
    /// As the parent does: only when somebody said so.
    Inherited,
}

/// What a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Address space in bytes.
    pub memory: u64,
    /// CPU seconds, over all threads.
    pub cpu_seconds: u64,
    /// Processes and threads of its user at one time.
    pub processes: u64,
    /// Bytes that one file may grow to.
    pub file: u64,
    /// Whether it may reach a network.
    pub network: Network,
}

/// This machine cannot keep a promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// No `prlimit`.
    #[error("`prlimit` (util-linux) is not there: resource limits cannot be set")]
    NoLimits,
    /// No namespace, and nobody allowed to do without.
    #[error(
        "a network namespace cannot be made here, so candidates are not run; pass \
         --allow-network to run them with the network that this process has"
    )]
    NoNamespace,
}

impl Default for Sandbox {
    /// 8 GiB, ten minutes of CPU, 256 processes, 2 GiB files, no network.
    fn default() -> Self {
        Self {
            memory: 8 << 30,
            cpu_seconds: 600,
            processes: 256,
            file: 2 << 30,
            network: Network::Refused,
        }
    }
}

impl Sandbox {
    /// `program` and its `arguments` as they must be started to be inside.
    ///
    /// # Errors
    /// When this machine cannot set limits, or cannot cut the network off while that is demanded.
    pub fn wrap(
        &self,
        program: &Path,
        arguments: &[OsString],
    ) -> Result<(PathBuf, Vec<OsString>), SandboxError> {
        let means = means();
        if !means.prlimit {
            return Err(SandboxError::NoLimits);
        }
        let mut words: Vec<OsString> = Vec::new();
        match (self.network, means.namespace) {
            (Network::Inherited, _) => {}
            (Network::Refused, Some(flags)) => {
                words.push("unshare".into());
                words.extend(flags.iter().map(OsString::from));
                words.push("--".into());
            }
            (Network::Refused, None) => return Err(SandboxError::NoNamespace),
        }
        if means.drops_root && open_to_nobody(program) {
            words.extend(NOBODY.iter().map(OsString::from));
        }
        words.push("prlimit".into());
        for (name, value) in [
            ("as", self.memory),
            ("cpu", self.cpu_seconds),
            ("nproc", self.processes),
            ("fsize", self.file),
            ("core", 0),
        ] {
            words.push(format!("--{name}={value}").into());
        }
        words.push("--".into());
        words.push(program.into());
        words.extend(arguments.iter().cloned());
        let first = PathBuf::from(words.remove(0));
        Ok((first, words))
    }
}

const NOBODY: &[&str] = &[
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all",
];

struct Means {
    prlimit: bool,
    /// The flags with which `unshare` works.
    namespace: Option<&'static [&'static str]>,
    drops_root: bool,
}

/// What works here, found out by trying, once.
fn means() -> &'static Means {
    static MEANS: OnceLock<Means> = OnceLock::new();
    MEANS.get_or_init(|| {
        const PLAIN: &[&str] = &["--net"];
        const MAPPED: &[&str] = &["--net", "--map-root-user"];
        let root = rustix::process::geteuid().is_root();
        let flags = [PLAIN, MAPPED];
        Means {
            prlimit: runs("prlimit", &["--core=0", "--", "true"]),
            namespace: flags.into_iter().find(|flags| {
                let words: Vec<&str> = flags.iter().copied().chain(["--", "true"]).collect();
                runs("unshare", &words)
            }),
            drops_root: root && runs(NOBODY[0], &[&NOBODY[1..], &["true"]].concat()),
        }
    })
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    quiet(Command::new(program).args(arguments)).status().is_ok_and(|status| status.success())
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Whether the user `nobody` can reach and run the program.
fn open_to_nobody(program: &Path) -> bool {
    let words: Vec<&OsStr> =
        NOBODY[1..].iter().map(OsStr::new).chain(["test".as_ref(), "-x".as_ref()]).collect();
    let mut command = Command::new(NOBODY[0]);
    // A bare name is looked up on the path, which is open to everybody.
    program.components().count() == 1
        || quiet(command.args(words).arg(program)).status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(sandbox: Sandbox, script: &str) -> Option<(bool, String)> {
        let arguments = ["-c".into(), script.into()];
        let (program, arguments) = match sandbox.wrap(Path::new("/bin/bash"), &arguments) {
            Ok(wrapped) => wrapped,
            Err(error) => {
                println!("skipped: {error}");
                return None;
            }
        };
        let output = Command::new(program).args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }

    #[test]
    fn nothing_but_an_idle_loopback_is_left_of_the_network() {
        let Some((ok, text)) = shell(Sandbox::default(), "cat /proc/net/dev") else { return };
        assert!(ok, "{text}");
        let devices = text.lines().skip(2).filter_map(|line| line.split(':').next());
        assert_eq!(devices.map(str::trim).collect::<Vec<_>>(), ["lo"]);
    }

    #[test]
    fn limits_hold() {
        let tight =
            Sandbox { memory: 64 << 20, cpu_seconds: 1, processes: 8, ..Sandbox::default() };
        if let Some((ok, text)) = shell(tight, "x=x; while :; do x=$x$x; done") {
            assert!(!ok, "{text}");
        }
        if let Some((ok, text)) = shell(tight, "while :; do :; done") {
            assert!(!ok, "{text}");
        }
        // dash gives up at once where bash would try again for seconds.
        let crowd = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.2 & done; wait";
        // The system exempts root from the bound, where root cannot be given up.
        let exempt = rustix::process::geteuid().is_root()
            && !(means().drops_root && open_to_nobody(Path::new("/bin/sh")));
        if !exempt && let Some((_, text)) = shell(tight, &format!("exec sh -c '{crowd}'")) {
            assert!(text.contains("fork"), "{text}");
        }
        if let Some((ok, text)) = shell(Sandbox { file: 1024, ..tight }, "ulimit -f; ulimit -c") {
            assert!(ok && text.starts_with("1\n0"), "{text}");
        }
    }
}
