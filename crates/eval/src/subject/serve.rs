//! The subject's side of the protocol, for any system written in Rust.

use super::{
    Built, Hello, Loaded, MAX_LINE, NO_ANSWER, PROTOCOL, Parameters, Refusal, RefusalKind, Reply,
    Request, Searched, Work, files,
};
use crinoid_files::{Kind, bin};
use crinoid_quant::{Metric, Vectors};
use std::{
    io::{self, BufRead, Write},
    path::Path,
};

/// The most answers to one request, over all its queries: 1 GiB of ids.
const MAX_ANSWERS: usize = 1 << 28;

/// Something that can be measured.
pub trait System {
    /// Who it is and what it can do; [`Hello::protocol`] is filled in by [`serve`].
    fn hello(&self) -> Hello;

    /// Takes the base vectors.
    ///
    /// # Errors
    /// A refusal of kind `load`.
    fn load(&mut self, base: Vectors, metric: Metric) -> Result<(), Refusal>;

    /// Builds an index over them.
    ///
    /// # Errors
    /// A refusal of kind `order`, `params` or `build`.
    fn build(&mut self, params: &Parameters, threads: usize, seed: u64) -> Result<Built, Refusal>;

    /// Answers all queries, one by one, in order, on this thread.
    ///
    /// # Errors
    /// A refusal of kind `order`, `params` or `search`.
    fn search(&mut self, asked: &Asked<'_>, found: &mut Found) -> Result<(), Refusal>;

    /// Writes the index to a file. Only asked of those that say so in [`Hello::stores`].
    ///
    /// # Errors
    /// A refusal of kind `order` or `store`.
    fn save(&self, index: &Path) -> Result<(), Refusal> {
        let _ = index;
        Err(Refusal::new(RefusalKind::Store, "this subject does not store its index"))
    }

    /// Takes the index from a file that [`save`](Self::save) wrote in another process.
    ///
    /// # Errors
    /// A refusal of kind `store`.
    fn open(&mut self, index: &Path) -> Result<Built, Refusal> {
        let _ = index;
        Err(Refusal::new(RefusalKind::Store, "this subject does not store its index"))
    }
}

/// What is to be searched.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The queries, in the order in which they are to be answered.
    pub queries: &'a Vectors,
    /// Answers per query, at least 1.
    pub k: usize,
    /// Parameters by name.
    pub params: &'a Parameters,
    /// Whether the time of each query is wanted.
    pub latencies: bool,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// `k` ids per query; [`push`](Self::push) fills up short answers.
    pub ids: Vec<u32>,
    /// Nanoseconds per query, where they are wanted.
    pub latencies: Vec<u32>,
    /// The work, where it is counted.
    pub work: Option<Work>,
}

impl Found {
    /// Adds one query's answers, nearest first, cut or filled up to `k`.
    pub fn push(&mut self, k: usize, ids: impl Iterator<Item = u32>) {
        let end = self.ids.len() + k;
        self.ids.extend(ids.take(k));
        self.ids.resize(end, NO_ANSWER);
    }
}

/// Serves `system` until `stop` or the end of the input.
///
/// # Errors
/// When a stream breaks.
pub fn serve(
    system: &mut dyn System,
    mut input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    let mut loaded = false;
    let mut line = Vec::new();
    loop {
        line.clear();
        // Bounded: a driver, too, can go wrong.
        let limit = MAX_LINE as u64;
        if io::Read::take(&mut input, limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let whole = line.len() < MAX_LINE || line.last() == Some(&b'\n');
        let reply = match serde_json::from_slice(&line) {
            Ok(request) if whole => {
                answer(system, &mut loaded, &request).unwrap_or_else(Reply::Error)
            }
            Err(error) if whole => Reply::Error(Refusal::new(RefusalKind::Protocol, error)),
            _ => {
                // One reply to one line, however long.
                input.skip_until(b'\n')?;
                let message = format!("a line of more than {MAX_LINE} bytes is no request");
                Reply::Error(Refusal::new(RefusalKind::Protocol, message))
            }
        };
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        output.write_all(text.as_bytes())?;
        output.flush()?;
        if reply == Reply::Stop {
            return Ok(());
        }
    }
}

fn answer(system: &mut dyn System, loaded: &mut bool, request: &Request) -> Result<Reply, Refusal> {
    match request {
        Request::Hello { protocol: 0 } => {
            Err(Refusal::new(RefusalKind::Protocol, "there is no protocol version 0"))
        }
        Request::Hello { .. } => Ok(Reply::Hello(Hello { protocol: PROTOCOL, ..system.hello() })),
        Request::Load { vectors, metric } => {
            let base = read_vectors(vectors, RefusalKind::Load)?;
            let (rows, dim) = (base.len(), base.dim());
            system.load(base, *metric)?;
            *loaded = true;
            Ok(Reply::Load(Loaded { rows, dim }))
        }
        Request::Build { .. } | Request::Search { .. } | Request::Save { .. } if !*loaded => {
            Err(Refusal::new(RefusalKind::Order, "load comes first"))
        }
        Request::Build { params, threads, seed } => {
            system.build(params, (*threads).max(1), *seed).map(Reply::Build)
        }
        Request::Search { k: 0, .. } => {
            Err(Refusal::new(RefusalKind::Params, "k is 0, at least 1 answer must be asked for"))
        }
        Request::Search { queries, k, params, answers, latencies } => {
            let queries = read_vectors(queries, RefusalKind::Search)?;
            let asked = Asked { queries: &queries, k: *k, params, latencies: latencies.is_some() };
            let mut found = Found::default();
            if queries.len().saturating_mul(*k) > MAX_ANSWERS {
                let message = format!(
                    "k is {k}: more than {MAX_ANSWERS} answers to {} queries together",
                    queries.len()
                );
                return Err(Refusal::new(RefusalKind::Params, message));
            }
            found.ids.reserve(queries.len() * k);
            system.search(&asked, &mut found)?;
            let write = |error| Refusal::new(RefusalKind::Search, error);
            files::write_ids(answers, *k, &found.ids).map_err(write)?;
            if let Some(path) = latencies {
                files::write_latencies(path, &found.latencies).map_err(write)?;
            }
            let answered = found.ids.len() / k;
            Ok(Reply::Search(Searched { answered, counters: found.work }))
        }
        Request::Save { index } => system.save(index).map(|()| Reply::Save),
        Request::Open { index } => {
            let built = system.open(index)?;
            *loaded = true;
            Ok(Reply::Open(built))
        }
        Request::Stop => Ok(Reply::Stop),
    }
}

fn read_vectors(path: &Path, kind: RefusalKind) -> Result<Vectors, Refusal> {
    let read = bin::open(path, Kind::F32).and_then(|matrix| matrix.rest());
    read.map_err(|error| Refusal::new(kind, error))
}

/// The value of parameter `name` as an integer, `default` where it is not given.
///
/// # Errors
/// A refusal of kind `params` when it is no integer of at least 0.
pub fn integer(params: &Parameters, name: &str, default: usize) -> Result<usize, Refusal> {
    let Some(value) = params.get(name) else { return Ok(default) };
    let integer = value.as_u64().and_then(|value| usize::try_from(value).ok());
    integer.ok_or_else(|| {
        let message = format!("{name} = {value} is no integer of at least 0");
        Refusal::new(RefusalKind::Params, message)
    })
}

/// Refuses parameters that are not among `known`.
///
/// # Errors
/// A refusal of kind `params` names the first unknown one and lists the known.
pub fn only(params: &Parameters, known: &[&str]) -> Result<(), Refusal> {
    match params.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known = known.join(", ");
            let message = format!("no parameter called `{name}` (known: {known})");
            Err(Refusal::new(RefusalKind::Params, message))
        }
    }
}
