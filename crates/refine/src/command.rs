//! Any model as a reranker: a child process that speaks JSON lines.
//!
//! One line goes in per query, one line comes back:
//!
//! ```text
//! {"id": 7, "query": "how to open a file", "texts": ["fn open ...", "fn close ..."]}
//! {"id": 7, "scores": [3.2, -1.5]}
//! ```
//!
//! or `{"id": 7, "error": "out of memory"}`. Higher scores are more relevant. In Python:
//!
//! ```text
//! for line in sys.stdin:
//!     request = json.loads(line)
//!     scores = model.predict([(request["query"], text) for text in request["texts"]])
//!     print(json.dumps({"id": request["id"], "scores": scores.tolist()}), flush=True)
//! ```

use crate::{
    error::{CommandError, RerankError},
    rerank::Reranker,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

/// The longest answer that is read; a child that sends more is broken.
const LONGEST_LINE: u64 = 16 << 20;

/// Scores texts by asking a child process.
///
/// The child starts with the first question, answers one at a time, and is stopped when this is
/// dropped. After any error it is stopped and the next question starts another: an answer that
/// comes late is never taken for the answer to a later question. What it writes to its standard
/// error goes where this process's goes.
pub struct CommandReranker {
    program: OsString,
    arguments: Vec<OsString>,
    timeout: Duration,
    worker: Mutex<(u64, Option<Worker>)>,
}

#[derive(Serialize)]
struct Question<'a> {
    id: u64,
    query: &'a str,
    texts: &'a [&'a str],
}

#[derive(Deserialize)]
struct Answer {
    id: u64,
    /// JSON has no NaN; a model that has no number for a text says `null`.
    /// Wider than what is returned: what a number too large for f32 reads as must not depend on
    /// how serde_json was built.
    scores: Option<Vec<Option<f64>>>,
    error: Option<String>,
}

impl CommandReranker {
    /// The version, `name@number`.
    pub const VERSION: &'static str = "command@1";

    /// Asks `program`, run with `arguments`, and waits for each answer at most `timeout`. The first
    /// answer includes the child's start, so leave it time to load a model.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = A>,
        timeout: Duration,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            timeout,
            worker: Mutex::new((0, None)),
        }
    }

    fn ask(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>, CommandError> {
        let mut guard = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, idle) = &mut *guard;
        *id += 1;
        let mut worker = match idle.take() {
            Some(worker) => worker,
            None => Worker::start(&self.program, &self.arguments)?,
        };
        // On any error the worker is dropped here, and with it the child.
        let scores = worker.ask(&Question { id: *id, query, texts }, self.timeout)?;
        *idle = Some(worker);
        Ok(scores)
    }
}

impl Reranker for CommandReranker {
    fn version(&self) -> &'static str {
        Self::VERSION
    }

    fn score(&self, query: &str, texts: &[&str], scores: &mut Vec<f32>) -> Result<(), RerankError> {
        scores.clear();
        scores.extend(self.ask(query, texts)?);
        Ok(())
    }
}

impl fmt::Debug for CommandReranker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandReranker({})", self.program.to_string_lossy())
    }
}

/// A running child. Its pipes belong to two threads, so that neither a child that does not read nor
/// one that does not answer can block the caller beyond its timeout.
struct Worker {
    child: Child,
    questions: Sender<Vec<u8>>,
    /// Lines, without their ends. Closed when the child's output ends.
    answers: Receiver<Vec<u8>>,
}

impl Worker {
    fn start(program: &OsString, arguments: &[OsString]) -> Result<Self, CommandError> {
        let fail = |source| CommandError::Start { program: program.clone(), source };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(fail)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (mut input, output) = pipes.ok_or_else(|| fail(io::ErrorKind::BrokenPipe.into()))?;
        let (questions, to_write) = unbounded::<Vec<u8>>();
        thread::spawn(move || {
            // A broken pipe is noticed by whoever waits for the answer.
            to_write.iter().all(|line| input.write_all(&line).and(input.flush()).is_ok())
        });
        let (read, answers) = unbounded();
        thread::spawn(move || {
            let mut output = BufReader::new(output);
            loop {
                let mut line = Vec::new();
                let limited = output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
                if !limited.is_ok_and(|bytes| bytes > 0) || read.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, questions, answers })
    }

    fn ask(
        &mut self,
        question: &Question<'_>,
        timeout: Duration,
    ) -> Result<Vec<f32>, CommandError> {
        let malformed = |line: &[u8], why: String| {
            let line = String::from_utf8_lossy(line).trim_end().chars().take(120).collect();
            CommandError::Malformed { why, line }
        };
        let mut line = serde_json::to_vec(question).map_err(|e| malformed(&[], e.to_string()))?;
        line.push(b'\n');
        // A writer that is gone means a child that is gone, which the answers show.
        let _ = self.questions.send(line);
        let line = self.answers.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Timeout => CommandError::Timeout(timeout),
            RecvTimeoutError::Disconnected => CommandError::Died { status: self.status() },
        })?;
        let answer: Answer =
            serde_json::from_slice(&line).map_err(|error| malformed(&line, error.to_string()))?;
        if answer.id != question.id {
            return Err(malformed(
                &line,
                format!("id {} where {} was asked", answer.id, question.id),
            ));
        }
        match answer {
            Answer { error: Some(why), .. } => Err(CommandError::Refused(why)),
            Answer { scores: Some(scores), .. } => Ok(scores
                .into_iter()
                .map(|score| score.map_or(f32::NAN, |score| score as f32))
                .collect()),
            _ => Err(malformed(&line, "neither scores nor error".to_owned())),
        }
    }

    /// How the child ended. Its output is closed, so it has ended or is about to.
    fn status(&mut self) -> Option<ExitStatus> {
        for _ in 0..50 {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                other => return other.ok().flatten(),
            }
        }
        None
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Both fail only where the child has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
