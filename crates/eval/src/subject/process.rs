//! A child process whose output, memory and patience are bounded.

use super::{
    Fault, Launch, MAX_LINE,
    pin::pin,
    tree::{MARK, Tree, Usage},
};
use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How often a waiting driver looks at the child's memory.
const WATCH: Duration = Duration::from_millis(50);

/// How long helpers may take to end after the subject has.
const LINGER: Duration = Duration::from_secs(2);

/// How many subjects this process has started.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// What one line of stdout turned out to be, and when its last byte was read.
pub(super) struct Line {
    pub(super) text: Result<String, Fault>,
    pub(super) at: Instant,
}

/// The child with two threads: one reads lines from its stdout, one keeps the end of its stderr.
pub(super) struct Process {
    child: Child,
    /// With whatever it starts.
    tree: Tree,
    stdin: Option<ChildStdin>,
    lines: Receiver<Line>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    listener: Option<JoinHandle<()>>,
    memory_limit: u64,
}

/// Why no line came.
pub(super) enum Waited {
    Line(Line),
    Closed,
    Timeout,
    Memory(u64),
}

impl Process {
    pub(super) fn spawn(launch: &Launch) -> Result<Self, Fault> {
        let mark = format!("{}-{}", std::process::id(), STARTED.fetch_add(1, Relaxed));
        let mut command = Command::new(&launch.program);
        // A group of its own: what is sent to the driver's, such as an interrupt, reaches the driver,
        // which ends its subjects.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .env(MARK, &mark)
            .current_dir(&launch.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |source| Fault::Spawn { program: launch.program.clone(), source };
        let mut child = command.spawn().map_err(failed)?;
        let tree = Tree::of(child.id(), mark);
        let missing = || failed(io::ErrorKind::BrokenPipe.into());
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdout, errors) = (stdout.ok_or_else(missing)?, stderr.ok_or_else(missing)?);
        // A subject that floods its stdout fills this channel and the pipe, and then waits: it
        // costs nobody memory.
        let (sender, lines) = sync_channel(2);
        std::thread::Builder::new()
            .name("subject stdout".into())
            .spawn(move || read_lines(BufReader::new(stdout), &sender))
            .map_err(failed)?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (kept, limit) = (Arc::clone(&tail), launch.limits.stderr);
        let listener = std::thread::Builder::new()
            .name("subject stderr".into())
            .spawn(move || keep_tail(errors, &kept, limit))
            .map_err(failed)?;
        let memory_limit = launch.limits.memory;
        let listener = Some(listener);
        Ok(Self { child, tree, stdin, lines, stderr: tail, listener, memory_limit })
    }

    /// Writes one line; `false` when the child does not listen any more.
    pub(super) fn send(&mut self, line: &str) -> bool {
        self.stdin.as_mut().is_some_and(|stdin| {
            stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()).is_ok()
        })
    }

    /// A line that is there already.
    pub(super) fn pending(&self) -> Option<Line> {
        self.lines.try_recv().ok()
    }

    /// Waits for a line, watching the clock and the child's memory.
    pub(super) fn wait_line(&mut self, limit: Duration) -> Waited {
        let start = Instant::now();
        loop {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Waited::Timeout;
            }
            match self.lines.recv_timeout(left.min(WATCH)) {
                Ok(line) => return Waited::Line(line),
                Err(RecvTimeoutError::Disconnected) => return Waited::Closed,
                Err(RecvTimeoutError::Timeout) => {
                    let used = self.tree.usage().resident;
                    if used > self.memory_limit {
                        return Waited::Memory(used);
                    }
                }
            }
        }
    }

    /// What it and its helpers have used so far.
    pub(super) fn usage(&mut self) -> Usage {
        self.tree.usage()
    }

    /// The most resident bytes so far; 0 where the system does not tell.
    pub(super) fn peak(&self) -> u64 {
        self.tree.peak()
    }

    /// A process of its that may run elsewhere than on `core`.
    pub(super) fn strays_from(&self, core: usize) -> Option<u32> {
        self.tree.strays_from(core)
    }

    /// How many helpers live on although they had time to end.
    pub(super) fn left_behind(&mut self) -> usize {
        let start = Instant::now();
        loop {
            match self.tree.helpers() {
                0 => return 0,
                left if start.elapsed() > LINGER => return left,
                _ => std::thread::park_timeout(Duration::from_millis(5)),
            }
        }
    }

    /// Pins it and its helpers to `core`, or frees them; `false` where that cannot be done.
    pub(super) fn pin(&mut self, core: Option<usize>) -> bool {
        self.tree.look();
        // Helpers first: whoever is started meanwhile inherits from the subject, which comes last.
        self.tree.members().rev().filter(|&pid| pin(pid, core)).count() > 0
            && pin(self.child.id(), core)
    }

    /// Closes its stdin and gives it `patience` to end by itself; kills it otherwise.
    pub(super) fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.stdin = None;
        let start = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if start.elapsed() < patience => {
                    // Ends as soon as its stdout does.
                    match self.lines.recv_timeout(Duration::from_millis(5)) {
                        Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => std::thread::yield_now(),
                    }
                }
                _ => {
                    self.kill();
                    return None;
                }
            }
        }
    }

    /// Kills it with all that it started, and collects what is left of it.
    pub(super) fn kill(&mut self) {
        // Before it has gone its helpers are known by their parent.
        self.tree.look();
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.tree.kill();
    }

    /// The last lines of its stderr, complete once the process has ended.
    pub(super) fn last_words(&mut self) -> String {
        if matches!(self.child.try_wait(), Ok(Some(_)))
            && let Some(listener) = self.listener.take()
        {
            // A grandchild may hold the pipe open for ever; then what came so far must do.
            let start = Instant::now();
            while !listener.is_finished() && start.elapsed() < Duration::from_millis(200) {
                std::thread::yield_now();
            }
        }
        let tail = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        self.kill();
    }
}

fn read_lines(mut stdout: impl BufRead, lines: &SyncSender<Line>) {
    loop {
        let mut bytes = Vec::new();
        let read = (&mut stdout).take(MAX_LINE as u64).read_until(b'\n', &mut bytes);
        let at = Instant::now();
        let text = match read {
            Ok(0) | Err(_) => return,
            Ok(_) if bytes.len() == MAX_LINE && bytes.last() != Some(&b'\n') => {
                let begins = String::from_utf8_lossy(&bytes[..60]).into_owned();
                Err(Fault::Flood { limit: MAX_LINE, begins })
            }
            Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        };
        let last = text.is_err();
        if lines.send(Line { text, at }).is_err() || last {
            return;
        }
    }
}

fn keep_tail(mut stderr: impl Read, tail: &Mutex<VecDeque<u8>>, limit: usize) {
    let mut chunk = [0u8; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut chunk) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&chunk[..read]);
        let excess = tail.len().saturating_sub(limit);
        tail.drain(..excess);
    }
}
