//! The driver: asks, times from outside, checks every reply.

use super::{
    Built, Fault, Hello, Loaded, PROTOCOL, Parameters, Reply, Request, Searched,
    account::Account,
    files::{self, read_u32},
    process::{Process, Waited},
    tree::Usage,
};
use crinoid_quant::{Metric, Vectors};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How to start a subject.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Its working folder: empty, its own. The files between driver and subject go there, too.
    pub folder: PathBuf,
    /// The core that searches run on; `None` leaves that to the system.
    pub core: Option<usize>,
    /// When patience ends.
    pub limits: Limits,
}

/// When patience ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// For `hello` and `stop`.
    pub greeting: Duration,
    /// For `load`.
    pub load: Duration,
    /// For `build`.
    pub build: Duration,
    /// For `search`.
    pub search: Duration,
    /// Resident bytes.
    pub memory: u64,
    /// Bytes of stderr that are kept.
    pub stderr: usize,
}

impl Default for Limits {
    /// Half a minute for a greeting, an hour for a build, two minutes for a search, 64 GiB.
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(30),
            load: Duration::from_secs(300),
            build: Duration::from_secs(3600),
            search: Duration::from_secs(120),
            memory: 64 << 30,
            stderr: 16 << 10,
        }
    }
}

/// What came back, and how long it took by the driver's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timed<T> {
    /// The reply's contents.
    pub value: T,
    /// From sending the request to the last byte of the reply read.
    pub elapsed: Duration,
    /// Processor time that the subject and its helpers used meanwhile; 0 where the system does not tell.
    pub cpu: Duration,
    /// How long it was ready to run meanwhile and had no core, because others had it.
    pub waited: Duration,
}

impl<T> Timed<T> {
    fn map<U>(self, f: impl FnOnce(T) -> Result<U, Fault>) -> Result<Timed<U>, Fault> {
        let Self { value, elapsed, cpu, waited } = self;
        Ok(Timed { value: f(value)?, elapsed, cpu, waited })
    }

    /// The time it took, less what it waited for a core.
    pub(crate) fn at_work(&self) -> Duration {
        self.elapsed.saturating_sub(self.waited)
    }
}

/// Checked answers to one search request.
#[derive(Clone, Debug)]
pub struct Answers {
    /// `k` ids per query in the data set's order, [`NO_ANSWER`](super::NO_ANSWER) in gaps.
    pub ids: Vec<u32>,
    /// Answers that are missing.
    pub gaps: usize,
    /// The reply.
    pub searched: Searched,
    /// Nanoseconds per query in the data set's order, where they were asked for.
    pub latencies: Option<Vec<u32>>,
}

/// A running subject. It is killed when this is dropped.
pub struct Driver {
    process: Process,
    hello: Hello,
    limits: Limits,
    folder: PathBuf,
    core: Option<usize>,
    pinned: bool,
    rows: usize,
    account: Account,
    /// Time that a search spends beside its queries is this much at most.
    overhead: Duration,
}

impl Driver {
    /// Starts a subject and greets it.
    ///
    /// # Errors
    /// When it cannot be started, or answers anything but a proper `hello`.
    pub fn launch(launch: &Launch) -> Result<Self, Fault> {
        let process = Process::spawn(launch)?;
        let mut driver = Self {
            process,
            hello: Hello {
                protocol: 0,
                name: String::new(),
                version: String::new(),
                isa: String::new(),
                deterministic: true,
                counters: false,
                latencies: false,
                stores: false,
            },
            limits: launch.limits,
            folder: launch.folder.clone(),
            core: launch.core,
            pinned: false,
            rows: 0,
            account: Account::default(),
            overhead: Duration::from_millis(20),
        };
        let limit = launch.limits.greeting;
        match driver.ask(&Request::Hello { protocol: PROTOCOL }, limit)?.value {
            Reply::Hello(hello) if hello.protocol == PROTOCOL => driver.hello = hello,
            Reply::Hello(hello) => {
                return Err(Fault::Version { got: hello.protocol, want: PROTOCOL });
            }
            other => return Err(Fault::WrongReply { op: "hello", got: other.name() }),
        }
        Ok(driver)
    }

    /// What it said about itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Whether its searches run pinned to a core.
    pub fn pinned(&self) -> bool {
        self.pinned
    }

    /// Resident bytes now and at most so far; 0 where the system does not tell.
    pub fn memory(&mut self) -> (u64, u64) {
        (self.process.usage().resident, self.process.peak())
    }

    /// Has it load `vectors`, a file of `rows x dim`.
    ///
    /// # Errors
    /// Any [`Fault`]; a false reply among them.
    pub fn load(
        &mut self,
        vectors: &Path,
        metric: Metric,
        (rows, dim): (usize, usize),
    ) -> Result<Timed<Loaded>, Fault> {
        let request = Request::Load { vectors: vectors.to_owned(), metric };
        self.rows = rows;
        self.ask(&request, self.limits.load)?.map(|reply| {
            let Reply::Load(loaded) = reply else {
                return Err(Fault::WrongReply { op: "load", got: reply.name() });
            };
            for (field, got, want) in [("rows", loaded.rows, rows), ("dim", loaded.dim, dim)] {
                if got != want {
                    return Err(Fault::FalseReply { field, got: got as u64, want: want as u64 });
                }
            }
            Ok(loaded)
        })
    }

    /// Has it build, then pins it to its core.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub fn build(
        &mut self,
        params: &Parameters,
        threads: usize,
        seed: u64,
    ) -> Result<Timed<Built>, Fault> {
        if self.pinned {
            self.pinned = !self.process.pin(None);
        }
        let request = Request::Build { params: params.clone(), threads, seed };
        let built = self.ask(&request, self.limits.build)?.map(|reply| match reply {
            Reply::Build(built) => Ok(built),
            other => Err(Fault::WrongReply { op: "build", got: other.name() }),
        })?;
        self.begin_searching();
        Ok(built)
    }

    /// Has it write its index to `index`.
    ///
    /// # Errors
    /// Any [`Fault`]; a refusal, if it does not say that it [stores](Hello::stores).
    pub fn save(&mut self, index: &Path) -> Result<(), Fault> {
        let request = Request::Save { index: index.to_owned() };
        match self.ask(&request, self.limits.load)?.value {
            Reply::Save => Ok(()),
            other => Err(Fault::WrongReply { op: "save", got: other.name() }),
        }
    }

    /// Has it take the index over `rows` vectors that another process saved to `index`, then pins
    /// it to its core. Takes the place of [`load`](Self::load) and [`build`](Self::build).
    ///
    /// # Errors
    /// Any [`Fault`].
    pub fn open(&mut self, index: &Path, rows: usize) -> Result<Timed<Built>, Fault> {
        let request = Request::Open { index: index.to_owned() };
        let built = self.ask(&request, self.limits.load)?.map(|reply| match reply {
            Reply::Open(built) => Ok(built),
            other => Err(Fault::WrongReply { op: "open", got: other.name() }),
        })?;
        self.rows = rows;
        self.begin_searching();
        Ok(built)
    }

    /// What it used for building is its own affair; from now on it has one core.
    fn begin_searching(&mut self) {
        self.pinned = self.core.is_some_and(|core| self.process.pin(Some(core)));
        self.account = Account::default();
    }

    /// Has it answer the queries that `order` names, in that order, and checks the answers.
    ///
    /// Writing the queries and reading the answers is not timed. With `latencies`, and where the
    /// subject offers them, its per-query times are read and held against the clock.
    ///
    /// # Errors
    /// Any [`Fault`]; false answers among them.
    ///
    /// # Panics
    /// When `order` is no permutation of the queries' rows, or `k` is 0.
    pub fn search(
        &mut self,
        queries: &Vectors,
        order: &[u32],
        k: usize,
        params: &Parameters,
        latencies: bool,
    ) -> Result<Timed<Answers>, Fault> {
        assert!(k > 0 && order.len() == queries.len(), "a permutation of all queries, k > 0");
        let [questions, answers, times] =
            ["queries.fbin", "answers.ibin", "latencies.ibin"].map(|name| self.folder.join(name));
        let files = [&questions, &answers, &times];
        files.into_iter().try_for_each(|file| files::clear(file))?;
        files::write_queries(&questions, queries, order)
            .map_err(|source| Fault::File { path: questions.clone(), source })?;
        let wants = latencies && self.hello.latencies;
        let request = Request::Search {
            queries: questions.clone(),
            k,
            params: params.clone(),
            answers: answers.clone(),
            latencies: wants.then(|| times.clone()),
        };
        let before = self.process.usage();
        let reply = self.ask_from(before, &request, self.limits.search)?;
        let Reply::Search(searched) = reply.value else {
            return Err(Fault::WrongReply { op: "search", got: reply.value.name() });
        };
        if searched.answered != order.len() {
            let (got, want) = (searched.answered as u64, order.len() as u64);
            return Err(Fault::FalseReply { field: "answered", got, want });
        }
        self.audit(before, reply.elapsed, reply.cpu)?;
        let ids = read_u32(&answers, "answers", order.len(), k)?;
        let (ids, gaps) = files::unscramble(&ids, k, order, self.rows)?;
        let latencies = match wants {
            true => Some(self.read_latencies(&times, order, &reply)?),
            false => None,
        };
        // Nobody who is asked next finds what was asked and answered here.
        files.into_iter().try_for_each(|file| files::clear(file))?;
        reply.map(|_| Ok(Answers { ids, gaps, searched, latencies }))
    }

    /// Whether what it used fits one thread on its core that works while it is asked.
    fn audit(&mut self, before: Usage, elapsed: Duration, cpu: Duration) -> Result<(), Fault> {
        if let (true, Some(core)) = (self.pinned, self.core)
            && self.process.strays_from(core).is_some()
        {
            return Err(Fault::Unpinned { core });
        }
        self.account.add(before.cpu, cpu, elapsed)
    }

    fn read_latencies(
        &self,
        path: &Path,
        order: &[u32],
        reply: &Timed<Reply>,
    ) -> Result<Vec<u32>, Fault> {
        let scrambled = read_u32(path, "latencies", order.len(), 1)?;
        let claimed = Duration::from_nanos(scrambled.iter().copied().map(u64::from).sum());
        // Reading queries, writing answers and waking up take time beside the queries, but not
        // half of it and twenty milliseconds more. Waiting for a core can take any time.
        let measured = reply.elapsed;
        if claimed > measured || claimed + self.overhead < reply.at_work() / 2 {
            return Err(Fault::LiesAboutTime { claimed, measured });
        }
        let mut sorted = vec![0; order.len()];
        for (&query, &nanos) in order.iter().zip(&scrambled) {
            sorted[query as usize] = nanos;
        }
        Ok(sorted)
    }

    /// Has it exit.
    ///
    /// # Errors
    /// When it does not reply, or does not exit.
    pub fn stop(mut self) -> Result<(), Fault> {
        let limit = self.limits.greeting;
        match self.ask(&Request::Stop, limit)?.value {
            Reply::Stop => {}
            other => return Err(Fault::WrongReply { op: "stop", got: other.name() }),
        }
        match self.process.end(limit) {
            Some(status) if status.success() => match self.process.left_behind() {
                0 => Ok(()),
                helpers => {
                    self.process.kill();
                    Err(Fault::LeftBehind { helpers })
                }
            },
            Some(status) => {
                Err(Fault::Died { op: "stop", status, stderr: self.process.last_words() })
            }
            None => {
                let stderr = self.process.last_words();
                Err(Fault::Timeout { op: "stop", limit, stderr })
            }
        }
    }

    /// One request, one reply.
    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Timed<Reply>, Fault> {
        let before = self.process.usage();
        self.account.pause();
        self.ask_from(before, request, limit)
    }

    /// The same by somebody who knows what was used `before`.
    fn ask_from(
        &mut self,
        before: Usage,
        request: &Request,
        limit: Duration,
    ) -> Result<Timed<Reply>, Fault> {
        let op = request.op();
        if let Some(line) = self.process.pending() {
            let line = shorten(&line.text?);
            return Err(Fault::Unasked { op, line });
        }
        let not_a_reply = |line: &str, reason: serde_json::Error| Fault::NotAReply {
            op,
            line: shorten(line),
            reason: reason.to_string(),
        };
        let mut line = serde_json::to_string(request).map_err(|error| not_a_reply("", error))?;
        line.push('\n');
        let start = Instant::now();
        let sent = self.process.send(&line);
        let waited = if sent { self.process.wait_line(limit) } else { Waited::Closed };
        match waited {
            Waited::Line(reply) => {
                let elapsed = reply.at.saturating_duration_since(start);
                let text = reply.text?;
                match serde_json::from_str(&text).map_err(|error| not_a_reply(&text, error))? {
                    Reply::Error(refusal) => Err(Fault::Refused { op, refusal }),
                    value => {
                        let after = self.process.usage();
                        let cpu = after.cpu.saturating_sub(before.cpu);
                        // Some kernels count sleep as waiting: never more than what it did not use.
                        let waited = after.waited.saturating_sub(before.waited);
                        let waited = waited.min(elapsed.saturating_sub(cpu));
                        Ok(Timed { value, elapsed, cpu, waited })
                    }
                }
            }
            Waited::Closed => match self.process.end(Duration::from_millis(500)) {
                Some(status) => Err(Fault::Died { op, status, stderr: self.process.last_words() }),
                None => Err(Fault::Silent { op, stderr: self.process.last_words() }),
            },
            Waited::Timeout => {
                let waited = self.process.usage().waited.saturating_sub(before.waited);
                self.process.kill();
                if waited > limit / 2 {
                    return Err(Fault::Busy { op, waited, limit });
                }
                Err(Fault::Timeout { op, limit, stderr: self.process.last_words() })
            }
            Waited::Memory(used) => {
                self.process.kill();
                Err(Fault::Memory { op, used, limit: self.limits.memory })
            }
        }
    }
}

fn shorten(line: &str) -> String {
    line.trim_end().chars().take(160).collect()
}
