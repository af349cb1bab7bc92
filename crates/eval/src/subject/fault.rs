//! What a subject can do wrong.

use super::protocol::Refusal;
use std::{path::PathBuf, process::ExitStatus, time::Duration};

/// A subject that cannot be measured, and why. The verdict is then "broken", unless the machine was
/// [busy](Fault::Busy), which is nobody's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The program could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A file between driver and subject could not be written or read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// The process ended when it should not have.
    #[error("died in `{op}` ({status}){}", tail(stderr))]
    Died {
        /// The request it was serving.
        op: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its stderr.
        stderr: String,
    },
    /// It closed its stdout but lives on.
    #[error("closed its stdout in `{op}`{}", tail(stderr))]
    Silent {
        /// The request it was serving.
        op: &'static str,
        /// The last lines of its stderr.
        stderr: String,
    },
    /// No reply in time.
    #[error("no reply to `{op}` within {limit:.1?}{}", tail(stderr))]
    Timeout {
        /// The request.
        op: &'static str,
        /// The limit.
        limit: Duration,
        /// The last lines of its stderr.
        stderr: String,
    },
    /// No reply in time, because others had the processor.
    #[error(
        "the machine was busy: of {limit:.1?} allowed for `{op}` it waited {waited:.1?} for a core"
    )]
    Busy {
        /// The request.
        op: &'static str,
        /// How long it was ready to run and had no core.
        waited: Duration,
        /// The limit.
        limit: Duration,
    },
    /// It, or a helper of its, may run on other cores than the one it was given.
    #[error("left core {core}, which it was given for its searches")]
    Unpinned {
        /// The core.
        core: usize,
    },
    /// It worked on more than one thread.
    #[error("used {cpu:.1?} of processor time in {elapsed:.1?}: that is more than one thread")]
    Threads {
        /// Processor time of all its searches.
        cpu: Duration,
        /// Their time by the driver's clock.
        elapsed: Duration,
    },
    /// It went on working after its replies.
    #[error(
        "used {idle:.1?} of processor time between its replies and the next requests ({elapsed:.1?} of searches)"
    )]
    WorksBetween {
        /// Processor time while nothing was asked.
        idle: Duration,
        /// Time of all its searches.
        elapsed: Duration,
    },
    /// Processes that it started outlive it.
    #[error("left {helpers} process(es) behind, which were ended")]
    LeftBehind {
        /// How many.
        helpers: usize,
    },
    /// A file that others read was changed while it ran.
    #[error("{} was changed while it ran", path.display())]
    Tampered {
        /// The file.
        path: PathBuf,
    },
    /// It takes longer where it is graded than where it is timed.
    #[error(
        "takes {ratio:.1} times as long for the queries that it is graded on as for those that are timed"
    )]
    Careful {
        /// The ratio of processor times per query.
        ratio: f64,
    },
    /// It grew beyond its limit.
    #[error("uses {used} bytes of memory in `{op}`, its limit is {limit}")]
    Memory {
        /// The request it was serving.
        op: &'static str,
        /// Resident bytes.
        used: u64,
        /// Allowed bytes.
        limit: u64,
    },
    /// A line longer than the protocol allows.
    #[error("a line on stdout is longer than {limit} bytes, beginning {begins:?}")]
    Flood {
        /// Allowed bytes.
        limit: usize,
        /// The first characters.
        begins: String,
    },
    /// A line that nobody asked for.
    #[error("spoke before it was asked `{op}`: {line:?}")]
    Unasked {
        /// The request that was about to be sent.
        op: &'static str,
        /// The beginning of the line.
        line: String,
    },
    /// A line that is no reply.
    #[error("no reply of protocol version 1 to `{op}`: {line:?} ({reason})")]
    NotAReply {
        /// The request.
        op: &'static str,
        /// The beginning of the line.
        line: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The reply to another request.
    #[error("answered `{got}` to `{op}`")]
    WrongReply {
        /// The request.
        op: &'static str,
        /// The reply's name.
        got: &'static str,
    },
    /// It refused.
    #[error("refused `{op}`: {refusal}")]
    Refused {
        /// The request.
        op: &'static str,
        /// Its reason.
        refusal: Refusal,
    },
    /// It speaks a version that we do not.
    #[error("speaks protocol version {got}, the driver {want}")]
    Version {
        /// Its version.
        got: u32,
        /// Ours.
        want: u32,
    },
    /// A reply contradicts the request.
    #[error("false reply: {field} is {got} where {want} was asked for")]
    FalseReply {
        /// The field.
        field: &'static str,
        /// What it says.
        got: u64,
        /// What is true.
        want: u64,
    },
    /// The answers or latencies file has the wrong size or header.
    #[error("{what} file: {reason}")]
    BadFile {
        /// `answers` or `latencies`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// An id that names no row.
    #[error("query {query}: id {id} is no row of {rows}")]
    OutOfRange {
        /// The query, in the data set's numbering.
        query: usize,
        /// The id.
        id: u32,
        /// Rows of the base set.
        rows: usize,
    },
    /// A row named twice for one query.
    #[error("query {query}: row {id} is answered twice")]
    Duplicate {
        /// The query, in the data set's numbering.
        query: usize,
        /// The id.
        id: u32,
    },
    /// An id after a gap.
    #[error("query {query}: an answer follows a gap")]
    Gap {
        /// The query, in the data set's numbering.
        query: usize,
    },
    /// Other answers or counters to the same question.
    #[error("claims to be deterministic, but {what} changed at ef = {ef}{}", at(query))]
    Nondeterministic {
        /// `answers` or `counters`.
        what: &'static str,
        /// The effort.
        ef: usize,
        /// The first query that was answered otherwise.
        query: Option<usize>,
    },
    /// Two builds of the same differ.
    #[error("claims to be deterministic, but its index digest changed from {before} to {after}")]
    Digest {
        /// Of the first build.
        before: String,
        /// Of the second.
        after: String,
    },
    /// Repeats are far faster than first sights.
    #[error("answers {ratio:.1} times faster when it has seen the queries: cached answers")]
    Cached {
        /// Time of first sight over time of repeats.
        ratio: f64,
    },
    /// It finds the answers to known queries only.
    #[error(
        "finds {known:.3} of the neighbours of the data set's queries, but {fresh:.3} of those of new \
         ones at ef = {ef}: it knows the truth, or tells them apart"
    )]
    KnowsTruth {
        /// Recall on the data set's queries.
        known: f64,
        /// Recall on queries made for this measurement, in passes that were timed.
        fresh: f64,
        /// The effort.
        ef: usize,
    },
    /// The latencies contradict the clock.
    #[error("its latencies sum up to {claimed:.1?} of {measured:.1?} measured from outside")]
    LiesAboutTime {
        /// Sum of the latencies.
        claimed: Duration,
        /// The driver's clock.
        measured: Duration,
    },
}

fn tail(stderr: &str) -> String {
    if stderr.trim().is_empty() {
        String::new()
    } else {
        format!("; its last words:\n{}", stderr.trim_end())
    }
}

fn at(query: &Option<usize>) -> String {
    query.map_or(String::new(), |query| format!(", first for query {query}"))
}
